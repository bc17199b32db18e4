//! The rules for names and prose (`.github/CONTRIBUTING.md`), measured over `src/`. Each test prints what it counted when a
//! bound is crossed, so that the offender is found without a search.

use std::collections::{BTreeMap, BTreeSet};

use super::house::{code, sources};

/// A definition: its name, and where it stands.
struct Definition {
    name: String,
    place: String,
}

/// The word after one of `keywords` at the start of a line, past its visibility.
fn defined(line: &str, keywords: &[&str]) -> Option<String> {
    let mut rest = line.trim_start();
    if let Some(after) = rest.strip_prefix("pub") {
        rest = match after.strip_prefix('(') {
            Some(scope) => scope.split_once(')')?.1.trim_start(),
            None => after.trim_start(),
        };
    }
    let rest = keywords.iter().find_map(|keyword| rest.strip_prefix(keyword)?.strip_prefix(' '))?;
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

fn definitions(of: impl Fn(&str) -> Option<String>) -> Vec<Definition> {
    let mut found = Vec::new();
    for (file, text) in sources() {
        for (number, line) in code(&text).lines().enumerate() {
            found.extend(of(line).map(|name| Definition { name, place: format!("{file}:{}", number + 1) }));
        }
    }
    found
}

/// Types of every visibility; a type of a trait's implementation is none of ours to name.
fn types() -> Vec<Definition> {
    definitions(|line| {
        let associated = line.starts_with(' ') && line.trim_start().starts_with("type ");
        if associated { None } else { defined(line, &["struct", "enum", "trait", "type", "union"]) }
    })
}

/// `PartPlan` has two words, `S3` and `Upload` have one.
fn words_of(name: &str) -> usize {
    let letters: Vec<char> = name.chars().collect();
    let begins = |i: usize| {
        let (here, before) = (letters[i], letters[i - 1]);
        here.is_uppercase() && (before.is_lowercase() || letters.get(i + 1).is_some_and(|c| c.is_lowercase()))
    };
    1 + (1..letters.len()).filter(|i| begins(*i)).count()
}

fn share(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}

/// The text of every line of documentation, `//!` and `///`.
fn documentation() -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (file, text) in sources() {
        for (number, line) in code(&text).lines().enumerate() {
            let line = line.trim_start();
            if let Some(prose) = line.strip_prefix("//!").or_else(|| line.strip_prefix("///")) {
                lines.push((format!("{file}:{}", number + 1), prose.trim().to_owned()));
            }
        }
    }
    lines
}

#[test]
fn type_names_say_which_thing_of_the_kind_they_are() {
    let types = types();
    assert!(types.len() > 500, "types are counted wrongly: {}", types.len());
    let short: Vec<_> = types.iter().filter(|found| words_of(&found.name) == 1).collect();
    let list: Vec<_> = short.iter().map(|found| format!("{} ({})", found.name, found.place)).collect();
    let percent = share(short.len(), types.len());
    assert!(percent <= 20.0, "{percent:.1} % of the type names are one word: {list:#?}");
}

#[test]
fn type_names_are_rarely_shared() {
    let types = types();
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for found in &types {
        by_name.entry(&found.name).or_default().push(&found.place);
    }
    by_name.retain(|_, places| places.len() > 1);
    let percent = share(by_name.values().map(Vec::len).sum(), types.len());
    assert!(percent <= 20.0, "{percent:.1} % of the types share their name: {by_name:#?}");
}

/// Participles that begin a name of what a function does not do, but that it is about.
const VERBS_LIKE_PARTICIPLES: [&str; 12] =
    ["accept", "embed", "feed", "happen", "listen", "need", "open", "proceed", "reopen", "run", "seed", "spend"];

#[test]
fn async_functions_are_named_by_verbs() {
    let functions = definitions(|line| {
        let line = line.replacen("async fn", "async_fn", 1);
        defined(&line, &["async_fn"])
    });
    assert!(functions.len() > 500, "functions are counted wrongly: {}", functions.len());
    let participle = |name: &str| {
        let word = name.split('_').next().unwrap_or_default();
        let endings = ["ed", "wn", "en", "ept", "eld", "ound", "ade", "aid", "un", "old", "ent", "oken"];
        word.len() > 3 && endings.iter().any(|ending| word.ends_with(ending)) && !VERBS_LIKE_PARTICIPLES.contains(&word)
    };
    let found: Vec<_> = functions.iter().filter(|found| participle(&found.name)).collect();
    let list: Vec<_> = found.iter().map(|found| format!("{} ({})", found.name, found.place)).collect();
    let percent = share(found.len(), functions.len());
    assert!(percent <= 3.0, "{percent:.1} % of the async functions are named by a participle: {list:#?}");
}

