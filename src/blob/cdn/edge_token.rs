//! Tokens that networks check by functions of their own: Cloudflare, Fastly, Bunny and Akamai.
//!
//! All of them are HMAC-SHA256 under a shared secret. They differ in what is signed, in the spelling of the token, and in
//! the form of the secret. No token is bound to a client's address.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{BadCdn, CdnValidity, encoded, query_text};

/// Network whose function checks a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeTokenForm {
    /// `verify=<issued>-<Base64>`, for `is_timed_hmac_valid_v0` with a separator of 8 bytes
    /// (<https://developers.cloudflare.com/ruleset-engine/rules-language/functions/#hmac-validation>). The lifetime is in
    /// the rule, not in the token.
    Cloudflare,
    /// `token=<expires>_<hex>`, for VCL with `digest.hmac_sha256`
    /// (<https://docs.fastly.com/en/guides/enabling-url-token-validation>). The secret is Base64.
    Fastly,
    /// `token=HS256-<Base64>&…&expires=<expires>`
    /// (<https://docs.bunny.net/cdn/security/token-authentication/advanced>).
    Bunny(EdgeTokenScope),
    /// `__token__=exp=<expires>~…~hmac=<hex>`, Auth Token 2.0
    /// (<https://github.com/akamai/EdgeAuth-Token-Python>). The secret is hexadecimal.
    Akamai(EdgeTokenScope),
}

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeTokenScope {
    /// The URL that it was made for.
    Url,
    /// Every object in the folder of the object: of the same asset.
    Directory,
}

/// Signer of tokens.
pub(super) struct EdgeTokenSigner {
    form: EdgeTokenForm,
    key: Hmac<Sha256>,
}

impl EdgeTokenSigner {
    /// Signer with a secret in the form that the network keeps it in.
    pub(super) fn new(form: EdgeTokenForm, secret: &str) -> Result<Self, BadCdn> {
        let bytes = match form {
            EdgeTokenForm::Cloudflare | EdgeTokenForm::Bunny(_) => secret.as_bytes().to_vec(),
            EdgeTokenForm::Fastly => STANDARD.decode(secret).map_err(|_| BadCdn::Base64Secret)?,
            EdgeTokenForm::Akamai(_) => hex::decode(secret).map_err(|_| BadCdn::HexSecret)?,
        };
        let key = Hmac::new_from_slice(&bytes).map_err(|_| BadCdn::Key)?;
        Ok(Self { form, key })
    }

