//! What proxies between here and the service do to long connections.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{ACCEPT, CONNECTION, UPGRADE};

use super::{reason_of, request};
use crate::client::api::ApiClient;
use crate::domain::diagnosis::DoctorFinding;

/// Time within which the first bytes of a stream of events must arrive.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a WebSocket. The service answers 426 if the headers of the upgrade were lost on the way.
pub(super) async fn check_websocket(api: &ApiClient) -> DoctorFinding {
    let asked = request(api, Method::GET, "/v1/ws")
        .version(reqwest::Version::HTTP_11)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "Z2FudHJ5LWRvY3Rvci1rZQ==");
    match asked.send().await.map(|response| response.status().as_u16()) {
        // Refused for want of a key, after the upgrade was seen.
        Ok(101 | 401 | 403) => DoctorFinding::ok("websocket", "passes the way to the service"),
        Ok(status) => DoctorFinding::warning(
            "websocket",
            format!("{status} instead of a WebSocket: a proxy does not pass it on"),
            "Pass on Connection and Upgrade for /v1/ws (nginx: proxy_http_version 1.1 and proxy_set_header Upgrade \
             $http_upgrade). Pages fall back to events over HTTP until then.",
        ),
        Err(error) => DoctorFinding::warning("websocket", reason_of(error), "Check what the proxy does with /v1/ws."),
    }
}

/// Reads the beginning of a stream of events: a proxy that collects answers would hold it back.
pub(super) async fn check_event_stream(api: &ApiClient) -> DoctorFinding {
    let begun = Instant::now();
    let first = async {
        let mut stream = request(api, Method::GET, "/v1/events").header(ACCEPT, "text/event-stream").send().await?;
        let status = stream.status().as_u16();
        let chunk = if status == 200 { stream.chunk().await? } else { None };
        Ok::<_, reqwest::Error>((status, chunk.is_some()))
    };
    match tokio::time::timeout(FIRST_BYTES_TIMEOUT, first).await {
        Ok(Ok((200, true))) => {
            DoctorFinding::ok("events", format!("the first bytes came within {} ms", begun.elapsed().as_millis()))
        }
        Ok(Ok((403, _))) => DoctorFinding::ok("events", "not tried: the key lacks the scope read"),
        Ok(Ok((status, _))) => DoctorFinding::warning(
            "events",
            format!("the stream of events is answered with {status}"),
            "Check the key, and what the proxy does with /v1/events.",
        ),
        Ok(Err(error)) => {
            DoctorFinding::warning("events", reason_of(error), "Check what the proxy does with /v1/events.")
        }
        Err(_) => DoctorFinding::warning(
            "events",
            "a stream of events is held back on the way",
            "Switch buffering of answers off for /v1/events (nginx: proxy_buffering off).",
        ),
    }
}
