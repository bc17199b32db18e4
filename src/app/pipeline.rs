//! Set-up of the processing pipeline from the settings: scanner, decoders, broker.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::config::ServiceConfig;
use crate::domain::clock::Entropy;
use crate::domain::reason::chain;
use crate::media::{MediaError, MediaSandbox};
use crate::worker::{HandoffStep, MediaStep, ProcessingPipeline, Steps, handoff};

/// Opens the dependencies of the steps. Brokers and scanners are not contacted: each job waits for an unavailable
/// dependency.
pub(super) async fn open_pipeline(
    config: &ServiceConfig,
    public_url: &str,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<ProcessingPipeline> {
    let processing = &config.processing;
    match processing.screening.clone() {
        Some(screening) => drop(tokio::spawn(screening.probe_at_start(Arc::clone(entropy)))),
        None => tracing::info!("nothing is scanned for viruses: clamd is not set"),
    }
    let counter = match &processing.handoff {
        Some(address) => {
            let sink = handoff::connect(address).context("processing.handoff cannot be used")?;
            tracing::info!(broker = sink.name(), "finished uploads are offered to an external processor");
            Some(HandoffStep { sink, public_url: public_url.to_owned() })
        }
        None => None,
    };
    let studio = open_media_step(config).await?;
    Ok(ProcessingPipeline::new(Steps { scan: processing.screening.clone(), media: studio, handoff: counter }))
}

async fn open_media_step(config: &ServiceConfig) -> anyhow::Result<Option<MediaStep>> {
    let scratch = prepare_scratch_dir(&config.data_dir).context("the scratch folder cannot be created")?;
    let sandbox = MediaSandbox::new(config.processing.limits);
    match sandbox.probe_child().await {
        Ok(_) => {
            // The answer is for the log alone: the start does not wait for it.
            let probed = sandbox.clone();
            tokio::spawn(async move { probed.find_missing_programs().await });
            Ok(Some(MediaStep { sandbox, sizes: config.processing.sizes.clone(), scratch }))
        }
        Err(MediaError::Internal(why)) => {
            tracing::error!(why = %chain(&why), "decoders cannot be locked in here: there will be no facts and no derivatives");
            Ok(None)
        }
    }
}

/// Creates this process's own scratch folder, and removes the folders of processes that died.
fn prepare_scratch_dir(data_dir: &Path) -> std::io::Result<std::path::PathBuf> {
    let all = data_dir.join("scratch");
    std::fs::create_dir_all(&all)?;
    let all = all.canonicalize()?;
    for left in std::fs::read_dir(&all)? {
        let path = left?.path();
        let owner = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok());
        if owner.is_none_or(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
    let mine = all.join(std::process::id().to_string());
    std::fs::create_dir_all(&mine)?;
    Ok(mine)
}