    /// Path and query with the token.
    pub(super) fn sign(&self, path: &str, parameters: &[(&'static str, &str)], validity: CdnValidity) -> String {
        let signed = format!("{path}{}", query_text(parameters));
        let separator = if parameters.is_empty() { '?' } else { '&' };
        let expires = validity.until.as_second();
        match self.form {
            EdgeTokenForm::Cloudflare => {
                let issued = validity.from.as_second();
                let mac = encoded(&STANDARD.encode(self.mac(&[&signed, &issued.to_string()])));
                format!("{signed}{separator}verify={issued}-{mac}")
            }
            EdgeTokenForm::Fastly => {
                let mac = hex::encode(self.mac(&[&signed, &expires.to_string()]));
                format!("{signed}{separator}token={expires}_{mac}")
            }
            EdgeTokenForm::Bunny(scope) => self.bunny(path, parameters, scope, expires),
            EdgeTokenForm::Akamai(scope) => {
                let mut fields = format!("exp={expires}");
                let mac = match scope {
                    EdgeTokenScope::Url => self.mac(&[&fields, "~url=", &signed]),
                    EdgeTokenScope::Directory => {
                        fields = format!("{fields}~acl={}*", directory(path));
                        self.mac(&[&fields])
                    }
                };
                format!("{signed}{separator}__token__={fields}~hmac={}", hex::encode(mac))
            }
        }
    }

    /// Parameters are signed as they are, and in the order of their names.
    fn bunny(&self, path: &str, parameters: &[(&'static str, &str)], scope: EdgeTokenScope, expires: i64) -> String {
        let mut parameters = parameters.to_vec();
        let signed_path = match scope {
            EdgeTokenScope::Url => path,
            EdgeTokenScope::Directory => {
                parameters.push(("token_path", directory(path)));
                directory(path)
            }
        };
        parameters.sort_unstable();
        let plain: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mac = self.mac(&[signed_path, &expires.to_string(), &plain.join("&")]);
        let shown = query_text(&parameters).replacen('?', "&", 1);
        format!("{path}?token=HS256-{}{shown}&expires={expires}", URL_SAFE_NO_PAD.encode(mac))
    }

    fn mac(&self, pieces: &[&str]) -> impl AsRef<[u8]> + use<> {
        let mac = pieces.iter().fold(self.key.clone(), |mac, piece| mac.chain_update(piece.as_bytes()));
        mac.finalize().into_bytes()
    }
}

/// The folder of a path, with the slash at its end.
fn directory(path: &str) -> &str {
    path.rfind('/').and_then(|slash| path.get(..=slash)).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;

    fn validity(from: i64, until: i64) -> CdnValidity {
        CdnValidity { from: micros(from * 1_000_000), until: micros(until * 1_000_000) }
    }

    /// <https://cloudflare-hmac.pages.dev/posts/hmac_validation>, by an engineer of Cloudflare.
    #[test]
    fn cloudflares_published_example() {
        let signer = EdgeTokenSigner::new(EdgeTokenForm::Cloudflare, "cloudflare").unwrap();
        assert_eq!(
            signer.sign("/tokenauth/kayak.mp4", &[], validity(1_657_026_353, 1_657_026_653)),
            "/tokenauth/kayak.mp4?verify=1657026353-ZXJWAyFwAgJSY%2B5j3CkJE80TatA33E3MEH4D%2FkSnh7M%3D"
        );
    }

    /// `e2e/vectors.json` of <https://github.com/BunnyWay/BunnyCDN.TokenAuthentication>.
    #[test]
    fn bunnys_published_vectors() {
        let signer = EdgeTokenSigner::new(EdgeTokenForm::Bunny(EdgeTokenScope::Url), "SecurityKey").unwrap();
        let until = validity(0, 1_598_024_587);
        assert_eq!(
            signer.sign("/300kb.jpg", &[], until),
            "/300kb.jpg?token=HS256-o10JRWlsAItyAsdKS6jJKjabHN4FrFsplDHPV1idcX4&expires=1598024587"
        );
        assert_eq!(
            signer.sign("/300kb.jpg", &[("token_countries", "CA,US")], until),
            "/300kb.jpg?token=HS256-i5s3Uv7mnrFfN5nznwU2BxhILpnipYeE18TapV0WNFM&token_countries=CA%2CUS&expires=1598024587"
        );
        let signer = EdgeTokenSigner::new(EdgeTokenForm::Bunny(EdgeTokenScope::Directory), "SecurityKey").unwrap();
        assert_eq!(
            signer.sign("/300kb.jpg", &[("token_countries", "CA")], until),
            "/300kb.jpg?token=HS256-JWU7jhpnBGI-O54AYDAtrlZT86Ied4RTO2-Y8mUj60A&token_countries=CA&token_path=%2F&expires=1598024587"
        );
    }

    /// Made with `akamai-edgeauth`, Akamai's own library for Python.
    #[test]
    fn akamais_library_makes_the_same() {
        let until = validity(0, 1_598_024_587);
        let sign = |scope| {
            let secret = "00112233445566778899aabbccddeeff".repeat(2);
            let signer = EdgeTokenSigner::new(EdgeTokenForm::Akamai(scope), &secret).unwrap();
            signer.sign("/files/gantry/o/1/2/3", &[("response-content-type", "text/plain")], until)
        };
        assert_eq!(
            sign(EdgeTokenScope::Directory),
            "/files/gantry/o/1/2/3?response-content-type=text%2Fplain&__token__=exp=1598024587~acl=/files/gantry/o/1/2/*\
             ~hmac=5edc9f24060365e8e4d580d0b85c23930da608aaf541748bdb658fae2929e624"
        );
        assert_eq!(
            sign(EdgeTokenScope::Url),
            "/files/gantry/o/1/2/3?response-content-type=text%2Fplain&__token__=exp=1598024587\
             ~hmac=e46b01bc269703a2dc342854309412f012342caec9e7d74cfa4f07173fd0180a"
        );
    }

    #[test]
    fn a_secret_has_the_form_that_the_network_keeps_it_in() {
        let text = "this is neither Base64 nor hexadecimal";
        let error = |form| EdgeTokenSigner::new(form, text).err();
        assert_eq!(error(EdgeTokenForm::Fastly), Some(BadCdn::Base64Secret));
        assert_eq!(error(EdgeTokenForm::Akamai(EdgeTokenScope::Url)), Some(BadCdn::HexSecret));
        assert_eq!(error(EdgeTokenForm::Cloudflare), None);
    }
}
