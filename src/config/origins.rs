//! Stage two for addresses that clients and browsers use: valid origins that a client can reach.
//!
//! Only the text is checked: names are not resolved and no connection is made.

use std::net::SocketAddr;

use url::{Host, Url};

use super::check::{ConfigParser, split_list};

impl ConfigParser {
    /// An origin without a trailing slash, in the spelling that browsers use.
    pub(super) fn origin(&mut self, name: &str) -> Option<String> {
        let text = self.optional_text(name)?;
        match web_origin(&text) {
            Some(url) if names_every_address(&url) => {
                self.add_error(name, format!("\"{text}\" {UNSPECIFIED_ADDRESS_MESSAGE}"));
            }
            Some(url) => return Some(url.origin().ascii_serialization()),
            None => self.add_error(name, format!("\"{text}\" is not an origin like https://files.example")),
        }
        None
    }

    /// The origin at which clients reach the listener at `listen`. Without the setting, signed URLs and links contain
    /// the listening address, to which clients must then be able to connect.
    pub(super) fn public_origin(&mut self, name: &str, listen_name: &str, listen: SocketAddr) -> Option<String> {
        let origin = self.origin(name);
        if self.optional_text(name).is_none() && listen.ip().to_canonical().is_unspecified() {
            let variable = name.to_uppercase();
            self.add_error(
                name,
                format!(
                    "required, because {listen_name} is {listen}, which means all addresses of this machine; links \
                     and signed URLs need an address of their own. Set {name} (GANTRY_{variable}) to the address that \
                     clients use, like http://192.0.2.7:{port} or https://files.example",
                    port = listen.port()
                ),
            );
        }
        origin
    }

    /// The URL of an S3 server; a path is allowed.
    pub(super) fn endpoint(&mut self, name: &str) -> Option<String> {
        let text = self.optional_text(name)?;
        let url = Url::parse(&text).ok().filter(|url| is_web(url) && url.query().is_none());
        if url.is_none() {
            self.add_error(name, format!("\"{text}\" is not a URL like https://s3.example"));
        }
        Some(text)
    }

    /// Origins whose pages may call the API, in browsers' spelling, or `*`.
    pub(super) fn cors_origins(&mut self) -> Vec<String> {
        let mut origins = Vec::new();
        for text in split_list(&self.text("cors_origins")) {
            match page_origin(&text) {
                Some(origin) => origins.push(origin),
                None => self.add_error(
                    "cors_origins",
                    format!("\"{text}\" is neither an origin with its scheme, like https://app.example, nor *"),
                ),
            }
        }
        origins
    }
}

const UNSPECIFIED_ADDRESS_MESSAGE: &str =
    "means all addresses of this machine; set an address to which clients can connect";

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && url.password().is_none()
}

/// An http or https URL that consists of an origin only.
fn web_origin(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim_end_matches('/')).ok()?;
    (is_web(&url) && url.path() == "/" && url.query().is_none() && url.fragment().is_none()).then_some(url)
}

fn names_every_address(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_unspecified(),
        Some(Host::Domain(_)) | None => false,
    }
}

