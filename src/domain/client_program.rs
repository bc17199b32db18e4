//! The program of a client, as its `User-Agent` names it: a short text for operators, never a basis of decisions.

/// Longest name in characters.
const MAX_PROGRAM_CHARS: usize = 64;
/// Products by which browsers are told apart, the most particular first: each also names those that it imitates.
const BROWSERS: [&str; 10] = [
    "Edg/",
    "EdgA/",
    "EdgiOS/",
    "OPR/",
    "SamsungBrowser/",
    "Firefox/",
    "FxiOS/",
    "CriOS/",
    "HeadlessChrome/",
    "Chrome/",
];

/// The program of a User-Agent (RFC 9110 §10.1.5): a browser with its version, or else the products without their comments.
/// Cut at 64 characters. `None` if no product is named.
#[must_use]
pub fn program_of(user_agent: &str) -> Option<String> {
    let products = without_comments(user_agent);
    let named = |mark: &str| products.split(' ').find(|product| product.starts_with(mark)).map(ToOwned::to_owned);
    let browser = || BROWSERS.into_iter().find_map(named).or_else(|| safari(&products));
    let program =
        if products.starts_with("Mozilla/") { browser().unwrap_or_else(|| products.clone()) } else { products.clone() };
    let program: String = program.chars().take(MAX_PROGRAM_CHARS).collect();
    (!program.is_empty()).then_some(program)
}

/// Safari gives its version apart from its name.
fn safari(products: &str) -> Option<String> {
    let version = products.split(' ').find_map(|product| product.strip_prefix("Version/"))?;
    products.contains(" Safari/").then(|| format!("Safari/{version}"))
}

/// The products, separated by single spaces. Comments may be nested.
fn without_comments(user_agent: &str) -> String {
    let mut depth = 0usize;
    let mut kept = String::new();
    for character in user_agent.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && !character.is_control() => kept.push(character),
            _ => {}
        }
    }
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::program_of;

    #[test]
    fn browsers_and_programs_are_named_in_short() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
        let safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15";
        for (user_agent, program) in [
            (firefox, "Firefox/133.0"),
            (chrome, "Chrome/131.0.0.0"),
            (&format!("{chrome} Edg/131.0.1")[..], "Edg/131.0.1"),
            (safari, "Safari/18.1"),
            ("Mozilla/5.0 (compatible; Spider/1.0)", "Mozilla/5.0"),
            ("gantry/0.9.0", "gantry/0.9.0"),
            ("tus-java-client/0.5 (a (nested) comment)  Java/17\t", "tus-java-client/0.5 Java/17"),
            ("<img src=x>", "<img src=x>"),
        ] {
            assert_eq!(program_of(user_agent).as_deref(), Some(program), "{user_agent}");
        }
        assert_eq!(program_of(&"x".repeat(5000)).unwrap().len(), 64);
        for nothing in ["", " ", "(only a comment", "()"] {
            assert_eq!(program_of(nothing), None, "{nothing}");
        }
    }
}
