//! Requests to an S3 server in the same process, without a socket: commands of the operator use the embedded store while
//! no service runs, and bind no port.

use std::fmt;
use std::sync::Arc;

use aws_sdk_s3::config::{HttpClient, RuntimeComponents};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{HOST, HeaderValue};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;

/// Body of a request or an answer.
pub type InProcessBody = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// An S3 server in this process.
pub trait InProcessServer: Send + Sync {
    /// Answers a request.
    fn handle(&self, request: http::Request<InProcessBody>) -> BoxFuture<'static, http::Response<InProcessBody>>;
}

/// Client of such a server for the SDK.
#[derive(Clone)]
pub(super) struct InProcessClient(pub(super) Arc<dyn InProcessServer>);

impl fmt::Debug for InProcessClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcessClient")
    }
}

impl HttpClient for InProcessClient {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcessClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match incoming(request) {
            Ok(request) => {
                let answer = self.0.handle(request);
                HttpConnectorFuture::new(async move {
                    let answer = answer.await.map(SdkBody::from_body_1_x);
                    HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
                })
            }
            Err(error) => HttpConnectorFuture::ready(Err(ConnectorError::user(error))),
        }
    }
}

/// The request as a server receives it: with a Host header, and with path and query alone.
fn incoming(request: HttpRequest) -> Result<http::Request<InProcessBody>, Box<dyn std::error::Error + Send + Sync>> {
    let mut request = request.try_into_http1x()?;
    if let Some(host) = request.uri().authority().map(|host| HeaderValue::from_str(host.as_str())).transpose()? {
        request.headers_mut().entry(HOST).or_insert(host);
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).parse()?;
    *request.uri_mut() = target;
    Ok(request.map(BodyExt::boxed))
}
