//! The authorization matrix: every operation of the document, every kind of caller, and the cell that the document
//! declares for the two.

use serde_json::Value;

use super::cast::Cast;
use super::truth::Truth;
use super::{Contract, Operation};
use crate::support::requests;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// Whoever is let in here finds nothing: dead jobs and offers are rare. Tests of processing have some.
const FINDS_NOTHING: [&str; 4] = [
    "/v1/admin/jobs/{id}",
    "/v1/admin/jobs/{id}/retry",
    "/v1/assets/{id}/processing",
    "/v1/assets/{id}/processing/derivatives",
];

/// What was asked, by whom, and what came of it.
struct Asked {
    status: u16,
    kind: String,
    /// What every answer must say and this one does not: who may keep it, that the origin counts, that nothing is guessed.
    unsaid: Vec<&'static str>,
    body: Option<Value>,
}

async fn ask(cast: &Cast<'_>, service: &Service, operation: &Operation<'_>, caller: &str, allowed: bool) -> Asked {
    let client = requests::client_without_redirects();
    let things = cast.things(operation, allowed).await;
    let token = cast.token(caller, &things);
    let query = operation.said("query").into_iter();
    let query = query.map(|(name, example)| (name, cast.value(name, example, &things)));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let path = cast.path(operation, &things, token.as_deref()) + if query.is_empty() { "" } else { "?" } + &query;
    let method = reqwest::Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
    let mut request = client.request(method, format!("{}{path}", service.base));
    for (name, example) in operation.said("header") {
        request = request.header(name, example);
    }
    if let Some((kind, example)) = operation.body() {
        request = request.header("content-type", kind).body(cast.body(&example));
    }
    let in_path = operation.path.contains("{grant}") && !operation.path.starts_with("/d/");
    if let Some(token) = token.filter(|_| !in_path) {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
    let says = |name: &str, word: &str| {
        answer.headers().get_all(name).iter().any(|value| value.to_str().unwrap().to_lowercase().contains(word))
    };
    let wanted = [("cache-control", ""), ("vary", "origin"), ("x-content-type-options", "nosniff")];
    let unsaid = wanted.into_iter().filter(|(name, word)| !says(name, word)).map(|(name, _)| name).collect();
    // Streams have no end.
    let body = if kind.contains("json") { answer.json().await.ok() } else { None };
    Asked { status, kind, unsaid, body }
}

fn wrong(operation: &Operation<'_>, caller: &str, cell: &Value, asked: &Asked) -> Option<String> {
    let lets_in = [400, 409, 410, 413, 415, 422, 423, 426];
    let nothing = FINDS_NOTHING.contains(&operation.path) && asked.status == 404;
    let holds = match cell.as_u64() {
        Some(expected) => u64::from(asked.status) == expected,
        None => asked.status < 400 || lets_in.contains(&asked.status) || nothing,
    };
    (!holds).then(|| format!("{} by {caller}: {}, declared {cell}: {:?}", operation.named(), asked.status, asked.body))
}

on_both_services! {
    async fn every_operation_and_every_caller(service) {
        let contract = Contract::of(service).await;
        let cast = Cast::of(service).await;
        let truth = Truth::of(&contract);
        let (mut problems, mut driven) = (Vec::new(), 0);
        for operation in contract.operations() {
            for (caller, cell) in operation.says["x-gantry-access"].as_object().unwrap() {
                if operation.path == "/v1/policies/{name}" && operation.method == "delete" && caller == "admin" {
                    transcript!(service, "> PUT /v1/policies/short-lived {}\n< 200");
                }
                let asked = ask(&cast, service, &operation, caller, cell == "allowed").await;
                problems.extend(wrong(&operation, caller, cell, &asked));
                problems.extend(truth.lie(&operation, asked.status, &asked.kind, asked.body.as_ref()));
                if !asked.unsaid.is_empty() && asked.status != 101 {
                    problems.push(format!("{} by {caller}: {} without {:?}", operation.named(), asked.status, asked.unsaid));
                }
                driven += 1;
            }
        }
        problems.sort();
        problems.dedup();
        assert!(problems.is_empty(), "{} of {driven}: {problems:#?}", problems.len());
        assert!(driven > 1200, "only {driven} cells");
    }
}
