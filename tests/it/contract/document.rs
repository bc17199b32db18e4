//! The document by itself: complete, in one piece, and every example is of its schema.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Contract;
use super::cast::Cast;
use super::truth::Truth;
use crate::on_both_services;
use crate::support::requests;

/// Every file of `src/http`: its name there and its text.
fn sources() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let (mut files, mut dirs) = (Vec::new(), vec![root.clone()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

/// Every error code that the source names.
fn codes_in_the_source() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for (_, text) in sources() {
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        codes.extend(text.split("new(").skip(1).filter_map(code_of));
    }
    codes
}

/// The code of `new(StatusCode::…, "code"…`.
fn code_of(call: &str) -> Option<String> {
    let (status, rest) = call.trim_start().split_once(", \"")?;
    let status = status.strip_prefix("StatusCode::")?;
    let simple = status.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let code = rest.split_once('"')?.0;
    simple.then(|| code.to_owned())
}

/// Every value of this name below.
fn all_of<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if key == name {
                    found.push(member);
                }
                all_of(member, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| all_of(item, name, found)),
        _ => {}
    }
}

/// Nothing is answered that the document does not know: routes are made in one place, which describes them.
#[test]
fn routes_are_made_together_with_what_is_said_of_them() {
    let makers = sources().into_iter().filter(|(_, text)| text.contains(".route(") || text.contains(".nest("));
    let makers: Vec<_> = makers.map(|(name, _)| name).collect();
    assert_eq!(makers, ["openapi/mod.rs"]);
}

/// What a schema leaves unsaid: members without a sentence, objects of which nothing is known, anything at all where a
/// type could be said.
fn unsaid(schema: &Value, at: &str, found: &mut Vec<String>) {
    let bare = schema["type"] == "object" && schema["properties"].is_null() && schema["additionalProperties"].is_null();
    if bare || *schema == Value::Bool(true) {
        found.push(format!("{at}: of no known shape"));
    }
    if !schema["default"].is_null() {
        found.push(format!("{at}: its default makes generators require it"));
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{at}.{name}");
        let about = member["description"].as_str().unwrap_or_default();
        if !about.ends_with('.') {
            found.push(format!("{place}: {about:?} is no sentence"));
        }
        unsaid(member, &place, found);
    }
    if let Some(items) = schema.get("items") {
        unsaid(items, at, found);
    }
    for choice in ["anyOf", "oneOf", "allOf"].iter().filter_map(|name| schema[name].as_array()).flatten() {
        unsaid(choice, at, found);
    }
}

