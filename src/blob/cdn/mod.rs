//! Signed URLs of a content delivery network whose origin is the bucket: the path at the network is the object key.
//!
//! Three kinds of form. **CloudFront**: the canned policy, or a custom policy if the URL is bound to a client network; always
//! SHA-256 (`Hash-Algorithm=SHA256`), with an RSA or a P-256 key. **HMAC**, for networks that can verify it at the
//! edge: `…?<parameters>&expires=<seconds since 1970>[&ip=<network>]&sig=<hex>`, where `sig` is HMAC-SHA256 over path
//! and query up to, and without, `&sig=`. **Tokens** of Cloudflare, Fastly, Bunny and Akamai: `edge_token`.
//!
//! The `response-…` parameters are S3's: the network must pass them to the bucket and include them in its cache key.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use self::edge_token::EdgeTokenSigner;
use super::{ResponseHeaders, SignedUrl};
use crate::domain::clock::Timestamp;
use crate::domain::grant::ClientNetwork;

mod edge_token;

pub use edge_token::{EdgeTokenForm, EdgeTokenScope};

/// Errors of the CDN settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCdn {
    /// The URL is not an HTTP(S) URL of a host and an optional path.
    #[error("the URL must be like https://cdn.example or https://cdn.example/files")]
    Url,
    /// The key cannot be used.
    #[error("the private key must be an RSA key of 2048 to 4096 bits or a P-256 key, in PEM")]
    Key,
    /// The secret is not Base64.
    #[error("the secret must be Base64, as in the network's VCL: openssl rand -base64 32")]
    Base64Secret,
    /// The secret is not hexadecimal.
    #[error(
        "the secret must be hexadecimal, with an even number of digits, as in the network's property: openssl rand -hex 32"
    )]
    HexSecret,
}

/// Time for which a URL is good.
#[derive(Clone, Copy, Debug)]
pub struct CdnValidity {
    /// Moment of signing.
    pub from: Timestamp,
    /// End.
    pub until: Timestamp,
}

/// Signer of URLs for a content delivery network.
#[derive(Clone)]
pub struct CdnSigner {
    /// Scheme, host and path prefix, without a slash at the end.
    base: String,
    /// The path prefix alone.
    prefix: String,
    signer: Arc<CdnSigningMethod>,
}

enum CdnSigningMethod {
    CloudFront { key_pair: String, key: CdnSigningKey },
    Hmac(Hmac<Sha256>),
    Token(EdgeTokenSigner),
}

enum CdnSigningKey {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl std::fmt::Debug for CdnSigner {
    /// Prints the base URL only, without keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cdn").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Characters to percent-encode in a query value: all but the unreserved ones of RFC 3986.
const CDN_RESERVED_CHARACTERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl CdnSigner {
    /// Signer for CloudFront. The public key `key_pair` must be in a trusted key group of the distribution.
    ///
    /// # Errors
    /// [`BadCdn`]: the URL or the private key cannot be used.
    pub fn cloudfront(base: &str, key_pair: &str, private_key: &str) -> Result<Self, BadCdn> {
        let key = CdnSigningKey::read(private_key).ok_or(BadCdn::Key)?;
        Self::new(base, CdnSigningMethod::CloudFront { key_pair: key_pair.to_owned(), key })
    }

    /// Signer for any network that verifies an HMAC at its edge.
    ///
    /// # Errors
    /// [`BadCdn`]: the URL or the secret cannot be used.
    pub fn hmac(base: &str, secret: &str) -> Result<Self, BadCdn> {
        let key = Hmac::new_from_slice(secret.as_bytes()).map_err(|_| BadCdn::Key)?;
        Self::new(base, CdnSigningMethod::Hmac(key))
    }

    /// Signer for a network that checks tokens of its own form.
    ///
    /// # Errors
    /// [`BadCdn`]: the URL or the secret cannot be used.
    pub fn token(base: &str, form: EdgeTokenForm, secret: &str) -> Result<Self, BadCdn> {
        Self::new(base, CdnSigningMethod::Token(EdgeTokenSigner::new(form, secret)?))
    }

    fn new(base: &str, signer: CdnSigningMethod) -> Result<Self, BadCdn> {
        let base = base.trim_end_matches('/').to_owned();
        let url = url::Url::parse(&base).map_err(|_| BadCdn::Url)?;
        let plain = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
        if !plain || !url.has_host() || !url.username().is_empty() || url.password().is_some() {
            return Err(BadCdn::Url);
        }
        Ok(Self { prefix: url.path().trim_end_matches('/').to_owned(), base, signer: Arc::new(signer) })
    }

    /// Path of an object key at the network.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        format!("{}/{key}", self.prefix)
    }

