//! Secrets of endpoints, and signatures (Standard Webhooks 1.0.0): HMAC-SHA256 over `{id}.{time}.{body}`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::clock::{Entropy, Timestamp};

const PREFIX: &str = "whsec_";

/// A secret shared by an endpoint and this service: `whsec_` and 32 random bytes in base64. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret([u8; 32]);

impl WebhookSecret {
    /// Generates a secret.
    #[must_use]
    pub fn fresh(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The text that is shown once to the endpoint's owner.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }

    /// `v1,` and the signature of a message that is sent at `at`.
    #[must_use]
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{}.", at.as_second()).as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The text is not a secret of this service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSecret;

impl FromStr for WebhookSecret {
    type Err = NoSecret;
    fn from_str(text: &str) -> Result<Self, NoSecret> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).ok_or(NoSecret)?).map_err(|_| NoSecret)?;
        bytes.try_into().map(Self).map_err(|_| NoSecret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{SeededEntropy, micros};

    #[test]
    fn the_reference_implementation_agrees() {
        let secret = WebhookSecret::fresh(&SeededEntropy::new(1));
        let theirs = standardwebhooks::Webhook::new(&secret.reveal()).unwrap();
        let (id, body) = ("msg_1", "{\"type\":\"ä\"}");
        let ours = secret.sign(id, micros(1_700_000_000_999_999), body.as_bytes());
        assert_eq!(ours, theirs.sign(id, 1_700_000_000, body.as_bytes()).unwrap());
    }

    #[test]
    fn it_is_read_back_and_not_shown() {
        let secret = WebhookSecret::fresh(&SeededEntropy::new(2));
        assert_eq!(secret.reveal().parse(), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        for bad in ["", "whsec_", "whsec_YWJj", &secret.reveal()[6..]] {
            assert_eq!(bad.parse::<WebhookSecret>(), Err(NoSecret), "{bad}");
        }
    }
}
