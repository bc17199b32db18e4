//! Stage two for deliveries: delivery modes, the proxy in front of the service, the content delivery network.
//!
//! Error messages must not contain secrets.

use super::check::ConfigParser;
use crate::engine::{
    CdnSigner, DeliveryMode, DeliverySettings, EdgeTokenForm, EdgeTokenScope, MIN_SECRET_BYTES, ProxyCacheMode,
    ProxySecret, PurgeHook, TrustedProxy,
};

/// Parses the default delivery mode.
pub(super) fn default_delivery(c: &mut ConfigParser) -> DeliveryMode {
    c.parse_value("delivery", "redirect, stream, accel, sendfile or cdn", DeliveryMode::Redirect, |text| {
        text.parse().ok()
    })
}

/// Parses all other settings of deliveries. `usual`: the default mode, which is always offered.
pub(super) fn deliveries(c: &mut ConfigParser, usual: DeliveryMode) -> DeliverySettings {
    let also = c.parse_value("downloads.also", "a list like redirect, stream", Vec::new(), |text| {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(|word| word.parse().ok()).collect()
    });
    let (proxy, cdn) = (proxy(c), cdn(c));
    let offered = |wanted: fn(DeliveryMode) -> bool| wanted(usual) || also.iter().copied().any(wanted);
    if offered(DeliveryMode::needs_proxy) && proxy.is_none() {
        c.add_error(
            "trusted_proxy_secret",
            "required for accel and sendfile: only the proxy may learn where bytes are",
        );
    }
    if offered(|mode| mode == DeliveryMode::Cdn) && cdn.is_none() {
        c.add_error("cdn.form", format!("required for cdn: {CDN_FORMS}"));
    }
    DeliverySettings { also, proxy, proxy_ttl: c.url_lifetime("downloads.proxy_expires_in"), cdn, purge: purge(c) }
}

fn proxy(c: &mut ConfigParser) -> Option<TrustedProxy> {
    let limit_rate = Some(c.size("downloads.proxy_limit_rate")).filter(|rate| *rate > 0);
    let buffering = c.parse_value("downloads.proxy_buffering", "default, yes or no", None, |text| match text {
        "default" => Some(None),
        "yes" => Some(Some(true)),
        "no" => Some(Some(false)),
        _ => None,
    });
    let cache = if c.flag("downloads.proxy_cache") { ProxyCacheMode::Slices } else { ProxyCacheMode::Off };
    let secret = ProxySecret::new(&checked_secret(c, "trusted_proxy_secret")?);
    Some(TrustedProxy { secret, limit_rate, buffering, cache })
}

fn checked_secret(c: &mut ConfigParser, name: &str) -> Option<String> {
    let secret = c.optional_text(name)?;
    if secret.len() < MIN_SECRET_BYTES {
        c.add_error(name, format!("must have at least {MIN_SECRET_BYTES} bytes"));
    }
    Some(secret)
}

/// Forms of signatures that networks check.
const CDN_FORMS: &str = "cloudfront, hmac, cloudflare, fastly, bunny or akamai";

fn cdn(c: &mut ConfigParser) -> Option<CdnSigner> {
    let url = c.text("cdn.url");
    let scope = c.parse_value("cdn.scope", "url or directory", EdgeTokenScope::Url, |text| match text {
        "url" => Some(EdgeTokenScope::Url),
        "directory" => Some(EdgeTokenScope::Directory),
        _ => None,
    });
    let made = match c.optional_text("cdn.form")?.as_str() {
        "cloudfront" => CdnSigner::cloudfront(&url, &c.optional_text("cdn.key_pair_id")?, &c.text("cdn.private_key")),
        "hmac" => CdnSigner::hmac(&url, &cdn_secret(c)?),
        form => match token_form(form, scope) {
            Some(form) => CdnSigner::token(&url, form, &cdn_secret(c)?),
            None => {
                c.add_error("cdn.form", format!("\"{form}\" is not one of {CDN_FORMS}"));
                return None;
            }
        },
    };
    made.map_err(|problem| c.add_error("cdn", problem)).ok()
}

