//! The order of a list of assets, and a position in it.

use super::ids::AssetId;

/// The property by which a list of assets is ordered. Assets with the same value are ordered by their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssetSort {
    /// Time of creation.
    #[default]
    Created,
    /// Name, by the code points of its characters.
    Name,
    /// Size in bytes.
    Size,
}

impl AssetSort {
    /// Every property.
    pub const ALL: [Self; 3] = [Self::Created, Self::Name, Self::Size];

    /// The name, as in the query of a list.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Name => "name",
            Self::Size => "size",
        }
    }
}

/// Direction of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortDirection {
    /// Smallest first.
    Ascending,
    /// Largest first.
    #[default]
    Descending,
}

impl SortDirection {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::Ascending, Self::Descending];

    /// The name, as in the query of a list.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }
}

/// A position in a list: the last asset of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetPosition {
    /// The asset.
    pub id: AssetId,
    /// Its value of the property by which the list is ordered, as it was then: a later change moves no cursor.
    pub key: SortKey,
}

/// The value of the property by which a list is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// The id says it.
    Created,
    /// Name.
    Name(String),
    /// Size in bytes.
    Size(u64),
}

impl SortKey {
    /// The property.
    #[must_use]
    pub fn sort(&self) -> AssetSort {
        match self {
            Self::Created => AssetSort::Created,
            Self::Name(_) => AssetSort::Name,
            Self::Size(_) => AssetSort::Size,
        }
    }
}

impl From<AssetId> for AssetPosition {
    fn from(id: AssetId) -> Self {
        Self { id, key: SortKey::Created }
    }
}
