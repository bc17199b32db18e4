//! Who is asking: keys and their keeping, tokens of other issuers, and how briefly either is remembered.

mod guesses;
mod keys;
mod memory;
mod processes;
mod tokens;

use crate::support::requests;
use reqwest::{Method, Response};
use serde_json::Value;

/// An answer of the API at `base`.
pub async fn ask(base: &str, method: Method, path: &str, token: &str, body: &str) -> (u16, Value) {
    let answer = send(base, method, path, token, body).await;
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

pub async fn send(base: &str, method: Method, path: &str, token: &str, body: &str) -> Response {
    let request = requests::client().request(method, format!("{base}{path}")).bearer_auth(token);
    request.body(body.to_owned()).send().await.unwrap()
}

pub async fn status(base: &str, token: &str) -> u16 {
    ask(base, Method::GET, "/v1/assets", token, "").await.0
}
