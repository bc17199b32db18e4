//! Quotas: what a tenant's assets and uploads use, and the limits.
//!
//! Every row of an asset or an upload records its quota charge. The usage of a tenant is the sum of the charges; it is
//! maintained for tenants with a limit, and can be recomputed from the rows at any time. Bytes are reserved when an
//! upload is created, are charged to the asset when it completes, and are released when the upload ends otherwise or
//! the asset's bytes are removed.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::append::UploadLength;
use super::asset::{Asset, AssetState, LeftoverBytes};
use super::upload::{Transfer, Upload};

/// Usage of a tenant, or a change of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QuotaUsage {
    /// Bytes, including reserved bytes. Derivatives are not counted.
    pub bytes: i64,
    /// Assets that have bytes or may still get them.
    pub files: i64,
    /// Open uploads.
    #[serde(rename = "open_uploads")]
    pub uploads: i64,
}

impl QuotaUsage {
    /// True if nothing is used.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for QuotaUsage {
    fn add_assign(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.files += more.files;
        self.uploads += more.uploads;
    }
}

/// Limits of a tenant; `None`: unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantQuota {
    /// In bytes.
    pub bytes: Option<u64>,
    /// Number of assets.
    pub files: Option<u64>,
    /// Number of open uploads.
    #[serde(rename = "open_uploads")]
    pub uploads: Option<u64>,
}

impl TenantQuota {
    /// True if nothing is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// The first limit that `used` exceeds.
    #[must_use]
    pub fn exceeded_by(&self, used: QuotaUsage) -> Option<QuotaLimit> {
        if exceeds(used.bytes, self.bytes) {
            Some(QuotaLimit::Bytes)
        } else if exceeds(used.files, self.files) {
            Some(QuotaLimit::Files)
        } else {
            exceeds(used.uploads, self.uploads).then_some(QuotaLimit::Uploads)
        }
    }
}

/// A limit that a tenant exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaLimit {
    /// Bytes.
    Bytes,
    /// Assets.
    Files,
    /// Open uploads.
    Uploads,
}

impl QuotaLimit {
    /// The name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Files => "files",
            Self::Uploads => "open_uploads",
        }
    }
}

/// True if more is used than `most` allows.
pub(super) fn exceeds(used: i64, most: Option<u64>) -> bool {
    most.is_some_and(|most| u64::try_from(used).is_ok_and(|used| used > most))
}

/// A number of bytes as a sum or a change of it.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Upload {
    /// The current charge in bytes: the size that the upload may bring, or, if its length is unknown, the bytes
    /// received so far. `None`: the upload has ended.
    #[must_use]
    pub fn charge(&self) -> Option<u64> {
        let came = match &self.transfer {
            Transfer::Relayed(ledger) if ledger.length == UploadLength::Deferred => ledger.offset,
            _ => 0,
        };
        self.state.is_live().then(|| self.transfer.size().or(self.max_size).unwrap_or(came))
    }

    /// Bytes that stay reserved after the upload has ended: the size of a single PUT, until the store has been checked
    /// for an object that a signed URL may still create. Parts need no reservation: their URLs end with the multipart
    /// upload.
    #[must_use]
    pub fn reservation(&self) -> Option<u64> {
        let owed = !self.state.is_live() && self.next_check_at.is_some();
        match self.transfer {
            Transfer::Put { size } if owed => Some(size),
            _ => None,
        }
    }

    /// Records the current charge and returns the change since the row was read.
    pub fn settle_charge(&mut self) -> QuotaUsage {
        let (before, now) = (self.quota_charge, self.charge());
        let (kept_before, kept_now) = (self.reserved, self.reservation());
        (self.quota_charge, self.reserved) = (now, kept_now);
        let bytes = |charged: Option<u64>, reserved: Option<u64>| {
            signed(charged.unwrap_or(0)).saturating_add(signed(reserved.unwrap_or(0)))
        };
        QuotaUsage {
            bytes: bytes(now, kept_now) - bytes(before, kept_before),
            files: 0,
            uploads: i64::from(now.is_some()) - i64::from(before.is_some()),
        }
    }
}

impl Asset {
    /// The current charge in bytes: the size, as long as the store has the bytes. `None`: the bytes are removed.
    #[must_use]
    pub fn charge(&self) -> Option<u64> {
        match &self.state {
            AssetState::Awaiting => Some(0),
            AssetState::Stored(_) | AssetState::Processing(_) | AssetState::Ready(_) | AssetState::Failed { .. } => {
                Some(self.size)
            }
            AssetState::Rejected { bytes: LeftoverBytes::Until(_), .. } => Some(self.size),
            AssetState::Rejected { bytes: LeftoverBytes::Gone, .. } => None,
            AssetState::Abandoned | AssetState::Deleted { .. } => None,
        }
    }

    /// Records the current charge and returns the change since the row was read.
    pub fn settle_charge(&mut self) -> QuotaUsage {
        let (before, now) = (self.quota_charge, self.charge());
        self.quota_charge = now;
        QuotaUsage {
            bytes: signed(now.unwrap_or(0)) - signed(before.unwrap_or(0)),
            files: i64::from(now.is_some()) - i64::from(before.is_some()),
            uploads: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_limit_that_is_passed_is_named() {
        let quota = TenantQuota { bytes: Some(10), files: Some(1), uploads: None };
        let used = |bytes, files| QuotaUsage { bytes, files, uploads: 99 };
        assert_eq!(quota.exceeded_by(used(10, 1)), None);
        assert_eq!(quota.exceeded_by(used(11, 2)), Some(QuotaLimit::Bytes));
        assert_eq!(quota.exceeded_by(used(-5, 2)), Some(QuotaLimit::Files));
        assert_eq!(TenantQuota::default().exceeded_by(used(i64::MAX, i64::MAX)), None);
    }
}