on_both_services! {
    async fn every_member_and_parameter_has_a_sentence(service) {
        let contract = Contract::of(service).await;
        let mut found = Vec::new();
        for (name, schema) in contract.0["components"]["schemas"].as_object().unwrap() {
            unsaid(schema, name, &mut found);
        }
        for operation in contract.operations() {
            let named = operation.named();
            for parameter in operation.says["parameters"].as_array().into_iter().flatten() {
                if !parameter["description"].as_str().unwrap_or_default().ends_with('.') {
                    found.push(format!("{named}: {} says nothing", parameter["name"]));
                }
            }
            let responses = operation.says["responses"].as_object().unwrap().values();
            for content in responses.chain([&operation.says["requestBody"]]).filter_map(|one| one["content"].as_object()) {
                content.values().filter_map(|media| media.get("schema")).for_each(|schema| unsaid(schema, &named, &mut found));
            }
        }
        assert!(found.is_empty(), "{}: {found:#?}", found.len());
    }

    async fn rules_are_in_the_schema(service) {
        let contract = Contract::of(service).await;
        let at = |path: &str| contract.0.pointer(path).unwrap_or_else(|| panic!("{path}")).clone();
        let parameter = |path: &str, method: &str, name: &str| {
            let all = contract.0["paths"][path][method]["parameters"].as_array().unwrap();
            all.iter().find(|parameter| parameter["name"] == name).unwrap_or_else(|| panic!("{name}"))["schema"].clone()
        };
        let key = parameter("/v1/uploads", "post", "Idempotency-Key");
        assert_eq!((&key["minLength"], &key["maxLength"]), (&1.into(), &255.into()));
        let limit = parameter("/v1/assets", "get", "limit");
        assert_eq!((&limit["minimum"], &limit["maximum"]), (&1.into(), &1000.into()));
        assert_eq!(parameter("/v1/assets", "get", "cursor")["minLength"], 1);
        assert!(contract.0["components"]["schemas"]["NewUpload"]["required"].is_null(), "filename and size suffice");
        let asset = at("/components/schemas/Asset/properties");
        assert_eq!(asset["digest"]["pattern"], "^sha256:[0-9a-f]{64}$");
        assert_eq!(asset["sha256"]["pattern"], "^[0-9a-f]{64}$");
        assert!(at("/components/schemas/NewUpload/properties/sha256/pattern").as_str().unwrap().contains("{64}"));
        assert!(at("/components/schemas/WantedParts/properties/checksums/additionalProperties/pattern").is_string());
        assert_eq!(at("/paths/~1files/post/requestBody/required"), false);
    }

    async fn every_error_code_is_in_it(service) {
        let contract = Contract::of(service).await;
        let mut used = BTreeSet::new();
        for operation in contract.operations() {
            for response in operation.says["responses"].as_object().unwrap().values() {
                for media in response["content"].as_object().into_iter().flat_map(|content| content.values()) {
                    used.extend(media["examples"].as_object().into_iter().flat_map(|all| all.keys().cloned()));
                }
            }
        }
        let codes = codes_in_the_source();
        assert!(codes.len() > 30, "the source is read wrongly: {codes:?}");
        // Paths and methods that are not there are in no operation.
        let missing: Vec<_> = codes.iter().filter(|code| !used.contains(*code) && *code != "method_not_allowed").collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    async fn every_reference_leads_somewhere(service) {
        let contract = Contract::of(service).await;
        let mut references = Vec::new();
        all_of(&contract.0, "$ref", &mut references);
        assert!(references.len() > 500);
        for reference in references {
            let pointer = reference.as_str().unwrap().trim_start_matches('#');
            assert!(contract.0.pointer(pointer).is_some(), "{reference}");
        }
    }

    async fn every_operation_says_enough(service) {
        let contract = Contract::of(service).await;
        let truth = Truth::of(&contract);
        let mut ids = BTreeSet::new();
        for operation in contract.operations() {
            let (says, named) = (operation.says, operation.named());
            let id = says["operationId"].as_str().unwrap();
            let verb = id.starts_with(|c: char| c.is_ascii_lowercase()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
            assert!(verb && ids.insert(id), "{named}: {id:?} is no name of its own");
            assert!(!says["summary"].as_str().unwrap().is_empty() && says["x-gantry-access"].is_object(), "{named}");
            let responses = says["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.as_str() < "400") || operation.path.ends_with("/sts"), "{named}");
            assert!(responses.contains_key("500"), "{named}");
            if let Some(media) = says["requestBody"]["content"].get("application/json") {
                let problem = truth.misshapen(&media["schema"], &media["example"]);
                assert!(problem.is_none(), "{named}: {problem:?}");
            }
            for media in responses.values().filter_map(|one| one["content"].get("application/json")) {
                let Some(example) = media.get("example") else { continue };
                let problem = truth.misshapen(&media["schema"], example);
                assert!(problem.is_none(), "{named}: {problem:?}");
            }
        }
        assert!(ids.len() > 100, "{}", ids.len());
        let settled = truth.contract().0["openapi"] == "3.1.0";
        assert!(settled);
    }

    async fn pages_are_as_declared(service) {
        let contract = Contract::of(service).await;
        let (cast, truth) = (Cast::of(service).await, Truth::of(&contract));
        let queries = [
            ("/v1/events", "after=0"), ("/v1/assets/{id}/events", "after=0"), ("/readyz", "verbose"), ("/v1/admin/stats", ""),
            ("/v1/assets", "state=ready"), ("/v1/webhooks/{id}/deliveries", ""), ("/v1/admin/audit", "format=ndjson"),
        ];
        for operation in contract.operations() {
            let Some((_, query)) = queries.iter().find(|(path, _)| *path == operation.path) else { continue };
            let things = cast.things(&operation, true).await;
            let url = format!("{}{}?{query}", service.base, cast.path(&operation, &things, None));
            let answer = requests::client().get(url).bearer_auth(&service.admin).send().await.unwrap();
            let (status, kind) = (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap().to_owned());
            let body = answer.json().await.ok();
            assert_eq!(truth.lie(&operation, status, &kind, body.as_ref()), None);
        }
    }

    async fn every_declared_parameter_is_known(service) {
        let contract = Contract::of(service).await;
        let cast = Cast::of(service).await;
        let mut asked = 0;
        for operation in contract.operations().iter().filter(|operation| operation.method == "get") {
            let things = cast.things(operation, true).await;
            let path = cast.path(operation, &things, None);
            for parameter in operation.says["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                if parameter["in"] != "query" || path.starts_with("/u/") {
                    continue;
                }
                // A value that hardly any parameter takes: what is refused is the value, not the name.
                let url = format!("{}{path}?{name}=x", service.base);
                let client = requests::client_without_redirects();
                let answer = client.get(url).bearer_auth(&service.admin).send().await.unwrap();
                if answer.status() == 422 {
                    let detail = answer.text().await.unwrap();
                    assert!(!detail.contains("this address has no parameter"), "{path}: {detail}");
                }
                asked += 1;
            }
        }
        assert!(asked > 40, "{asked}");
    }

    async fn it_can_be_kept(service) {
        let url = format!("{}/openapi.json", service.base);
        let first = requests::get(&url).await.unwrap();
        assert_eq!((first.headers()["content-type"].as_bytes(), first.headers()["cache-control"].as_bytes()), (&b"application/json"[..], &b"public, no-cache"[..]));
        let again = requests::client().get(&url).header("if-none-match", &first.headers()["etag"]).send().await.unwrap();
        assert_eq!(again.status(), 304);
    }
}
