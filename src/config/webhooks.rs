//! Stage two for webhooks: where endpoints may be, and how they are told.

use super::check::{Checker, networks};
use crate::domain::egress::Egress;
use crate::engine::WebhookSettings;

/// Reads how endpoints are told of events.
pub(super) fn webhooks(c: &mut Checker) -> WebhookSettings {
    let egress = Egress {
        http: c.flag("webhooks.allow_http"),
        networks: c.value("webhooks.allow_networks", "a list like 10.0.0.0/8, ::1", Vec::new(), networks),
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

/// Without its text in the complaint: it may hold a password.
fn proxy(c: &mut Checker) -> Option<String> {
    let text = c.optional("webhooks.proxy")?;
    let good = url::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !good {
        c.complain("webhooks.proxy", "not a URL like http://proxy.example:3128");
    }
    Some(text)
}
