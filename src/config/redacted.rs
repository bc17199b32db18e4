//! Settings as operators may see them: without secrets.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use regex::Regex;

/// Text in the place of a secret.
const SECRET: &str = "(set)";
/// Last words of the names of settings that are secrets.
const SECRET_NAMES: [&str; 5] = ["signing_key", "private_key", "secret", "token", "password"];

/// The settings by name, with `(set)` for secrets and without passwords in URLs.
pub(super) fn redact(texts: &HashMap<String, String>) -> BTreeMap<String, String> {
    let shown = |(name, text): (&String, &String)| {
        let secret = SECRET_NAMES.iter().any(|word| name.ends_with(word)) && !text.is_empty();
        (name.clone(), if secret { SECRET.to_owned() } else { without_password(text) })
    };
    texts.iter().map(shown).collect()
}

/// Replaces what stands between `//` and the last `@`: user names are often the half of a secret, and secrets of SQS may
/// have a `/`.
fn without_password(text: &str) -> String {
    static USER_INFO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"//[^?#\s]*@").ok());
    match &*USER_INFO {
        Some(user_info) => user_info.replace_all(text, format!("//{SECRET}@")).into_owned(),
        None => SECRET.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let settings = [
            ("signing_key", "0123456789"),
            ("trusted_proxy_secret", "0123456789"),
            ("cdn.purge_token", "0123456789"),
            ("cdn.private_key", "0123456789"),
            ("issuers.acme.secret", "0123456789"),
            ("database_url", "postgres://gantry:0123456789@db/gantry?sslmode=require"),
            ("handoff", "sqs:https://key:01234/56789@queue.example/1"),
            ("webhooks.proxy", "http://user:0123456789@proxy.example:3128"),
        ];
        let texts = settings.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        for (name, shown) in redact(&texts) {
            assert!(shown.contains(SECRET) && !shown.contains("01234"), "{name}: {shown}");
        }
    }

    #[test]
    fn other_settings_are_shown_as_they_are() {
        let texts = [("listen", "127.0.0.1:8080"), ("signing_key", ""), ("store", "embedded")];
        let texts: HashMap<_, _> = texts.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        assert_eq!(redact(&texts), texts.into_iter().collect());
    }
}
