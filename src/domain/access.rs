//! Who may do what: one function for every route of every protocol.
//!
//! A caller that lacks the scope is told so before anything is looked up; a thing of somebody else is hidden, with
//! the very answer that an unknown id gets. The engine asks here; no handler decides for itself.

use super::ids::{AssetId, KeyId, TenantId, UploadId};
use super::key::{KeyScope, KeyScopes};

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// No credential at all.
    Nobody,
    /// The holder of an API key.
    Key {
        /// Which key.
        id: KeyId,
        /// The tenant it acts in.
        tenant: TenantId,
        /// What it may do there.
        scopes: KeyScopes,
    },
    /// The holder of a grant for one upload.
    Uploader {
        /// The one upload.
        upload: UploadId,
    },
}

/// What is asked.
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
    /// Have an asset looked at again, fetch it for processing, report what processing came to.
    ProcessAsset,
    /// See the tenant's jobs, retry and discard dead ones, keep its webhooks.
    Administer,
}

/// The thing that an action is about, once it has been looked up.
#[derive(Clone, Copy, Debug)]
pub struct AccessTarget {
    /// Whose it is.
    pub tenant: TenantId,
    /// The key that created it.
    pub owner: KeyId,
    /// The upload, for uploads.
    pub upload: Option<UploadId>,
    /// The asset.
    pub asset: AssetId,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessDenied {
    /// No usable credential.
    Unauthenticated,
    /// The credential is good, but not for this.
    Forbidden,
    /// To this caller the thing does not exist.
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

    /// What the grant for one upload covers: driving that upload and watching its asset, not fetching it.
    fn within_upload_grant(self) -> bool {
        matches!(self, Self::ReadUpload | Self::DriveUpload | Self::ReadAsset)
    }
}

/// First half of the decision, before anything is looked up: could this actor do such a thing at all?
pub fn may_ask(actor: &Actor, action: Action) -> Result<(), AccessDenied> {
    match actor {
        Actor::Nobody => Err(AccessDenied::Unauthenticated),
        Actor::Uploader { .. } if action.within_upload_grant() => Ok(()),
        Actor::Key { scopes, .. } if scopes.allow(action.scope()) => Ok(()),
        // Whoever brings bytes in may watch them arrive.
        Actor::Key { scopes, .. } if action.within_upload_grant() && scopes.allow(KeyScope::Upload) => Ok(()),
        Actor::Key { .. } | Actor::Uploader { .. } => Err(AccessDenied::Forbidden),
    }
}

/// Second half, with the thing in hand: is it this actor's?
pub fn may(actor: &Actor, action: Action, target: AccessTarget) -> Result<(), AccessDenied> {
    may_ask(actor, action)?;
    match actor {
        Actor::Nobody => Err(AccessDenied::Unauthenticated),
        Actor::Uploader { upload } if target.upload == Some(*upload) => Ok(()),
        Actor::Uploader { .. } => Err(AccessDenied::Hidden),
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
        ];
        for (actor, expected) in rows {
            assert_eq!(row(&actor), expected, "{actor:?}");
        }
    }
}