/// The origin of a page as its browser sends it in `Origin`. Apps have schemes of their own (`capacitor://localhost`,
/// `chrome-extension://…`).
fn page_origin(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    if let Some(url) = web_origin(text) {
        return Some(url.origin().ascii_serialization());
    }
    let (scheme, rest) = text.split_once("://")?;
    let (named, own) = (rest.trim(), !matches!(scheme, "http" | "https"));
    let plain = !named.is_empty() && !named.contains(['/', '?', '#', '@', '*', ' ']);
    (own && plain && Url::parse(text).is_ok()).then(|| text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigOverrides, InvalidSettings, ServiceConfig, StoreConfig};

    fn load(settings: &[(&str, &str)]) -> Result<ServiceConfig, InvalidSettings> {
        let vars = settings.iter().map(|(name, value)| (format!("GANTRY_{name}"), (*value).to_owned()));
        ServiceConfig::from(&ConfigOverrides::default(), vars)
    }

    fn complaint(settings: &[(&str, &str)]) -> String {
        let complaints = load(settings).expect_err(&format!("{settings:?} is refused")).0;
        assert_eq!(complaints.len(), 1, "{settings:?}: {complaints:?}");
        complaints[0].clone()
    }

    #[test]
    fn listening_everywhere_needs_an_address_for_clients() {
        for everywhere in ["0.0.0.0:8080", "[::]:8080", "[::ffff:0.0.0.0]:8080"] {
            let text = complaint(&[("LISTEN", everywhere)]);
            assert!(text.starts_with("public_url: ") && text.contains("GANTRY_PUBLIC_URL"), "{text}");
            let text = complaint(&[("STORE_LISTEN", everywhere)]);
            assert!(text.starts_with("store_public_url: ") && text.contains("GANTRY_STORE_PUBLIC_URL"), "{text}");
        }
        let urls = [("PUBLIC_URL", "https://files.example"), ("STORE_PUBLIC_URL", "https://store.example")];
        let config = load(&[&[("LISTEN", "0.0.0.0:8080"), ("STORE_LISTEN", "[::]:8081")][..], &urls].concat()).unwrap();
        assert_eq!(config.public_url.as_deref(), Some("https://files.example"));
        assert!(matches!(config.store, StoreConfig::Embedded { public_url: Some(url), .. } if url == urls[1].1));
        // With an external store, the embedded store does not listen.
        load(&[("STORE", "s3"), ("S3_BUCKET", "b"), ("STORE_LISTEN", "0.0.0.0:8081")]).unwrap();
        load(&[("LISTEN", "127.0.0.1:0"), ("STORE_LISTEN", "[::1]:0")]).unwrap();
    }

    #[test]
    fn an_address_of_everywhere_is_none_for_clients() {
        for name in ["PUBLIC_URL", "CONTENT_URL", "STORE_PUBLIC_URL"] {
            for url in ["http://0.0.0.0:8080", "http://[::]:8080"] {
                let text = complaint(&[(name, url)]);
                assert!(text.starts_with(&name.to_lowercase()) && text.contains("all addresses"), "{text}");
            }
        }
    }

    #[test]
    fn origins_are_spelled_as_browsers_do() {
        let config = load(&[("PUBLIC_URL", "https://Files.Example:443/"), ("CONTENT_URL", "http://127.0.0.1:8080")]);
        let config = config.unwrap();
        assert_eq!(config.public_url.as_deref(), Some("https://files.example"));
        assert_eq!(config.content_url.as_deref(), Some("http://127.0.0.1:8080"));
        for wrong in ["files.example", "https://", "https://a@files.example", "https://files.example/path", "ftp://x"] {
            assert!(complaint(&[("PUBLIC_URL", wrong)]).starts_with("public_url"), "{wrong}");
        }
    }

    #[test]
    fn pages_are_let_in_by_whole_origins() {
        let many = "https://App.example:443/, http://localhost:5173, capacitor://localhost, *";
        let origins = load(&[("CORS_ORIGINS", many)]).unwrap().cors_origins;
        assert_eq!(origins, ["https://app.example", "http://localhost:5173", "capacitor://localhost", "*"]);
        for wrong in ["app.example", "//app.example", "https://app.example/page", "*.example", "https://", "null"] {
            assert!(complaint(&[("CORS_ORIGINS", wrong)]).contains("scheme"), "{wrong}");
        }
    }

    #[test]
    fn endpoints_of_stores_are_urls() {
        let s3 = [("STORE", "s3"), ("S3_BUCKET", "b")];
        for name in ["S3_ENDPOINT", "S3_PUBLIC_ENDPOINT"] {
            let settings = |url| [&s3[..], &[(name, url)]].concat();
            assert!(complaint(&settings("localhost:9000")).starts_with(&name.to_lowercase()));
            load(&settings("http://localhost:9000/prefix")).unwrap();
        }
    }
}
