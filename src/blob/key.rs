//! Object keys in the bucket. Keys are built from ids alone and only here; clients cannot choose them.

use uuid::Uuid;

use crate::domain::ids::{AssetId, JobId, TenantId, UploadId};

/// Typed key of an object in the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobKey {
    /// An asset's original bytes. Each upload has a key of its own, which is written once.
    Original {
        /// Tenant that owns the asset.
        tenant: TenantId,
        /// Asset that the bytes belong to.
        asset: AssetId,
        /// Upload that brought the bytes.
        upload: UploadId,
    },
    /// Acknowledged bytes of a relayed upload that do not fill a part yet. The fence is unique to the writer, so that
    /// no two writers share a key.
    Tail {
        /// Upload that the bytes belong to.
        upload: UploadId,
        /// Fence of the writer that wrote them.
        fence: u64,
        /// Number of the tail among those of this writer.
        serial: u32,
    },
    /// Derivative of an asset. The key contains the attempt, so that no two attempts share a key.
    Derivative {
        /// Tenant that owns the asset.
        tenant: TenantId,
        /// Asset that the derivative was made from.
        asset: AssetId,
        /// Job that made it.
        job: JobId,
        /// Attempt of the job; 0: an external processor.
        attempt: u32,
        /// Number of the derivative among those of this attempt.
        serial: u32,
    },
    /// Marker object with the id of the instance that the bucket belongs to.
    Instance,
    /// Scratch object of the capability probe.
    Probe(Uuid),
}

impl BlobKey {
    /// Prefix of all keys of this service; other services may share the bucket.
    pub const PREFIX: &'static str = "gantry/";
    /// Prefix of all originals.
    pub const ORIGINALS_PREFIX: &'static str = "gantry/o/";
    /// Prefix of all derivatives.
    pub const DERIVATIVES_PREFIX: &'static str = "gantry/d/";
    /// Prefix of all tails.
    pub const TAILS_PREFIX: &'static str = "gantry/t/";
    /// Prefix of all scratch objects.
    pub const PROBES_PREFIX: &'static str = "gantry/probe/";

    /// Text form of the key: ASCII only, without characters that a store or a signature treats specially.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Original { tenant, asset, upload } => {
                let (tenant, asset, upload) = (tenant.0.simple(), asset.0.simple(), upload.0.simple());
                format!("{}{tenant}/{asset}/{upload}", Self::ORIGINALS_PREFIX)
            }
            Self::Tail { upload, fence, serial } => format!("{}{fence}-{serial}", Self::tails_of(*upload)),
            Self::Derivative { tenant, asset, job, attempt, serial } => {
                format!("{}{}-{attempt}-{serial}", Self::derivatives_of(*tenant, *asset), job.0.simple())
            }
            Self::Instance => format!("{}instance", Self::PREFIX),
            Self::Probe(id) => format!("{}{}", Self::PROBES_PREFIX, id.simple()),
        }
    }

    /// Prefix of all tails of an upload.
    #[must_use]
    pub fn tails_of(upload: UploadId) -> String {
        format!("{}{}/", Self::TAILS_PREFIX, upload.0.simple())
    }

    /// Prefixes of all originals and of all derivatives of a tenant.
    #[must_use]
    pub fn prefixes_of(tenant: TenantId) -> [String; 2] {
        [Self::ORIGINALS_PREFIX, Self::DERIVATIVES_PREFIX].map(|prefix| format!("{prefix}{}/", tenant.0.simple()))
    }

    /// Prefix of all derivatives of an asset.
    #[must_use]
    pub fn derivatives_of(tenant: TenantId, asset: AssetId) -> String {
        format!("{}{}/{}/", Self::DERIVATIVES_PREFIX, tenant.0.simple(), asset.0.simple())
    }

    /// Asset of a derivative's key; `None` for keys that this service did not write.
    #[must_use]
    pub fn parse_derivative(path: &str) -> Option<AssetId> {
        let mut pieces = path.strip_prefix(Self::DERIVATIVES_PREFIX)?.split('/');
        let (tenant, asset) = (pieces.next()?, pieces.next()?);
        let mut name = pieces.next()?.split('-');
        let id = |text: &str| Uuid::try_parse(text).ok();
        let (tenant, asset) = (TenantId(id(tenant)?), AssetId(id(asset)?));
        let job = JobId(id(name.next()?)?);
        let (attempt, serial) = (name.next()?.parse().ok()?, name.next()?.parse().ok()?);
        (Self::Derivative { tenant, asset, job, attempt, serial }.path() == path).then_some(asset)
    }

    /// Upload of a tail's key; `None` for keys that this service did not write.
    #[must_use]
    pub fn parse_tail(path: &str) -> Option<UploadId> {
        let (upload, rest) = path.strip_prefix(Self::TAILS_PREFIX)?.split_once('/')?;
        let (fence, serial) = rest.split_once('-')?;
        let upload = UploadId(Uuid::try_parse(upload).ok()?);
        let spelled = Self::Tail { upload, fence: fence.parse().ok()?, serial: serial.parse().ok()? }.path();
        (spelled == path).then_some(upload)
    }

    /// Tenant, asset and upload of an original's key; `None` for keys that this service did not write.
    #[must_use]
    pub fn parse_original(path: &str) -> Option<(TenantId, AssetId, UploadId)> {
        let mut ids = path.strip_prefix(Self::ORIGINALS_PREFIX)?.split('/').map(|id| Uuid::try_parse(id).ok());
        let (tenant, asset, upload) = (ids.next()??, ids.next()??, ids.next()??);
        let key = (TenantId(tenant), AssetId(asset), UploadId(upload));
        // Uuid's parser accepts several spellings; only keys in our own spelling are ours.
        let spelled = Self::Original { tenant: key.0, asset: key.1, upload: key.2 }.path();
        (spelled == path).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_read_back_and_nothing_else_is() {
        let upload = UploadId(Uuid::from_u128(3));
        let path = BlobKey::Tail { upload, fence: 7, serial: 2 }.path();
        assert_eq!(BlobKey::parse_tail(&path), Some(upload));
        for stranger in ["", "gantry/t/", &path[1..], &format!("{path}x"), &path.replace("7-2", "07-2")] {
            assert_eq!(BlobKey::parse_tail(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn derivatives_are_read_back_and_nothing_else_is() {
        let (tenant, asset) = (TenantId(Uuid::from_u128(1)), AssetId(Uuid::from_u128(2)));
        let path = BlobKey::Derivative { tenant, asset, job: JobId(Uuid::from_u128(3)), attempt: 4, serial: 5 }.path();
        assert_eq!(BlobKey::parse_derivative(&path), Some(asset));
        for stranger in ["", "gantry/d/", &path[1..], &format!("{path}x"), &path.replace("4-5", "4-05")] {
            assert_eq!(BlobKey::parse_derivative(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn originals_are_read_back_and_nothing_else_is() {
        let ids = (TenantId(Uuid::from_u128(1)), AssetId(Uuid::from_u128(2)), UploadId(Uuid::from_u128(3)));
        let path = BlobKey::Original { tenant: ids.0, asset: ids.1, upload: ids.2 }.path();
        assert_eq!(BlobKey::parse_original(&path), Some(ids));
        let hyphens = format!("gantry/o/{}/{}/{}", ids.0, ids.1, ids.2);
        let strangers = ["", "gantry/o/", "gantry/o/a/b/c", "backup.tar", &path[1..], &format!("{path}/x"), &hyphens];
        for stranger in strangers {
            assert_eq!(BlobKey::parse_original(stranger), None, "{stranger}");
        }
    }
}
