//! transfer: rows of assets as text, out of an instance and into an empty one.
//!
//! * `export`: assets by tenant, time and state, with their tenants and policies
//! * `import`: the same rows with the same ids on an empty system, if the bucket has their objects
//!
//! Not in an export: bytes, keys, links, webhooks, uploads in flight, events and the audit trail.

use serde::{Deserialize, Serialize};

use crate::domain::asset::{Asset, AssetContent, AssetMetadata, AssetState, AssetVerdict, LeftoverBytes};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::Timestamp;
use crate::domain::findings::AssetFindings;
use crate::domain::ids::{AssetId, KeyId, TenantId};
use crate::domain::policy::PolicyRules;
use crate::domain::quota::TenantQuota;
use crate::domain::tenant::Tenant;

mod export;
mod import;

pub use export::ExportFilter;
pub use import::{AssetImport, ImportProblem, ImportReport};

/// Version of the format.
pub const EXPORT_FORMAT: u32 = 1;

/// A line of an export.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ExportLine {
    /// The first line.
    Instance {
        /// Version of the format.
        format: u32,
        /// Id of the instance, with which its bucket is marked.
        id: String,
        /// Time of the export.
        at: Timestamp,
    },
    /// A tenant, before its assets.
    Tenant(Box<ExportedTenant>),
    /// An asset.
    Asset(Box<ExportedAsset>),
}

/// A tenant in an export.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportedTenant {
    /// The tenant.
    #[serde(flatten)]
    pub tenant: Tenant,
    /// Its limits.
    pub quota: TenantQuota,
    /// Its policies.
    pub policies: Vec<ExportedPolicy>,
}

/// A policy in an export.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportedPolicy {
    /// Name.
    pub name: String,
    /// The rules.
    pub rules: PolicyRules,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
}

/// An asset in an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportedAsset {
    /// Identity.
    pub id: AssetId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The key that created it.
    pub owner_id: KeyId,
    /// Name of the state.
    pub state: String,
    /// The declared name.
    pub filename: String,
    /// Size in bytes.
    pub size: u64,
    /// The declared type.
    pub content_type: Option<String>,
    /// The declared digest, bare hexadecimal.
    pub declared_sha256: Option<String>,
    /// The caller's own identifier.
    pub external_id: Option<String>,
    /// The caller's own properties.
    pub metadata: AssetMetadata,
    /// Media types that the bytes may have.
    pub allowed: Vec<String>,
    /// Name of its policy.
    pub policy: String,
    /// When the policy deletes it.
    pub delete_at: Option<Timestamp>,
    /// When it was first declared.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Its bytes.
    pub content: Option<ExportedContent>,
    /// Code and sentence of its rejection or failure.
    pub verdict: Option<(String, String)>,
    /// When the bytes of a rejected asset are removed.
    pub bytes_until: Option<Timestamp>,
}

/// Bytes of an asset in an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportedContent {
    /// Object key.
    pub key: String,
    /// Entity tag of the object.
    pub etag: String,
    /// Version of the object.
    pub version: Option<String>,
    /// When the upload was complete.
    pub stored_at: Timestamp,
    /// Type found in the bytes.
    pub detected_type: Option<String>,
    /// Digest of the bytes, bare hexadecimal.
    pub sha256: Option<String>,
    /// Further results.
    pub findings: AssetFindings,
}

fn bare_hex(digest: Option<Sha256Digest>) -> Option<String> {
    digest.map(|digest| hex::encode(digest.0))
}

impl ExportedAsset {
    /// The asset as exported.
    #[must_use]
    pub fn of(asset: &Asset) -> Self {
        let content = asset.state.content().map(|content| ExportedContent {
            key: content.key.clone(),
            etag: content.etag.clone(),
            version: content.version.clone(),
            stored_at: content.stored_at,
            detected_type: content.detected.as_ref().map(ToString::to_string),
            sha256: bare_hex(content.sha256),
            findings: content.findings.clone(),
        });
        Self {
            id: asset.id,
            tenant_id: asset.tenant,
            owner_id: asset.owner,
            state: asset.state.name().to_owned(),
            filename: asset.name.as_str().to_owned(),
            size: asset.size,
            content_type: asset.media_type.as_ref().map(ToString::to_string),
            declared_sha256: bare_hex(asset.declared_sha256),
            external_id: asset.external_id.clone(),
            metadata: asset.metadata.clone(),
            allowed: asset.allowed.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
            policy: asset.policy.clone(),
            delete_at: asset.delete_at,
            created_at: asset.created_at,
            changed_at: asset.changed_at,
            content,
            verdict: asset.state.verdict().map(|verdict| (verdict.code.clone(), verdict.sentence.clone())),
            bytes_until: match asset.state.leftover() {
                Some(LeftoverBytes::Until(at)) => Some(at),
                Some(LeftoverBytes::Gone) | None => None,
            },
        }
    }

    /// The asset of this line; `None` for states without bytes. An asset that was being processed is stored again.
    ///
    /// # Errors
    /// Name of the field with an invalid value.
    pub fn into_asset(self) -> Result<Option<Asset>, &'static str> {
        let Some(content) = self.content else { return Ok(None) };
        let digest = |text: Option<String>| text.map(|text| text.parse::<Sha256Digest>()).transpose();
        let content = AssetContent {
            key: content.key,
            etag: content.etag,
            version: content.version,
            stored_at: content.stored_at,
            detected: content.detected_type.map(|text| text.parse()).transpose().map_err(|_| "detected_type")?,
            sha256: digest(content.sha256).map_err(|_| "sha256")?,
            findings: content.findings,
        };
        let verdict = self.verdict.map(|(code, sentence)| AssetVerdict { code, sentence });
        let state = match (self.state.as_str(), self.bytes_until) {
            ("stored" | "processing", _) => AssetState::Stored(content),
            ("ready", _) => AssetState::Ready(content),
            ("failed", _) => AssetState::Failed { content, verdict: verdict.ok_or("verdict")? },
            ("rejected", Some(at)) => {
                AssetState::Rejected { content, verdict: verdict.ok_or("verdict")?, bytes: LeftoverBytes::Until(at) }
            }
            ("rejected" | "deleted", _) => return Ok(None),
            _ => return Err("state"),
        };
        let allowed: Result<_, _> = self.allowed.iter().map(|text| text.parse()).collect();
        Ok(Some(Asset {
            state,
            id: self.id,
            tenant: self.tenant_id,
            owner: self.owner_id,
            revision: 1,
            name: self.filename.parse().map_err(|_| "filename")?,
            size: self.size,
            media_type: self.content_type.map(|text| text.parse()).transpose().map_err(|_| "content_type")?,
            declared_sha256: digest(self.declared_sha256).map_err(|_| "declared_sha256")?,
            external_id: self.external_id,
            metadata: self.metadata,
            allowed: allowed.map_err(|_| "allowed")?,
            partial: false,
            quota_charge: None,
            policy: self.policy,
            delete_at: self.delete_at,
            created_at: self.created_at,
            changed_at: self.changed_at,
        }))
    }
}
