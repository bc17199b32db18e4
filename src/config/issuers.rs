//! Stage two for issuers of JSON Web Tokens: a table for each, under a name that the operator chooses.
//!
//! Their defaults stand in `default.toml` as a comment, because there is no issuer by default.

use std::collections::BTreeSet;
use std::time::Duration;

use super::check::{Checker, list};
use crate::domain::issuer::{Algorithm, Issuer, KeySource, ScopesOf, TenantOf};
use crate::domain::tenant::is_tenant_name;
use crate::engine::KeySetSettings;
use crate::keysets::is_trustworthy;

/// The settings of one issuer, with their defaults.
const SETTINGS: [(&str, &str); 11] = [
    ("issuer", ""),
    ("jwks_url", ""),
    ("secret", ""),
    ("audience", ""),
    ("algorithms", "RS256, ES256, EdDSA"),
    ("tenant", ""),
    ("tenant_claim", ""),
    ("tenant_names", ""),
    ("scopes_claim", "scope"),
    ("scopes_names", ""),
    ("leeway", "30s"),
];
/// Shorter secrets are refused: they can be guessed from one token.
const LEAST_SECRET: usize = 32;
/// Clocks that differ by more have other problems.
const MOST_LEEWAY: Duration = Duration::from_secs(600);

/// The name of the issuer that a setting belongs to, and the setting's own.
fn parts(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("issuers.")?.split_once('.')
}

/// Whether this is one of an issuer's settings.
pub(super) fn is_setting(name: &str) -> bool {
    let fit = |issuer: &str| issuer.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    parts(name).is_some_and(|(issuer, own)| {
        !issuer.is_empty() && fit(issuer) && SETTINGS.iter().any(|(known, _)| *known == own)
    })
}

/// Reads how long the keys of issuers are good.
pub(super) fn key_sets(c: &mut Checker) -> KeySetSettings {
    let settings = KeySetSettings {
        refresh: c.time("key_sets.refresh"),
        pause: c.time("key_sets.pause"),
        keep: c.time("key_sets.keep"),
    };
    if settings.keep < settings.refresh {
        c.complain("key_sets.keep", "shorter than key_sets.refresh");
    }
    settings
}

/// Reads every issuer.
pub(super) fn issuers(c: &mut Checker) -> Vec<Issuer> {
    let names: BTreeSet<String> = c.names().filter_map(parts).map(|(issuer, _)| issuer.to_owned()).collect();
    let issuers: Vec<Issuer> = names.iter().map(|name| issuer(c, name)).collect();
    for (at, issuer) in issuers.iter().enumerate() {
        if issuers.iter().skip(at + 1).any(|other| other.issuer == issuer.issuer) {
            c.complain(&format!("issuers.{}.issuer", issuer.name), "another one has the same");
        }
    }
    issuers
}

fn issuer(c: &mut Checker, name: &str) -> Issuer {
    for (own, default) in SETTINGS {
        c.default_to(format!("issuers.{name}.{own}"), default);
    }
    let at = |own: &str| format!("issuers.{name}.{own}");
    let keys = keys(c, name);
    Issuer {
        name: name.to_owned(),
        issuer: required(c, &at("issuer"), "the claim iss of its tokens"),
        audiences: audiences(c, &at("audience")),
        algorithms: algorithms(c, &at("algorithms"), matches!(keys, KeySource::Secret(_))),
        tenant: tenant(c, name),
        scopes: ScopesOf {
            claim: required(c, &at("scopes_claim"), "the claim that says what they may do"),
            names: c.value(&at("scopes_names"), "a list like files.write=upload, staff=admin", Vec::new(), |text| {
                pairs(text)?.into_iter().map(|(word, scope)| Some((word, scope.parse().ok()?))).collect()
            }),
        },
        leeway: leeway(c, &at("leeway")),
        keys,
    }
}

fn required(c: &mut Checker, name: &str, why: &str) -> String {
    let text = c.optional(name);
    if text.is_none() {
        c.complain(name, format!("needed: {why}"));
    }
    text.unwrap_or_default()
}

