//! Permission checks: a single function for every route of every protocol.
//!
//! A caller that lacks the scope is refused before anything is looked up. An object of another tenant is answered
//! exactly like an unknown id. The engine calls these checks; no handler decides for itself.

use super::ids::{AssetId, GrantId, KeyId, TenantId, UploadId};
use super::key::{KeyScope, KeyScopes};

/// The caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Without a credential.
    Nobody,
    /// The holder of an API key.
    Key {
        /// The key.
        id: KeyId,
        /// The tenant of the key.
        tenant: TenantId,
        /// The scopes of the key.
        scopes: KeyScopes,
    },
    /// The holder of a grant for a single upload.
    Uploader {
        /// The upload of the grant.
        upload: UploadId,
    },
    /// The holder of a grant for many files.
    Sender {
        /// The grant.
        drop_box: GrantId,
        /// The tenant whose assets the files become.
        tenant: TenantId,
        /// The key that created the grant, which owns the files.
        key: KeyId,
    },
}

/// The operation that a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin an upload, or ask whether it would be accepted.
    CreateUpload,
    /// See an upload and the parts it has.
    ReadUpload,
    /// Sign, complete or abort an upload.
    DriveUpload,
    /// List the tenant's assets.
    ListAssets,
    /// Read the tenant's events.
    ReadEvents,
    /// See an asset.
    ReadAsset,
    /// Fetch an asset's bytes.
    FetchContent,
    /// Change or delete an asset.
    EditAsset,
    /// Make and revoke links to an asset.
    LinkAsset,
    /// Reprocess an asset, fetch it for processing, report a processing result.
    ProcessAsset,
    /// See the tenant's jobs, retry and discard dead jobs, manage its webhooks.
    Administer,
}

/// The object of an action, after it was looked up.
#[derive(Clone, Copy, Debug)]
pub struct AccessTarget {
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The key that created it.
    pub owner: KeyId,
    /// The upload, if the object is an upload.
    pub upload: Option<UploadId>,
    /// The grant for many files that opened the upload of the object.
    pub drop_box: Option<GrantId>,
    /// The asset.
    pub asset: AssetId,
}

/// Reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessDenied {
    /// No valid credential.
    Unauthenticated,
    /// The credential is valid, but does not permit this action.
    Forbidden,
    /// The object is hidden from this caller; the answer is that of an unknown id.
    Hidden,
}

impl Action {
    /// The scope a key needs.
    #[must_use]
    pub fn scope(self) -> KeyScope {
        match self {
            Self::CreateUpload | Self::DriveUpload | Self::EditAsset => KeyScope::Upload,
            Self::ReadUpload | Self::ListAssets | Self::ReadEvents | Self::ReadAsset | Self::FetchContent => {
                KeyScope::Read
            }
            Self::LinkAsset => KeyScope::Link,
            Self::ProcessAsset => KeyScope::Process,
            Self::Administer => KeyScope::Admin,
        }
    }

    /// True if an upload grant permits the action: driving its upload and reading its asset, but not fetching the
    /// bytes.
    fn within_upload_grant(self) -> bool {
        matches!(self, Self::ReadUpload | Self::DriveUpload | Self::ReadAsset)
    }
}

/// First check, before anything is looked up: true if this caller can be permitted this action on any object.
pub fn may_ask(actor: &Actor, action: Action) -> Result<(), AccessDenied> {
    match actor {
        Actor::Nobody => Err(AccessDenied::Unauthenticated),
        Actor::Uploader { .. } if action.within_upload_grant() => Ok(()),
        Actor::Sender { .. } if action.within_upload_grant() || action == Action::CreateUpload => Ok(()),
        Actor::Key { scopes, .. } if scopes.allow(action.scope()) => Ok(()),
        // A caller that may upload may also follow its uploads.
        Actor::Key { scopes, .. } if action.within_upload_grant() && scopes.allow(KeyScope::Upload) => Ok(()),
        Actor::Key { .. } | Actor::Uploader { .. } | Actor::Sender { .. } => Err(AccessDenied::Forbidden),
    }
}

