//! Tokens of other issuers, with a clock that is moved by hand and an issuer that fails on purpose. Tokens that libraries
//! of others made, and attacks with them, are in `tests/clients/jwt.test.py`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use futures_util::future::join_all;
use gantry::domain::clock::{Clock, Timestamp};
use gantry::domain::issuer::{JwtAlgorithm, JwtIssuer, KeySource, ScopesOf, TenantOf};
use gantry::domain::key::KeyScope;
use gantry::domain::reason::FailureCause;
use gantry::engine::{Engine, Error, KeySetFetcher, KeySetSettings, TrustedIssuers};
use jsonwebtoken::{EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};

use super::ask;
use crate::on_both_services;
use crate::support::patience::eventually;
use crate::support::service::Service;

/// Two Ed25519 keys: private (PKCS #8) and public (`x` of the JWK).
const KEYS: [(&str, &str); 2] = [
    ("MC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB", "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w"),
    ("MC4CAQAwBQYDK2VwBCIEIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC", "gTl3Dqh9F19Wo1Rmw0x-zMuNipG07jeiXfYPW4_Js5Q"),
];

/// An issuer's key set, as the test wants it, and how often it was asked for.
#[derive(Default)]
struct Login {
    set: Mutex<Option<Vec<usize>>>,
    asked: AtomicU32,
}