/// Whom tokens are for. A list of nothing but commas would let in none of them.
fn audiences(c: &mut Checker, name: &str) -> Vec<String> {
    let text = required(c, name, "without it, tokens for somebody else would count");
    let audiences = list(&text);
    if audiences.is_empty() && !text.is_empty() {
        c.complain(name, format!("{text:?} names no audience"));
    }
    audiences
}

fn keys(c: &mut Checker, name: &str) -> KeySource {
    let at = |own: &str| format!("issuers.{name}.{own}");
    match (c.optional(&at("jwks_url")), c.optional(&at("secret"))) {
        (Some(_), Some(_)) => {
            c.complain(&at("secret"), "either a secret or a JWK set");
            KeySource::Discovery
        }
        (None, Some(secret)) => {
            if secret.len() < LEAST_SECRET {
                c.complain(&at("secret"), format!("at least {LEAST_SECRET} bytes"));
            }
            KeySource::Secret(secret.into_bytes())
        }
        (Some(url), None) => {
            if !is_trustworthy(&url) {
                c.complain(&at("jwks_url"), format!("{url:?} is not an https URL, or one of this machine"));
            }
            KeySource::Jwks(url)
        }
        (None, None) => {
            let issuer = c.text(&at("issuer"));
            if !issuer.is_empty() && !is_trustworthy(&issuer) {
                c.complain(&at("jwks_url"), "needed: the issuer is no https URL at which its keys could be asked for");
            }
            KeySource::Discovery
        }
    }
}

fn algorithms(c: &mut Checker, name: &str, shared: bool) -> Vec<Algorithm> {
    let text = c.text(name);
    let default = SETTINGS.iter().any(|(own, default)| *own == "algorithms" && *default == text);
    if shared && default {
        return vec![Algorithm::Hs256];
    }
    let read: Result<Vec<Algorithm>, String> = list(&text).iter().map(|text| text.parse()).collect();
    match read {
        Ok(read) if read.is_empty() => c.complain(name, "needed: at least one"),
        Ok(read) if read.iter().all(|algorithm| algorithm.is_symmetric() == shared) => return read,
        // A public key as the secret of an HMAC is the oldest trick.
        Ok(_) => c.complain(name, "HS256, HS384 and HS512 go with a secret, all others with a JWK set"),
        Err(problem) => c.complain(name, problem),
    }
    Vec::new()
}

fn tenant(c: &mut Checker, name: &str) -> TenantOf {
    let at = |own: &str| format!("issuers.{name}.{own}");
    let names = c.value(&at("tenant_names"), "a list like org-17=acme, org-18=globex", Vec::new(), |text| {
        pairs(text).filter(|pairs| pairs.iter().all(|(_, tenant)| is_tenant_name(tenant)))
    });
    match (c.optional(&at("tenant")), c.optional(&at("tenant_claim"))) {
        (Some(tenant), None) if names.is_empty() => {
            if !is_tenant_name(&tenant) {
                c.complain(&at("tenant"), format!("{tenant:?} is no tenant's name"));
            }
            TenantOf::Fixed(tenant)
        }
        (None, Some(claim)) => TenantOf::Claim { claim, names },
        _ => {
            c.complain(&at("tenant"), "needed: a tenant, or else tenant_claim with tenant_names as wanted");
            TenantOf::Fixed(String::new())
        }
    }
}

fn leeway(c: &mut Checker, name: &str) -> Duration {
    c.value(name, "a time of at most ten minutes", Duration::ZERO, |text| {
        crate::domain::clock::parse_duration(text).filter(|leeway| *leeway <= MOST_LEEWAY)
    })
}

