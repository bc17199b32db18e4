//! Standard input: bytes whose number is not known before they end, by tus with a deferred length.
//!
//! The bytes are read into pieces that are kept until the server has them: an interruption of the network is survived,
//! an end of the process is not, because nobody can read the input again.

use std::io::Read;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::put::wait_for_stall;
use super::{UploadOptions, check_asset};
use crate::client::api::{ApiClient, read_refusal};
use crate::client::calls::segment;
use crate::client::error::{Error, Result};
use crate::client::progress::{ProgressReporter, RetryObserver as _, TransferEvent, TransferTracker};
use crate::client::wire::ApiAsset;
use crate::domain::checksum::Sha256Digest;

/// Bytes of a request, and of the memory that holds them; two pieces are held at once.
const MAX_PIECE_BYTES: usize = 16 << 20;
const MIN_PIECE_BYTES: usize = 64 << 10;
/// Bytes that are counted at once while a piece is sent.
const FRAME_BYTES: usize = 64 << 10;

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");

/// Uploads a stream of bytes.
pub struct StreamUploader {
    api: ApiClient,
    reporter: ProgressReporter,
    options: UploadOptions,
    stop: CancellationToken,
}

/// Bytes of the input, and whether the input ends with them.
struct InputPiece {
    bytes: Bytes,
    last: bool,
}

/// An upload under way.
struct StreamRun<'a> {
    uploader: &'a StreamUploader,
    upload: String,
    track: TransferTracker,
}

impl StreamUploader {
    /// `stop`: ends the upload, of which nothing is kept.
    #[must_use]
    pub fn new(api: ApiClient, reporter: ProgressReporter, options: UploadOptions, stop: CancellationToken) -> Self {
        Self { api, reporter, options, stop }
    }

    /// Uploads the input under a name.
    pub async fn upload(&self, input: impl Read + Send + 'static, name: &str) -> Result<ApiAsset> {
        let track = self.reporter.track_stream(name);
        let upload = self.create_upload(name, &track).await?;
        track.report(&TransferEvent::Started { there: 0, upload: Some(&upload) });
        let run = StreamRun { uploader: self, upload, track };
        let outcome = tokio::select! {
            outcome = run.send_input(input) => outcome,
            () = self.stop.cancelled() => Err(Error::Interrupted),
        };
        if let Err(error) = &outcome {
            run.track.report(&TransferEvent::Failed(error));
            let _ = self.api.abort_upload(&run.upload, &run.track).await;
        }
        let digest = outcome?;
        tokio::select! {
            asset = run.wait_for_asset(digest) => asset,
            () = self.stop.cancelled() => Err(Error::Interrupted),
        }
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        let request = self.api.http().request(method, self.api.address(path));
        let request = request.header(AUTHORIZATION, self.api.authorization()?);
        Ok(request.header(TUS_RESUMABLE, HeaderValue::from_static("1.0.0")))
    }

    async fn create_upload(&self, name: &str, track: &TransferTracker) -> Result<String> {
        let once = async || {
            let request = self.request(Method::POST, "/tus")?.header(UPLOAD_DEFER_LENGTH, "1");
            let request = request.header(UPLOAD_METADATA, self.metadata_header(name));
            let response = check_answer(self.api.send(request, Some("/tus")).await?).await?;
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let id = location.and_then(|url| url.rsplit('/').next()).filter(|id| !id.is_empty());
            id.map(str::to_owned).ok_or_else(|| Error::Other("the server's answer names no upload".into()))
        };
        self.api.with_retries("creating the upload", track, once).await
    }

    /// `Upload-Metadata`: the name, the type and the metadata of the asset.
    fn metadata_header(&self, name: &str) -> String {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut pairs = vec![format!("filename {}", BASE64.encode(name))];
        pairs.extend(self.options.content_type.as_ref().map(|kind| format!("filetype {}", BASE64.encode(kind))));
        pairs.extend(self.options.metadata.iter().map(|(key, value)| format!("{key} {}", BASE64.encode(text(value)))));
        pairs.join(",")
    }

