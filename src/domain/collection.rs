//! Collections: many assets delivered as a single archive. The content and layout of the archive are fixed at creation.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::clock::Timestamp;
use super::ids::{AssetId, CollectionId, KeyId, TenantId};
use super::name::{FileName, shorten, split_extension};

/// Assets per collection, at most.
pub const MAX_COLLECTION_ITEMS: usize = 10_000;

/// Assets that are delivered in a single archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Identity.
    pub id: CollectionId,
    /// The tenant that owns the assets.
    pub tenant: TenantId,
    /// The key that created it.
    pub created_by: KeyId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it may be removed.
    pub expires_at: Timestamp,
    /// The archive's name.
    pub name: FileName,
    /// Content of the archive, in order.
    pub items: Vec<CollectionItem>,
}

/// An asset of a collection, as it was when the collection was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionItem {
    /// The asset.
    pub asset: AssetId,
    /// Name in the archive: valid on every file system, and unique.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Entity tag of the bytes.
    pub etag: String,
    /// When the bytes were stored.
    pub at: Timestamp,
    /// CRC-32 of the bytes, if it was known when the collection was created; the archive's layout depends on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc: Option<u32>,
}

/// Longest member name, in bytes of UTF-8, that every common file system accepts.
const MAX_MEMBER_NAME_BYTES: usize = 255;

/// Generates member names that differ even on file systems that ignore case and Unicode composition: `a.txt`, `a
/// (2).txt`, `a (3).txt`. Names have at most 255 bytes and no characters that Windows refuses.
#[derive(Debug, Default)]
pub struct MemberNames {
    taken: HashSet<String>,
    next: HashMap<String, u32>,
}

impl MemberNames {
    /// The name with unsuitable characters replaced, and numbered if it is taken.
    pub fn unique(&mut self, name: &str) -> String {
        let kept = name.chars().map(|c| if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c });
        let name = shorten(&kept.collect::<String>(), MAX_MEMBER_NAME_BYTES);
        let key = folded(&name);
        if self.taken.insert(key.clone()) {
            return name;
        }
        let (stem, extension) = split_extension(&name);
        let next = self.next.entry(key).or_insert(2);
        loop {
            let ending = format!(" ({next}){extension}");
            let room = MAX_MEMBER_NAME_BYTES.saturating_sub(ending.len());
            let other = format!("{}{ending}", &stem[..stem.floor_char_boundary(room)]);
            *next += 1;
            if self.taken.insert(folded(&other)) {
                return other;
            }
        }
    }
}

/// Folds the differences that some file systems ignore, composition and case, by Unicode's canonical caseless matching
/// (chapter 3.13, D145). Converts to upper case first, which unifies `ß` with `SS` and both forms of sigma.
fn folded(name: &str) -> String {
    let upper = name.nfd().collect::<String>().to_uppercase();
    upper.to_lowercase().nfd().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_every_disk() {
        let mut names = MemberNames::default();
        assert_eq!(names.unique("a<b>c:d\"e|f?g*h.txt"), "a_b_c_d_e_f_g_h.txt");
        let long = format!("{}.tar.gz", "報告".repeat(120));
        let made: Vec<String> = (0..1200).map(|_| names.unique(&long)).collect();
        assert!(made.iter().all(|name| name.len() <= 255 && name.ends_with(".tar.gz")), "{made:?}");
        assert!(made[1199].ends_with(" (1200).tar.gz"), "{}", made[1199]);
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
    }

    #[test]
    fn no_two_names_are_alike() {
        let mut names = MemberNames::default();
        let given = ["a.txt", "A.TXT", "a (2).txt", "a.txt", "b", "b", ".x", ".x"];
        let unique: Vec<String> = given.iter().map(|name| names.unique(name)).collect();
        assert_eq!(unique, ["a.txt", "A (2).TXT", "a (2) (2).txt", "a (3).txt", "b", "b (2)", ".x", ".x (2)"]);
        let decomposed = "e\u{301}.txt";
        let mut names = MemberNames::default();
        let given =
            ["é.txt", decomposed, "É.TXT", "straße", "STRASSE", "ΟΔΟΣ", "οδος", "가.hwp", "\u{1100}\u{1161}.hwp"];
        let unique: Vec<String> = given.iter().map(|name| names.unique(name)).collect();
        let second = format!("{} (2).txt", &decomposed[..3]);
        let decomposed_hangul = "\u{1100}\u{1161} (2).hwp";
        assert_eq!(
            unique,
            ["é.txt", &second, "É (3).TXT", "straße", "STRASSE (2)", "ΟΔΟΣ", "οδος (2)", "가.hwp", decomposed_hangul]
        );
        let many: HashSet<String> = (0..10_000).map(|_| names.unique("same.bin").to_lowercase()).collect();
        assert_eq!(many.len(), 10_000);
    }
}
