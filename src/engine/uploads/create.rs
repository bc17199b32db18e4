//! create: plan the parts, write the intent, create the multipart upload, sign the first URLs.
//!
//! The intent row comes first, so that everything in the store can be found from its key. A repeated creation, by external
//! id or `Idempotency-Key`, returns the open upload and the parts that the store has: a client resumes without a state.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::UploadEngine;
use super::describe::allowed;
use super::sign::SignedParts;
use crate::blob::{BlobKey, SignedUrl, StoredPart};
use crate::crash;
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::append::{AppendLedger, UploadLength, max_relayed};
use crate::domain::asset::{Asset, AssetMetadata, AssetState};
use crate::domain::checksum::{ChecksumAlgorithm, Sha256Digest};
use crate::domain::clock::{after, random_hex};
use crate::domain::ids::{AssetId, GrantId, KeyId, TenantId, UploadId};
use crate::domain::name::{FileName, MediaType, TypePattern};
use crate::domain::plan::{PartNumber, PartPlan, PartSet};
use crate::domain::upload::{Transfer, Upload, UploadProtocol, UploadState};
use crate::engine::idempotency::RepeatableRequest;
use crate::engine::limits::check_metadata_size;
use crate::engine::rows::update::{UpdateError, UpdateResult, retry_on_conflict};
use crate::engine::{Error, IdempotencyKey, RequestContext, Result};
use crate::metrics;
use crate::store::{StoreError, Tx};

/// Route under which idempotency keys of creations are stored.
const REPLAY_ROUTE: &str = "uploads";

/// Transfer method that the client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransferMethod {
    /// Chosen by size.
    #[default]
    Auto,
    /// A single PUT, whatever the size.
    Put,
    /// Multipart, whatever the size.
    Multipart,
    /// Through this service, in order.
    Append,
}

/// Size of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadSize {
    /// Exact size in bytes.
    Exact(u64),
    /// Largest size in bytes; the holder of the upload's grant chooses the file.
    AtMost(u64),
}

impl UploadSize {
    /// The size as far as it is known, and the largest if it is still to be chosen, in bytes.
    fn known_and_most(self) -> (u64, Option<u64>) {
        match self {
            Self::Exact(size) => (size, None),
            Self::AtMost(most) => (0, Some(most)),
        }
    }
}

/// A request to create an upload.
#[derive(Clone, Debug)]
pub struct CreateUpload {
    /// Name of the file.
    pub name: FileName,
    /// Size of the file.
    pub size: UploadSize,
    /// Media type as declared by the client.
    pub media_type: Option<MediaType>,
    /// Types that the file may have; empty: any type.
    pub allowed: Vec<TypePattern>,
    /// SHA-256 of the file; verified before the asset becomes ready.
    pub sha256: Option<Sha256Digest>,
    /// External id: the client's own identifier.
    pub external_id: Option<String>,
    /// Metadata of the client.
    pub metadata: AssetMetadata,
    /// Name of the tenant's policy that applies.
    pub policy: String,
    /// Transfer method.
    pub method: TransferMethod,
    /// Requested part size in bytes.
    pub part_size: Option<u64>,
    /// Checksum algorithm that every part will use.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Number of part URLs to sign at once.
    pub url_count: u16,
    /// Life of the upload and of its grant, if shorter than the default.
    pub expires_in: Option<Duration>,
    /// With a key, a repeated request returns the upload of the first request.
    pub idempotency: Option<IdempotencyKey>,
}

/// An open upload with everything needed to send its bytes.
pub struct OpenedUpload {
    /// True if this request created the upload; false if the upload existed.
    pub is_new: bool,
    /// The upload.
    pub upload: Upload,
    /// Asset of the upload.
    pub asset: Asset,
    /// Parts that the store has already.
    pub received_parts: Vec<StoredPart>,
    /// URL for a PUT of the whole file.
    pub put_url: Option<SignedUrl>,
    /// URLs for the first missing parts.
    pub part_urls: Option<SignedParts>,
    /// Token that can drive this upload and nothing else.
    pub grant: String,
}

/// Remembered result of a request that created an upload.
#[derive(Serialize, Deserialize)]
pub(in crate::engine) struct CreatedUpload {
    pub(in crate::engine) upload: UploadId,
}

