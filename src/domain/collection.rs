//! Collections: many assets handed out as one archive. What an archive holds, and where, is decided once.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::clock::Timestamp;
use super::ids::{AssetId, CollectionId, KeyId, TenantId};
use super::name::{FileName, shorten, split_extension};

/// Most assets of one collection.
pub const MAX_COLLECTION_ITEMS: usize = 10_000;

/// Many assets in one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Identity.
    pub id: CollectionId,
    /// Whose assets.
    pub tenant: TenantId,
    /// The key that made it.
    pub created_by: KeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
    /// The archive's name.
    pub name: FileName,
    /// What it holds, in order.
    pub items: Vec<CollectionItem>,
}

/// One asset of a collection, as it was when the collection was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionItem {
    /// Which asset.
    pub asset: AssetId,
    /// Its name in the archive: safe on any disk, and no other item's.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Their entity tag.
    pub etag: String,
    /// When they were stored.
    pub at: Timestamp,
    /// Their CRC-32, if it was known when the collection was made; the archive's layout depends on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc: Option<u32>,
}

/// Longest name of a member in bytes of UTF-8: what every disk takes on which an archive is unpacked.
const MAX_MEMBER_NAME_BYTES: usize = 255;

/// Names that differ even on disks that tell neither cases nor compositions apart: `a.txt`, `a (2).txt`, `a (3).txt`. None is
/// longer than 255 bytes or has a character that Windows refuses.
#[derive(Debug, Default)]
pub struct MemberNames {
    taken: HashSet<String>,
    next: HashMap<String, u32>,
}

impl MemberNames {
    /// The name itself as far as it is fit for every disk, or one like it that is not taken yet.
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

/// What two names have in common that some disk takes for one: compositions and cases, after Unicode's canonical caseless
/// matching (chapter 3.13, D145). Upper case first, because it is that in which `ß` and `SS` or the two sigmas meet.
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
