//! Bytes to the store, by one PUT or by parallel parts, each tried again by itself until it is there.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::Run;
use super::body::FileBody;
use super::digest::Hashing;
use super::store::{Fault, put};
use super::urls::Book;
use crate::client::error::{Error, Refusal, Result};
use crate::client::progress::{Event, Notices as _};
use crate::client::retry::Backoff;
use crate::client::wire::{PartUrl, SignedUrl, Upload};
use crate::domain::plan::{PartNumber, PartPlan};

/// How sending ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Everything is there.
    All,
    /// The upload, or its address, is no longer good: ask the server how things stand.
    AskAgain,
}

/// What does not change while parts are sent.
struct Parts<'a> {
    run: &'a Run<'a>,
    upload: &'a Upload,
    plan: PartPlan,
    book: Book,
    hashing: &'a Hashing,
}

impl Run<'_> {
    /// Sends the file as one PUT. `renewed`: its address was refused before.
    pub(super) async fn send_whole(&self, target: &SignedUrl, hashing: &Hashing, renewed: bool) -> Result<Sent> {
        self.track.tell(&Event::Started { there: 0, upload: self.upload_id() });
        let (size, mut backoff) = (self.source.print.size, self.up.api.backoff());
        hashing.reached(size);
        loop {
            self.source.check()?;
            let slot = self.up.slots.acquire().await;
            let attempt = Arc::new(self.track.attempt());
            let body = FileBody::start(Arc::clone(&self.source), 0..size, self.up.pool.clone(), Arc::clone(&attempt));
            let sent = put(self.up.api.http(), target, body, &attempt, self.up.options.patience).await;
            drop(slot);
            match sent {
                Ok(()) | Err(Fault::There) => {
                    attempt.confirm(size);
                    return Ok(Sent::All);
                }
                Err(Fault::Expired(refusal)) if renewed => return Err(refusal.into()),
                Err(Fault::Expired(_) | Fault::Gone) => return Ok(Sent::AskAgain),
                Err(Fault::Failed(error)) => self.pause(&mut backoff, "sending", error).await?,
            }
        }
    }

    /// Sends the parts that the store does not have.
    pub(super) async fn send_parts(&self, upload: &Upload, urls: Vec<PartUrl>, hashing: &Hashing) -> Result<Sent> {
        let plan = upload.part_size.and_then(|part_size| PartPlan::exact(upload.size, part_size));
        let plan = plan.ok_or_else(|| Error::Other("the server's part size cannot be".to_owned()))?;
        let there: HashSet<PartNumber> = received(upload, &plan).collect();
        let missing: Vec<PartNumber> = plan.parts().filter(|part| !there.contains(part)).collect();
        let bytes = there.iter().filter_map(|part| plan.len_of(*part)).sum();
        self.track.tell(&Event::Started { there: bytes, upload: Some(&upload.id) });
        hashing.reached(missing.first().and_then(|part| plan.offset_of(*part)).unwrap_or(upload.size));
        let book = Book::new(&missing, urls, self.up.batch());
        let parts = Parts { run: self, upload, plan, book, hashing };
        let sending = missing.into_iter().map(|part| parts.send(part));
        let mut sent = stream::iter(sending).buffer_unordered(self.up.options.concurrency);
        while let Some(sent) = sent.next().await {
            if sent? == Sent::AskAgain {
                return Ok(Sent::AskAgain);
            }
        }
        Ok(Sent::All)
    }

    /// Waits before the next try, or gives up with the error.
    async fn pause(&self, backoff: &mut Backoff, what: &str, error: Error) -> Result<()> {
        // A body that broke off because the file became shorter looks like a broken connection.
        self.source.check()?;
        let next = backoff.next(&error, self.up.api.entropy(), Instant::now());
        let Some(pause) = next else { return Err(error) };
        self.track.retrying(what, &error, pause);
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// The parts that the store has in their planned size.
fn received<'a>(upload: &'a Upload, plan: &'a PartPlan) -> impl Iterator<Item = PartNumber> + 'a {
    let there = |(part, size): (Option<PartNumber>, u64)| part.filter(|part| plan.len_of(*part) == Some(size));
    upload.received.iter().map(|part| (PartNumber::new(part.part), part.size)).filter_map(there)
}

impl Parts<'_> {
    /// Sends one part until it is there.
    async fn send(&self, part: PartNumber) -> Result<Sent> {
        let what = format!("part {part}");
        let (mut backoff, mut refused) = (self.run.up.api.backoff(), false);
        loop {
            let error = match self.try_once(part).await? {
                Ok(()) => return Ok(Sent::All),
                Err(Fault::Gone) => return Ok(Sent::AskAgain),
                // Once is expiry, twice is a no.
                Err(Fault::Expired(_)) if !refused => {
                    refused = true;
                    continue;
                }
                Err(Fault::Expired(refusal)) => return Err(refusal.into()),
                Err(Fault::There) => precondition().into(),
                Err(Fault::Failed(error)) => error,
            };
            refused = false;
            self.run.pause(&mut backoff, &what, error).await?;
        }
    }

    /// The outer result is about us, the inner one about the store.
    async fn try_once(&self, part: PartNumber) -> Result<std::result::Result<(), Fault>> {
        let run = self.run;
        let _slot = run.up.slots.acquire().await;
        run.source.check()?;
        let entry = self.book.take(part, &run.up.api, &self.upload.id, &run.track).await?;
        let (offset, len) = (self.plan.offset_of(part).unwrap_or(0), self.plan.len_of(part).unwrap_or(0));
        self.hashing.reached(offset + len);
        let attempt = Arc::new(run.track.attempt());
        let range = offset..offset + len;
        let body = FileBody::start(Arc::clone(&run.source), range, run.up.pool.clone(), Arc::clone(&attempt));
        let sent = put(run.up.api.http(), &entry.target, body, &attempt, run.up.options.patience).await;
        match &sent {
            Ok(()) => attempt.confirm(len),
            Err(Fault::Expired(_)) => self.book.expired(&entry).await,
            Err(Fault::Gone | Fault::There | Fault::Failed(_)) => {}
        }
        Ok(sent)
    }
}

fn precondition() -> Refusal {
    Refusal::from_store(412, b"", None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::wire::Received;

    #[test]
    fn a_part_of_another_size_is_not_there() {
        let plan = PartPlan::exact(25, 10).unwrap();
        let received_parts = [(1, 10), (2, 9), (3, 5), (4, 1), (0, 1)];
        let upload = Upload {
            id: "u".to_owned(),
            asset_id: "a".to_owned(),
            state: "open".to_owned(),
            size: 25,
            part_size: Some(10),
            received: received_parts.map(|(part, size)| Received { part, size }).to_vec(),
            expires_at: String::new(),
        };
        let there: Vec<u16> = received(&upload, &plan).map(PartNumber::get).collect();
        assert_eq!(there, [1, 3]);
    }
}
