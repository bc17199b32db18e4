//! How an upload begins whose bytes come through this service: the rows first, the first bytes under a lease that was
//! taken with them.

use futures_util::StreamExt;

use super::super::create::{Creator, Size, checked_metadata};
use super::super::cut::TRIES;
use super::super::granted::Description;
use super::super::{CreateUpload, Engine, Error, MethodWish, Result, tenant_of};
use super::lease::TERM;
use super::{Checksum, Ends, Incoming, bad_length, overrun, still_there};
use crate::crash;
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::append::{Concat, Ledger, Length, Said, max_relayed};
use crate::domain::asset::{Asset, Metadata};
use crate::domain::checksum::Sha256Digest;
use crate::domain::ids::UploadId;
use crate::domain::name::{FileName, MediaType};
use crate::domain::policy::DEFAULT_POLICY;
use crate::domain::upload::{Protocol, Transfer, Upload, UploadState};
use crate::store::Tx;

/// The wish to bring a file in through this service.
pub struct OpenAppend {
    /// The door.
    pub protocol: Protocol,
    /// The file's name.
    pub name: FileName,
    /// Its type, as the client believes.
    pub media_type: Option<MediaType>,
    /// The client's own properties.
    pub metadata: Metadata,
    /// The file's digest; verified before the asset becomes ready.
    pub sha256: Option<Sha256Digest>,
    /// How long it is.
    pub length: Length,
    /// A piece of a file, not a file.
    pub partial: bool,
    /// What the client wants to hear again.
    pub said: Said,
    /// The first bytes, if they come along: how many, if that is said, and what they must hash to.
    pub first: Option<(Option<u64>, Checksum, Incoming)>,
    /// The caller has bytes that it brings by a call of its own. For an upload that has ended that call is
    /// [`Engine::repeat_file`], which compares them.
    pub content_follows: bool,
}

impl Engine {
    /// Opens an upload and takes its first bytes. An empty file is complete with that.
    ///
    /// A grant for one upload opens that one, which exists already. If a file has arrived there, it has to be the same.
    ///
    /// # Errors
    /// [`Error::Taken`] if another file has arrived under the grant, or if nothing shows that it is the same.
    pub async fn open_append(&self, actor: &Actor, wish: OpenAppend) -> Result<Upload> {
        if let Actor::Uploader { upload } = actor {
            return Box::pin(self.open_granted(actor, *upload, wish)).await;
        }
        may_ask(actor, Action::CreateUpload)?;
        let Actor::Key { id: key, .. } = actor else { return Err(Error::Forbidden) };
        let by = Creator { tenant: tenant_of(actor)?, key: *key };
        let mut ledger = self.new_ledger(wish.length)?;
        ledger.said = wish.said;
        ledger.concat = if wish.partial { Concat::Partial } else { Concat::Whole };
        let (mut asset, mut upload) =
            self.declared_as(by, wish.name, wish.media_type, wish.metadata, ledger, wish.protocol).await?;
        asset.declared_sha256 = wish.sha256;
        let first = match wish.first {
            None if wish.length == Length::Known(0) => Some((None, Checksum::None, nothing())),
            first => first,
        };
        if let (Some((Some(bytes), ..)), Some(ledger)) = (&first, upload.ledger())
            && *bytes > ledger.room()
        {
            return Err(overrun(ledger, ledger.room()));
        }
        if first.is_some() {
            upload = upload.take_lease(TERM, self.0.store.now()).map_err(|_| Error::Locked)?;
        }
        let tx = Tx::new().create(&mut asset, &mut upload).with(self.told_of_creation(actor, &asset, &upload));
        self.commit(tx, asset.id).await?;
        crash::point("after_intent");
        match first {
            None => Ok(upload),
            Some((_, checksum, body)) => self.run_first(upload, checksum, body).await,
        }
    }

    /// The first bytes, in a task of their own. What a checksum refuses was never there: nobody has heard of it.
    async fn run_first(&self, upload: Upload, checksum: Checksum, body: Incoming) -> Result<Upload> {
        let engine = self.clone();
        let work = self.0.appends.tasks.spawn(async move {
            let outcome = engine.run(upload.clone(), checksum, Ends::ByLength, None, body).await;
            if matches!(outcome, Err(Error::ChecksumMismatch | Error::Overrun { .. })) {
                engine.abort_upload(engine.reread(upload.id).await?, None).await?;
            }
            outcome
        });
        work.await.map_err(|error| Error::Internal(error.to_string()))?
    }

