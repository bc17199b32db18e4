//! Files of folders that are named on the command line, chosen by patterns.
//!
//! A file keeps its path below the folder that was named, with the folder's own name in front, as a browser gives it for
//! a folder that is dropped on a page. Links to files are followed, links to folders are not.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::error::{Error, Result};

/// A file to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    /// Path on the disk.
    pub path: PathBuf,
    /// Path in the tree, with `/` between names; `None` for a file that was named itself.
    pub relative: Option<String>,
    /// Size in bytes when it was found.
    pub size: u64,
    /// Time of the last change, in nanoseconds since 1970.
    pub modified_ns: i128,
}

/// Files that were found, and what was left out.
#[derive(Debug, Default)]
pub struct FileTree {
    /// Files, in the order in which they were named, and sorted within folders.
    pub files: Vec<TreeFile>,
    /// Paths that cannot be read, each with the reason.
    pub failures: Vec<(PathBuf, Error)>,
    /// Number of folders without any file.
    pub empty_folders: usize,
    /// Number of pipes, sockets, devices and links to folders.
    pub special_files: usize,
}

/// Patterns by which files are chosen.
#[derive(Debug, Default)]
pub struct PathFilter {
    include: Option<PatternSet>,
    exclude: Option<PatternSet>,
}

/// Patterns for names, and patterns for whole paths.
#[derive(Debug)]
struct PatternSet {
    names: GlobSet,
    paths: GlobSet,
}

impl PatternSet {
    /// Compiles patterns: without a slash they match a name at any depth, with a slash the path below the folder.
    fn compile(patterns: &[String]) -> Result<Option<Self>> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let text = pattern.trim_end_matches('/');
            let glob = GlobBuilder::new(text.trim_start_matches('/')).literal_separator(true).build();
            let glob = glob.map_err(|error| Error::Usage(format!("\"{pattern}\" is no pattern: {}", error.kind())))?;
            if text.contains('/') { &mut paths } else { &mut names }.add(glob);
        }
        let build = |set: GlobSetBuilder| set.build().map_err(|error| Error::Usage(error.to_string()));
        Ok(Some(Self { names: build(names)?, paths: build(paths)? }))
    }

    fn matches(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.names.is_match(name) || self.paths.is_match(path)
    }
}

impl PathFilter {
    /// Compiles patterns; a file that matches both kinds is left out.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Self { include: PatternSet::compile(include)?, exclude: PatternSet::compile(exclude)? })
    }

    /// True if a file is chosen by its path below the folder that was named.
    #[must_use]
    pub fn admits_file(&self, path: &str) -> bool {
        let included = self.include.as_ref().is_none_or(|set| set.matches(path));
        included && self.admits_folder(path) && path.match_indices('/').all(|(at, _)| self.admits_folder(&path[..at]))
    }

    /// False if nothing in this folder is chosen.
    fn admits_folder(&self, path: &str) -> bool {
        self.exclude.as_ref().is_none_or(|set| !set.matches(path))
    }
}

/// Finds the files of paths; folders only if `recursive`.
pub fn find_files(given: &[PathBuf], recursive: bool, filter: &PathFilter) -> Result<FileTree> {
    let mut tree = FileTree::default();
    for path in given {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => {
                tree.failures.push((path.clone(), Error::local(path)(error)));
                continue;
            }
        };
        if metadata.is_dir() && recursive {
            let walk = FolderWalk { prefix: folder_name(path).map(str::to_owned), filter };
            walk.enter(path, "", &mut tree);
        } else if metadata.is_dir() {
            let why = format!("{}: a directory, and only files can be sent; -r sends what is in it", path.display());
            return Err(Error::Usage(why));
        } else if path.file_name().and_then(OsStr::to_str).is_none_or(|name| filter.admits_file(name)) {
            tree.files.push(TreeFile { path: path.clone(), relative: None, ..found(&metadata) });
        }
    }
    Ok(tree)
}

/// Finds the files of a folder by their paths below it, without its own name in front.
pub fn find_files_below(folder: &Path, filter: &PathFilter) -> FileTree {
    let mut tree = FileTree::default();
    FolderWalk { prefix: None, filter }.enter(folder, "", &mut tree);
    tree
}

