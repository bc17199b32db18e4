//! A fresh bucket per test, on a real S3 server.

use std::sync::Arc;

use gantry::blob::s3::{Probed, S3Blobs, Settings, probe};
use gantry::domain::clock::SystemClock;
use uuid::Uuid;

/// The page that browsers would upload from.
pub const ORIGIN: &str = "http://gantry.test";

/// A bucket of the test's own.
pub struct Bucket {
    pub blobs: S3Blobs,
    pub probed: Probed,
}

fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}: start tests/servers.sh"))
}

impl Bucket {
    /// On the S3 server that `tests/servers.sh` started.
    pub async fn seaweedfs() -> Self {
        let settings = Settings {
            bucket: format!("t{}", Uuid::new_v4().simple()),
            region: Some("us-east-1".to_owned()),
            endpoint: Some(required("GANTRY_TEST_S3_ENDPOINT")),
            public_endpoint: None,
            path_style: true,
            credentials: Some((required("GANTRY_TEST_S3_ACCESS_KEY"), required("GANTRY_TEST_S3_SECRET_KEY"))),
        };
        Self::at(settings).await
    }

    /// Makes the bucket and opens it as `app` does: connect, probe, follow the answers.
    pub async fn at(settings: Settings) -> Self {
        sdk(&settings).create_bucket().bucket(&settings.bucket).send().await.unwrap();
        let blobs = S3Blobs::connect(settings, Arc::new(SystemClock)).await.unwrap();
        let probed = probe(&blobs, ORIGIN, Uuid::new_v4()).await.unwrap();
        let blobs = blobs.with_capabilities(probed.capabilities.clone());
        Self { blobs, probed }
    }
}

/// A plain client, for what the port does not do.
pub fn sdk(settings: &Settings) -> aws_sdk_s3::Client {
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    let (key, secret) = settings.credentials.clone().unwrap();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone().unwrap()))
        .endpoint_url(settings.endpoint.clone().unwrap())
        .force_path_style(settings.path_style)
        .credentials_provider(Credentials::new(key, secret, None, None, "test"));
    aws_sdk_s3::Client::from_conf(config.build())
}
