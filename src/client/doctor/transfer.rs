//! A small file by a signed URL, as a page sends it; the upload is aborted afterwards.

use reqwest::Method;
use reqwest::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, ORIGIN};
use serde_json::{Value, json};

use super::{CHECK_TIMEOUT, reason_of, request};
use crate::client::api::ApiClient;
use crate::domain::diagnosis::DoctorFinding;

const CONTENT: &str = "gantry doctor";

/// Opens an upload, asks the store as a browser does before it sends, sends the bytes, and aborts the upload.
pub(super) async fn check_upload(api: &ApiClient, origin: &str) -> Vec<DoctorFinding> {
    let wish = json!({ "filename": "gantry-doctor.txt", "size": CONTENT.len(), "method": "put" });
    let opened = match request(api, Method::POST, "/v1/uploads").json(&wish).send().await {
        Ok(response) => response,
        Err(error) => return vec![DoctorFinding::failure("upload", reason_of(error), "See the log of the service.")],
    };
    let status = opened.status().as_u16();
    let opened: Value = opened.json().await.unwrap_or_default();
    if let Some(refused) = explain_refusal(status, &opened) {
        return vec![refused];
    }
    let (url, id) = (opened["put"]["url"].as_str(), opened["upload"]["id"].as_str().unwrap_or_default());
    let findings = match url {
        Some(url) => {
            vec![check_preflight(api, url, origin).await, check_put(api, url, &opened["put"]["headers"]).await]
        }
        None => vec![DoctorFinding::failure(
            "upload",
            "the answer has no signed URL",
            "Check what answers at this address.",
        )],
    };
    // It has done its work whether it is aborted now or expires later.
    let _ = request(api, Method::DELETE, &format!("/v1/uploads/{id}")).send().await;
    findings
}

fn explain_refusal(status: u16, answer: &Value) -> Option<DoctorFinding> {
    let detail = answer["detail"].as_str().unwrap_or("no reason is given").to_owned();
    match status {
        200 | 201 => None,
        401 => Some(DoctorFinding::failure("key", detail, "Use a key that is valid; gantry key create makes one.")),
        403 => Some(DoctorFinding::ok("upload", "not tried: the key lacks the scope upload")),
        _ => Some(DoctorFinding::failure(
            "upload",
            format!("an upload is answered with {status}: {detail}"),
            "See `detail`.",
        )),
    }
}

/// Asks the store whether a page of `origin` may PUT (Fetch standard, CORS-preflight fetch).
async fn check_preflight(api: &ApiClient, url: &str, origin: &str) -> DoctorFinding {
    let asked = api
        .http()
        .request(Method::OPTIONS, url)
        .timeout(CHECK_TIMEOUT)
        .header(ORIGIN, origin)
        .header(ACCESS_CONTROL_REQUEST_METHOD, "PUT")
        .header("access-control-request-headers", "content-type,if-none-match");
    let response = match asked.send().await {
        Ok(response) => response,
        Err(error) => {
            let mend = "Clients send bytes there: check the public endpoint of the store, its DNS name and firewall.";
            return DoctorFinding::failure("store", reason_of(error), mend);
        }
    };
    let allowed = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).and_then(|value| value.to_str().ok());
    if response.status().is_success() && matches!(allowed, Some(value) if value == "*" || value == origin) {
        return DoctorFinding::ok("CORS", format!("pages of {origin} may send bytes to the store"));
    }
    DoctorFinding::warning(
        "CORS",
        format!("pages of {origin} may not send bytes to the store"),
        "Allow PUT and the header If-None-Match for this origin: GANTRY_CORS_ORIGINS for the embedded store, the CORS \
         rules of the bucket for others. Without pages in browsers this does not matter.",
    )
}

async fn check_put(api: &ApiClient, url: &str, headers: &Value) -> DoctorFinding {
    let mut sent = api.http().request(Method::PUT, url).timeout(CHECK_TIMEOUT).header(CONTENT_LENGTH, CONTENT.len());
    for (name, value) in headers.as_object().into_iter().flatten() {
        if name != "content-length" {
            sent = sent.header(name, value.as_str().unwrap_or_default());
        }
    }
    match sent.body(CONTENT).send().await {
        Ok(response) if response.status().is_success() => DoctorFinding::ok("transfer", "the store took a small file"),
        Ok(response) => DoctorFinding::failure(
            "transfer",
            format!("the store answers a signed PUT with {}", response.status().as_u16()),
            "Check clocks, the public endpoint of the store, and that the proxy before it changes neither path nor Host.",
        ),
        Err(error) => DoctorFinding::failure("transfer", reason_of(error), "Check the public endpoint of the store."),
    }
}
