//! Who calls, and what there is to be asked about.

use std::time::Duration;

use serde_json::{Value, json};

use super::Operation;
use crate::native::ready;
use crate::support::patience::eventually_some;
use crate::support::requests;
use crate::support::service::Service;
use crate::transcript;

/// The id that the document's examples name.
pub const EXAMPLE: &str = "019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11";

/// Callers by the names that the document gives them; the grants depend on what they are for.
pub struct Cast<'a> {
    service: &'a Service,
    owner: String,
    keys: Vec<(&'static str, Option<String>)>,
    /// An upload of signed URLs, and one whose bytes come in order.
    signed: Things,
    relayed: Things,
    known: Vec<(&'static str, String)>,
}

/// An upload with its asset and grant, and the grant of another one.
#[derive(Clone)]
pub struct Things {
    upload: String,
    asset: String,
    grant: String,
    other: String,
}

impl<'a> Cast<'a> {
    pub async fn of(service: &'a Service) -> Self {
        let owner = service.key("upload").await;
        let [revoked, expired] = dead_keys(service).await;
        let keys = vec![
            ("nobody", None),
            ("nonsense", Some("gk_nonsense".to_owned())),
            ("revoked", Some(revoked)),
            ("expired", Some(expired)),
            ("upload, its owner", Some(owner.clone())),
            ("upload, another key", Some(service.key("upload").await)),
            ("read", Some(service.key("read").await)),
            ("link", Some(service.key("link").await)),
            ("process", Some(service.key("process").await)),
            ("admin", Some(service.admin.clone())),
            ("admin of another tenant", Some(service.foreign_key("other").await)),
            ("grant for many files", Some(drop_box(service, &service.admin).await.1)),
        ];
        let grants = drop_box(service, &owner).await.0;
        let (signed, relayed) = (things(service, &owner, false).await, things(service, &owner, true).await);
        let mut known = known(service).await;
        known.push(("grants", grants));
        Self { service, owner, keys, signed, relayed, known }
    }

    fn is_relayed(operation: &Operation<'_>) -> bool {
        operation.path.contains("/tus") || operation.path.contains("/files")
    }

    /// What this operation is about: things that are its caller's to end, where it ends them.
    pub async fn things(&self, operation: &Operation<'_>, allowed: bool) -> Things {
        let relayed = Self::is_relayed(operation);
        if operation.ends_things() && allowed {
            return things(self.service, &self.owner, relayed).await;
        }
        if relayed { self.relayed.clone() } else { self.signed.clone() }
    }

    /// The credential of a caller, for these things.
    pub fn token(&self, caller: &str, things: &Things) -> Option<String> {
        match caller {
            "upload grant for it" => Some(things.grant.clone()),
            "upload grant for another" => Some(things.other.clone()),
            _ => self.keys.iter().find(|(name, _)| *name == caller).unwrap_or_else(|| panic!("{caller}")).1.clone(),
        }
    }

    /// The path with everything in it that it names.
    pub fn path(&self, operation: &Operation<'_>, things: &Things, token: Option<&str>) -> String {
        let path = operation.path;
        let group = path.split('/').nth(2).unwrap_or_default();
        let id = match group {
            "assets" => things.asset.clone(),
            "admin" if path.starts_with("/v1/admin/assets/") => things.asset.clone(),
            "admin" if path.starts_with("/v1/admin/uploads/") => things.upload.clone(),
            group => self.find(group).unwrap_or_else(|| things.upload.clone()),
        };
        let grant = if path.starts_with("/d/") { self.find("grant") } else { token.map(ToOwned::to_owned) };
        let name = if path.contains("chores") { "sweep" } else { "photos" };
        let short_lived = if operation.method == "delete" { "short-lived" } else { name };
        let file = if path.contains("/admin/{file}") { "main.js" } else { "app.js" };
        let words = [
            ("{id}", id.as_str()),
            ("{grant}", grant.as_deref().unwrap_or("nobody")),
            ("{number}", "1"),
            ("{key}", things.asset.as_str()),
            ("{kind}", "process"),
            ("{name}", short_lived),
            ("{file}", file),
            ("{module}", "core/uploader.js"),
            ("{guide}", "errors"),
            ("{version}", "0"),
            ("{delivery}", &self.find("delivery").unwrap()),
        ];
        words.iter().fold(path.to_owned(), |path, (word, value)| path.replace(word, value))
    }

    /// A value of a parameter: what it names, if it names something.
    pub fn value(&self, name: &str, example: String, things: &Things) -> String {
        if name == "key" { things.asset.clone() } else { example }
    }

    /// A body whose ids are those of something that is there.
    pub fn body(&self, example: &str) -> String {
        example.replace(EXAMPLE, &self.find("ready").unwrap())
    }

    fn find(&self, name: &str) -> Option<String> {
        self.known.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }
}

/// Id and token of a grant for many files.
async fn drop_box(service: &Service, key: &str) -> (String, String) {
    let names = transcript!(
        service,
        r#"
        @ $key
        > POST /v1/grants {"expires_in": "1h"}
        < 201 {"id": "$id", "grant": "$grant"}
    "#,
        key = key
    );
    (names["id"].clone(), names["grant"].clone())
}

/// A revoked key and an expired one.
async fn dead_keys(service: &Service) -> [String; 2] {
    let expired = service.registry.create_key(service.tenant, "admin".parse().unwrap(), Some(Duration::from_secs(1)));
    let expired = expired.await.unwrap().reveal();
    service.advance(Duration::from_secs(2));
    let revoked = service.registry.create_key(service.tenant, "admin".parse().unwrap(), None).await.unwrap();
    service.registry.revoke_key(service.tenant, revoked.id).await.unwrap();
    [revoked.reveal(), expired]
}

async fn things(service: &Service, owner: &str, relayed: bool) -> Things {
    let wish = if relayed {
        json!({ "filename": "a", "size": 5, "method": "append" })
    } else {
        json!({ "filename": "a", "size": 10_485_760, "part_size": 5_242_880 })
    };
    let names = transcript!(
        service,
        r#"
        @ $owner
        > POST /v1/uploads $wish
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "grant": "$grant"}
        > POST /v1/uploads $wish
        < 201 {"grant": "$other"}
    "#,
        owner = owner,
        wish = wish
    );
    let name = |name: &str| names[name].clone();
    Things { upload: name("upload"), asset: name("asset"), grant: name("grant"), other: name("other") }
}