    /// Bytes of a request: bounded by memory, by the server, and by two seconds of a limited rate.
    async fn piece_bytes(&self) -> usize {
        let server = self.api.get_limits(&self.reporter).await.ok();
        let server = server.and_then(|limits| limits["max_append_request_size"].as_u64());
        let server = server.and_then(|most| usize::try_from(most).ok()).unwrap_or(MAX_PIECE_BYTES);
        let most = server.clamp(1, MAX_PIECE_BYTES);
        match &self.options.limit {
            Some(limit) => limit.bytes_within(2).clamp(MIN_PIECE_BYTES.min(most), most),
            None => most,
        }
    }
}

impl StreamRun<'_> {
    /// Sends everything; returns the digest.
    async fn send_input(&self, input: impl Read + Send + 'static) -> Result<Sha256Digest> {
        let piece_bytes = self.uploader.piece_bytes().await;
        let (send, mut pieces) = mpsc::channel(1);
        tokio::task::spawn_blocking(move || read_pieces(input, piece_bytes, &send));
        let (mut offset, mut hasher) = (0, Sha256::new());
        while let Some(piece) = pieces.recv().await {
            let InputPiece { bytes, last } = piece.map_err(Error::local("standard input".as_ref()))?;
            hasher.update(&bytes);
            let end = offset + bytes.len() as u64;
            if !last {
                self.send_piece(bytes, offset, None).await?;
                offset = end;
                continue;
            }
            let digest = Sha256Digest(hasher.finalize().into());
            if let Some(expected) = self.uploader.options.sha256.filter(|expected| *expected != digest) {
                return Err(Error::Integrity(format!("standard input has {digest}, not {expected}")));
            }
            self.send_piece(bytes, offset, Some(end)).await?;
            return Ok(digest);
        }
        Err(Error::Other("standard input was not read to its end".into()))
    }

    /// Sends a piece, with retries from the offset that the server has. `total`: the length of everything.
    async fn send_piece(&self, bytes: Bytes, start: u64, total: Option<u64>) -> Result<()> {
        if let Some(limit) = &self.uploader.options.limit {
            limit.wait(bytes.len() as u64).await;
        }
        let (end, mut offset) = (start + bytes.len() as u64, start);
        let mut backoff = self.uploader.api.backoff();
        loop {
            let rest = bytes.slice(usize::try_from(offset - start).unwrap_or_default()..);
            let error = match self.append_once(rest, offset, total).await {
                Ok(there) if there >= end => return Ok(()),
                Ok(there) => {
                    offset = there.max(start);
                    continue;
                }
                Err(error) => error,
            };
            // A conflict of offsets is an answer that was lost: the server's offset settles it.
            let conflict = error.refusal().is_some_and(|refusal| refusal.status == 409);
            let retried = if conflict { Error::network(error.to_string()) } else { error };
            let next = backoff.next_pause(&retried, self.uploader.api.entropy(), Instant::now());
            let Some(pause) = next else { return Err(retried) };
            self.track.on_retry("sending", &retried, pause);
            tokio::time::sleep(pause).await;
            match self
                .uploader
                .api
                .with_retries("asking for the offset", &self.track, async || self.head().await)
                .await?
            {
                there if there < start || there > end => {
                    return Err(Error::Integrity("the server lost bytes of standard input".to_owned()));
                }
                there if there == end && total.is_none() => return Ok(()),
                there => offset = there,
            }
        }
    }

    async fn append_once(&self, bytes: Bytes, offset: u64, total: Option<u64>) -> Result<u64> {
        let (path, size) = (format!("/tus/{}", segment(&self.upload)), bytes.len() as u64);
        let attempt = Arc::new(self.track.start_attempt());
        let mut request = self.uploader.request(Method::PATCH, &path)?.header(UPLOAD_OFFSET, offset);
        request = request.header(CONTENT_TYPE, "application/offset+octet-stream");
        if let Some(total) = total {
            request = request.header(UPLOAD_LENGTH, total);
        }
        let counter = Arc::clone(&attempt);
        let frames = stream::unfold(bytes, move |mut rest| {
            let frame = (!rest.is_empty()).then(|| rest.split_to(FRAME_BYTES.min(rest.len())));
            counter.add(frame.as_ref().map_or(0, |frame| frame.len() as u64));
            std::future::ready(frame.map(|frame| (Ok::<_, std::io::Error>(frame), rest)))
        });
        let patience = self.uploader.options.stall_timeout;
        let response = tokio::select! {
            response = self.uploader.api.send(request.body(reqwest::Body::wrap_stream(frames)), Some("/tus/{id}")) => response?,
            () = wait_for_stall(&attempt, size, patience) => {
                return Err(Error::network(format!("no progress for {} seconds", patience.as_secs())));
            }
        };
        let there = offset_in(check_answer(response).await?.headers())?;
        attempt.confirm(there.saturating_sub(offset).min(size));
        Ok(there)
    }

    async fn head(&self) -> Result<u64> {
        let request = self.uploader.request(Method::HEAD, &format!("/tus/{}", segment(&self.upload)))?;
        offset_in(check_answer(self.uploader.api.send(request, Some("/tus/{id}")).await?).await?.headers())
    }

    async fn wait_for_asset(&self, digest: Sha256Digest) -> Result<ApiAsset> {
        let api = &self.uploader.api;
        let id =
            api.get_upload_json(&self.upload, &self.track).await?["asset_id"].as_str().unwrap_or_default().to_owned();
        self.track.report(&TransferEvent::Completed { asset: &id });
        self.track.set_activity("processing");
        let asset = if self.uploader.options.wait {
            api.wait_until_settled(&id, &self.track).await?
        } else {
            api.get_asset(&id, &self.track).await?
        };
        self.track.report(&TransferEvent::Settled { asset: &asset.id, state: &asset.state });
        check_asset(&asset, Some(digest)).map(|()| asset)
    }
}

