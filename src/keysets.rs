//! Fetches the JSON Web Key Sets of token issuers: no redirects, no cookies, no proxy, with limits for size and time.
//!
//! The addresses come from the operator. They may be private, but must use HTTPS unless they are on this machine. Must
//! not judge keys or tokens.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::ACCEPT;
use reqwest::{Client, redirect};
use serde::Deserialize;
use url::Url;

use crate::domain::issuer::{JwtIssuer, KeySource};
use crate::domain::reason::FailureCause;
use crate::engine::KeySetFetcher;

/// Largest response in bytes: the largest sets of public issuers have a few dozen kilobytes.
const MAX_DOCUMENT_BYTES: usize = 256 << 10;
/// Timeout of a request and its response.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Key set fetcher over HTTP.
pub struct HttpKeySets(Client);

/// Fields of an OpenID configuration that are used (OpenID Connect Discovery 1.0 §3).
#[derive(Deserialize)]
struct OpenIdConfiguration {
    issuer: String,
    jwks_uri: String,
}

impl HttpKeySets {
    /// A fetcher with its own HTTP client.
    ///
    /// # Errors
    /// The HTTP client cannot be built: the system has no TLS.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("Gantry/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(FETCH_TIMEOUT);
        Ok(Self(client.build()?))
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, FailureCause> {
        let shown = loggable_url(url);
        if !is_trustworthy(url) {
            return Err(format!("{shown}: must be an https URL, or a URL of this machine").into());
        }
        let failed = |error: reqwest::Error| FailureCause::with(shown.clone(), error.without_url());
        let request = self.0.get(url).header(ACCEPT, "application/json");
        let mut answer = request.send().await.map_err(failed)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("{shown}: the server answered {}", answer.status()).into());
        }
        let mut body = Vec::new();
        while let Some(bytes) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&bytes);
            if body.len() > MAX_DOCUMENT_BYTES {
                return Err(format!("{shown}: the answer has more than {MAX_DOCUMENT_BYTES} bytes").into());
            }
        }
        Ok(body)
    }

    /// URL of an issuer's key set, from its OpenID configuration.
    async fn discover(&self, issuer: &JwtIssuer) -> Result<String, FailureCause> {
        let url = format!("{}/.well-known/openid-configuration", issuer.issuer.trim_end_matches('/'));
        let said: OpenIdConfiguration = serde_json::from_slice(&self.get(&url).await?)
            .map_err(|error| FailureCause::with(loggable_url(&url), error))?;
        if said.issuer != issuer.issuer {
            return Err(format!("{}: the document names another issuer, {}", loggable_url(&url), said.issuer).into());
        }
        Ok(said.jwks_uri)
    }
}

#[async_trait]
impl KeySetFetcher for HttpKeySets {
    async fn fetch(&self, issuer: &JwtIssuer) -> Result<Vec<u8>, FailureCause> {
        match &issuer.keys {
            KeySource::Jwks(url) => self.get(url).await,
            KeySource::Discovery => self.get(&self.discover(issuer).await?).await,
            KeySource::Secret(_) => Err("the key of this issuer is a shared secret, not a JWK set".into()),
        }
    }
}

/// True for HTTPS URLs, and for plain HTTP URLs of this machine (localhost or loopback).
#[must_use]
pub fn is_trustworthy(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && here))
}

/// The URL without user, password, query and fragment, which may be secrets.
fn loggable_url(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "an address that is no URL".to_owned() };
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reason::chain;

    #[tokio::test]
    async fn no_secret_of_an_address_is_in_the_chain_of_an_error() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sets = HttpKeySets::new().unwrap();
        for url in
            [format!("http://user:hush@{gone}/keys?sig=hush#hush"), format!("ftp://user:hush@{gone}/keys?k=hush")]
        {
            let error = sets.get(&url).await.unwrap_err();
            let line = chain(&error).to_string();
            assert!(
                line.contains("/keys") && !line.contains("hush") && !format!("{error:?}").contains("hush"),
                "{line}"
            );
        }
    }

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for good in ["https://login.example/keys", "http://127.0.0.1:9/keys", "http://[::1]/k", "http://localhost/"] {
            assert!(is_trustworthy(good), "{good}");
        }
        for bad in ["http://login.example/", "http://localhost.example/", "http://10.0.0.1/", "file:///etc/k", "keys"] {
            assert!(!is_trustworthy(bad), "{bad}");
        }
    }
}
