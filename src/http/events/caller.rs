//! Who follows: asked at the beginning, and again while the stream goes on, so that it ends when the credential does.

use std::time::Duration;

use http::HeaderMap;

use super::super::Site;
use super::super::context::{actor, bearer, granted, holder};
use crate::domain::access::Actor;
use crate::engine::Error;

/// How often a stream's credential is looked at again; also the pause between heartbeats.
pub(super) const BEAT: Duration = Duration::from_secs(15);

/// Where the credential is.
pub(super) enum Credential {
    /// In the headers of the request.
    Headers(HeaderMap),
    /// In the path: a grant.
    Path(String),
}

/// Somebody who follows, or wants to.
pub(super) struct Caller {
    pub(super) site: Site,
    pub(super) credential: Credential,
    pub(super) actor: Actor,
}

impl Caller {
    pub(super) async fn new(site: Site, credential: Credential) -> Result<Self, Error> {
        let actor = match &credential {
            Credential::Headers(headers) => actor(&site.engine, headers).await?,
            Credential::Path(grant) => granted(&site.engine, grant).await?,
        };
        Ok(Self { site, credential, actor })
    }

    /// Whether the credential is as good as it was, and its tenant not suspended. Other errors pass, and prove nothing
    /// against it.
    pub(super) async fn is_still_good(&self) -> bool {
        match self.look_again().await {
            Ok(actor) => actor == self.actor,
            Err(error) => !matches!(error, Error::Unauthenticated | Error::Suspended),
        }
    }

    /// Spends nothing of the tenant's rate: nobody has asked.
    async fn look_again(&self) -> Result<Actor, Error> {
        let engine = &self.site.engine;
        let actor = match &self.credential {
            Credential::Headers(headers) => bearer(engine, headers).await?,
            Credential::Path(grant) => holder(engine, grant).await?,
        };
        engine.keep_admitted(&actor).await?;
        Ok(actor)
    }
}
