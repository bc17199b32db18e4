//! Credentials of the AWS chain that can be read anew: the chain itself reads files of profiles once.

use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Mutex;

use super::CREDENTIALS_MAX_AGE;
use crate::domain::clock::{Clock, Timestamp, after};

/// Credentials of the chain, asked for once a minute; clones share them.
#[derive(Clone)]
pub(super) struct ReloadableCredentials {
    state: Arc<Mutex<ChainState>>,
    clock: Arc<dyn Clock>,
}

struct ChainState {
    source: SharedCredentialsProvider,
    /// What the source said, and when.
    known: Option<(Credentials, Timestamp)>,
}

impl std::fmt::Debug for ReloadableCredentials {
    /// Prints no credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReloadableCredentials").finish_non_exhaustive()
    }
}

impl ReloadableCredentials {
    pub(super) fn new(source: SharedCredentialsProvider, clock: Arc<dyn Clock>) -> Self {
        Self { state: Arc::new(Mutex::new(ChainState { source, known: None })), clock }
    }

    /// Takes another source if it has credentials. `false`: they are the same as before.
    pub(super) async fn replace(&self, source: SharedCredentialsProvider) -> Result<bool, CredentialsError> {
        let fresh = source.provide_credentials().await?;
        let mut state = self.state.lock().await;
        let same = |known: &Credentials| {
            (known.access_key_id(), known.secret_access_key(), known.session_token())
                == (fresh.access_key_id(), fresh.secret_access_key(), fresh.session_token())
        };
        let changed = !state.known.as_ref().is_some_and(|(known, _)| same(known));
        *state = ChainState { source, known: Some((fresh, self.clock.now())) };
        Ok(changed)
    }

    async fn current(&self) -> Result<Credentials, CredentialsError> {
        let (mut state, now) = (self.state.lock().await, self.clock.now());
        if let Some((known, asked)) = &state.known
            && now < after(*asked, CREDENTIALS_MAX_AGE)
        {
            return Ok(known.clone());
        }
        let fresh = state.source.provide_credentials().await?;
        state.known = Some((fresh.clone(), now));
        Ok(fresh)
    }
}

impl ProvideCredentials for ReloadableCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.current())
    }
}
