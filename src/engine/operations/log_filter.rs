//! The filter of this process's log lines, as an operator reads and changes it.

use serde_json::json;

use super::OperationEngine;
use crate::domain::access::Actor;
use crate::engine::audit::AuditedAct;
use crate::engine::rows::tenant_of;
use crate::engine::{Error, Result};
use crate::log_level;
use crate::store::Tx;

/// Longest filter in bytes.
const MAX_FILTER_BYTES: usize = 1000;

impl OperationEngine {
    /// The filter that this process logs by.
    #[tracing::instrument(skip_all)]
    pub async fn log_filter(&self, actor: &Actor) -> Result<String> {
        self.tenants.require_operator(actor).await?;
        Ok(log_level::current_filter())
    }

    /// Changes the filter of this process until its end, and tells the audit trail first.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the filter cannot be read; nothing has changed then.
    #[tracing::instrument(skip_all)]
    pub async fn set_log_filter(&self, actor: &Actor, filter: &str) -> Result<()> {
        self.tenants.require_operator(actor).await?;
        let filter = filter.trim();
        if filter.is_empty() || filter.len() > MAX_FILTER_BYTES {
            return Err(Error::invalid("filter", format!("must have 1 to {MAX_FILTER_BYTES} characters")));
        }
        let unreadable = || Error::invalid("filter", "must be levels and targets, such as info,gantry::engine=debug");
        log_level::parse_filter(filter).map_err(|_| unreadable())?;
        let act = AuditedAct::new(tenant_of(actor)?, actor, "log_level.change", "instance".to_owned());
        let act = act.before(json!({ "filter": log_level::current_filter() })).after(json!({ "filter": filter }));
        self.rows.commit(Tx::new().with(self.audit.audited(act))).await?;
        log_level::replace_filter(filter).map_err(|_| unreadable())
    }
}