/// A line of a paragraph may happen to begin with such a word; a text may not.
#[test]
fn documentation_begins_with_its_subject() {
    const PRONOUNS: [&str; 6] = ["Who", "What", "Whether", "It", "Whoever", "Whose"];
    let (mut lines, mut texts, mut lines_found, mut texts_found) = (0, 0, Vec::new(), Vec::new());
    for (file, text) in sources() {
        let mut inside = false;
        for (number, line) in code(&text).lines().enumerate() {
            let Some(prose) = line.trim_start().strip_prefix("///") else {
                inside = false;
                continue;
            };
            let word: String = prose.trim_start().chars().take_while(|c| c.is_alphabetic()).collect();
            let pronoun = PRONOUNS.contains(&word.as_str());
            lines += 1;
            texts += usize::from(!inside);
            if pronoun {
                lines_found.push(format!("{file}:{}", number + 1));
                texts_found.extend((!inside).then(|| format!("{file}:{}", number + 1)));
            }
            inside = true;
        }
    }
    let of_lines = share(lines_found.len(), lines);
    assert!(of_lines <= 4.0, "{of_lines:.1} % of the lines begin with a pronoun: {lines_found:#?}");
    let of_texts = share(texts_found.len(), texts);
    assert!(of_texts <= 4.0, "{of_texts:.1} % of the texts begin with a pronoun: {texts_found:#?}");
}

#[test]
fn documentation_names_persons_and_things() {
    const INDEFINITE: [&str; 6] = ["who", "whoever", "somebody", "nobody", "one", "others"];
    let (mut words, mut found) = (0, Vec::new());
    for (place, prose) in documentation() {
        for word in prose.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
            words += 1;
            if INDEFINITE.contains(&word.to_lowercase().as_str()) {
                found.push(format!("{place} {word}"));
            }
        }
    }
    let per_thousand = 1000.0 * found.len() as f64 / f64::from(words);
    assert!(per_thousand <= 5.0, "{per_thousand:.1} indefinite pronouns per 1000 words: {found:#?}");
}

#[test]
fn paths_name_the_module_and_do_not_climb_to_it() {
    let climbs: Vec<_> = sources()
        .into_iter()
        .flat_map(|(file, text)| {
            let code: Vec<_> = code(&text).lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            vec![file; code.join("\n").matches("super::super::").count()]
        })
        .collect();
    assert!(climbs.len() <= 10, "{} times super::super:: {climbs:#?}", climbs.len());
}

/// A bare amount needs its thing and its unit: `MAX_CACHED_KEYS`, `POLL_INTERVAL`.
#[test]
fn constants_carry_their_thing() {
    // `MAX` of a type is what std calls it, too.
    const BANNED: [&str; 19] = [
        "MOST", "TRIES", "PATIENCE", "STALE", "LOOK", "LONGEST", "PAUSE", "WHILE", "ONCE", "ROOM", "LIMIT", "SIZE",
        "COUNT", "AHEAD", "EVERY", "KEPT", "FEW", "MANY", "ENOUGH",
    ];
    let constants = definitions(|line| {
        let line = line.replacen("const fn", "fn", 1);
        defined(&line, &["const", "static"])
    });
    assert!(constants.len() > 300, "constants are counted wrongly: {}", constants.len());
    let found: Vec<_> = constants
        .iter()
        .filter(|found| BANNED.contains(&found.name.as_str()))
        .map(|found| format!("{} ({})", found.name, found.place))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_function_is_longer_than_sixty_lines() {
    let mut long = Vec::new();
    for (file, text) in sources() {
        let lines: Vec<_> = code(&text).lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let plain = line.replacen("const fn", "fn", 1).replacen("async fn", "fn", 1);
            let Some(name) = defined(&plain, &["fn"]) else { continue };
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| *line == end).map_or(0, |length| length + 1);
            let declared = lines[start..].iter().position(|line| line.ends_with(';')).unwrap_or(usize::MAX);
            let opened = lines[start..].iter().position(|line| line.ends_with('{')).unwrap_or(usize::MAX);
            if opened < declared && length > 60 {
                long.push(format!("{name} ({file}:{}): {length} lines", start + 1));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

/// Top folders use each other in one direction.
#[test]
fn top_folders_stand_above_each_other() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in sources() {
        let Some((top, _)) = file.split_once('/') else { continue };
        let code: Vec<_> = code(&text).lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for path in code.join("\n").split("crate::").skip(1) {
            let used: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if used != top && !used.is_empty() {
                uses.entry(top.to_owned()).or_default().insert(used);
            }
        }
    }
    // Whatever uses nothing that is left is taken away; what remains uses itself in a circle.
    loop {
        let tops: BTreeSet<String> = uses.keys().cloned().collect();
        let free: Vec<String> =
            uses.iter().filter(|(_, used)| used.is_disjoint(&tops)).map(|(top, _)| top.clone()).collect();
        if free.is_empty() {
            break;
        }
        uses.retain(|top, _| !free.contains(top));
    }
    assert!(uses.is_empty(), "these use each other in a circle: {uses:#?}");
}

#[test]
fn the_measures_count_what_they_say() {
    assert_eq!((words_of("Upload"), words_of("PartPlan"), words_of("S3Store"), words_of("HTTPError")), (1, 2, 2, 2));
    assert_eq!(defined("    pub(super) struct Lease {", &["struct"]).as_deref(), Some("Lease"));
    assert_eq!(defined("pub fn structure() {", &["struct"]), None);
}
