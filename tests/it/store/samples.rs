//! Rows to play with.

use std::time::Duration;

use gantry::domain::asset::{Asset, AssetContent, AssetMetadata, AssetState, AssetVerdict};
use gantry::domain::checksum::Sha256Digest;
use gantry::domain::clock::{Timestamp, after};
use gantry::domain::event::EventKind;
use gantry::domain::findings::{AssetFindings, AssetProblem, InspectionState};
use gantry::domain::ids::{AssetId, JobId, KeyId, TenantId, UploadId};
use gantry::domain::job::{JobSubject, NewJob, Priority};
use gantry::domain::name::MediaType;
use gantry::domain::upload::{Transfer, Upload, UploadProtocol, UploadState, UploadTimeouts};
use gantry::store::{NewRow, Store, Tx};
use uuid::Uuid;

pub fn tenant(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(n))
}

pub fn owner() -> KeyId {
    KeyId(Uuid::from_u128(7))
}

/// A new asset and its open upload.
pub fn pair(tenant: TenantId, now: Timestamp) -> (Asset, Upload) {
    let asset = Asset {
        id: AssetId(Uuid::now_v7()),
        tenant,
        owner: owner(),
        revision: 1,
        state: AssetState::Awaiting,
        name: "weird \"quoted\" 漢字 🦀.bin".parse().unwrap(),
        size: 50_000_000_000_000,
        media_type: Some("image/png".parse().unwrap()),
        declared_sha256: Some(Sha256Digest([9; 32])),
        external_id: None,
        metadata: AssetMetadata::new(),
        allowed: vec!["image/*".parse().unwrap()],
        partial: false,
        quota_charge: None,
        policy: "default".to_owned(),
        delete_at: None,
        created_at: now,
        changed_at: now,
    };
    let upload = Upload {
        id: UploadId(Uuid::now_v7()),
        tenant,
        asset: asset.id,
        owner: owner(),
        revision: 1,
        state: UploadState::Open,
        protocol: UploadProtocol::Native,
        transfer: Transfer::Put { size: asset.size },
        max_size: None,
        quota_charge: None,
        reserved: None,
        drop_box: None,
        drop_box_bytes: None,
        key: format!("o/{}", asset.id),
        write_token: "token".to_owned(),
        external_id: None,
        node: Some("node-1:4711".to_owned()),
        client: Some("curl/8.5.0".to_owned()),
        created_at: now,
        changed_at: now,
        last_activity_at: now,
        seen_bytes: 0,
        expires_at: after(now, Duration::from_secs(3600)),
        next_check_at: Some(after(now, Duration::from_secs(600))),
    };
    let (mut asset, mut upload) = (asset, upload);
    // As it will be read back.
    let _ = (asset.settle_charge(), upload.settle_charge());
    (asset, upload)
}

/// [`pair`], written.
pub async fn created(store: &dyn Store) -> (Asset, Upload) {
    let (mut asset, mut upload) = pair(tenant(1), store.now());
    store.commit(Tx::new().create(&mut asset, &mut upload)).await.unwrap();
    (asset, upload)
}

pub fn content(now: Timestamp) -> AssetContent {
    let etag = "e-1".to_owned();
    let (version, findings) = (Some("v".to_owned()), AssetFindings::default());
    AssetContent { key: "k".to_owned(), etag, version, stored_at: now, detected: None, sha256: None, findings }
}

pub fn found() -> InspectionState {
    let problem = AssetProblem { code: "image_damaged".to_owned(), sentence: "It is damaged.".to_owned() };
    let findings = AssetFindings { problems: vec![problem], ..AssetFindings::default() };
    InspectionState { detected: MediaType::octet_stream(), sha256: Some(Sha256Digest([3; 32])), findings }
}

pub fn verdict() -> AssetVerdict {
    AssetVerdict { code: "digest_mismatch".to_owned(), sentence: "These are not the bytes declared.".to_owned() }
}

pub fn inspection_of(asset: &Asset, run_at: Timestamp) -> NewJob {
    let id = JobId(Uuid::now_v7());
    let (work, traceparent) = (JobSubject::Process(asset.id), None);
    NewJob { id, work, tenant: asset.tenant, priority: Priority::Normal, run_at, traceparent }
}

/// The transaction that ends an upload: upload completed, asset stored, job owed, all events told.
pub fn completion(asset: Asset, upload: Upload, now: Timestamp) -> Tx {
    let mut completing = upload.begin_completing(&UploadTimeouts::default(), now).unwrap();
    let tx = Tx::new().upload(&mut completing, EventKind::UploadCompleting, &asset.name);
    let mut completed = completing.complete(now).unwrap();
    let mut stored = asset.store(content(now), now).unwrap();
    let job = inspection_of(&stored, now);
    tx.upload(&mut completed, EventKind::UploadCompleted, &stored.name.clone())
        .asset(&mut stored, EventKind::AssetStored)
        .with(NewRow::Job(job))
}