/// What is there once for all.
async fn known(service: &Service) -> Vec<(&'static str, String)> {
    let webhook = transcript!(
        service,
        r#"
        > POST /v1/webhooks {"url": "http://127.0.0.1:9/", "events": ["asset.*"]}
        < 201 {"id": "$webhook"}
        > PUT /v1/policies/photos {"max_size": 50000000}
        < 200
    "#
    );
    let done = ready(service, "ready.txt", "hello").await;
    let links = transcript!(
        service,
        r#"
        > POST /v1/assets/$ready/links {}
        < 201 {"id": "$link", "url": "$url"}
    "#,
        ready = done["asset"]
    );
    vec![
        ("links", links["link"].clone()),
        ("grant", links["url"].rsplit('/').next().unwrap().to_owned()),
        ("ready", done["asset"].clone()),
        ("keys", service.key("read").await[3..35].to_owned()),
        ("webhooks", webhook["webhook"].clone()),
        ("delivery", delivery(service, &webhook["webhook"]).await),
        ("tenants", service.tenant.to_string()),
        ("admin", EXAMPLE.to_owned()),
    ]
}

/// Something that was sent, or is to be.
async fn delivery(service: &Service, webhook: &str) -> String {
    let url = format!("{}/v1/webhooks/{webhook}/deliveries", service.base);
    eventually_some("a delivery", async || {
        let answer = requests::client().get(&url).bearer_auth(&service.admin).send().await.unwrap();
        let page: Value = answer.json().await.unwrap();
        page["deliveries"][0]["id"].as_str().map(str::to_owned)
    })
    .await
}