/// `theirs=ours`, several with commas.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |item: &str| {
        // Their words may have anything in them, ours have no '='.
        let (theirs, ours) = item.rsplit_once('=')?;
        let (theirs, ours) = (theirs.trim().to_owned(), ours.trim().to_owned());
        (!theirs.is_empty() && !ours.is_empty()).then_some((theirs, ours))
    };
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, DEFAULTS, Flags};
    use crate::domain::key::Scope;

    const LEAST: [(&str, &str); 3] =
        [("ISSUER", "https://login.example/"), ("AUDIENCE", "gantry, files"), ("TENANT", "acme")];

    fn load(settings: &[(&str, &str)]) -> Result<Vec<Issuer>, crate::config::Complaints> {
        let least = LEAST.iter().filter(|(name, _)| settings.iter().all(|(own, _)| own != name));
        let all =
            least.chain(settings).map(|(name, value)| (format!("GANTRY_ISSUERS__MY-IDP__{name}"), (*value).to_owned()));
        Config::from(&Flags::default(), all.filter(|(_, value)| !value.is_empty())).map(|config| config.issuers)
    }

    #[test]
    fn nobody_is_trusted_unless_the_settings_name_him() {
        assert_eq!(Config::from(&Flags::default(), std::iter::empty()).unwrap().issuers, []);
        let issuers = load(&[]).unwrap();
        let [issuer] = issuers.as_slice() else { panic!("{issuers:?}") };
        assert_eq!((issuer.name.as_str(), issuer.issuer.as_str()), ("my-idp", "https://login.example/"));
        assert_eq!(issuer.audiences, ["gantry", "files"]);
        assert_eq!(issuer.algorithms, [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa]);
        assert_eq!(issuer.tenant, TenantOf::Fixed("acme".to_owned()));
        assert_eq!((issuer.keys.clone(), issuer.leeway.as_secs()), (KeySource::Discovery, 30));
    }

    #[test]
    fn claims_are_mapped_and_secrets_shared() {
        let issuers = load(&[
            ("TENANT", ""),
            ("TENANT_CLAIM", "https://app.example/org"),
            ("TENANT_NAMES", "org=17=acme, ops=default"),
            ("SCOPES_NAMES", "files.write=upload, files.write=read, staff=admin"),
            ("SECRET", "0123456789abcdef0123456789abcdef"),
        ]);
        let issuer = issuers.unwrap().remove(0);
        let TenantOf::Claim { names, .. } = &issuer.tenant else { panic!("{issuer:?}") };
        assert_eq!(names[0], ("org=17".to_owned(), "acme".to_owned()));
        assert_eq!(issuer.scopes.names[2], ("staff".to_owned(), Scope::Admin));
        assert_eq!(issuer.algorithms, [Algorithm::Hs256]);
    }

    #[test]
    fn what_would_be_dangerous_is_refused() {
        let secret = "0123456789abcdef0123456789abcdef";
        let cases: [(&str, &[(&str, &str)]); 13] = [
            ("issuer", &[("ISSUER", ""), ("JWKS_URL", "https://login.example/keys")]),
            ("audience", &[("AUDIENCE", "")]),
            ("algorithms", &[("ALGORITHMS", "RS256, HS256")]),
            ("algorithms", &[("ALGORITHMS", "none")]),
            ("algorithms", &[("ALGORITHMS", ","), ("SECRET", secret)]),
            ("algorithms", &[("ALGORITHMS", "RS256"), ("SECRET", secret)]),
            ("secret", &[("SECRET", "short")]),
            ("secret", &[("SECRET", secret), ("JWKS_URL", "https://login.example/keys")]),
            ("jwks_url", &[("JWKS_URL", "http://login.example/keys")]),
            ("jwks_url", &[("ISSUER", "accounts")]),
            ("tenant", &[("TENANT", "")]),
            ("scopes_names", &[("SCOPES_NAMES", "staff=root")]),
            ("leeway", &[("LEEWAY", "1h")]),
        ];
        for (name, settings) in cases {
            let complaints = load(settings).unwrap_err();
            let about = format!("issuers.my-idp.{name}");
            assert!(complaints.0.iter().any(|text| text.starts_with(&about)), "{settings:?}: {complaints}");
            assert!(!complaints.to_string().contains(secret));
        }
        assert!(load(&[("AUDIENZ", "x")]).unwrap_err().to_string().contains("no such setting"));
    }

    #[test]
    fn the_annotated_file_tells_every_setting_of_an_issuer() {
        let table = DEFAULTS.split("# [issuers.example]").nth(1).unwrap().split("\n\n").next().unwrap();
        let told: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = ")).collect();
        let told: Vec<_> = told.iter().map(|(name, text)| (*name, text.trim_matches('"'))).collect();
        assert_eq!(told, SETTINGS);
    }
}
