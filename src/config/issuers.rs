//! Stage two for issuers of JSON Web Tokens: a table for each, under a name that the operator chooses.
//!
//! Their defaults are comments in `default.toml`, because there is no issuer by default.

use std::collections::BTreeSet;
use std::time::Duration;

use super::check::{ConfigParser, split_list};
use crate::domain::issuer::{JwtAlgorithm, JwtIssuer, KeySource, ScopesOf, TenantOf};
use crate::domain::tenant::is_tenant_name;
use crate::engine::KeySetSettings;
use crate::keysets::is_trustworthy;

/// Settings of an issuer, with their defaults.
const ISSUER_DEFAULTS: [(&str, &str); 11] = [
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
/// Minimum length of a secret: a shorter secret can be guessed from a single token.
const MIN_ISSUER_SECRET_BYTES: usize = 32;
/// Maximum leeway: a larger difference of clocks should be fixed instead.
const MAX_LEEWAY: Duration = Duration::from_secs(600);

/// Splits a setting into the issuer's name and the setting's own name.
fn split_setting_name(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("issuers.")?.split_once('.')
}

/// True if the name is a setting of an issuer.
pub(super) fn is_setting(name: &str) -> bool {
    let fit = |issuer: &str| issuer.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    split_setting_name(name).is_some_and(|(issuer, own)| {
        !issuer.is_empty() && fit(issuer) && ISSUER_DEFAULTS.iter().any(|(known, _)| *known == own)
    })
}

/// Parses the cache times of issuers' keys.
pub(super) fn key_sets(c: &mut ConfigParser) -> KeySetSettings {
    let settings = KeySetSettings {
        refresh: c.time("key_sets.refresh"),
        pause: c.time("key_sets.pause"),
        keep: c.time("key_sets.keep"),
    };
    if settings.keep < settings.refresh {
        c.add_error("key_sets.keep", "must not be shorter than key_sets.refresh");
    }
    settings
}

/// Parses all issuers.
pub(super) fn issuers(c: &mut ConfigParser) -> Vec<JwtIssuer> {
    let names: BTreeSet<String> =
        c.names().filter_map(split_setting_name).map(|(issuer, _)| issuer.to_owned()).collect();
    let issuers: Vec<JwtIssuer> = names.iter().map(|name| issuer(c, name)).collect();
    for (at, issuer) in issuers.iter().enumerate() {
        if issuers.iter().skip(at + 1).any(|other| other.issuer == issuer.issuer) {
            c.add_error(&format!("issuers.{}.issuer", issuer.name), "another issuer has the same value");
        }
    }
    issuers
}

fn issuer(c: &mut ConfigParser, name: &str) -> JwtIssuer {
    for (own, default) in ISSUER_DEFAULTS {
        c.set_default(format!("issuers.{name}.{own}"), default);
    }
    let at = |own: &str| format!("issuers.{name}.{own}");
    let keys = keys(c, name);
    JwtIssuer {
        name: name.to_owned(),
        issuer: required(c, &at("issuer"), "the claim iss of its tokens"),
        audiences: audiences(c, &at("audience")),
        algorithms: algorithms(c, &at("algorithms"), matches!(keys, KeySource::Secret(_))),
        tenant: tenant(c, name),
        scopes: ScopesOf {
            claim: required(c, &at("scopes_claim"), "the claim with the scopes of its tokens"),
            names: c.parse_value(
                &at("scopes_names"),
                "a list like files.write=upload, staff=admin",
                Vec::new(),
                |text| parse_pairs(text)?.into_iter().map(|(word, scope)| Some((word, scope.parse().ok()?))).collect(),
            ),
        },
        leeway: leeway(c, &at("leeway")),
        keys,
    }
}

fn required(c: &mut ConfigParser, name: &str, why: &str) -> String {
    let text = c.optional_text(name);
    if text.is_none() {
        c.add_error(name, format!("required: {why}"));
    }
    text.unwrap_or_default()
}

/// Accepted audiences of tokens. A list of commas only would accept no token.
fn audiences(c: &mut ConfigParser, name: &str) -> Vec<String> {
    let text = required(c, name, "without it, tokens for other services would be accepted");
    let audiences = split_list(&text);
    if audiences.is_empty() && !text.is_empty() {
        c.add_error(name, format!("\"{text}\" names no audience"));
    }
    audiences
}

fn keys(c: &mut ConfigParser, name: &str) -> KeySource {
    let at = |own: &str| format!("issuers.{name}.{own}");
    match (c.optional_text(&at("jwks_url")), c.optional_text(&at("secret"))) {
        (Some(_), Some(_)) => {
            c.add_error(&at("secret"), "cannot be combined with jwks_url: set either of them");
            KeySource::Discovery
        }
        (None, Some(secret)) => {
            if secret.len() < MIN_ISSUER_SECRET_BYTES {
                c.add_error(&at("secret"), format!("must have at least {MIN_ISSUER_SECRET_BYTES} bytes"));
            }
            KeySource::Secret(secret.into_bytes())
        }
        (Some(url), None) => {
            if !is_trustworthy(&url) {
                c.add_error(&at("jwks_url"), format!("\"{url}\" is neither an https URL nor a URL of this machine"));
            }
            KeySource::Jwks(url)
        }
        (None, None) => {
            let issuer = c.text(&at("issuer"));
            if !issuer.is_empty() && !is_trustworthy(&issuer) {
                c.add_error(&at("jwks_url"), "required, because the issuer is not an https URL with a JWK set");
            }
            KeySource::Discovery
        }
    }
}

fn algorithms(c: &mut ConfigParser, name: &str, shared: bool) -> Vec<JwtAlgorithm> {
    let text = c.text(name);
    let default = ISSUER_DEFAULTS.iter().any(|(own, default)| *own == "algorithms" && *default == text);
    if shared && default {
        return vec![JwtAlgorithm::Hs256];
    }
    let read: Result<Vec<JwtAlgorithm>, String> = split_list(&text).iter().map(|text| text.parse()).collect();
    match read {
        Ok(read) if read.is_empty() => c.add_error(name, "required: at least one algorithm"),
        Ok(read) if read.iter().all(|algorithm| algorithm.is_symmetric() == shared) => return read,
        // Accepting a public key as the secret of an HMAC is a well-known attack.
        Ok(_) => c.add_error(name, "HS256, HS384 and HS512 require a secret, all others a JWK set"),
        Err(problem) => c.add_error(name, problem),
    }
    Vec::new()
}

fn tenant(c: &mut ConfigParser, name: &str) -> TenantOf {
    let at = |own: &str| format!("issuers.{name}.{own}");
    let names = c.parse_value(&at("tenant_names"), "a list like org-17=acme, org-18=globex", Vec::new(), |text| {
        parse_pairs(text).filter(|pairs| pairs.iter().all(|(_, tenant)| is_tenant_name(tenant)))
    });
    match (c.optional_text(&at("tenant")), c.optional_text(&at("tenant_claim"))) {
        (Some(tenant), None) if names.is_empty() => {
            if !is_tenant_name(&tenant) {
                c.add_error(&at("tenant"), format!("\"{tenant}\" is not a valid tenant name"));
            }
            TenantOf::Fixed(tenant)
        }
        (None, Some(claim)) => TenantOf::Claim { claim, names },
        _ => {
            c.add_error(&at("tenant"), "required: either a tenant, or tenant_claim (with tenant_names)");
            TenantOf::Fixed(String::new())
        }
    }
}

fn leeway(c: &mut ConfigParser, name: &str) -> Duration {
    c.parse_value(name, "a time of at most ten minutes", Duration::ZERO, |text| {
        crate::domain::clock::parse_duration(text).filter(|leeway| *leeway <= MAX_LEEWAY)
    })
}

/// Parses `theirs=ours` pairs, separated by commas.
fn parse_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |item: &str| {
        // The issuer's words may contain any character, ours contain no '='.
        let (theirs, ours) = item.rsplit_once('=')?;
        let (theirs, ours) = (theirs.trim().to_owned(), ours.trim().to_owned());
        (!theirs.is_empty() && !ours.is_empty()).then_some((theirs, ours))
    };
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigOverrides, DEFAULT_CONFIG_TOML, ServiceConfig};
    use crate::domain::key::KeyScope;

    const LEAST: [(&str, &str); 3] =
        [("ISSUER", "https://login.example/"), ("AUDIENCE", "gantry, files"), ("TENANT", "acme")];

    fn load(settings: &[(&str, &str)]) -> Result<Vec<JwtIssuer>, crate::config::InvalidSettings> {
        let least = LEAST.iter().filter(|(name, _)| settings.iter().all(|(own, _)| own != name));
        let all =
            least.chain(settings).map(|(name, value)| (format!("GANTRY_ISSUERS__MY-IDP__{name}"), (*value).to_owned()));
        ServiceConfig::from(&ConfigOverrides::default(), all.filter(|(_, value)| !value.is_empty()))
            .map(|config| config.issuers)
    }

    #[test]
    fn nobody_is_trusted_unless_the_settings_name_him() {
        assert_eq!(ServiceConfig::from(&ConfigOverrides::default(), std::iter::empty()).unwrap().issuers, []);
        let issuers = load(&[]).unwrap();
        let [issuer] = issuers.as_slice() else { panic!("{issuers:?}") };
        assert_eq!((issuer.name.as_str(), issuer.issuer.as_str()), ("my-idp", "https://login.example/"));
        assert_eq!(issuer.audiences, ["gantry", "files"]);
        assert_eq!(issuer.algorithms, [JwtAlgorithm::Rs256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa]);
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
        assert_eq!(issuer.scopes.names[2], ("staff".to_owned(), KeyScope::Admin));
        assert_eq!(issuer.algorithms, [JwtAlgorithm::Hs256]);
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
        assert!(load(&[("AUDIENZ", "x")]).unwrap_err().to_string().contains("unknown setting"));
    }

    #[test]
    fn the_annotated_file_tells_every_setting_of_an_issuer() {
        let table = DEFAULT_CONFIG_TOML.split("# [issuers.example]").nth(1).unwrap().split("\n\n").next().unwrap();
        let told: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = ")).collect();
        let told: Vec<_> = told.iter().map(|(name, text)| (*name, text.trim_matches('"'))).collect();
        assert_eq!(told, ISSUER_DEFAULTS);
    }
}
