//! Stage two for webhooks: allowed endpoints, and how events are sent to them.

use super::check::{ConfigParser, parse_networks};
use crate::domain::egress::EgressPolicy;
use crate::engine::WebhookSettings;

/// Parses the settings of webhook deliveries.
pub(super) fn webhooks(c: &mut ConfigParser) -> WebhookSettings {
    let egress = EgressPolicy {
        http: c.flag("webhooks.allow_http"),
        networks: c.parse_value("webhooks.allow_networks", "a list like 10.0.0.0/8, ::1", Vec::new(), parse_networks),
        proxy: proxy(c),
    };
    WebhookSettings {
        egress,
        timeout: c.time("webhooks.timeout"),
        disable_after: c.time("webhooks.disable_after"),
        keep: c.time("webhooks.keep"),
        endpoints: c.number("webhooks.endpoints"),
    }
}

/// Parses the proxy. The error does not contain its text, which may hold a password.
fn proxy(c: &mut ConfigParser) -> Option<String> {
    let text = c.optional_text("webhooks.proxy")?;
    let good = url::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !good {
        c.add_error("webhooks.proxy", "must be a URL like http://proxy.example:3128");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigOverrides, ServiceConfig};

    fn load(settings: &[(&str, &str)]) -> Result<ServiceConfig, crate::config::InvalidSettings> {
        let vars = settings.iter().map(|(name, value)| (format!("GANTRY_WEBHOOKS__{name}"), (*value).to_owned()));
        ServiceConfig::from(&ConfigOverrides::default(), vars)
    }

    #[test]
    fn nothing_inner_is_reached_unless_somebody_says_so() {
        let egress = load(&[]).unwrap().engine.webhooks.egress;
        assert_eq!(egress, crate::domain::egress::EgressPolicy::default());
        let open =
            load(&[("ALLOW_NETWORKS", "10.0.0.0/8, ::1"), ("ALLOW_HTTP", "true")]).unwrap().engine.webhooks.egress;
        assert!(open.http && open.networks.len() == 2);
    }

    #[test]
    fn complaints_do_not_repeat_a_password() {
        let complaints =
            load(&[("PROXY", "socks://me:hush@proxy"), ("ALLOW_NETWORKS", "home"), ("TIMEOUT", "0")]).unwrap_err();
        assert!(complaints.0.len() == 3 && !complaints.to_string().contains("hush"), "{complaints}");
    }
}
