//! Write health of the store. After a failed fsync the content of the disk is unknown, so the first failure stops all
//! writing until a restart has read back what is there; reading goes on.

use std::sync::OnceLock;

use super::error::{Error, Result};

/// Healthy until poisoned; only a restart resets it.
#[derive(Debug, Default)]
pub(super) struct StoreHealth(OnceLock<String>);

impl StoreHealth {
    /// Stops all writing. The first reason is kept.
    pub(super) fn poison(&self, reason: String) {
        if self.0.set(reason).is_ok() {
            tracing::error!(reason = self.reason(), "the embedded store stops writing until it is restarted");
        }
    }

    /// Returns [`Error::Poisoned`] once poisoned.
    pub(super) fn check(&self) -> Result<()> {
        match self.reason() {
            None => Ok(()),
            Some(reason) => Err(Error::Poisoned(reason.to_owned())),
        }
    }

    /// Reason why writing stopped; `None` while healthy.
    pub(super) fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poison_stays_and_keeps_its_first_reason() {
        let health = StoreHealth::default();
        assert!(health.check().is_ok());
        health.poison("fsync: EIO".to_owned());
        health.poison("later".to_owned());
        assert!(matches!(health.check(), Err(Error::Poisoned(reason)) if reason == "fsync: EIO"));
    }
}
