//! Context of a request besides its credential: client address and program, request id, origin, rate limit, and the process
//! that serves it.
//!
//! A task-local value, like the span of a log, because every verb may have to record it. Only [`crate::engine::tenancy`] bases
//! decisions on it. Empty outside a request (workers, the command line).

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing::Span;

use crate::domain::access::Actor;
use crate::domain::ids::{AssetId, TenantId, UploadId};
use crate::machine;

tokio::task_local! {
    static CURRENT_CONTEXT: RequestContext;
}

/// Context of a request.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// Address of the client.
    pub peer_ip: Option<IpAddr>,
    /// Id of the request, as in logs.
    pub request_id: String,
    /// Origin of the page that sent the request, as declared by the browser.
    pub origin: Option<String>,
    /// Program that sent the request, by its User-Agent; see [`crate::domain::client_program`].
    pub client: Option<String>,
    /// Kind of the credential in the request, valid or not.
    pub credential_kind: PresentedCredential,
    /// Remaining request rate of the tenant; set once the credential is verified.
    pub rate_limit: Arc<OnceLock<RateLimitStatus>>,
    /// Ids that become known while the request is worked on, for its log lines.
    pub log_ids: Arc<RequestLogIds>,
}

/// Ids of a request that its access line and its tracing span name. Each is set once, by the first that knows it.
#[derive(Debug)]
pub struct RequestLogIds {
    span: Span,
    /// The tenant that the credential belongs to.
    pub tenant: OnceLock<String>,
    /// The API key (`key:…`) or the upload that a grant is for (`grant:…`).
    pub credential: OnceLock<String>,
    /// The upload that the request is about.
    pub upload: OnceLock<String>,
    /// The asset that the request is about.
    pub asset: OnceLock<String>,
}

impl Default for RequestLogIds {
    fn default() -> Self {
        Self::for_span(Span::none())
    }
}

impl RequestLogIds {
    /// Ids that `span` is told of as well; it must have been made with empty fields of these names.
    #[must_use]
    pub fn for_span(span: Span) -> Self {
        let (tenant, credential, upload, asset) = Default::default();
        Self { span, tenant, credential, upload, asset }
    }

    fn note(&self, slot: &OnceLock<String>, field: &'static str, value: &dyn Display) {
        if slot.get().is_none() {
            let value = value.to_string();
            self.span.record(field, tracing::field::display(&value));
            let _ = slot.set(value);
        }
    }

    /// Notes the caller of the request.
    pub fn note_actor(&self, actor: &Actor) {
        match actor {
            Actor::Key { id, tenant, .. } => {
                self.note(&self.tenant, "tenant", &tenant);
                self.note(&self.credential, "credential", &format_args!("key:{id}"));
            }
            Actor::Uploader { upload } => {
                self.note(&self.credential, "credential", &format_args!("grant:{upload}"));
                self.note_upload(*upload);
            }
            Actor::Sender { drop_box, tenant, .. } => {
                self.note(&self.tenant, "tenant", &tenant);
                self.note(&self.credential, "credential", &format_args!("grant:{drop_box}"));
            }
            Actor::Nobody => {}
        }
    }

    /// Notes the upload that the request is about.
    pub fn note_upload(&self, upload: UploadId) {
        self.note(&self.upload, "upload", &upload);
    }

    /// Notes the asset that the request is about.
    pub fn note_asset(&self, asset: AssetId) {
        self.note(&self.asset, "asset", &asset);
    }

    /// Notes the tenant whose data the request is about.
    pub fn note_tenant(&self, tenant: TenantId) {
        self.note(&self.tenant, "tenant", &tenant);
    }
}

/// Kind of the credential in a request, by its form alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PresentedCredential {
    /// No credential.
    #[default]
    Nothing,
    /// API key (`gk_…`).
    Key,
    /// Upload grant (`gu_…`), in a header or in the path.
    Grant,
    /// Any other bearer token.
    Token,
    /// An `Authorization` header without a bearer token.
    Unreadable,
}

impl PresentedCredential {
    /// Message for the caller when the credential is refused. The same for unknown and for expired credentials.
    #[must_use]
    pub fn refusal(self) -> &'static str {
        match self {
            Self::Nothing => {
                "A credential is required: an API key, a token or a grant, as \"Authorization: Bearer …\"."
            }
            Self::Key => "This API key is unknown, revoked or expired.",
            Self::Grant => "This grant is unknown, revoked or expired.",
            Self::Token => {
                "This token is not accepted: it is not an API key, its issuer is not trusted, or its \
                            signature, audience or time is invalid."
            }
            Self::Unreadable => "The Authorization header must be \"Bearer\" and an API key, a token or a grant.",
        }
    }
}

/// State of a tenant's rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// Most requests at once.
    pub burst: u32,
    /// Time in which a whole burst is restored.
    pub window: Duration,
    /// Requests left now.
    pub remaining: u32,
    /// Time until at least 1 request is left; zero if some are left.
    pub reset: Duration,
}

impl RequestContext {
    /// Runs a future within this context.
    pub async fn run_within<F: Future>(self, work: F) -> F::Output {
        CURRENT_CONTEXT.scope(self, work).await
    }

    /// Name of the process that serves the request: host and process id.
    #[must_use]
    pub fn node_name() -> &'static str {
        machine::process_name()
    }

    /// Id of the current request; empty outside a request.
    #[must_use]
    pub fn request_id() -> String {
        CURRENT_CONTEXT.try_with(|here| here.request_id.clone()).unwrap_or_default()
    }

    /// Kind of the credential of the current request.
    #[must_use]
    pub fn presented_credential() -> PresentedCredential {
        CURRENT_CONTEXT.try_with(|here| here.credential_kind).unwrap_or_default()
    }

    /// The log ids of the current request; empty outside a request.
    #[must_use]
    pub fn log_ids() -> Arc<RequestLogIds> {
        CURRENT_CONTEXT.try_with(|here| Arc::clone(&here.log_ids)).unwrap_or_default()
    }

    /// Context of the current request; empty outside a request.
    pub(super) fn current() -> Self {
        CURRENT_CONTEXT.try_with(Clone::clone).unwrap_or_default()
    }
}
