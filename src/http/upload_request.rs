//! Requests of all protocols whose bytes are relayed by this service in order: sender, target, length, and the bytes in
//! the form that the engine takes. This module must not know the meaning of any protocol.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use futures_util::StreamExt;
use http::{HeaderMap, Method};
use http_body::{Body as _, Frame};
use http_body_util::BodyStream;

use super::server::interim::InterimSender;
use super::{AppState, context};
use crate::domain::access::Actor;
use crate::domain::ids::UploadId;
use crate::engine::{AppendBody, BodyFrame, Error, ExpectedDigest, TruncatedBody, UploadLimits};

/// A request without its body, and the data that identifies its sender.
pub(super) struct UploadRequest {
    pub(super) site: AppState,
    /// The effective method, after `X-HTTP-Method-Override`.
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    /// The query as it was sent.
    pub(super) query: Option<String>,
    /// Length of the body in bytes, if known.
    pub(super) content_length: Option<u64>,
    /// The grant in the path.
    pub(super) grant: Option<String>,
    /// The upload in the path.
    id: Option<UploadId>,
    /// Sender of interim answers, if this connection allows them.
    pub(super) interim: Option<InterimSender>,
}

/// A request together with its body.
pub(super) struct UploadRequestWithBody(pub(super) UploadRequest, pub(super) Body);

impl FromRequest<AppState> for UploadRequestWithBody {
    type Rejection = Infallible;

    async fn from_request(request: Request, site: &AppState) -> Result<Self, Infallible> {
        let (mut head, body) = request.into_parts();
        let path = Path::<HashMap<String, String>>::from_request_parts(&mut head, site).await;
        let mut path = path.map(|Path(path)| path).unwrap_or_default();
        let call = UploadRequest {
            site: site.clone(),
            method: context::effective_method(&head.method, &head.headers),
            content_length: body.size_hint().exact(),
            grant: path.remove("grant"),
            id: path.get("id").and_then(|text| text.parse().ok()),
            interim: head.extensions.remove(),
            query: head.uri.query().map(ToOwned::to_owned),
            headers: head.headers,
        };
        Ok(Self(call, body))
    }
}

impl UploadRequest {
    /// Authenticates the sender: by the grant in the path, otherwise by the headers.
    pub(super) async fn admit_sender(&self) -> Result<Actor, Error> {
        match &self.grant {
            Some(grant) => context::admit_grant(&self.site.engine, grant).await,
            None => context::admit_bearer(&self.site.engine, &self.headers).await,
        }
    }

    /// The upload limits for the sender. An invalid credential is ignored: limits are no secret.
    pub(super) async fn load_limits(&self) -> UploadLimits {
        let limits = match self.admit_sender().await {
            Ok(actor) => self.site.engine.uploads().load_limits_for(&actor).await,
            Err(refused) => Err(refused),
        };
        limits.unwrap_or_else(|_| self.site.engine.uploads().limits())
    }

    /// The id of the upload in the path.
    pub(super) fn upload_id(&self) -> Result<UploadId, Error> {
        self.id.ok_or(Error::NotFound)
    }

    /// URL of the collection of uploads at `door`, as this client reaches it.
    pub(super) fn collection_url(&self, door: &str) -> String {
        let site = &self.site.public_url;
        match &self.grant {
            Some(grant) => format!("{site}/u/{grant}/{door}"),
            None => format!("{site}/{door}"),
        }
    }
}

/// The body as it arrives, with the checksum in its trailers. Invalid trailers are ignored: the checksum is then
/// missing.
pub(super) fn append_body(body: Body, checksum: fn(&HeaderMap) -> Option<ExpectedDigest>) -> AppendBody {
    let arrivals = BodyStream::new(body).filter_map(move |frame| async move {
        match frame.map(Frame::into_data) {
            Ok(Ok(bytes)) => Some(Ok(BodyFrame::Bytes(bytes))),
            Ok(Err(frame)) => Some(Ok(BodyFrame::Checksum(checksum(&frame.into_trailers().ok()?)?))),
            Err(_) => Some(Err(TruncatedBody)),
        }
    });
    arrivals.boxed()
}
