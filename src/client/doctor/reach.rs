//! The name, the connection, the clock, and what the service says of itself.

use reqwest::Method;
use reqwest::header::DATE;
use serde_json::Value;

use super::{CHECK_TIMEOUT, reason_of, request};
use crate::client::api::ApiClient;
use crate::domain::clock::{Clock as _, SystemClock, Timestamp};
use crate::domain::diagnosis::DoctorFinding;

/// Difference of clocks in seconds beyond which signed URLs and tokens are at risk.
const MAX_SKEW_SECS: i64 = 30;

/// Resolves the name of the service's address.
pub(super) async fn check_name(api: &ApiClient) -> DoctorFinding {
    let url = api.address("");
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return DoctorFinding::failure("name", "the address names no host", "Write it like https://files.example.");
    };
    let looked = tokio::time::timeout(CHECK_TIMEOUT, tokio::net::lookup_host((host, port))).await;
    match looked {
        Ok(Ok(found)) => {
            let mut addresses: Vec<String> = found.map(|address| address.ip().to_string()).collect();
            addresses.dedup();
            DoctorFinding::ok("name", format!("{host} is {}", addresses.join(", ")))
        }
        Ok(Err(error)) => DoctorFinding::failure(
            "name",
            format!("{host} is not found: {error}"),
            "Check the spelling and the DNS records of the name, and the resolver of this machine.",
        ),
        Err(_) => DoctorFinding::failure("name", format!("no DNS server told {host} in time"), "Check the resolver."),
    }
}

/// Asks whether the process lives, and compares its clock.
pub(super) async fn check_answer(api: &ApiClient) -> Vec<DoctorFinding> {
    let begun = std::time::Instant::now();
    let response = match request(api, Method::GET, "/livez").send().await {
        Ok(response) => response,
        Err(error) => {
            let mend = if error.is_timeout() || error.is_connect() {
                "Start the service; check address, port, firewall, and the certificate if the reason names it."
            } else {
                "Check what answers at this address."
            };
            return vec![DoctorFinding::failure("answer", reason_of(error), mend)];
        }
    };
    let status = response.status().as_u16();
    if status != 200 {
        let found = format!("/livez answers {status}");
        let mend = "Check that this is the address of Gantry, and that the proxy passes every path on.";
        return vec![DoctorFinding::failure("answer", found, mend)];
    }
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok()).map(ToOwned::to_owned);
    let millis = begun.elapsed().as_millis();
    let scheme = api.address("").scheme().to_uppercase();
    vec![DoctorFinding::ok("answer", format!("{scheme}, within {millis} ms")), check_clock(date.as_deref())]
}

fn check_clock(date: Option<&str>) -> DoctorFinding {
    let there = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(there) = there.and_then(|there| Timestamp::try_from(there).ok()) else {
        return DoctorFinding::warning("clock", "the answer has no Date", "Let the proxy keep the header Date.");
    };
    let skew = there.as_second() - SystemClock.now().as_second();
    if skew.abs() <= MAX_SKEW_SECS {
        return DoctorFinding::ok("clock", format!("the server's clock is {skew} s ahead"));
    }
    DoctorFinding::failure(
        "clock",
        format!("the server's clock is {skew} s ahead of this machine's"),
        "Let both machines take their time from NTP: signed URLs live by the clock.",
    )
}

/// Reads what the service says of its database, store and disk.
pub(super) async fn check_readiness(api: &ApiClient) -> Vec<DoctorFinding> {
    let ready: Value = match request(api, Method::GET, "/readyz?verbose").send().await {
        Ok(response) => response.json().await.unwrap_or_default(),
        Err(error) => return vec![DoctorFinding::failure("ready", reason_of(error), "See the log of the service.")],
    };
    let part = |name: &'static str, mend: &str| {
        if ready[name] == true {
            DoctorFinding::ok(name, "answers")
        } else {
            DoctorFinding::failure(name, "does not answer the service", mend)
        }
    };
    let mut findings = vec![
        part("database", "See the log of the service; check GANTRY_DATABASE_URL and the server behind it."),
        part("store", "See the log of the service; check endpoint, bucket and credentials of the object store."),
    ];
    if ready["disk"] == "full" || ready["disk"] == "low" {
        let found = format!("the disk of the data directory is {}", ready["disk"].as_str().unwrap_or_default());
        findings.push(DoctorFinding::warning(
            "disk",
            found,
            "Make space: below limits.disk_reserve new uploads are refused.",
        ));
    }
    if ready["maintenance"] == true {
        let mend = "gantry maintenance off accepts new uploads again.";
        findings.push(DoctorFinding::warning("maintenance", "new uploads are refused", mend));
    }
    if ready["capabilities"]["cors"] == false {
        let mend = "Allow PUT from the origin of your pages in the CORS rules of the bucket.";
        findings.push(DoctorFinding::failure("bucket CORS", "browsers may not send bytes to the bucket", mend));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::clock::{after, before};
    use crate::domain::diagnosis::FindingLevel;

    #[test]
    fn clocks_may_differ_by_seconds() {
        let level = |offset: i64| {
            let there = after(
                before(SystemClock.now(), Duration::from_secs(600)),
                Duration::from_secs((600 + offset).unsigned_abs()),
            );
            check_clock(Some(&httpdate::fmt_http_date(std::time::SystemTime::from(there)))).level
        };
        assert_eq!((level(-20), level(20)), (FindingLevel::Ok, FindingLevel::Ok));
        assert_eq!((level(-60), level(60)), (FindingLevel::Failure, FindingLevel::Failure));
        assert_eq!(check_clock(Some("yesterday")).level, FindingLevel::Warning);
    }
}