/// Name of a folder; `None` for `.`, `..` and `/`.
#[must_use]
pub fn folder_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(OsStr::to_str)
}

fn found(metadata: &std::fs::Metadata) -> TreeFile {
    use std::os::unix::fs::MetadataExt as _;
    let modified_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    TreeFile { path: PathBuf::new(), relative: None, size: metadata.len(), modified_ns }
}

/// A walk through a folder.
struct FolderWalk<'a> {
    prefix: Option<String>,
    filter: &'a PathFilter,
}

impl FolderWalk<'_> {
    fn enter(&self, folder: &Path, below: &str, tree: &mut FileTree) {
        let mut entries = BTreeMap::new();
        let listed = std::fs::read_dir(folder).and_then(|list| {
            for entry in list {
                let entry = entry?;
                entries.insert(entry.file_name(), entry);
            }
            Ok(())
        });
        if let Err(error) = listed {
            tree.failures.push((folder.to_owned(), Error::local(folder)(error)));
            return;
        }
        tree.empty_folders += usize::from(entries.is_empty());
        for (name, entry) in entries {
            let path = entry.path();
            let Some(name) = name.to_str() else {
                let why = Error::Usage("its name is not UTF-8".to_owned());
                tree.failures.push((path, why));
                continue;
            };
            let below = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            self.visit(&path, &below, entry.file_type().is_ok_and(|kind| kind.is_dir()), tree);
        }
    }

    fn visit(&self, path: &Path, below: &str, is_folder: bool, tree: &mut FileTree) {
        if is_folder {
            if self.filter.admits_folder(below) {
                self.enter(path, below, tree);
            }
            return;
        }
        if !self.filter.admits_file(below) {
            return;
        }
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                let relative = self.prefix.as_ref().map_or(below.to_owned(), |prefix| format!("{prefix}/{below}"));
                let file = TreeFile { path: path.to_owned(), relative: Some(relative), ..found(&metadata) };
                tree.files.push(file);
            }
            Ok(_) => tree.special_files += 1,
            Err(error) => tree.failures.push((path.to_owned(), Error::local(path)(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/b/one.jpg", "a/two.txt", "a/.git/config", "a/c d/ü.jpg"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        std::fs::create_dir(dir.path().join("a/empty")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("a/loop")).unwrap();
        dir
    }

    fn paths(include: &[&str], exclude: &[&str]) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let (dir, filter) = (folder(), PathFilter::new(&words(include), &words(exclude)).unwrap());
        let tree = find_files(&[dir.path().join("a")], true, &filter).unwrap();
        assert!(tree.failures.is_empty(), "{:?}", tree.failures);
        tree.files.into_iter().filter_map(|file| file.relative).collect()
    }

    #[test]
    fn a_folder_keeps_its_paths() {
        assert_eq!(paths(&[], &[]), ["a/.git/config", "a/b/one.jpg", "a/c d/ü.jpg", "a/two.txt"]);
        assert_eq!(paths(&["*.jpg"], &[]), ["a/b/one.jpg", "a/c d/ü.jpg"]);
        assert_eq!(paths(&["b/*"], &[]), ["a/b/one.jpg"]);
        assert_eq!(paths(&["**/*.jpg"], &["c*"]), ["a/b/one.jpg"]);
        assert_eq!(paths(&[], &[".git/", "*.jpg"]), ["a/two.txt"]);
        assert_eq!(paths(&["*.{jpg,txt}"], &["b/**"]), ["a/c d/ü.jpg", "a/two.txt"]);
    }

    #[test]
    fn what_is_no_file_is_counted_or_told() {
        let (dir, filter) = (folder(), PathFilter::default());
        let tree = find_files(&[dir.path().join("a"), dir.path().join("nowhere")], true, &filter).unwrap();
        assert_eq!((tree.empty_folders, tree.special_files, tree.failures.len()), (1, 1, 1));
        let refused = find_files(&[dir.path().to_owned()], false, &filter).unwrap_err();
        assert!(refused.exit_code() == 2 && refused.to_string().contains("-r"), "{refused}");
        assert!(PathFilter::new(&["[".to_owned()], &[]).is_err());
    }
}
