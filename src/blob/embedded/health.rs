//! Whether the store may still write. After a failed fsync nobody knows what the disk holds, so the first one
//! stops all writing until a restart has read the truth back; reading goes on.

use std::sync::OnceLock;

use super::error::{Error, Result};

/// Healthy until poisoned; there is no way back.
#[derive(Debug, Default)]
pub(super) struct StoreHealth(OnceLock<String>);

impl StoreHealth {
    /// Stops all writing. The first reason stays.
    pub(super) fn poison(&self, reason: String) {
        if self.0.set(reason).is_ok() {
            tracing::error!(reason = self.reason(), "the embedded store stops writing until it is restarted");
        }
    }

    /// Refuses once poisoned.
    pub(super) fn check(&self) -> Result<()> {
        match self.reason() {
            None => Ok(()),
            Some(reason) => Err(Error::Poisoned(reason.to_owned())),
        }
    }

    /// Why writing stopped; `None` while all is well.
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
