//! Who follows: asked at the beginning, and again while the stream goes on, so that it ends when the credential does.

use std::time::Duration;

use http::HeaderMap;

use crate::domain::access::Actor;
use crate::engine::Error;
use crate::http::AppState;
use crate::http::context::{admit_bearer, admit_grant, authenticate_bearer, authenticate_grant};

/// How often a stream's credential is looked at again; also the pause between heartbeats.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// Where the credential is.
pub(super) enum StreamCredential {
    /// In the headers of the request.
    Headers(HeaderMap),
    /// In the path: a grant.
    Path(String),
}

/// Somebody who follows, or wants to.
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

    /// Whether the credential is as good as it was, and its tenant not suspended. Other errors pass, and prove nothing
    /// against it.
    pub(super) async fn is_credential_valid(&self) -> bool {
        match self.reauthenticate().await {
            Ok(actor) => actor == self.actor,
            Err(error) => !matches!(error, Error::Unauthenticated | Error::Suspended),
        }
    }

    /// Spends nothing of the tenant's rate: nobody has asked.
    async fn reauthenticate(&self) -> Result<Actor, Error> {
        let engine = &self.site.engine;
        let actor = match &self.credential {
            StreamCredential::Headers(headers) => authenticate_bearer(engine, headers).await?,
            StreamCredential::Path(grant) => authenticate_grant(engine, grant).await?,
        };
        engine.keep_admitted(&actor).await?;
        Ok(actor)
    }
}