fn cdn_secret(c: &mut ConfigParser) -> Option<String> {
    let secret = checked_secret(c, "cdn.secret");
    if secret.is_none() {
        c.add_error("cdn.secret", "required: the network checks signatures with it");
    }
    secret
}

fn token_form(name: &str, scope: EdgeTokenScope) -> Option<EdgeTokenForm> {
    Some(match name {
        "cloudflare" => EdgeTokenForm::Cloudflare,
        "fastly" => EdgeTokenForm::Fastly,
        "bunny" => EdgeTokenForm::Bunny(scope),
        "akamai" => EdgeTokenForm::Akamai(scope),
        _ => return None,
    })
}

/// Parses the purge hook. The error does not contain its text, which may hold a password.
fn purge(c: &mut ConfigParser) -> Option<PurgeHook> {
    let url = c.optional_text("cdn.purge_url")?;
    if !url::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        c.add_error("cdn.purge_url", "must be a URL like https://cdn.example/purge");
    }
    Some(PurgeHook { url, token: c.optional_text("cdn.purge_token") })
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigOverrides, InvalidSettings, ServiceConfig};
    use crate::engine::DeliveryMode;

    fn load(settings: &[(&str, &str)]) -> Result<ServiceConfig, InvalidSettings> {
        let vars = settings.iter().map(|(name, value)| (format!("GANTRY_{name}"), (*value).to_owned()));
        ServiceConfig::from(&ConfigOverrides::default(), vars)
    }

    #[test]
    fn nobody_is_told_where_bytes_are_without_a_secret() {
        for delivery in ["accel", "sendfile"] {
            for variable in ["DELIVERY", "DOWNLOADS__ALSO"] {
                let complaints = load(&[(variable, delivery)]).unwrap_err();
                assert!(complaints.to_string().contains("trusted_proxy_secret"), "{complaints}");
            }
        }
        let short = load(&[("DELIVERY", "accel"), ("TRUSTED_PROXY_SECRET", "hush")]).unwrap_err().to_string();
        assert!(short.contains("at least 32") && !short.contains("hush"), "{short}");
        let secret = "0123456789abcdef0123456789abcdef";
        let config = load(&[("DELIVERY", "accel"), ("TRUSTED_PROXY_SECRET", secret)]).unwrap();
        assert_eq!(config.engine.delivery, DeliveryMode::Accel);
        assert_eq!(config.engine.deliveries.also, [DeliveryMode::Redirect, DeliveryMode::Stream]);
    }

    #[test]
    fn a_network_needs_its_keys() {
        let none = load(&[("DELIVERY", "cdn")]).unwrap_err();
        assert!(none.to_string().contains("cdn.form"), "{none}");
        let secret = ("CDN__SECRET", "0123456789abcdef0123456789abcdef");
        let hmac = [("DELIVERY", "cdn"), ("CDN__FORM", "hmac"), ("CDN__URL", "https://cdn.example"), secret];
        assert!(load(&hmac).unwrap().engine.deliveries.cdn.is_some());
        let long = "0123456789abcdef".repeat(4);
        for form in ["cloudflare", "fastly", "bunny", "akamai"] {
            let settings = [("CDN__FORM", form), ("CDN__URL", "https://cdn.example"), ("CDN__SCOPE", "directory")];
            load(&[&settings[..], &[("CDN__SECRET", long.as_str())]].concat()).unwrap();
            let absent = load(&[&settings[..], &[("CDN__SECRET", "")]].concat()).unwrap_err().to_string();
            assert!(absent.contains("cdn.secret"), "{form}: {absent}");
        }
        let bad = [("CDN__FORM", "akamai"), ("CDN__URL", "https://c.example"), ("CDN__SECRET", &*"hush".repeat(8))];
        let bad = load(&bad).unwrap_err().to_string();
        assert!(bad.contains("hexadecimal") && !bad.contains("hush"), "{bad}");
        let key = ("CDN__PRIVATE_KEY", "hush");
        let bad = [("CDN__FORM", "cloudfront"), ("CDN__URL", "https://c.example"), ("CDN__KEY_PAIR_ID", "K"), key];
        let bad = load(&bad).unwrap_err().to_string();
        assert!(bad.contains("private key") && !bad.contains("hush"), "{bad}");
    }
}
