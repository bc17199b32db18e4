//! Clients as they are: they send parts by signed URLs or append bytes, repeat what was not answered, ask another node,
//! go away in the middle, and some abort or delete what is not theirs to keep.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use gantry::blob::{BlobStore, PutPayload};
use gantry::domain::append::{EchoedHeaders, UploadLength};
use gantry::domain::asset::Asset;
use gantry::domain::clock::SeededEntropy;
use gantry::domain::ids::{AssetId, UploadId};
use gantry::domain::upload::{Transfer, Upload, UploadProtocol, UploadState};
use gantry::engine::{
    AppendBytes, AppendChecksum, BodyFrame, CompleteUpload, CreateUpload, EndOfBody, Error, OpenAppend, OpenedUpload,
    TransferMethod, TruncatedBody, UploadSize,
};

use super::turns::roll;
use super::world::World;
use crate::support::seed::noise;

/// A client gives up a file after so many requests: then the run does not come to rest.
const MAX_REQUESTS: u32 = 3000;

/// Files whose arrival was acknowledged, and what clients have ended on purpose.
#[derive(Default)]
pub struct Known {
    pub acknowledged: Mutex<Vec<(AssetId, Bytes)>>,
    /// Uploads that were opened; chosen from for aborts.
    opened: Mutex<Vec<(UploadId, AssetId)>>,
    /// Assets that somebody has ended, or has tried to.
    pub ended: Mutex<Vec<AssetId>>,
}

/// The way of a file's bytes.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// By signed URLs.
    Parts(TransferMethod),
    /// Through a node.
    Appends,
}

/// A client with a file.
pub struct FileClient {
    pub world: Arc<World>,
    pub known: Arc<Known>,
    pub dice: SeededEntropy,
    pub number: u64,
}

impl FileClient {
    /// Brings a file of any size in any way until it is acknowledged.
    pub async fn run(self) {
        let way = match roll(&self.dice, 6) {
            0 | 1 => Way::Parts(TransferMethod::Multipart),
            2 => Way::Parts(TransferMethod::Put),
            _ => Way::Appends,
        };
        let size = match roll(&self.dice, 6) {
            0 => (5 << 20) + roll(&self.dice, 6 << 20),
            1 => roll(&self.dice, 3),
            _ => 1 + roll(&self.dice, 100_000),
        };
        tokio::time::sleep(Duration::from_millis(roll(&self.dice, 40_000))).await;
        self.bring(way, size).await;
    }

    /// Brings a file of `size` bytes until it is acknowledged.
    pub async fn bring(self, way: Way, size: u64) {
        let bytes = Bytes::from(noise(usize::try_from(size).unwrap(), self.number));
        let asset = match way {
            Way::Parts(method) => self.by_parts(&bytes, method).await,
            Way::Appends => self.by_appends(&bytes).await,
        };
        self.known.acknowledged.lock().unwrap().push((asset, bytes));
    }

    async fn wait(&self) {
        tokio::time::sleep(Duration::from_millis(50 + roll(&self.dice, 3000))).await;
    }

    fn opened(&self, upload: UploadId, asset: AssetId) {
        self.known.opened.lock().unwrap().push((upload, asset));
    }

    async fn by_parts(&self, bytes: &Bytes, method: TransferMethod) -> AssetId {
        for _ in 0..MAX_REQUESTS {
            let actor = self.world.actor.clone();
            let wish = self.wish(bytes, method);
            let opened = async move |engine: gantry::engine::Engine| engine.uploads().create_upload(&actor, wish).await;
            if let Some(Ok(opened)) = self.world.ask(&self.dice, opened).await {
                self.opened(opened.upload.id, opened.asset.id);
                if let Some(asset) = self.send_and_complete(&opened, bytes).await {
                    return asset;
                }
            }
            self.wait().await;
        }
        panic!("file {} does not arrive by parts", self.number);
    }

