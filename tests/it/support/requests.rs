//! HTTP clients of tests. They talk to servers on this machine without TLS: none of them reads the certificates of the machine,
//! which takes longer than most requests.

use reqwest::{Client, ClientBuilder, IntoUrl, Response};

fn builder() -> ClientBuilder {
    Client::builder().tls_certs_only([])
}

/// A client with connections of its own.
pub fn client() -> Client {
    builder().build().unwrap()
}

/// A client that returns redirects.
pub fn client_without_redirects() -> Client {
    builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// One GET by a client of its own.
pub async fn get(url: impl IntoUrl) -> reqwest::Result<Response> {
    client().get(url).send().await
}
