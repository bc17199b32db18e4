//! Subscribers of events: authenticated at the beginning and again during the stream, so that the stream ends with the
//! credential.

use std::time::Duration;

use http::HeaderMap;

use crate::domain::access::Actor;
use crate::engine::Error;
use crate::http::AppState;
use crate::http::context::{admit_bearer, admit_grant, authenticate_bearer, authenticate_grant};

/// Interval at which a stream's credential is checked again; also the interval of heartbeats.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// Location of the credential.
pub(super) enum StreamCredential {
    /// In the headers of the request.
    Headers(HeaderMap),
    /// In the path: a grant.
    Path(String),
}

/// A client that follows events, or asks to.
pub(super) struct EventSubscriber {
    pub(super) site: AppState,
    pub(super) credential: StreamCredential,
    pub(super) actor: Actor,
}

impl EventSubscriber {
    pub(super) async fn authenticate(site: AppState, credential: StreamCredential) -> Result<Self, Error> {
        let actor = match &credential {
            StreamCredential::Headers(headers) => admit_bearer(&site.engine, headers).await?,
            StreamCredential::Path(grant) => admit_grant(&site.engine, grant).await?,
        };
        Ok(Self { site, credential, actor })
    }

    /// True while the credential is valid and its tenant not suspended. Other errors may be temporary and do not count
    /// against the credential.
    pub(super) async fn is_credential_valid(&self) -> bool {
        match self.reauthenticate().await {
            Ok(actor) => actor == self.actor,
            Err(error) => !matches!(error, Error::Unauthenticated | Error::Suspended),
        }
    }

    /// Authenticates without using the tenant's rate: the client has sent no request.
    async fn reauthenticate(&self) -> Result<Actor, Error> {
        let engine = &self.site.engine;
        let actor = match &self.credential {
            StreamCredential::Headers(headers) => authenticate_bearer(engine, headers).await?,
            StreamCredential::Path(grant) => authenticate_grant(engine, grant).await?,
        };
        engine.tenants().keep_admitted(&actor).await?;
        Ok(actor)
    }
}