    fn wish(&self, bytes: &Bytes, method: TransferMethod) -> CreateUpload {
        CreateUpload {
            name: format!("{}.bin", self.number).parse().unwrap(),
            size: UploadSize::Exact(bytes.len() as u64),
            media_type: None,
            allowed: Vec::new(),
            sha256: None,
            external_id: Some(format!("file-{}", self.number)),
            metadata: serde_json::Map::new(),
            policy: "default".to_owned(),
            method,
            part_size: Some(5 << 20),
            checksum: None,
            url_count: 1,
            expires_in: None,
            idempotency: None,
        }
    }

    /// Sends what is missing and asks for completion, now and then twice at once; `None`: begin again.
    async fn send_and_complete(&self, opened: &OpenedUpload, bytes: &Bytes) -> Option<AssetId> {
        for _ in 0..20 {
            self.send_parts(&opened.upload, bytes).await;
            let complete = || {
                let (actor, id) = (self.world.actor.clone(), opened.upload.id);
                self.world.ask(&self.dice, async move |engine: gantry::engine::Engine| {
                    engine.uploads().complete_upload(&actor, id, CompleteUpload::default()).await
                })
            };
            let answer = if roll(&self.dice, 4) == 0 {
                let (one, other) = tokio::join!(complete(), complete());
                let both: Vec<&Asset> =
                    [&one, &other].into_iter().filter_map(|it| it.as_ref()?.as_ref().ok()).collect();
                assert!(both.windows(2).all(|pair| pair[0].id == pair[1].id), "two assets of one upload");
                one.filter(Result::is_ok).or(other)
            } else {
                complete().await
            };
            match answer {
                Some(Ok(asset)) => return Some(asset.id),
                Some(Err(Error::Gone { .. } | Error::NotFound | Error::ContentMismatch)) => return None,
                _ => self.wait().await,
            }
        }
        None
    }

    /// Sends each part, or leaves one out and sends another twice: completion says what is missing.
    async fn send_parts(&self, upload: &Upload, bytes: &Bytes) {
        match &upload.transfer {
            Transfer::Put { .. } => {
                let payload = PutPayload::of(bytes.clone());
                let _ = self.world.bucket.put_object(&upload.key, Some(&upload.write_token), payload).await;
            }
            Transfer::Multipart { plan, store_id: Some(store_id), .. } => {
                for part in plan.parts().filter(|_| roll(&self.dice, 10) != 0) {
                    let from = usize::try_from(plan.offset_of(part).unwrap()).unwrap();
                    let len = usize::try_from(plan.len_of(part).unwrap()).unwrap();
                    for _ in 0..=u64::from(roll(&self.dice, 10) == 0) {
                        let payload = PutPayload::of(bytes.slice(from..from + len));
                        let _ = self.world.bucket.put_part(&upload.key, store_id, part, payload).await;
                    }
                }
            }
            Transfer::Multipart { .. } | Transfer::UnplannedMultipart { .. } | Transfer::Relayed(_) => {}
        }
    }

    async fn by_appends(&self, bytes: &Bytes) -> AssetId {
        for _ in 0..MAX_REQUESTS {
            let (actor, wish) = (self.world.actor.clone(), self.append_wish(bytes));
            let open = async move |engine: gantry::engine::Engine| engine.append().open_append(&actor, wish).await;
            if let Some(Ok(upload)) = self.world.ask(&self.dice, open).await {
                self.opened(upload.id, upload.asset);
                if let Some(asset) = self.append_all(&upload, bytes).await {
                    return asset;
                }
            }
            self.wait().await;
        }
        panic!("file {} does not arrive by appends", self.number);
    }

    fn append_wish(&self, bytes: &Bytes) -> OpenAppend {
        OpenAppend {
            protocol: UploadProtocol::Tus,
            name: format!("{}.bin", self.number).parse().unwrap(),
            media_type: None,
            metadata: serde_json::Map::new(),
            sha256: None,
            length: UploadLength::Known(bytes.len() as u64),
            partial: false,
            echoed: EchoedHeaders::default(),
            first_bytes: None,
            content_follows: false,
        }
    }

