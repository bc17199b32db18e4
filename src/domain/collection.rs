//! Collections: many assets handed out as one archive. What an archive holds, and where, is decided once.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{AssetId, CollectionId, KeyId, TenantId};
use super::name::FileName;

/// Most assets of one collection.
pub const MOST_ITEMS: usize = 10_000;

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
    pub items: Vec<Item>,
}

/// One asset of a collection, as it was when the collection was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
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

/// Names that differ even on disks that do not tell cases apart: `a.txt`, `a (2).txt`, `a (3).txt`.
#[derive(Debug, Default)]
pub struct Names {
    taken: HashSet<String>,
    next: HashMap<String, u32>,
}

impl Names {
    /// The name itself, or one like it that is not taken yet.
    pub fn unique(&mut self, name: &str) -> String {
        let key = name.to_lowercase();
        if self.taken.insert(key.clone()) {
            return name.to_owned();
        }
        let (stem, ending) = match name.rfind('.') {
            Some(dot) if dot > 0 => name.split_at(dot),
            _ => (name, ""),
        };
        let next = self.next.entry(key).or_insert(2);
        loop {
            let other = format!("{stem} ({next}){ending}");
            *next += 1;
            if self.taken.insert(other.to_lowercase()) {
                return other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_are_alike() {
        let mut names = Names::default();
        let given = ["a.txt", "A.TXT", "a (2).txt", "a.txt", "b", "b", ".x", ".x"];
        let unique: Vec<String> = given.iter().map(|name| names.unique(name)).collect();
        assert_eq!(unique, ["a.txt", "A (2).TXT", "a (2) (2).txt", "a (3).txt", "b", "b (2)", ".x", ".x (2)"]);
        let many: HashSet<String> = (0..10_000).map(|_| names.unique("same.bin").to_lowercase()).collect();
        assert_eq!(many.len(), 10_000);
    }
}