/// Tenant and API key that create an upload, and the grant for many files that they created it with.
#[derive(Clone, Copy)]
pub(in crate::engine) struct UploadCreator {
    pub(in crate::engine) tenant: TenantId,
    pub(in crate::engine) key: KeyId,
    pub(in crate::engine) drop_box: Option<GrantId>,
}

impl UploadCreator {
    /// The creator of the uploads that an actor opens.
    ///
    /// # Errors
    /// The actor may open none.
    pub(in crate::engine) fn of(actor: &Actor) -> Result<Self> {
        may_ask(actor, Action::CreateUpload)?;
        match actor {
            Actor::Key { id, tenant, .. } => Ok(Self { tenant: *tenant, key: *id, drop_box: None }),
            Actor::Sender { drop_box, tenant, key } => {
                Ok(Self { tenant: *tenant, key: *key, drop_box: Some(*drop_box) })
            }
            Actor::Uploader { .. } => Err(Error::Forbidden),
            Actor::Nobody => Err(Error::Unauthenticated),
        }
    }
}

impl UploadEngine {
    /// Checks that [`Self::create_upload`] would accept this request, without creating anything.
    #[tracing::instrument(skip_all)]
    pub async fn check_create(&self, actor: &Actor, mut wish: CreateUpload) -> Result<()> {
        let by = UploadCreator::of(actor)?;
        self.admit_new_upload(actor, by.tenant).await?;
        self.by_policy(by, &mut wish, false).await?;
        self.plan_transfer(&wish)?;
        self.has_room(by.tenant, &wish).await
    }

    /// Creates an upload, or returns the open upload that this request repeats.
    #[tracing::instrument(skip_all)]
    pub async fn create_upload(&self, actor: &Actor, mut wish: CreateUpload) -> Result<OpenedUpload> {
        let by = UploadCreator::of(actor)?;
        if let Err(refusal) = self.admit_new_upload(actor, by.tenant).await {
            // An upload under way is found again, and finishes.
            let (asset, upload) = self.find_repeated_upload(by, &wish).await?.ok_or(refusal)?;
            return self.build_response(asset, upload, false, wish.url_count).await;
        }
        self.by_policy(by, &mut wish, false).await?;
        self.still_has_room(by.tenant, &wish).await?;
        let transfer = self.plan_transfer(&wish)?;
        let attempt = || self.insert_or_find_upload(actor, by, &wish, transfer.clone());
        let (asset, upload, is_new) = retry_on_conflict(&*self.entropy, attempt).await?;
        self.build_response(asset, upload, is_new, wish.url_count).await
    }

    /// The rows of a new upload, or of the upload that this request repeats; `true` for a new one.
    async fn insert_or_find_upload(
        &self,
        actor: &Actor,
        by: UploadCreator,
        wish: &CreateUpload,
        transfer: Transfer,
    ) -> UpdateResult<(Asset, Upload, bool)> {
        let (mut asset, mut upload) = self.build_intent_rows(by, wish, transfer);
        let tx = Tx::new().create(&mut asset, &mut upload).with(self.audit.told_of_creation(actor, &asset, &upload));
        let tx = self.idempotency.remember(tx, &as_repeatable(by, wish), &CreatedUpload { upload: upload.id })?;
        match self.rows.commit(tx).await {
            Ok(()) => {
                crash::point("after_intent");
                Ok((asset, upload, true))
            }
            Err(StoreError::Conflict) => {
                let (asset, upload) = self.find_repeated_upload(by, wish).await?.ok_or(UpdateError::LostRace)?;
                Ok((asset, upload, false))
            }
            Err(other) => {
                self.note_refusal(by.tenant, &other).await;
                Err(other.into())
            }
        }
    }

