//! Bytes through this service: a range, read across as many requests to the store as it takes.
//!
//! If the store breaks off, reading goes on where it stopped, by Range and If-Match; if that does not help, the stream ends
//! with an error, never early.

use std::ops::Range;

use futures_util::{StreamExt, stream};

use super::super::{Engine, Result};
use super::{Download, Source};
use crate::blob::{BlobError, Blobs, ByteStream};
use crate::domain::asset::Content;
use crate::sendfile::Spans;

impl Engine {
    /// The bytes of a range, through this service. If the store breaks off, reading goes on where it stopped; if that
    /// does not help, the stream ends with an error, never early.
    pub async fn stream(&self, download: &Download, range: Range<u64>) -> Result<ByteStream> {
        match &download.source {
            Source::Object(key) => self.read(key, &download.etag, range).await,
            Source::Archive(archive) => Ok(self.read_archive(archive, range)),
        }
    }

    /// The same bytes as parts of files of this machine; `None`: there are none.
    pub async fn spans(&self, download: &Download, range: Range<u64>) -> Result<Option<Spans>> {
        match &download.source {
            Source::Object(key) => Ok(self.0.blobs.spans(key, &download.etag, range).await?),
            Source::Archive(_) => Ok(None),
        }
    }

    /// The bytes of stored content, for processing.
    pub async fn read_content(&self, content: &Content, range: Range<u64>) -> Result<ByteStream> {
        match self.0.fresh.get(&content.key, &content.etag, &range).await {
            Some(bytes) => Ok(stream::once(async { Ok(bytes) }).boxed()),
            None => self.read(&content.key, &content.etag, range).await,
        }
    }

    pub(in crate::engine) async fn read(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream> {
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let first = self.0.blobs.get(key, etag, range.clone()).await?;
        let reading = Reading {
            blobs: std::sync::Arc::clone(&self.0.blobs),
            key: key.to_owned(),
            etag: etag.to_owned(),
            left: range,
            current: Some(first),
            failures: 0,
        };
        Ok(stream::unfold(reading, Reading::step).boxed())
    }
}

/// A range being read, across as many requests as the store makes necessary.
struct Reading {
    blobs: std::sync::Arc<dyn Blobs>,
    key: String,
    etag: String,
    left: Range<u64>,
    current: Option<ByteStream>,
    failures: u32,
}

impl Reading {
    /// Failures in a row without a byte between them.
    const PATIENCE: u32 = 4;

    async fn step(mut self) -> Option<(crate::blob::Result<bytes::Bytes>, Self)> {
        loop {
            if self.left.is_empty() {
                return None;
            }
            let chunk = match &mut self.current {
                Some(stream) => stream.next().await,
                None => Some(Err(BlobError::Unavailable("given up".to_owned()))),
            };
            match chunk {
                Some(Ok(chunk)) => {
                    self.left.start += chunk.len() as u64;
                    self.failures = 0;
                    return Some((Ok(chunk), self));
                }
                Some(Err(error)) if !self.resume().await => {
                    // The next poll ends the stream; what was sent so far is cut off visibly.
                    self.left = 0..0;
                    return Some((Err(error), self));
                }
                Some(Err(_)) => {}
                None if !self.resume().await => {
                    self.left = 0..0;
                    return Some((Err(BlobError::Unavailable("the store ended early".to_owned())), self));
                }
                None => {}
            }
        }
    }

    async fn resume(&mut self) -> bool {
        while self.failures < Self::PATIENCE {
            self.failures += 1;
            tokio::time::sleep(std::time::Duration::from_millis(100) * 2u32.pow(self.failures)).await;
            match self.blobs.get(&self.key, &self.etag, self.left.clone()).await {
                Ok(stream) => {
                    self.current = Some(stream);
                    return true;
                }
                Err(BlobError::Unavailable(_)) => {}
                Err(_) => return false,
            }
        }
        false
    }
}