    /// Appends from where the service says, and checks that it never says less than it has acknowledged.
    async fn append_all(&self, upload: &Upload, bytes: &Bytes) -> Option<AssetId> {
        let mut acknowledged = 0;
        for _ in 0..MAX_REQUESTS {
            match self.progress(upload.id).await {
                Some(Ok(now)) => {
                    let offset = now.ledger().map_or(0, |ledger| ledger.offset);
                    assert!(offset >= acknowledged, "file {}: {offset} after {acknowledged}", self.number);
                    acknowledged = offset;
                    match now.state {
                        UploadState::Completed => return Some(now.asset),
                        UploadState::Failed | UploadState::Aborted | UploadState::Expired => return None,
                        UploadState::Open | UploadState::Completing => {}
                    }
                    let repeats = roll(&self.dice, 8) == 0;
                    let answers = if repeats {
                        let (one, other) = tokio::join!(self.append(&now, bytes), self.append(&now, bytes));
                        vec![one, other]
                    } else {
                        vec![self.append(&now, bytes).await]
                    };
                    for answer in answers.into_iter().flatten().flatten() {
                        acknowledged = acknowledged.max(answer.ledger().map_or(0, |ledger| ledger.offset));
                    }
                }
                Some(Err(Error::Gone { .. } | Error::NotFound)) => return None,
                _ => {}
            }
            self.wait().await;
        }
        panic!("file {} comes to no end by appends", self.number);
    }

    async fn progress(&self, id: UploadId) -> Option<Result<Upload, Error>> {
        let actor = self.world.actor.clone();
        let ask = async move |engine: gantry::engine::Engine| engine.append().wait_for_progress(&actor, id).await;
        self.world.ask(&self.dice, ask).await
    }

    /// One request with some of the bytes, in pieces; now and then the connection breaks off.
    async fn append(&self, upload: &Upload, bytes: &Bytes) -> Option<Result<Upload, Error>> {
        let offset = upload.ledger()?.offset;
        let rest = bytes.slice(usize::try_from(offset).unwrap()..);
        let most = rest.len() as u64;
        let announced = if roll(&self.dice, 3) == 0 { most } else { roll(&self.dice, most + 1) };
        let sent = if roll(&self.dice, 4) == 0 { roll(&self.dice, announced + 1) } else { announced };
        let piece = 1 + roll(&self.dice, 1 << 19);
        let mut frames = Vec::new();
        let mut at = 0;
        while at < sent {
            let end = (at + piece).min(sent);
            let range = usize::try_from(at).unwrap()..usize::try_from(end).unwrap();
            frames.push(Ok(BodyFrame::Bytes(rest.slice(range))));
            at = end;
        }
        if sent < announced {
            frames.push(Err(TruncatedBody));
        }
        let wish = AppendBytes {
            offset,
            length: None,
            content_length: Some(announced),
            checksum: AppendChecksum::None,
            end_of_body: EndOfBody::ByLength,
            offset_sender: None,
            body: Box::pin(stream::iter(frames)),
        };
        let (actor, id) = (self.world.actor.clone(), upload.id);
        let ask = async move |engine: gantry::engine::Engine| engine.append().append_bytes(&actor, id, wish).await;
        self.world.ask(&self.dice, ask).await
    }
}

/// Somebody who aborts uploads and deletes assets of others, a few times.
pub async fn end_some(world: Arc<World>, known: Arc<Known>, dice: SeededEntropy, times: u64) {
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(roll(&dice, 120_000))).await;
        let chosen = {
            let opened = known.opened.lock().unwrap();
            match opened.len() as u64 {
                0 => continue,
                many => opened[usize::try_from(roll(&dice, many)).unwrap()],
            }
        };
        let (actor, (upload, asset)) = (world.actor.clone(), chosen);
        let deletes = roll(&dice, 2) == 0;
        if deletes {
            known.ended.lock().unwrap().push(asset);
        }
        let end = async move |engine: gantry::engine::Engine| {
            if deletes {
                engine.assets().delete_asset(&actor, asset).await
            } else {
                engine.uploads().abort(&actor, upload).await
            }
        };
        let _ = world.ask(&dice, end).await;
    }
}