async fn check_answer(response: Response) -> Result<Response> {
    if response.status().is_success() { Ok(response) } else { Err(read_refusal(response).await) }
}

fn offset_in(headers: &HeaderMap) -> Result<u64> {
    let offset = headers.get(UPLOAD_OFFSET).and_then(|value| value.to_str().ok()?.parse().ok());
    offset.ok_or_else(|| Error::Other("the server's answer names no offset".into()))
}

/// Reads pieces until the end, an error, or until the receiver is dropped.
fn read_pieces(mut input: impl Read, piece_bytes: usize, send: &mpsc::Sender<std::io::Result<InputPiece>>) {
    loop {
        let mut bytes = Vec::new();
        let most = u64::try_from(piece_bytes).unwrap_or(u64::MAX);
        let piece = (&mut input)
            .take(most)
            .read_to_end(&mut bytes)
            .map(|count| InputPiece { last: count < piece_bytes, bytes: bytes.into() });
        let ends = piece.as_ref().map_or(true, |piece| piece.last);
        if send.blocking_send(piece).is_err() || ends {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(len: usize) -> Vec<(usize, bool)> {
        let (send, mut receive) = mpsc::channel(16);
        read_pieces(std::io::Cursor::new(vec![7; len]), 10, &send);
        drop(send);
        let mut found = Vec::new();
        while let Ok(piece) = receive.try_recv() {
            let piece = piece.unwrap();
            found.push((piece.bytes.len(), piece.last));
        }
        found
    }

    #[test]
    fn the_last_piece_is_known_as_such() {
        assert_eq!(pieces(0), [(0, true)]);
        assert_eq!(pieces(9), [(9, true)]);
        assert_eq!(pieces(20), [(10, false), (10, false), (0, true)]);
        assert_eq!(pieces(23), [(10, false), (10, false), (3, true)]);
    }
}
