//! Drop boxes: grants for many files. The holder of the token may open any number of uploads within the limits of the
//! grant, by every protocol, and sees nothing but what it sent itself.
//!
//! The grant counts files and bytes. An upload is counted from its creation until it ends without a file: an aborted,
//! failed or expired upload gives back what it took. A file that was sent stays counted, also after its deletion.

use std::ops::AddAssign;

use super::asset::AssetMetadata;
use super::clock::Timestamp;
use super::ids::{GrantId, KeyId, TenantId};
use super::name::TypePattern;
use super::quota::{exceeds, signed};
use super::upload::{Upload, UploadState};

/// A grant for many files.
#[derive(Clone, Debug, PartialEq)]
pub struct DropBox {
    /// Identity.
    pub id: GrantId,
    /// The tenant whose assets the files become.
    pub tenant: TenantId,
    /// The key that created it, which owns the files.
    pub created_by: KeyId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// What may be sent, and how it is treated.
    pub terms: DropBoxTerms,
    /// What was sent so far.
    pub used: DropBoxUsage,
}

/// Terms of a drop box: what may be sent, and how it is treated.
#[derive(Clone, Debug, PartialEq)]
pub struct DropBoxTerms {
    /// Limits on all files together.
    pub limits: DropBoxLimits,
    /// Largest size of a file in bytes.
    pub max_size: Option<u64>,
    /// Types that the files may have; empty: any type that the policy allows.
    pub allowed: Vec<TypePattern>,
    /// Name of the tenant's policy that applies to the files.
    pub policy: String,
    /// Metadata that every file gets.
    pub metadata: AssetMetadata,
    /// Questions of the upload page to the person who sends.
    pub sender: Vec<SenderField>,
}

/// Limits on all files of a drop box together; `None`: unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropBoxLimits {
    /// Number of files.
    pub files: Option<u64>,
    /// Bytes of all files.
    pub bytes: Option<u64>,
}

/// Usage of a drop box, or a change of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropBoxUsage {
    /// Files that were sent or are being sent.
    pub files: i64,
    /// Their bytes; of a file of unknown size, the bytes that have arrived.
    pub bytes: i64,
}

impl AddAssign for DropBoxUsage {
    fn add_assign(&mut self, more: Self) {
        self.files += more.files;
        self.bytes += more.bytes;
    }
}

/// A limit of a drop box that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropBoxLimit {
    /// Number of files.
    Files,
    /// Bytes of all files.
    Bytes,
    /// The grant was revoked meanwhile.
    Revoked,
}

/// A change of the usage of a drop box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropBoxCharge {
    /// The drop box.
    pub drop_box: GrantId,
    /// The difference.
    pub usage: DropBoxUsage,
}

/// A question to the person who sends files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderField {
    /// The person's name.
    Name,
    /// The person's e-mail address.
    Email,
    /// A note about the files.
    Note,
}

impl SenderField {
    /// Every question.
    pub const ALL: [Self; 3] = [Self::Name, Self::Email, Self::Note];

    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
            Self::Note => "note",
        }
    }
}

impl std::str::FromStr for SenderField {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|field| field.name() == text).ok_or(())
    }
}

impl DropBoxLimits {
    /// The first limit that `used` exceeds.
    #[must_use]
    pub fn exceeded_by(&self, used: DropBoxUsage) -> Option<DropBoxLimit> {
        if exceeds(used.files, self.files) {
            Some(DropBoxLimit::Files)
        } else {
            exceeds(used.bytes, self.bytes).then_some(DropBoxLimit::Bytes)
        }
    }
}

impl DropBox {
    /// True if new files are accepted at `now`, as far as the time and its owner decide.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Number of files that are left of the limit.
    #[must_use]
    pub fn remaining_files(&self) -> Option<u64> {
        self.terms.limits.files.map(|files| files.saturating_sub(u64::try_from(self.used.files).unwrap_or(0)))
    }

    /// Bytes that are left of the limit on all files.
    #[must_use]
    pub fn remaining_bytes(&self) -> Option<u64> {
        self.terms.limits.bytes.map(|bytes| bytes.saturating_sub(u64::try_from(self.used.bytes).unwrap_or(0)))
    }
}

impl Upload {
    /// Bytes that the drop box counts for this upload now; `None`: no file is counted.
    fn drop_box_charge(&self) -> Option<u64> {
        match self.state {
            UploadState::Open | UploadState::Completing => self.charge(),
            UploadState::Completed => Some(self.transfer.size().unwrap_or(self.seen_bytes)),
            UploadState::Failed | UploadState::Aborted | UploadState::Expired => None,
        }
    }

    /// Records what the drop box of the upload counts and returns the change since the row was read; `None`: no change,
    /// or no drop box.
    pub fn settle_drop_box_charge(&mut self) -> Option<DropBoxCharge> {
        let drop_box = self.drop_box?;
        let (before, now) = (self.drop_box_bytes, self.drop_box_charge());
        self.drop_box_bytes = now;
        let usage = DropBoxUsage {
            files: i64::from(now.is_some()) - i64::from(before.is_some()),
            bytes: signed(now.unwrap_or(0)) - signed(before.unwrap_or(0)),
        };
        (usage != DropBoxUsage::default()).then_some(DropBoxCharge { drop_box, usage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;
    use crate::domain::upload::tests::open;
    use uuid::Uuid;

    #[test]
    fn an_upload_counts_until_it_ends_without_a_file() {
        let drop_box = GrantId(Uuid::from_u128(9));
        let mut upload = Upload { drop_box: Some(drop_box), ..open() };
        let change = |files, bytes| Some(DropBoxCharge { drop_box, usage: DropBoxUsage { files, bytes } });
        assert_eq!(upload.settle_drop_box_charge(), change(1, 1));
        assert_eq!(upload.settle_drop_box_charge(), None);
        let mut completed = upload.clone();
        completed.state = UploadState::Completed;
        assert_eq!(completed.settle_drop_box_charge(), None);
        let mut aborted = upload.abort(micros(5)).unwrap();
        assert_eq!(aborted.settle_drop_box_charge(), change(-1, -1));
        assert_eq!(open().settle_drop_box_charge(), None);
    }

    #[test]
    fn the_first_limit_that_is_passed_is_named() {
        let limits = DropBoxLimits { files: Some(2), bytes: Some(10) };
        let used = |files, bytes| DropBoxUsage { files, bytes };
        assert_eq!(limits.exceeded_by(used(2, 10)), None);
        assert_eq!(limits.exceeded_by(used(3, 11)), Some(DropBoxLimit::Files));
        assert_eq!(limits.exceeded_by(used(2, 11)), Some(DropBoxLimit::Bytes));
    }
}
