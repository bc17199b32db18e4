//! Hands an asset to an external processor, as the last step.
//!
//! The offer is a CloudEvent at the operator's broker; its id is the job's, the same on every try. Then the job waits
//! until the processor reports (`/v1/assets/{id}/processing`), which ends the job, or until the processor's time limit
//! passes and the asset is offered again.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::{JobContext, PipelineStep, StepError, StepOutcome};
use crate::crash;
use crate::domain::asset::AssetVerdict;
use crate::domain::clock::after;
use crate::domain::job::{JobSubject, TryCount};
use crate::traces;
use crate::worker::handoff::{CloudEvent, EventSink, SinkError};

/// Type of the event, by which brokers route.
const OFFER_EVENT_TYPE: &str = "asset.offered";

/// The step `offer`.
#[derive(Clone)]
pub struct HandoffStep {
    /// The operator's broker.
    pub sink: Arc<dyn EventSink>,
    /// Public URL at which processors reach this service; also the source of its events.
    pub public_url: String,
}

#[async_trait]
impl PipelineStep for HandoffStep {
    fn name(&self) -> &'static str {
        "offer"
    }

    fn applies_to(&self, case: &JobContext<'_>) -> bool {
        // An asset that is ready was accepted by the processor before.
        matches!(case.job.work, JobSubject::Process(_)) && case.rules.handoff != Some(false)
    }

    async fn run(&self, case: &mut JobContext<'_>) -> Result<StepOutcome, StepError> {
        let (report_within, most) = case.engine.processing().offer_terms();
        if case.progress.offers >= most {
            let sentence = format!("The processor did not report in time, although it was asked {most} times.");
            return Ok(StepOutcome::Undecided(AssetVerdict { code: "not_reported".to_owned(), sentence }));
        }
        let until = after(case.engine.now(), report_within);
        case.progress.offers += 1;
        case.progress.offered_until = Some(until);
        // Saved before publishing: the processor may report before `publish` returns.
        if !case.engine.processing().keep_progress(&mut case.job, &case.progress).await? {
            return Err(StepError::LeaseLost);
        }
        self.sink.publish(&self.offer_event(case)).await.map_err(|error| match error {
            SinkError::Unavailable(why) | SinkError::Refused(why) => {
                StepError::Unavailable(format!("{}: {why}", self.sink.name()).into())
            }
        })?;
        crash::point("offered");
        // If this write fails because the lease is lost, the processor has reported already.
        let _ = case
            .engine
            .processing()
            .put_back(&case.job, until, TryCount::Forgiven, "offered; waiting for the report")
            .await?;
        Ok(StepOutcome::Deferred)
    }
}

impl HandoffStep {
    fn offer_event(&self, case: &JobContext<'_>) -> CloudEvent {
        let (asset, progress) = (case.asset, &case.progress);
        let door = format!("{}/v1/assets/{}/processing", self.public_url, asset.id);
        CloudEvent {
            id: case.job.id.to_string(),
            source: self.public_url.clone(),
            kind: OFFER_EVENT_TYPE.to_owned(),
            subject: format!("assets/{}", asset.id),
            time: asset.changed_at,
            tenant: asset.tenant,
            traceparent: traces::current_traceparent(),
            data: json!({
                "asset_id": asset.id,
                "filename": asset.name.to_string(),
                "size": asset.size,
                "content_type": progress.detected,
                "digest": progress.sha256,
                "external_id": asset.external_id,
                "metadata": asset.metadata,
                "details": progress.findings.details,
                "token": case.engine.processing().processing_token(&case.job, asset.id),
                "processing_url": door,
                "report_until": progress.offered_until.map(|time| time.to_string()),
            }),
        }
    }
}