    /// A URL for a GET of the object, valid only from `network` if given. `None`: the URL cannot be bound to that network
    /// (CloudFront supports IPv4 only, and tokens no network at all).
    #[must_use]
    pub fn sign(
        &self,
        key: &str,
        shown: &ResponseHeaders,
        validity: CdnValidity,
        network: Option<&ClientNetwork>,
    ) -> Option<SignedUrl> {
        let parameters = parameters(shown);
        let (query, expires) = (query_text(&parameters), validity.until.as_second());
        let url = match &*self.signer {
            CdnSigningMethod::CloudFront { key_pair, key: private } => {
                let resource = format!("{}/{key}{query}", self.base);
                let separator = if query.is_empty() { '?' } else { '&' };
                let (policy, first) = policy(&resource, expires, network)?;
                let signature = cloudfront_text(&private.sign(policy.as_bytes())?);
                format!(
                    "{resource}{separator}{first}&Signature={signature}&Key-Pair-Id={key_pair}&Hash-Algorithm=SHA256"
                )
            }
            CdnSigningMethod::Hmac(secret) => {
                let mut signed = format!("{}{query}", self.path(key));
                let separator = if query.is_empty() { '?' } else { '&' };
                let _ = write!(signed, "{separator}expires={expires}");
                if let Some(network) = network {
                    let _ = write!(signed, "&ip={}", encoded(&network.to_string()));
                }
                let sig = secret.clone().chain_update(signed.as_bytes()).finalize().into_bytes();
                format!("{}{signed}&sig={}", self.origin(), hex::encode(sig))
            }
            CdnSigningMethod::Token(_) if network.is_some() => return None,
            CdnSigningMethod::Token(signer) => {
                format!("{}{}", self.origin(), signer.sign(&self.path(key), &parameters, validity))
            }
        };
        let expires_at = Timestamp::from_second(expires).unwrap_or(validity.until);
        Some(SignedUrl { url, headers: Vec::new(), expires_at })
    }

    /// Scheme and host.
    fn origin(&self) -> &str {
        self.base.strip_suffix(&self.prefix).unwrap_or(&self.base)
    }
}

impl CdnSigningKey {
    fn read(pem: &str) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let rsa = match &der {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
            _ => None,
        };
        if let Some(key) = rsa.filter(|key| (256..=512).contains(&key.public_modulus_len())) {
            return Some(Self::Rsa(key));
        }
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der.secret_der()).ok().map(Self::P256)
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::P256(key) => key.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec()),
        }
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, CDN_RESERVED_CHARACTERS).to_string()
}

/// The `response-…` overrides, in the order of their names.
fn parameters(shown: &ResponseHeaders) -> Vec<(&'static str, &str)> {
    let overrides = [
        ("response-cache-control", &shown.cache_control),
        ("response-content-disposition", &shown.disposition),
        ("response-content-type", &shown.content_type),
    ];
    overrides.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
}

/// Query of the parameters, including the question mark; empty without parameters.
fn query_text(parameters: &[(&'static str, &str)]) -> String {
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// The policy to sign, and the query parameter that carries it. `None` if CloudFront has no such policy (IPv6).
fn policy(resource: &str, expires: i64, network: Option<&ClientNetwork>) -> Option<(String, String)> {
    let until = format!(r#""DateLessThan":{{"AWS:EpochTime":{expires}}}"#);
    let Some(network) = network else {
        let policy = format!(r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{{until}}}}}]}}"#);
        return Some((policy, format!("Expires={expires}")));
    };
    if network.is_ipv6() {
        return None;
    }
    let from = format!(r#""IpAddress":{{"AWS:SourceIp":"{network}"}}"#);
    let policy = format!(r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{{until},{from}}}}}]}}"#);
    let parameter = format!("Policy={}", cloudfront_text(policy.as_bytes()));
    Some((policy, parameter))
}

/// Base64 in CloudFront's alphabet: `+`, `=` and `/` become `-`, `_` and `~`.
fn cloudfront_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;

    #[test]
    fn an_hmac_covers_path_query_expiry_and_network() {
        let cdn = CdnSigner::hmac("https://cdn.example/files/", "0123456789abcdef0123456789abcdef").unwrap();
        let shown = ResponseHeaders { content_type: Some("text/plain".to_owned()), ..ResponseHeaders::default() };
        let validity = CdnValidity { from: micros(0), until: micros(1_700_000_000_900_000) };
        let network = "192.0.2.0/24".parse().unwrap();
        let url = cdn.sign("gantry/o/1", &shown, validity, Some(&network)).unwrap();
        let (signed, sig) = url.url.split_once("&sig=").unwrap();
        assert_eq!(
            signed,
            "https://cdn.example/files/gantry/o/1?response-content-type=text%2Fplain&expires=1700000000&ip=192.0.2.0%2F24"
        );
        let key = Hmac::<Sha256>::new_from_slice(b"0123456789abcdef0123456789abcdef").unwrap();
        let path = signed.strip_prefix("https://cdn.example").unwrap();
        assert_eq!(sig, hex::encode(key.chain_update(path.as_bytes()).finalize().into_bytes()));
        assert_eq!(url.expires_at.as_second(), 1_700_000_000);
    }

    #[test]
    fn nonsense_is_no_network() {
        for url in ["", "cdn.example", "ftp://cdn.example", "https://cdn.example/?a=b", "https://u:p@cdn.example"] {
            assert_eq!(CdnSigner::hmac(url, "s").err(), Some(BadCdn::Url), "{url}");
        }
        for key in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert_eq!(CdnSigner::cloudfront("https://cdn.example", "K", key).err(), Some(BadCdn::Key), "{key}");
        }
    }
}