    /// The upload that a grant is for, if it takes bytes in order and is as long as the client believes.
    async fn open_granted(&self, actor: &Actor, id: UploadId, wish: OpenAppend) -> Result<Upload> {
        let upload = self.upload_for(actor, Action::DriveUpload, id).await?;
        still_there(&upload, self.0.store.now())?;
        if upload.state != UploadState::Open {
            return Box::pin(self.open_ended(upload, wish)).await;
        }
        let upload = self.as_relayed(upload).await?;
        let length = upload.ledger().ok_or(Error::Forbidden)?.length;
        if wish.partial || matches!((length, wish.length), (Length::Known(a), Length::Known(b)) if a != b) {
            return Err(Error::Forbidden);
        }
        if wish.sha256.is_some() && self.asset_of(&upload).await?.declared_sha256 != wish.sha256 {
            return Err(Error::Taken("another digest was declared when this upload was opened"));
        }
        let OpenAppend { name, media_type, metadata, length, said, protocol, first, .. } = wish;
        self.describe(&upload, Description { name, media_type, metadata }).await?;
        let upload = self.taken_up(upload, length, said, protocol).await?;
        let empty = upload.transfer.size() == Some(0);
        match first {
            None if !empty => Ok(upload),
            first => {
                let (announced, checksum, body) = first.unwrap_or((None, Checksum::None, nothing()));
                let (length, ends, heard) = (length.known(), Ends::ByLength, None);
                let wish = super::AppendBytes { offset: 0, length, announced, checksum, ends, heard, body };
                self.append(actor, id, wish).await
            }
        }
    }

    /// An upload that its grant's holder opens by this door: what it says of the file's length, and what it wants to hear
    /// again. Nothing of it changes once there are bytes.
    async fn taken_up(&self, mut upload: Upload, length: Length, said: Said, by: Protocol) -> Result<Upload> {
        for _ in 0..TRIES {
            let mut taken = upload.clone();
            if let Length::Known(length) = length {
                self.declare_length(&mut taken, length, self.most(&upload).await?)?;
            }
            if let Some(ledger) = taken.ledger_mut().filter(|ledger| ledger.offset == 0) {
                ledger.said = said.clone();
                taken.protocol = by;
            }
            if taken == upload {
                return Ok(upload);
            }
            if let Some(taken) = self.changed_way(taken).await? {
                return Ok(taken);
            }
            upload = self.reread(upload.id).await?;
        }
        Err(Error::busy("others open this upload"))
    }

    /// A ledger for a file of this length, within this composition's limits.
    pub(in crate::engine) fn new_ledger(&self, length: Length) -> Result<Ledger> {
        let profile = self.0.blobs.profile();
        let limit = self.limits().max_size.min(max_relayed(&profile));
        if length.known().is_some_and(|total| total > limit) {
            return Err(Error::TooLarge { limit });
        }
        Ok(Ledger::open(length, &profile)?)
    }

    /// Takes down how long a file is that may have `limit` bytes, for its asset as well.
    pub(super) fn declare_length(&self, upload: &mut Upload, length: u64, limit: u64) -> Result<()> {
        if length > limit {
            return Err(Error::TooLarge { limit });
        }
        let ledger = upload.ledger_mut().ok_or(Error::Hidden)?;
        ledger.declare(length, &self.0.blobs.profile()).map_err(bad_length)
    }

    /// The rows of a new upload.
    pub(super) async fn declared_as(
        &self,
        by: Creator,
        name: FileName,
        media_type: Option<MediaType>,
        metadata: Metadata,
        ledger: Ledger,
        protocol: Protocol,
    ) -> Result<(Asset, Upload)> {
        checked_metadata(&metadata)?;
        let partial = ledger.concat == Concat::Partial;
        let mut wish = CreateUpload {
            name,
            size: Size::Exact(ledger.length.known().unwrap_or(0)),
            allowed: Vec::new(),
            expires_in: None,
            media_type,
            sha256: None,
            external_id: None,
            metadata,
            policy: DEFAULT_POLICY.to_owned(),
            method: MethodWish::Append,
            part_size: None,
            checksum: None,
            urls: 0,
            idempotency: None,
        };
        self.by_policy(by, &mut wish, partial).await?;
        let (asset, upload) = self.intent(by, &wish, Transfer::Relayed(Box::new(ledger)));
        Ok((Asset { partial, ..asset }, Upload { protocol, ..upload }))
    }
}

/// A body without bytes.
pub(super) fn nothing() -> Incoming {
    futures_util::stream::empty().boxed()
}
