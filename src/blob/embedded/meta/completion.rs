//! CompleteMultipartUpload: a single transaction that copies no bytes and moves no part rows, however many parts there
//! are.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::contents::StoredPartRow;
use super::uploads::MultipartRow;
use super::{contents, objects, rows, uploads};
use crate::blob::embedded::checksum::{self, ChecksumCombiner, ChecksumSet};
use crate::blob::embedded::conditions::WriteCondition;
use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::model::{ObjectAddress, ObjectChecksums, ObjectRow, SegmentManifest};

/// S3's minimum size of every part but the last, in bytes.
const MIN_PART_BYTES: u64 = 5 << 20;

/// A part in the client's list.
pub(in super::super) struct CompletionClaim {
    /// Part number.
    pub(in super::super) number: u16,
    /// ETag without quotes.
    pub(in super::super) etag: String,
    /// Checksums that the part must have.
    pub(in super::super) sums: ChecksumSet,
}

/// A request to complete an upload.
pub(in super::super) struct MultipartCompletion {
    /// Address of the object to create.
    pub(in super::super) at: ObjectAddress,
    /// Upload id.
    pub(in super::super) id: String,
    /// Parts in ascending order.
    pub(in super::super) claims: Vec<CompletionClaim>,
    /// Condition on the current object of the key.
    pub(in super::super) condition: WriteCondition,
    /// Size of the object in bytes, if the client declares it.
    pub(in super::super) size: Option<u64>,
    /// Checksums of the object, if the client declares them.
    pub(in super::super) sums: ChecksumSet,
    /// Time of the completion, in microseconds since 1970.
    pub(in super::super) now: i64,
}

/// Result of a completion, the same for every repeat.
pub(in super::super) struct CompletedObject {
    /// ETag of the object.
    pub(in super::super) etag: String,
    /// Checksums of the object.
    pub(in super::super) verified: ObjectChecksums,
}

/// Completes an upload, or repeats the result if the upload is complete already.
pub(in super::super) fn complete(db: &Connection, asked: &MultipartCompletion) -> Result<CompletedObject> {
    let upload = match uploads::require(db, &asked.at, &asked.id) {
        Err(Error::NoSuchUpload) => return repeat(db, asked),
        other => other?,
    };
    objects::check(db, &asked.at, &asked.condition)?;
    let uploaded = contents::parts(db, upload.content, 0, usize::MAX)?;
    let numbers: Vec<u16> = uploaded.iter().map(|part| part.segment.number).collect();
    let parts = select(uploaded, &asked.claims)?;
    let manifest: SegmentManifest = parts.iter().map(|part| part.segment).collect();
    if asked.size.is_some_and(|size| size != manifest.size()) {
        return Err(Error::InvalidRequest("the object has not the size that x-amz-mp-object-size says"));
    }
    let verified = join(&upload, &parts, &asked.sums)?;
    let etag = checksum::multipart_etag(parts.iter().map(|part| part.md5));
    contents::seal(db, upload.content, &manifest, &numbers, asked.now)?;
    finish(db, asked, upload, manifest.size(), &CompletedObject { etag: etag.clone(), verified: verified.clone() })?;
    Ok(CompletedObject { etag, verified })
}

/// Selects the listed parts in order, after a check of each against the list.
fn select(uploaded: Vec<StoredPartRow>, claims: &[CompletionClaim]) -> Result<Vec<StoredPartRow>> {
    if claims.is_empty() {
        return Err(Error::MalformedXml("you must specify at least one part"));
    }
    if claims.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(Error::InvalidPartOrder);
    }
    let mut uploaded: BTreeMap<u16, StoredPartRow> =
        uploaded.into_iter().map(|part| (part.segment.number, part)).collect();
    let mut parts = Vec::with_capacity(claims.len());
    for (index, claim) in claims.iter().enumerate() {
        let part = uploaded.remove(&claim.number).ok_or(Error::InvalidPart(claim.number))?;
        if hex::encode(part.md5) != claim.etag || part.sums.differs_from(&claim.sums).is_some() {
            return Err(Error::InvalidPart(claim.number));
        }
        if part.segment.size < MIN_PART_BYTES && index + 1 < claims.len() {
            return Err(Error::EntityTooSmall(claim.number));
        }
        parts.push(part);
    }
    Ok(parts)
}

/// Combines the checksums of the parts into that of the object, and compares it with the declared checksum.
fn join(upload: &MultipartRow, parts: &[StoredPartRow], declared: &ChecksumSet) -> Result<ObjectChecksums> {
    let mut join = ChecksumCombiner::new(upload.algorithm, upload.kind);
    for part in parts {
        let sum = part.sums.get(upload.algorithm).ok_or(Error::InvalidPart(part.segment.number))?;
        join.push(sum, part.segment.size).ok_or(Error::InvalidPart(part.segment.number))?;
    }
    let mut sums = ChecksumSet::default();
    if let Some(value) = join.finish() {
        let said = declared.get(upload.algorithm);
        if said.is_some_and(|said| *said != value && value.split_once('-').is_none_or(|(bare, _)| bare != said)) {
            return Err(Error::BadDigest(upload.algorithm.name()));
        }
        sums.set(upload.algorithm, value);
    }
    Ok(ObjectChecksums { sums, kind: Some(upload.kind) })
}

