//! Bytes that come through this service: parts and whole objects that the port writes itself.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gantry::blob::{BlobError, BlobStore, PutPayload, StoredPart};

use super::{PART, all, noise, part, parts};
use crate::support::bucket::Bucket;

/// A payload that promises `len` bytes and ends in an error before them.
fn broken(len: u64, bytes: Bytes) -> PutPayload {
    let gone = Err(BlobError::Unavailable("the client went away".into()));
    PutPayload { len, bytes: stream::iter([Ok(bytes), gone]).boxed() }
}

/// Many small pieces, as they come from a network.
fn pieces(bytes: &Bytes) -> PutPayload {
    let pieces: Vec<_> = bytes.chunks(1300).map(|piece| Ok(bytes.slice_ref(piece))).collect();
    PutPayload { len: bytes.len() as u64, bytes: stream::iter(pieces).boxed() }
}

on_every_store! {
    async fn relayed_parts_become_an_object(bucket) {
        let (blobs, key) = (&bucket.blobs, "k/relayed parts/ü+");
        let bodies = [noise(PART), noise(PART), noise(7)];
        let id = blobs.create_multipart(key, "token", None, None).await.unwrap();
        let mut written = Vec::new();
        for (number, body) in (1..).zip(&bodies) {
            let etag = blobs.put_part(key, &id, part(number), pieces(body)).await.unwrap();
            written.push(StoredPart { number: part(number), size: body.len() as u64, etag, checksum: None });
        }
        let listed = parts(blobs, key, &id).await;
        let essence = |parts: &[StoredPart]| parts.iter().map(|p| (p.number, p.size, p.etag.clone())).collect::<Vec<_>>();
        assert_eq!(essence(&listed), essence(&written), "the tags that were answered are those that are listed");
        let (etag, _) = blobs.complete_multipart(key, &id, &written).await.unwrap();
        let whole = bodies.concat();
        let facts = blobs.head(key).await.unwrap().unwrap();
        assert_eq!((facts.size, facts.token.as_deref()), (whole.len() as u64, Some("token")));
        assert_eq!(all(blobs.get(key, &etag, 0..whole.len() as u64).await.unwrap()).await.unwrap(), whole);
    }

    async fn a_part_that_breaks_off_was_never_there(bucket) {
        let (blobs, key) = (&bucket.blobs, "k/broken");
        let id = blobs.create_multipart(key, "t", None, None).await.unwrap();
        let refused = blobs.put_part(key, &id, part(1), broken(PART as u64, noise(PART - 1))).await;
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(parts(blobs, key, &id).await, []);
        blobs.put_part(key, &id, part(1), PutPayload::of(noise(9))).await.unwrap();
        assert_eq!(parts(blobs, key, &id).await.iter().map(|part| part.size).collect::<Vec<_>>(), [9]);
    }

    async fn a_part_of_an_upload_that_ended_is_refused(bucket) {
        let (blobs, key) = (&bucket.blobs, "k/ended");
        let id = blobs.create_multipart(key, "t", None, None).await.unwrap();
        blobs.abort_multipart(key, &id).await.unwrap();
        let refused = blobs.put_part(key, &id, part(1), PutPayload::of(noise(9))).await;
        assert!(matches!(refused, Err(BlobError::NotFound)), "{refused:?}");
    }

    async fn a_relayed_object_is_stamped_and_takes_no_others_place(bucket) {
        let (blobs, key) = (&bucket.blobs, "k/object");
        let body = noise(300_000);
        let (etag, _) = blobs.put_object(key, Some("first"), pieces(&body)).await.unwrap();
        let refused = blobs.put_object(key, Some("second"), PutPayload::of(noise(5))).await;
        assert!(matches!(refused, Err(BlobError::Precondition)), "{refused:?}");
        let facts = blobs.head(key).await.unwrap().unwrap();
        assert_eq!((facts.size, facts.token.as_deref(), &facts.etag), (300_000, Some("first"), &etag));
        assert_eq!(all(blobs.get(key, &etag, 0..300_000).await.unwrap()).await.unwrap(), body);
        let (replaced, _) = blobs.put_object(key, None, PutPayload::of(Bytes::new())).await.unwrap();
        assert_eq!(blobs.head(key).await.unwrap().unwrap().size, 0, "without a token it replaces, empty as it is");
        assert_ne!(replaced, etag);
    }

    async fn an_object_that_breaks_off_leaves_what_was_there(bucket) {
        let (blobs, key) = (&bucket.blobs, "k/kept");
        blobs.put(key, noise(100)).await.unwrap();
        let before = blobs.head(key).await.unwrap().unwrap();
        let refused = blobs.put_object(key, None, broken(1000, noise(999))).await;
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(blobs.head(key).await.unwrap().unwrap().etag, before.etag);
    }
}
