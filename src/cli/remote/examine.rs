//! `gantry doctor`: the way to a service, as its clients see it.

use std::process::ExitCode;
use std::sync::Arc;

use super::server_args::read_environment_key;
use crate::cli::doctor::print_findings;
use crate::client::api::{ApiClient, ApiKeyHeader};
use crate::client::doctor::examine_service;
use crate::client::error::Result;
use crate::client::retry::RetryPolicy;
use crate::domain::clock::OsEntropy;
use crate::domain::diagnosis::DoctorFinding;

/// Examines the service at `url` from outside, with this key.
pub(in crate::cli) async fn examine_with_key(url: &str, key: &str) -> Vec<DoctorFinding> {
    match ApiKeyHeader::new(key).and_then(|key| connect(url, Some(key))) {
        Ok(api) => examine_service(&api, &own_origin(&api)).await,
        Err(error) => vec![DoctorFinding::failure("public URL", error.to_string(), "Check GANTRY_PUBLIC_URL.")],
    }
}

/// Examines the service at `url` from outside, with the key of the environment if there is one. `origin`: the page
/// origin for which CORS is tried.
pub(in crate::cli) async fn run_doctor(url: &str, origin: Option<&str>, as_json: bool) -> ExitCode {
    let api = match read_environment_key().and_then(|key| connect(url, key)) {
        Ok(api) => api,
        Err(error) => {
            super::print_error(&error);
            return ExitCode::from(error.exit_code());
        }
    };
    let own = own_origin(&api);
    print_findings(&examine_service(&api, origin.unwrap_or(&own)).await, as_json)
}

fn connect(url: &str, key: Option<ApiKeyHeader>) -> Result<ApiClient> {
    let policy = RetryPolicy { retries: Some(0), ..RetryPolicy::default() };
    ApiClient::new(url, key, policy, Arc::new(OsEntropy))
}

fn own_origin(api: &ApiClient) -> String {
    api.address("").origin().ascii_serialization()
}
