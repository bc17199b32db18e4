//! Sends bytes to the store: a PUT with exactly the signed headers, with a timeout for stalls.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;

use super::body::FileBody;
use crate::client::api::{ApiClient, read_error_body, retry_after};
use crate::client::error::{Error, ServerRefusal};
use crate::client::progress::TransferAttempt;
use crate::client::wire::ApiSignedUrl;

/// Reason why a PUT failed.
#[derive(Debug)]
pub(super) enum PutError {
    /// 403: the URL is no longer valid; a new URL may be.
    Expired(ServerRefusal),
    /// 404: the store no longer has the upload.
    Gone,
    /// 412: the object already exists.
    AlreadyThere,
    /// Anything else.
    Failed(Error),
}

/// Sends `body` to `target`. `patience`: how long the transfer may make no progress.
pub(super) async fn put_body(
    api: &ApiClient,
    target: &ApiSignedUrl,
    body: FileBody,
    attempt: &Arc<TransferAttempt>,
    patience: Duration,
) -> Result<(), PutError> {
    let size = http_body::Body::size_hint(&body).exact().unwrap_or(0);
    let mut request = api.http().put(&target.url);
    for (name, value) in &target.headers {
        request = request.header(name, value);
    }
    let sending = api.send(request.body(reqwest::Body::wrap(body)), None);
    let response = tokio::select! {
        response = sending => response.map_err(PutError::Failed)?,
        () = wait_for_stall(attempt, size, patience) => {
            let why = format!("no progress for {} seconds", patience.as_secs());
            return Err(PutError::Failed(Error::network(why)));
        }
    };
    let status = response.status();
    if status.is_success() {
        // Read to the end, so that the connection can be reused.
        let _ = tokio::time::timeout(patience, response.bytes()).await;
        return Ok(());
    }
    let after = retry_after(response.headers());
    let refusal = ServerRefusal::from_store(status.as_u16(), &read_error_body(response).await, after);
    Err(match status {
        StatusCode::FORBIDDEN => PutError::Expired(refusal),
        StatusCode::NOT_FOUND => PutError::Gone,
        StatusCode::PRECONDITION_FAILED => PutError::AlreadyThere,
        _ => PutError::Failed(refusal.into()),
    })
}

/// Returns when no byte was sent for `patience`. After the last byte, the store may take longer to answer.
pub(super) async fn wait_for_stall(attempt: &TransferAttempt, size: u64, patience: Duration) {
    let (mut moved, mut since) = (attempt.moved(), Instant::now());
    loop {
        tokio::time::sleep((patience / 8).min(Duration::from_secs(1))).await;
        let now = attempt.moved();
        if now != moved {
            (moved, since) = (now, Instant::now());
        }
        let allowed = if now >= size { patience * 4 } else { patience };
        if since.elapsed() >= allowed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::progress::{OutputStyle, ProgressReporter, TransferDirection};

    #[tokio::test]
    async fn a_standstill_is_noticed_and_a_slow_line_is_none() {
        let patience = Duration::from_millis(200);
        let track = ProgressReporter::new(OutputStyle::Quiet, 1).track("f", 100, TransferDirection::Up);
        let (attempt, start) = (track.start_attempt(), Instant::now());
        wait_for_stall(&attempt, 100, patience).await;
        assert!(start.elapsed() >= patience && start.elapsed() < patience * 3);
        let start = Instant::now();
        let slow = async {
            for _ in 0..10 {
                tokio::time::sleep(patience / 2).await;
                attempt.add(1);
            }
            attempt.add(90);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = slow => {}
            () = wait_for_stall(&attempt, 100, patience) => {}
        }
        assert!(start.elapsed() >= patience * 9, "a store with every byte may think: {:?}", start.elapsed());
    }
}