    /// The transfer for this size on this store.
    fn plan_transfer(&self, wish: &CreateUpload) -> Result<Transfer> {
        let (limits, capabilities) = (self.limits(), self.blobs.capabilities());
        let (UploadSize::Exact(size) | UploadSize::AtMost(size)) = wish.size;
        if size > limits.max_size {
            return Err(Error::TooLarge { limit: limits.max_size });
        }
        self.check_consistency(wish)?;
        if wish.size == UploadSize::AtMost(size) {
            return Ok(Transfer::Relayed(Box::new(self.new_ledger(UploadLength::Deferred)?)));
        }
        let one_put = match wish.method {
            TransferMethod::Auto => {
                size == 0 || (size <= self.settings.max_single_put_bytes && wish.part_size.is_none())
            }
            TransferMethod::Put if size > limits.max_put => return Err(Error::TooLarge { limit: limits.max_put }),
            TransferMethod::Put => true,
            TransferMethod::Multipart => false,
            TransferMethod::Append => {
                return Ok(Transfer::Relayed(Box::new(self.new_ledger(UploadLength::Known(size))?)));
            }
        };
        if one_put && capabilities.conditional_put {
            return Ok(Transfer::Put { size });
        }
        let profile = self.blobs.profile();
        let plan = if one_put {
            PartPlan::exact(size, size.max(1)).ok_or(Error::TooLarge { limit: limits.max_put })?
        } else {
            PartPlan::choose(size, wish.part_size, &profile)?
        };
        let declared = wish.checksum.or(wish.sha256.filter(|_| one_put).map(|_| ChecksumAlgorithm::Sha256));
        // If the store takes undeclared checksums, declaring an algorithm would only oblige every part to have a
        // checksum.
        let needed = capabilities.part_checksums && !capabilities.undeclared_checksums;
        let checksum = declared.filter(|_| needed);
        Ok(Transfer::Multipart { plan, store_id: None, checksum, as_put: one_put })
    }

    /// New ledger for a file of this length, within the limits of the configuration and the store.
    pub(in crate::engine) fn new_ledger(&self, length: UploadLength) -> Result<AppendLedger> {
        let profile = self.blobs.profile();
        let limit = self.limits().max_size.min(max_relayed(&profile));
        if length.known().is_some_and(|total| total > limit) {
            return Err(Error::TooLarge { limit });
        }
        Ok(AppendLedger::open(length, &profile)?)
    }

    /// Refuses contradictory parameters.
    fn check_consistency(&self, wish: &CreateUpload) -> Result<()> {
        check_metadata_size(&wish.metadata)?;
        if let Some(media_type) = &wish.media_type {
            allowed(&wish.allowed, media_type, &wish.name)?;
        }
        let longest = self.rows.upload_timeouts().upload_ttl;
        if wish.expires_in.is_some_and(|life| life.is_zero() || life > longest) {
            return Err(Error::invalid("expires_in", format!("must be 1 to {} seconds", longest.as_secs())));
        }
        let chosen = matches!(wish.size, UploadSize::AtMost(_));
        let planned = !matches!(wish.method, TransferMethod::Auto | TransferMethod::Append);
        if chosen && (planned || wish.part_size.is_some() || wish.checksum.is_some()) {
            return Err(Error::invalid("size", "required for an upload with a method, a part size or a checksum"));
        }
        Ok(())
    }

    /// Builds the rows of the intended upload.
    pub(in crate::engine) fn build_intent_rows(
        &self,
        by: UploadCreator,
        wish: &CreateUpload,
        transfer: Transfer,
    ) -> (Asset, Upload) {
        let (now, patience, sizes) = (self.store.now(), self.rows.upload_timeouts(), wish.size.known_and_most());
        let (asset, upload) = (AssetId(self.rows.new_id()), UploadId(self.rows.new_id()));
        let expires_at = after(now, wish.expires_in.unwrap_or(patience.upload_ttl));
        let upload = Upload {
            id: upload,
            tenant: by.tenant,
            asset,
            owner: by.key,
            revision: 1,
            state: UploadState::Open,
            protocol: UploadProtocol::Native,
            transfer,
            max_size: sizes.1,
            quota_charge: None,
            reserved: None,
            drop_box: by.drop_box,
            drop_box_bytes: None,
            key: BlobKey::Original { tenant: by.tenant, asset, upload }.path(),
            write_token: random_hex(&*self.entropy, 16),
            external_id: wish.external_id.clone(),
            node: Some(RequestContext::node_name().to_owned()),
            client: RequestContext::current().client,
            created_at: now,
            changed_at: now,
            last_activity_at: now,
            seen_bytes: 0,
            expires_at,
            next_check_at: Some(after(now, patience.rescue_after).min(expires_at)),
        };
        let asset = Asset {
            id: asset,
            tenant: by.tenant,
            owner: by.key,
            revision: 1,
            state: AssetState::Awaiting,
            name: wish.name.clone(),
            size: sizes.0,
            media_type: wish.media_type.clone(),
            declared_sha256: wish.sha256,
            external_id: wish.external_id.clone(),
            metadata: wish.metadata.clone(),
            allowed: wish.allowed.clone(),
            partial: false,
            quota_charge: None,
            policy: wish.policy.clone(),
            delete_at: None,
            created_at: now,
            changed_at: now,
        };
        (asset, upload)
    }

