//! The repository itself: what may be in it, and that what its texts point to is there.

use std::path::{Path, PathBuf};
use std::process::Command;

const MAX_FILE_BYTES: u64 = 256 << 10;
/// Generated files that are as large as they are.
const MAY_BE_LARGE: [&str; 2] = ["Cargo.lock", "package-lock.json"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that is or would be committed.
fn files() -> Vec<PathBuf> {
    let git = |arguments: &[&str]| {
        let listed = Command::new("git").args(arguments).current_dir(root()).output().expect("git runs");
        assert!(listed.status.success(), "git {arguments:?} failed: {}", String::from_utf8_lossy(&listed.stderr));
        String::from_utf8(listed.stdout).unwrap()
    };
    let listed = git(&["ls-files", "--cached", "--others", "--exclude-standard"]);
    let files: Vec<_> = listed.lines().map(PathBuf::from).filter(|file| root().join(file).is_file()).collect();
    assert!(files.len() > 400, "the repository is read wrongly: {} files", files.len());
    files
}

/// The texts among them, with what they say.
fn texts() -> Vec<(PathBuf, String)> {
    let text = |file: PathBuf| std::fs::read_to_string(root().join(&file)).ok().map(|text| (file, text));
    files().into_iter().filter_map(text).collect()
}

#[test]
fn no_file_is_large_but_lock_files() {
    let large: Vec<_> = files()
        .into_iter()
        .filter(|file| !MAY_BE_LARGE.iter().any(|name| file.ends_with(name)))
        .filter(|file| std::fs::metadata(root().join(file)).unwrap().len() > MAX_FILE_BYTES)
        .collect();
    assert!(large.is_empty(), "{large:?}");
}

#[test]
fn the_files_that_every_project_has_are_there() {
    for name in [
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "rust-toolchain.toml",
        ".editorconfig",
        "deny.toml",
        ".github/CONTRIBUTING.md",
        ".github/SECURITY.md",
        ".github/pull_request_template.md",
    ] {
        assert!(root().join(name).is_file(), "{name} is missing");
    }
}

/// Every `*.md` that a text names is in the repository: beside the text, or from the root.
#[test]
fn no_text_points_to_a_page_that_is_not_there() {
    let named = regex::Regex::new(r"[A-Za-z0-9_./-]*[A-Za-z0-9_-]\.md\b").unwrap();
    let mut dangling = Vec::new();
    for (file, text) in texts() {
        let lock = MAY_BE_LARGE.iter().any(|name| file.ends_with(name));
        if lock || file.ends_with("tests/it/repository.rs") {
            continue;
        }
        for found in named.find_iter(&text) {
            // Addresses, and names of files in examples, are not ours to keep.
            let before = &text[..found.start()];
            // Words with a dot, as in `profile.dev.package.md-5`, and names of samples are no pages of ours.
            let page = found.as_str().contains('/') || found.as_str().starts_with(char::is_uppercase);
            let address = before.ends_with(':') || before.ends_with("//") || found.as_str().starts_with("//");
            let beside = file.parent().unwrap_or(Path::new("")).join(found.as_str());
            let there = root().join(found.as_str()).is_file() || root().join(beside).is_file();
            if page && !address && !there {
                dangling.push(format!("{} names {}", file.display(), found.as_str()));
            }
        }
    }
    assert!(dangling.is_empty(), "{dangling:#?}");
}

/// Names that were given up come back neither as files nor as types.
#[test]
fn names_that_were_given_up_stay_away() {
    const FILES: [&str; 12] = [
        "src/app/foundations.rs",
        "src/app/workshop.rs",
        "src/app/welcome.rs",
        "src/engine/cut.rs",
        "src/engine/surroundings.rs",
        "src/engine/gallery.rs",
        "src/store/news.rs",
        "src/store/turns.rs",
        "src/blob/embedded/janitor.rs",
        "src/http/relayed.rs",
        "src/http/server/two.rs",
        "src/media/visit.rs",
    ];
    const TYPES: [&str; 10] = [
        "Foundations",
        "ClientCut",
        "Patience",
        "Surroundings",
        "Equipment",
        "Studio",
        "Wires",
        "Site",
        "Answer",
        "Wanted",
    ];
    for file in FILES {
        assert!(!root().join(file).exists(), "{file} has another name now");
    }
    let banned = regex::Regex::new(&format!(r"\b(struct|enum|trait|type) ({})\b", TYPES.join("|"))).unwrap();
    for (file, text) in texts().into_iter().filter(|(file, _)| file.starts_with("src")) {
        let found = banned.find(&text).map(|found| found.as_str());
        assert_eq!(found, None, "{}", file.display());
    }
}

/// What `src/` says beside code that cannot be found in the repository: pages of rules that their authors have.
#[test]
fn rules_are_not_cited_by_numbers_of_another_place() {
    let cited = regex::Regex::new(r"\b(F-\d+|M-\d+|checklist item \d+|DESIGN\.md|RELIABILITY\.md)\b").unwrap();
    let mut found = Vec::new();
    for (file, text) in texts() {
        if file.ends_with("tests/it/repository.rs") {
            continue;
        }
        found.extend(cited.find_iter(&text).map(|cited| format!("{}: {}", file.display(), cited.as_str())));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// A newcomer reads the README to its end: knowledge beyond the first upload is in the guides, each of which it names.
#[test]
fn the_readme_is_short_and_leads_to_every_guide() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150, "the README has {} lines", readme.lines().count());
    for file in std::fs::read_dir(root().join("web/guides")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(readme.contains(&format!("](web/guides/{name})")), "the README does not lead to {name}");
    }
}
