//! Sends the bytes to the store, by a single PUT or in parallel parts, each with its own retries.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::UploadRun;
use super::body::FileBody;
use super::digest::BackgroundHash;
use super::part_urls::PartUrlCache;
use super::put::{PutError, put_body};
use crate::client::error::{Error, Result, ServerRefusal};
use crate::client::progress::{RetryObserver as _, TransferEvent};
use crate::client::retry::RetryBackoff;
use crate::client::wire::{ApiSignedUrl, ApiUpload, PartUrl};
use crate::domain::plan::{PartNumber, PartPlan};

/// Outcome of sending.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendOutcome {
    /// All bytes are sent.
    All,
    /// The upload or its URL is no longer valid: ask the server for the state.
    AskAgain,
}

/// Data that all parts of an upload share.
struct PartSender<'a> {
    run: &'a UploadRun<'a>,
    upload: &'a ApiUpload,
    plan: PartPlan,
    book: PartUrlCache,
    hashing: &'a BackgroundHash,
}

impl UploadRun<'_> {
    /// Sends the file by a single PUT. `renewed`: its previous URL was refused.
    pub(super) async fn send_whole(
        &self,
        target: &ApiSignedUrl,
        hashing: &BackgroundHash,
        renewed: bool,
    ) -> Result<SendOutcome> {
        self.track.report(&TransferEvent::Started { there: 0, upload: self.upload_id() });
        let (size, mut backoff) = (self.source.fingerprint.size, self.uploader.api.backoff());
        hashing.advance_to(size);
        loop {
            self.source.ensure_unchanged()?;
            let slot = self.uploader.slots.acquire().await;
            let attempt = Arc::new(self.track.start_attempt());
            let body =
                FileBody::start(Arc::clone(&self.source), 0..size, self.uploader.pool.clone(), Arc::clone(&attempt));
            let sent = put_body(&self.uploader.api, target, body, &attempt, self.uploader.options.stall_timeout).await;
            drop(slot);
            match sent {
                Ok(()) | Err(PutError::AlreadyThere) => {
                    attempt.confirm(size);
                    return Ok(SendOutcome::All);
                }
                Err(PutError::Expired(refusal)) if renewed => return Err(refusal.into()),
                Err(PutError::Expired(_) | PutError::Gone) => return Ok(SendOutcome::AskAgain),
                Err(PutError::Failed(error)) => self.wait_before_retry(&mut backoff, "sending", error).await?,
            }
        }
    }

    /// Sends the parts that the store lacks.
    pub(super) async fn send_parts(
        &self,
        upload: &ApiUpload,
        urls: Vec<PartUrl>,
        hashing: &BackgroundHash,
    ) -> Result<SendOutcome> {
        let plan = upload.part_size.and_then(|part_size| PartPlan::exact(upload.size, part_size));
        let plan = plan.ok_or_else(|| Error::Other("the server's part size is invalid".into()))?;
        let there: HashSet<PartNumber> = received_part_numbers(upload, &plan).collect();
        let missing: Vec<PartNumber> = plan.parts().filter(|part| !there.contains(part)).collect();
        let bytes = there.iter().filter_map(|part| plan.len_of(*part)).sum();
        self.track.report(&TransferEvent::Started { there: bytes, upload: Some(&upload.id) });
        hashing.advance_to(missing.first().and_then(|part| plan.offset_of(*part)).unwrap_or(upload.size));
        let book = PartUrlCache::new(&missing, urls, self.uploader.url_batch_size());
        let parts = PartSender { run: self, upload, plan, book, hashing };
        let sending = missing.into_iter().map(|part| parts.send_part(part));
        let mut sent = stream::iter(sending).buffer_unordered(self.uploader.options.concurrency);
        while let Some(sent) = sent.next().await {
            if sent? == SendOutcome::AskAgain {
                return Ok(SendOutcome::AskAgain);
            }
        }
        Ok(SendOutcome::All)
    }

    /// Waits before the next attempt, or gives up with the error.
    async fn wait_before_retry(&self, backoff: &mut RetryBackoff, what: &str, error: Error) -> Result<()> {
        // A file that was truncated looks like a broken connection.
        self.source.ensure_unchanged()?;
        let next = backoff.next_pause(&error, self.uploader.api.entropy(), Instant::now());
        let Some(pause) = next else { return Err(error) };
        self.track.on_retry(what, &error, pause);
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// The parts that the store has with their planned size.
fn received_part_numbers<'a>(upload: &'a ApiUpload, plan: &'a PartPlan) -> impl Iterator<Item = PartNumber> + 'a {
    let there = |(part, size): (Option<PartNumber>, u64)| part.filter(|part| plan.len_of(*part) == Some(size));
    upload.received.iter().map(|part| (PartNumber::new(part.part), part.size)).filter_map(there)
}

impl PartSender<'_> {
    /// Sends a part, with retries.
    async fn send_part(&self, part: PartNumber) -> Result<SendOutcome> {
        let what = format!("part {part}");
        let (mut backoff, mut refused) = (self.run.uploader.api.backoff(), false);
        loop {
            let error = match self.send_part_once(part).await? {
                Ok(()) => return Ok(SendOutcome::All),
                Err(PutError::Gone) => return Ok(SendOutcome::AskAgain),
                // The first refusal means an expired URL, the second is final.
                Err(PutError::Expired(_)) if !refused => {
                    refused = true;
                    continue;
                }
                Err(PutError::Expired(refusal)) => return Err(refusal.into()),
                Err(PutError::AlreadyThere) => precondition_refusal().into(),
                Err(PutError::Failed(error)) => error,
            };
            refused = false;
            self.run.wait_before_retry(&mut backoff, &what, error).await?;
        }
    }

    /// The outer result has errors of the client, the inner result those of the store.
    async fn send_part_once(&self, part: PartNumber) -> Result<std::result::Result<(), PutError>> {
        let run = self.run;
        let _slot = run.uploader.slots.acquire().await;
        run.source.ensure_unchanged()?;
        let entry = self.book.take_url(part, &run.uploader.api, &self.upload.id, &run.track).await?;
        let (offset, len) = (self.plan.offset_of(part).unwrap_or(0), self.plan.len_of(part).unwrap_or(0));
        self.hashing.advance_to(offset + len);
        let attempt = Arc::new(run.track.start_attempt());
        let range = offset..offset + len;
        let body = FileBody::start(Arc::clone(&run.source), range, run.uploader.pool.clone(), Arc::clone(&attempt));
        let sent = put_body(&run.uploader.api, &entry.target, body, &attempt, run.uploader.options.stall_timeout).await;
        match &sent {
            Ok(()) => attempt.confirm(len),
            Err(PutError::Expired(_)) => self.book.invalidate(&entry).await,
            Err(PutError::Gone | PutError::AlreadyThere | PutError::Failed(_)) => {}
        }
        Ok(sent)
    }
}

fn precondition_refusal() -> ServerRefusal {
    ServerRefusal::from_store(412, b"", None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::wire::ApiReceivedPart;

    #[test]
    fn a_part_of_another_size_is_not_there() {
        let plan = PartPlan::exact(25, 10).unwrap();
        let received_parts = [(1, 10), (2, 9), (3, 5), (4, 1), (0, 1)];
        let upload = ApiUpload {
            id: "u".to_owned(),
            asset_id: "a".to_owned(),
            state: "open".to_owned(),
            size: 25,
            part_size: Some(10),
            received: received_parts.map(|(part, size)| ApiReceivedPart { part, size }).to_vec(),
            expires_at: String::new(),
        };
        let there: Vec<u16> = received_part_numbers(&upload, &plan).map(PartNumber::get).collect();
        assert_eq!(there, [1, 3]);
    }
}
