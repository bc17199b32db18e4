//! Many files: as many at once as client and server take, and a single request for the results of all.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt as _, future, stream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{FileUploader, UploadItem, UploadedFile, check_asset};
use crate::client::calls::MAX_BATCH_IDS;
use crate::client::error::{Error, Result};
use crate::client::wire::ApiAsset;

/// Number of files above which they are sent and waited for together.
const MAX_SEPARATE_FILES: usize = 8;
/// Number of files under way at once among many; large ones take turns.
const FILES_AT_ONCE: usize = 16;
/// Delays between requests for results: while files are still being sent, and afterwards.
const POLL_INTERVAL: Duration = Duration::from_millis(1000);
const FIRST_POLL_DELAY: Duration = Duration::from_millis(50);

/// A file, and how its transfer ended.
type FileEnd<'a> = (&'a UploadItem, Result<UploadedFile>);

/// Files that are stored, and whose processing has not ended.
struct ResultPoll<'a> {
    waiting: Vec<(&'a UploadItem, UploadedFile)>,
    at: Instant,
    delay: Duration,
}

impl FileUploader {
    /// True for so many files that they are sent and waited for together.
    #[must_use]
    pub fn is_bulk(&self) -> bool {
        self.options.files > MAX_SEPARATE_FILES
    }

    /// Uploads files; `report` gets each with its end. An error of `report` ends everything.
    pub async fn upload_files<'a>(
        &self,
        items: &'a [UploadItem],
        report: impl FnMut(&'a UploadItem, Result<UploadedFile>) -> Result<()>,
    ) -> Result<()> {
        let (send, receive) = mpsc::unbounded_channel();
        let at_once =
            if self.is_bulk() { FILES_AT_ONCE.max(self.options.concurrency) } else { self.options.concurrency };
        let sending = async move {
            let uploads = items.iter().map(|item| async move { (item, self.upload_file(item).await) });
            let mut ends = stream::iter(uploads).buffer_unordered(at_once);
            while let Some(end) = ends.next().await {
                if send.send(end).is_err() {
                    break;
                }
            }
            Ok(())
        };
        future::try_join(sending, self.collect_results(receive, report)).await.map(|_| ())
    }

    async fn collect_results<'a>(
        &self,
        mut receive: mpsc::UnboundedReceiver<FileEnd<'a>>,
        mut report: impl FnMut(&'a UploadItem, Result<UploadedFile>) -> Result<()>,
    ) -> Result<()> {
        let mut poll = ResultPoll { waiting: Vec::new(), at: Instant::now(), delay: POLL_INTERVAL };
        let mut open = true;
        while open || !poll.waiting.is_empty() {
            tokio::select! {
                end = receive.recv(), if open => match end {
                    Some((item, Ok(done))) if self.awaits_processing(&done.asset) => poll.push(item, done),
                    Some((item, end)) => report(item, end)?,
                    None => {
                        open = false;
                        poll.hurry();
                    }
                },
                () = tokio::time::sleep_until(poll.at), if !poll.waiting.is_empty() => {
                    for (item, end) in self.poll_results(&mut poll).await? {
                        report(item, end)?;
                    }
                }
                () = self.stop.cancelled(), if !poll.waiting.is_empty() => {
                    for (item, _) in poll.waiting.drain(..) {
                        report(item, Err(Error::Interrupted))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn awaits_processing(&self, asset: &ApiAsset) -> bool {
        self.options.wait && !asset.is_settled()
    }

    /// Asks for the assets that are waited for; returns those whose processing has ended.
    async fn poll_results<'a>(&self, poll: &mut ResultPoll<'a>) -> Result<Vec<FileEnd<'a>>> {
        let ids: Vec<&str> = poll.waiting.iter().map(|(_, done)| done.asset.id.as_str()).take(MAX_BATCH_IDS).collect();
        let (assets, answered) = match self.api.get_assets(&ids, &self.reporter).await {
            Ok(assets) => (assets, ids.len()),
            // A key that may only upload sees its own assets one by one.
            Err(Error::Denied(_)) => (vec![self.api.wait_until_settled(ids[0], &self.reporter).await?], 1),
            Err(other) => return Err(other),
        };
        let assets: HashMap<&str, &ApiAsset> = assets.iter().map(|asset| (asset.id.as_str(), asset)).collect();
        let (mut ended, mut kept) = (Vec::new(), Vec::new());
        for (number, (item, done)) in std::mem::take(&mut poll.waiting).into_iter().enumerate() {
            match assets.get(done.asset.id.as_str()) {
                Some(asset) if asset.is_settled() => ended.push((item, self.judge(item, &done, asset))),
                None if number < answered => {
                    let gone = Error::Other(format!("the asset {} is gone", done.asset.id).into());
                    ended.push((item, Err(gone)));
                }
                Some(_) | None => kept.push((item, done)),
            }
        }
        poll.waiting = kept;
        poll.plan(!ended.is_empty());
        Ok(ended)
    }

    fn judge(&self, item: &UploadItem, done: &UploadedFile, asset: &ApiAsset) -> Result<UploadedFile> {
        self.reporter.report_settled(&item.label, asset.size, &asset.id, &asset.state);
        check_asset(asset, None).map(|()| UploadedFile { asset: asset.clone(), ..*done })
    }
}

impl<'a> ResultPoll<'a> {
    fn push(&mut self, item: &'a UploadItem, done: UploadedFile) {
        if self.waiting.is_empty() {
            self.at = Instant::now() + self.delay;
        }
        self.waiting.push((item, done));
    }

    /// Nothing more is to be sent: results are all that is waited for.
    fn hurry(&mut self) {
        self.delay = FIRST_POLL_DELAY;
        self.at = Instant::now() + self.delay;
    }

    fn plan(&mut self, progress: bool) {
        if !progress {
            self.delay = (self.delay * 2).min(POLL_INTERVAL);
        }
        self.at = Instant::now() + self.delay;
    }
}