    /// The upload that this request repeats: found by its idempotency key, or the live upload with its external id.
    /// `None`: the conflicting row is gone, so the caller tries again.
    async fn find_repeated_upload(&self, by: UploadCreator, wish: &CreateUpload) -> Result<Option<(Asset, Upload)>> {
        if let Some(CreatedUpload { upload }) = self.idempotency.recall(&as_repeatable(by, wish)).await? {
            return self.load_with_asset(self.store.find_upload(upload).await?).await;
        }
        let Some(external_id) = &wish.external_id else { return Ok(None) };
        let Some(upload) = self.store.find_live_upload(by.tenant, external_id).await? else { return Ok(None) };
        if upload.expires_at <= self.store.now() {
            self.expire_upload(upload).await?;
            return Ok(None);
        }
        let same = match wish.size {
            UploadSize::Exact(size) => upload.transfer.size() == Some(size),
            UploadSize::AtMost(most) => upload.max_size == Some(most),
        };
        if !same || upload.owner != by.key || upload.drop_box != by.drop_box {
            return Err(Error::Taken("another open upload has this external_id"));
        }
        self.load_with_asset(Some(upload)).await
    }

    async fn load_with_asset(&self, upload: Option<Upload>) -> Result<Option<(Asset, Upload)>> {
        let Some(upload) = upload else { return Ok(None) };
        let asset = self.store.find_asset(upload.asset).await?;
        Ok(asset.map(|asset| (asset, upload)))
    }

    /// The response of a creation. `fresh`: the upload is new, so the store can have no parts.
    async fn build_response(&self, asset: Asset, upload: Upload, fresh: bool, urls: u16) -> Result<OpenedUpload> {
        crate::engine::rows::note_upload_ids(&upload);
        let grant = self.tokens.upload_grant(upload.id, upload.expires_at);
        let mut opened = OpenedUpload {
            is_new: fresh,
            upload,
            asset,
            received_parts: Vec::new(),
            put_url: None,
            part_urls: None,
            grant,
        };
        if opened.upload.state != UploadState::Open {
            return Ok(opened);
        }
        opened.upload = self.ensure_multipart(opened.upload, fresh).await?;
        if !fresh {
            metrics::uploads().record_resumed();
            opened.received_parts = self.list_and_note_parts(&opened.upload).await?;
        }
        if opened.upload.ledger().is_some() {
            return Ok(opened);
        }
        let Transfer::Multipart { plan, as_put: false, .. } = &opened.upload.transfer else {
            opened.put_url = Some(self.sign_whole_file(&opened.upload, &opened.asset).await?);
            return Ok(opened);
        };
        let has: std::collections::HashSet<PartNumber> = opened.received_parts.iter().map(|part| part.number).collect();
        let missing = plan.parts().filter(|part| !has.contains(part)).take(usize::from(urls));
        let wanted = PartSet::from_numbers(missing);
        opened.part_urls = Some(self.sign_parts_of(&opened.upload, wanted, Vec::new()).await?);
        Ok(opened)
    }
}

fn as_repeatable(by: UploadCreator, wish: &CreateUpload) -> RepeatableRequest<'_> {
    // Grants for many files do not share a namespace with keys.
    let namespace = by.drop_box.map_or(by.key, |grant| KeyId(grant.0));
    RepeatableRequest { by: namespace, route: REPLAY_ROUTE, idempotency: wish.idempotency.as_ref() }
}
