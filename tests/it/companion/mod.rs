//! Uppy's Companion contract on the wire.

mod access;
mod forms;
mod grants;
mod kept;
mod limits;
mod parts;
mod whole;

use crate::support::requests;
use crate::support::service::Service;
use reqwest::Response;

/// The body of a form as browsers write it, the file last.
pub fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        let head = format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        out.extend_from_slice(head.as_bytes());
    }
    out.extend_from_slice(
        b"--frontier\r\nContent-Disposition: form-data; name=\"file\"; filename=\"blob\"\r\n\
          Content-Type: application/octet-stream\r\n\r\n",
    );
    out.extend_from_slice(file);
    out.extend_from_slice(b"\r\n--frontier--\r\n");
    out
}

/// The type of such a form.
pub const FORM: &str = "multipart/form-data; boundary=frontier";

/// Sends a form.
async fn post(url: &str, body: impl Into<reqwest::Body>) -> Response {
    requests::client().post(url).header("content-type", FORM).body(body).send().await.unwrap()
}

/// The one asset of the service, as soon as it is ready.
async fn ready(service: &Service) -> serde_json::Value {
    let client = requests::client();
    let get = async |path: &str| -> serde_json::Value {
        let request = client.get(format!("{}{path}", service.base)).bearer_auth(&service.admin);
        request.send().await.unwrap().json().await.unwrap()
    };
    let list = get("/v1/assets").await;
    assert_eq!(list["assets"].as_array().unwrap().len(), 1, "{list}");
    let id = list["assets"][0]["id"].as_str().unwrap();
    let asset = get(&format!("/v1/assets/{id}?wait=20s&until=ready")).await;
    assert_eq!(asset["state"], "ready", "{asset}");
    asset
}