impl Login {
    /// Has these keys; `None`: is away.
    fn has(&self, keys: Option<&[usize]>) {
        *self.set.lock().unwrap() = keys.map(<[usize]>::to_vec);
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl KeySetFetcher for Login {
    async fn fetch(&self, _: &JwtIssuer) -> Result<Vec<u8>, FailureCause> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.asked.fetch_add(1, Ordering::SeqCst);
        let keys = self.set.lock().unwrap().clone().ok_or("away")?;
        let jwk =
            |n: usize| json!({"kty": "OKP", "crv": "Ed25519", "kid": format!("k{n}"), "use": "sig", "x": KEYS[n].1});
        // Others' keys, and nonsense, are no harm.
        let mut set =
            vec![json!({"kty": "quantum", "kid": "k0"}), json!({"kty": "oct", "kid": "k9", "k": "c2VjcmV0"}), json!(5)];
        set.extend(keys.into_iter().map(jwk));
        Ok(json!({"keys": set}).to_string().into_bytes())
    }
}

struct Trust {
    login: Arc<Login>,
    engine: Engine,
    base: String,
}

/// A node that trusts one issuer.
async fn trust(service: &Service, tenant: TenantOf) -> Trust {
    let login = Arc::new(Login::default());
    login.has(Some(&[0]));
    let issuer = JwtIssuer {
        name: "login".to_owned(),
        issuer: "https://login.example".to_owned(),
        keys: KeySource::Discovery,
        audiences: vec!["gantry".to_owned()],
        algorithms: vec![JwtAlgorithm::EdDsa],
        tenant,
        scopes: ScopesOf {
            claim: "scope".to_owned(),
            names: vec![("up".to_owned(), KeyScope::Upload), ("see".to_owned(), KeyScope::Read)],
        },
        leeway: Duration::from_secs(30),
    };
    let second = Duration::from_secs(1);
    let settings = KeySetSettings { refresh: second * 600, pause: second * 30, keep: second * 3600 };
    let sets: Arc<dyn KeySetFetcher> = login.clone();
    let (base, engine) = service.trusting(TrustedIssuers::new(vec![issuer], settings, &sets)).await;
    Trust { login, engine, base }
}

fn fixed() -> TenantOf {
    TenantOf::Fixed("default".to_owned())
}

/// A token of key `n` with these claims beside the usual ones; `null` leaves a claim out.
fn token(service: &Service, n: usize, more: &Value) -> String {
    let now = service.database.clock.now().as_second();
    let mut claims = json!({
        "iss": "https://login.example", "aud": "gantry", "sub": "alice", "exp": now + 60, "scope": "up see",
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let private = base64::engine::general_purpose::STANDARD.decode(KEYS[n].0).unwrap();
    let mut header = Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.kid = Some(format!("k{n}"));
    encode(&header, &claims, &EncodingKey::from_ed_der(&private)).unwrap()
}

fn is_refused(answer: &Result<gantry::domain::access::Actor, Error>) -> bool {
    matches!(answer, Err(Error::Unauthenticated))
}

on_both_services! {
    async fn a_subject_owns_what_it_made(service) {
        let trust = trust(service, fixed()).await;
        let (alice, bob) = (token(service, 0, &json!({})), token(service, 0, &json!({"sub": "bob"})));
        let (status, opened) =
            ask(&trust.base, Method::POST, "/v1/uploads", &alice, r#"{"filename": "a", "size": 5, "external_id": "e"}"#).await;
        assert_eq!(status, 201, "{opened}");
        let path = format!("/v1/assets/{}", opened["asset"]["id"].as_str().unwrap());
        // The same subject with another token, an hour later; another subject; a key.
        service.advance(Duration::from_secs(3600));
        let again = token(service, 0, &json!({"scope": ["up", "see", "root"]}));
        assert_eq!(ask(&trust.base, Method::PATCH, &path, &again, r#"{"metadata": {"a": "b"}}"#).await.0, 200);
        assert_eq!(ask(&trust.base, Method::PATCH, &path, &alice, "{}").await.0, 401, "expired");
        let bob_now = token(service, 0, &json!({"sub": "bob"}));
        assert_eq!(ask(&trust.base, Method::PATCH, &path, &bob_now, "{}").await.0, 403);
        assert_eq!(ask(&trust.base, Method::GET, &path, &bob_now, "").await.0, 200);
        assert_eq!(ask(&trust.base, Method::GET, &path, &service.admin, "").await.0, 200);
        assert_eq!(ask(&trust.base, Method::POST, &format!("{path}/links"), &again, "{}").await.0, 403, "no such scope");
        // A node that trusts nobody, and what is not a token of ours.
        assert_eq!(ask(&service.base, Method::GET, &path, &again, "").await.0, 401);
        assert_eq!(bob.split('.').count(), 3);
    }

    async fn claims_lead_to_tenants(service) {
        service.foreign_key("acme").await;
        let trust = trust(service, TenantOf::Claim { claim: "org".to_owned(), names: Vec::new() }).await;
        let acme = token(service, 0, &json!({"org": "acme"}));
        assert_eq!(ask(&trust.base, Method::POST, "/v1/uploads", &acme, r#"{"filename": "a", "size": 5}"#).await.0, 201);
        let (_, listed) = ask(&trust.base, Method::GET, "/v1/assets", &acme, "").await;
        assert_eq!(listed["assets"].as_array().unwrap().len(), 1);
        let (_, listed) = ask(&trust.base, Method::GET, "/v1/assets", &service.admin, "").await;
        assert_eq!(listed["assets"].as_array().unwrap().len(), 0);
        let id = service.tenant.to_string();
        for org in [json!(null), json!("default"), json!("nowhere"), json!(id), json!(["acme"])] {
            let token = token(service, 0, &json!({"org": org}));
            assert!(is_refused(&trust.engine.tenants().authenticate(&token).await), "{org}");
        }
    }

    async fn claims_that_are_wrong_or_missing(service) {
        let trust = trust(service, fixed()).await;
        let now = service.database.clock.now().as_second();
        let good = [
            json!({}), json!({"aud": ["other", "gantry"]}), json!({"nbf": now + 30}), json!({"exp": now - 29}),
            json!({"exp": now as f64 + 0.5}), json!({"scope": null}),
        ];
        for claims in good {
            assert!(trust.engine.tenants().authenticate(&token(service, 0, &claims)).await.is_ok(), "{claims}");
        }
        let bad = [
            json!({"iss": "https://login.example/"}), json!({"iss": null}), json!({"iss": ["https://login.example"]}),
            json!({"aud": "other"}), json!({"aud": null}), json!({"aud": []}), json!({"aud": 5}),
            json!({"exp": now - 30}), json!({"exp": null}), json!({"exp": (now + 60).to_string()}), json!({"exp": -1}),
            json!({"exp": 1e300}), json!({"nbf": now + 31}), json!({"nbf": "0"}), json!({"nbf": [0]}),
            json!({"sub": null}), json!({"sub": ""}), json!({"sub": 5}), json!({"sub": "s".repeat(1025)}),
        ];
        for claims in bad {
            assert!(is_refused(&trust.engine.tenants().authenticate(&token(service, 0, &claims)).await), "{claims}");
        }
        assert_eq!(trust.login.asked(), 1);
    }

    async fn expiry_counts_at_every_use_whatever_is_remembered(service) {
        let trust = trust(service, fixed()).await;
        let token = token(service, 0, &json!({}));
        for _ in 0..3 {
            assert!(trust.engine.tenants().authenticate(&token).await.is_ok());
        }
        service.advance(Duration::from_millis(88_900));
        assert!(trust.engine.tenants().authenticate(&token).await.is_ok());
        service.advance(Duration::from_millis(1200));
        assert!(is_refused(&trust.engine.tenants().authenticate(&token).await));
    }

    async fn keys_are_fetched_once_and_unknown_ones_asked_for_now_and_then(service) {
        let trust = trust(service, fixed()).await;
        let tokens: Vec<_> = (0..1000).map(|n| token(service, 0, &json!({"sub": format!("s{n}")}))).collect();
        let answers = join_all(tokens.iter().map(|token| trust.engine.tenants().authenticate(token))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(trust.login.asked(), 1);
        // A key that the set does not have: not before the pause is over, and once for all who come with it.
        let strangers: Vec<_> = (0..100).map(|n| token(service, 1, &json!({"sub": format!("s{n}")}))).collect();
        let ask_all = async || join_all(strangers.iter().map(|token| trust.engine.tenants().authenticate(token))).await;
        assert!(ask_all().await.iter().all(is_refused));
        assert_eq!(trust.login.asked(), 1);
        service.advance(Duration::from_secs(30));
        assert!(ask_all().await.iter().all(is_refused));
        assert_eq!(trust.login.asked(), 2);
        // Rotated: with the next question the new key is known, and the old one gone.
        trust.login.has(Some(&[1]));
        service.advance(Duration::from_secs(30));
        assert!(ask_all().await.iter().all(Result::is_ok));
        assert_eq!(trust.login.asked(), 3);
        assert!(is_refused(&trust.engine.tenants().authenticate(&token(service, 0, &json!({"sub": "late"}))).await));
    }

    async fn an_issuer_that_is_away_is_missed_after_a_while(service) {
        let trust = trust(service, fixed()).await;
        trust.login.has(None);
        // Nothing is known yet: no reason to call a token wrong.
        let answer = trust.engine.tenants().authenticate(&token(service, 0, &json!({}))).await;
        assert!(matches!(answer, Err(Error::Busy { .. })), "{answer:?}");
        let (status, problem) = ask(&trust.base, Method::GET, "/v1/assets", &token(service, 0, &json!({})), "").await;
        assert_eq!((status, problem["code"].as_str()), (503, Some("unavailable")));
        assert_eq!(trust.login.asked(), 1, "it is not asked at every request");
        trust.login.has(Some(&[0]));
        service.advance(Duration::from_secs(5));
        assert!(trust.engine.tenants().authenticate(&token(service, 0, &json!({}))).await.is_ok());
        // Away again: its keys are good for an hour, and refreshed in the background when it is back.
        trust.login.has(None);
        service.advance(Duration::from_secs(3599));
        assert!(trust.engine.tenants().authenticate(&token(service, 0, &json!({}))).await.is_ok());
        service.advance(Duration::from_secs(5));
        let answer = trust.engine.tenants().authenticate(&token(service, 0, &json!({}))).await;
        assert!(matches!(answer, Err(Error::Busy { .. })), "{answer:?}");
    }

    async fn keys_in_use_are_fetched_again_in_the_background(service) {
        let trust = trust(service, fixed()).await;
        assert!(trust.engine.tenants().authenticate(&token(service, 0, &json!({}))).await.is_ok());
        trust.login.has(Some(&[1]));
        service.advance(Duration::from_secs(600));
        assert!(trust.engine.tenants().authenticate(&token(service, 0, &json!({}))).await.is_ok(), "nobody waits for it");
        let mut late = 0;
        eventually("the old key is refused", async || {
            late += 1;
            let new = token(service, 0, &json!({"sub": format!("late {late}")}));
            is_refused(&trust.engine.tenants().authenticate(&new).await)
        })
        .await;
        assert_eq!(trust.login.asked(), 2);
        assert!(trust.engine.tenants().authenticate(&token(service, 1, &json!({}))).await.is_ok());
    }

    async fn nonsense_is_refused_quietly(service) {
        let trust = trust(service, fixed()).await;
        let good = token(service, 0, &json!({}));
        let [header, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
        let cut = &good[..good.len() - 1];
        let long = format!("{header}.{}.{signature}", "A".repeat(20_000));
        let nonsense = [
            String::new(), ".".to_owned(), "..".to_owned(), "a.b.c".to_owned(), cut.to_owned(), long, format!("{header}.{claims}."),
            format!("{header}..{signature}"), format!("{good}.x"), format!("{header}.{claims}.{}", "A".repeat(86)),
        ];
        for token in nonsense {
            assert!(is_refused(&trust.engine.tenants().authenticate(&token).await), "{token}");
        }
        assert!(Timestamp::now() > Timestamp::UNIX_EPOCH && trust.engine.tenants().authenticate(&good).await.is_ok());
    }
}