fn finish(
    db: &Connection,
    asked: &MultipartCompletion,
    upload: MultipartRow,
    size: u64,
    completed: &CompletedObject,
) -> Result<()> {
    let object = ObjectRow {
        content: upload.content,
        size,
        etag: completed.etag.clone(),
        modified: asked.now,
        headers: upload.headers,
        tags: upload.tags,
        verified: completed.verified.clone(),
    };
    // The content's reference passes from the upload to the object.
    objects::put(db, &asked.at, &object, &WriteCondition::default())?;
    uploads::forget(db, &asked.id)?;
    let sql = "INSERT INTO finished (id, bucket, key, etag, verified, at) VALUES (?, ?, ?, ?, ?, ?)";
    let verified = rows::to_json(&completed.verified)?;
    let ObjectAddress { bucket, key } = &asked.at;
    db.prepare_cached(sql)?.execute(params![asked.id, bucket, key.as_bytes(), completed.etag, verified, asked.now])?;
    Ok(())
}

/// Result of the first completion, if the same parts are listed. The conditions held then and are not checked again.
fn repeat(db: &Connection, asked: &MultipartCompletion) -> Result<CompletedObject> {
    let sql = "SELECT etag, verified FROM finished WHERE id = ? AND bucket = ? AND key = ?";
    let mut query = db.prepare_cached(sql)?;
    let ObjectAddress { bucket, key } = &asked.at;
    let mut rows = query.query(params![asked.id, bucket, key.as_bytes()])?;
    let row = rows.next()?.ok_or(Error::NoSuchUpload)?;
    let (etag, verified): (String, ObjectChecksums) = (rows::get(row, 0)?, rows::json(row, 1)?);
    let md5 = |claim: &CompletionClaim| {
        let mut md5 = [0; 16];
        hex::decode_to_slice(&claim.etag, &mut md5).ok().map(|()| md5)
    };
    let listed: Option<Vec<_>> = asked.claims.iter().map(md5).collect();
    if listed.map(|listed| checksum::multipart_etag(listed.into_iter())).as_ref() == Some(&etag) {
        Ok(CompletedObject { etag, verified })
    } else {
        Err(Error::NoSuchUpload)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::contents::NewSegment;
    use super::super::uploads::NewUpload;
    use super::super::{buckets, schema};
    use super::*;
    use crate::blob::embedded::checksum::{BodyHasher, S3ChecksumAlgorithm, S3ChecksumType};
    use crate::blob::embedded::model::{FileId, FileSegment, ObjectHeaders, ObjectTags};

    fn address() -> ObjectAddress {
        ObjectAddress { bucket: "b".to_owned(), key: "k".to_owned() }
    }

    /// An upload of this many parts of 5 MiB each, as rows without files.
    fn uploaded(db: &Connection, count: u16) -> MultipartCompletion {
        buckets::create(db, "b", 0).unwrap();
        let new = NewUpload {
            id: "u".to_owned(),
            at: address(),
            headers: ObjectHeaders::default(),
            tags: ObjectTags::default(),
            algorithm: S3ChecksumAlgorithm::Crc64Nvme,
            kind: S3ChecksumType::FullObject,
            max_bytes: None,
            created: 0,
        };
        uploads::create(db, &new).unwrap();
        let mut claims = Vec::new();
        for number in 1..=count {
            let mut hasher = BodyHasher::new(&[S3ChecksumAlgorithm::Crc64Nvme]);
            hasher.update(&number.to_be_bytes());
            let ((md5, sums), mut file) = (hasher.finish(), [0; 16]);
            file[..2].copy_from_slice(&number.to_be_bytes());
            let segment = FileSegment { file: FileId(file), size: MIN_PART_BYTES, number };
            uploads::put_part(db, &address(), "u", &NewSegment { segment, md5, sums, modified: 0 }).unwrap();
            claims.push(CompletionClaim { number, etag: hex::encode(md5), sums: ChecksumSet::default() });
        }
        let condition = WriteCondition::default();
        MultipartCompletion {
            at: address(),
            id: "u".to_owned(),
            claims,
            condition,
            size: None,
            sums: ChecksumSet::default(),
            now: 1,
        }
    }

    #[test]
    fn ten_thousand_parts_are_completed_and_opened_in_no_time() {
        let dir = tempfile::tempdir().unwrap();
        let (mut db, _) = schema::open_writer(&dir.path().join("meta.db")).unwrap();
        let transaction = db.transaction().unwrap();
        let asked = uploaded(&transaction, 10_000);
        transaction.commit().unwrap();
        let started = Instant::now();
        let transaction = db.transaction().unwrap();
        let completed = complete(&transaction, &asked).unwrap();
        transaction.commit().unwrap();
        let elapsed = started.elapsed();
        assert!(completed.etag.ends_with("-10000"));
        assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
        let started = Instant::now();
        let (object, manifest) = objects::open(&db, &address()).unwrap();
        println!("10 000 parts: completed in {elapsed:?}, opened in {:?}", started.elapsed());
        assert_eq!((object.size, manifest.0.len()), (10_000 * MIN_PART_BYTES, 10_000));
    }
}