/// Second check, with the object that was looked up: whether it belongs to this caller.
pub fn may(actor: &Actor, action: Action, target: AccessTarget) -> Result<(), AccessDenied> {
    may_ask(actor, action)?;
    match actor {
        Actor::Nobody => Err(AccessDenied::Unauthenticated),
        Actor::Uploader { upload } if target.upload == Some(*upload) => Ok(()),
        Actor::Uploader { .. } => Err(AccessDenied::Hidden),
        Actor::Sender { drop_box, .. } if target.drop_box == Some(*drop_box) => Ok(()),
        Actor::Sender { .. } => Err(AccessDenied::Hidden),
        Actor::Key { tenant, .. } if *tenant != target.tenant => Err(AccessDenied::Hidden),
        Actor::Key { id, scopes, .. } if action == Action::EditAsset => {
            let own = *id == target.owner || scopes.allow(KeyScope::Admin);
            own.then_some(()).ok_or(AccessDenied::Forbidden)
        }
        Actor::Key { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const ACTIONS: [Action; 11] = [
        Action::CreateUpload,
        Action::ReadUpload,
        Action::DriveUpload,
        Action::ListAssets,
        Action::ReadEvents,
        Action::ReadAsset,
        Action::FetchContent,
        Action::EditAsset,
        Action::LinkAsset,
        Action::ProcessAsset,
        Action::Administer,
    ];

    fn key(id: u128, tenant: u128, scopes: &str) -> Actor {
        let scopes = scopes.parse().unwrap();
        Actor::Key { id: KeyId(Uuid::from_u128(id)), tenant: TenantId(Uuid::from_u128(tenant)), scopes }
    }

    fn target() -> AccessTarget {
        AccessTarget {
            tenant: TenantId(Uuid::from_u128(1)),
            owner: KeyId(Uuid::from_u128(10)),
            upload: Some(UploadId(Uuid::from_u128(100))),
            drop_box: Some(GrantId(Uuid::from_u128(50))),
            asset: AssetId(Uuid::from_u128(1000)),
        }
    }

    /// One letter per action: `+` allowed, `f` forbidden, `h` hidden, `u` unauthenticated.
    fn row(actor: &Actor) -> String {
        let cell = |action| match may(actor, action, target()) {
            Ok(()) => '+',
            Err(AccessDenied::Forbidden) => 'f',
            Err(AccessDenied::Hidden) => 'h',
            Err(AccessDenied::Unauthenticated) => 'u',
        };
        ACTIONS.into_iter().map(cell).collect()
    }

    #[test]
    fn the_whole_matrix() {
        let sender = |id| Actor::Sender {
            drop_box: GrantId(Uuid::from_u128(id)),
            tenant: TenantId(Uuid::from_u128(1)),
            key: KeyId(Uuid::from_u128(10)),
        };
        let grant = |id| Actor::Uploader { upload: UploadId(Uuid::from_u128(id)) };
        let rows = [
            (Actor::Nobody, "uuuuuuuuuuu"),
            (key(10, 1, "upload"), "+++ff+f+fff"),
            (key(11, 1, "upload"), "+++ff+fffff"),
            (key(10, 1, "read"), "f+f++++ffff"),
            (key(10, 1, "link"), "ffffffff+ff"),
            (key(10, 1, "process"), "fffffffff+f"),
            (key(11, 1, "admin"), "+++++++++++"),
            (key(10, 2, "admin"), "hhhhhhhhhhh"),
            (key(10, 2, "read"), "fhfhhhhffff"),
            (grant(100), "f++ff+fffff"),
            (grant(101), "fhhffhfffff"),
            (sender(50), "+++ff+fffff"),
            (sender(51), "hhhffhfffff"),
        ];
        for (actor, expected) in rows {
            assert_eq!(row(&actor), expected, "{actor:?}");
        }
    }
}
