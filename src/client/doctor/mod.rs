//! Examination of a service from outside, over the same way as its clients: names, TLS, clocks, proxies, the store.
//!
//! ```text
//! reach     the name resolves ▶ the server answers ▶ its clock ▶ its readiness
//! proxies   a WebSocket opens, and events are not held back
//! transfer  a small file by a signed URL, as a page of another origin would send it; it is aborted afterwards
//! ```
//!
//! Every check ends within ten seconds; one that fails does not stop those that can still say something.

use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, RequestBuilder};

use super::api::ApiClient;
use crate::domain::diagnosis::{DoctorFinding, FindingLevel};
use crate::domain::reason::chain;

mod proxies;
mod reach;
mod transfer;

/// Longest time for a request of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// Examines the service of `api`. With a key more is tried; `origin`: the page origin for the check of CORS.
pub async fn examine_service(api: &ApiClient, origin: &str) -> Vec<DoctorFinding> {
    let mut findings = vec![reach::check_name(api).await];
    let answered = reach::check_answer(api).await;
    let is_up = answered.iter().all(|finding| finding.level != FindingLevel::Failure);
    findings.extend(answered);
    if !is_up {
        return findings;
    }
    findings.extend(reach::check_readiness(api).await);
    findings.push(proxies::check_websocket(api).await);
    if api.authorization().is_err() {
        findings.push(DoctorFinding::warning(
            "key",
            "no API key is set: events and uploads were not tried",
            "Set GANTRY_API_KEY, or GANTRY_API_KEY_FILE to a file that contains it.",
        ));
        return findings;
    }
    findings.push(proxies::check_event_stream(api).await);
    findings.extend(transfer::check_upload(api, origin).await);
    findings
}

/// A request with the key, if there is one.
fn request(api: &ApiClient, method: Method, path: &str) -> RequestBuilder {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = api.address(path);
    url.set_query(query);
    let request = api.http().request(method, url).timeout(CHECK_TIMEOUT);
    match api.authorization() {
        Ok(key) => request.header(AUTHORIZATION, key),
        Err(_) => request,
    }
}

/// Reason of a failed request, without its URL: that of a signed request is a secret.
fn reason_of(error: reqwest::Error) -> String {
    chain(&error.without_url()).to_string()
}
