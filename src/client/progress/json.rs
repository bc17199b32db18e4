//! Progress as a JSON object per line on standard output, for programs.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{FileTransfer, ProgressRenderer, TransferDirection, TransferEvent};
use crate::client::error::Error;

const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Writes JSON lines.
pub(super) struct JsonRenderer;

/// An error as JSON.
#[must_use]
pub fn error(error: &Error) -> Value {
    let mut value = json!({
        "exit_code": error.exit_code(),
        "message": error.to_string(),
        "retryable": error.is_retryable(),
    });
    if let Some(refusal) = error.refusal() {
        value["code"] = json!(refusal.code);
        value["request_id"] = json!(refusal.request_id);
    }
    value
}

fn write(value: &Value) {
    // A closed pipe is detected when the result is written.
    let _ = writeln!(std::io::stdout(), "{value}");
}

fn object(file: Option<&FileTransfer>, event: &TransferEvent<'_>) -> Value {
    let mut value = match event {
        TransferEvent::Started { there, upload } => json!({ "event": "started", "there": there, "upload": upload }),
        TransferEvent::Retrying { what, why, pause } => {
            let seconds = pause.as_secs_f64();
            json!({ "event": "retry", "what": what, "why": why.to_string(), "in_seconds": seconds })
        }
        TransferEvent::Note(note) => json!({ "event": "note", "text": note }),
        TransferEvent::Completed { asset } => json!({ "event": "completed", "asset": asset }),
        TransferEvent::Settled { asset, state } => json!({ "event": state, "asset": asset }),
        TransferEvent::Saved { path } => json!({ "event": "saved", "path": path }),
        TransferEvent::Failed(why) => json!({ "event": "failed", "error": error(why) }),
    };
    if let Some(file) = file {
        value["file"] = json!(file.name);
        value["size"] = json!(file.known_size());
    }
    value
}

impl ProgressRenderer for JsonRenderer {
    fn show_event(&self, file: Option<&FileTransfer>, event: &TransferEvent<'_>) {
        write(&object(file, event));
    }

    fn tick(&self, active: &[Arc<FileTransfer>]) {
        for file in active {
            let now = file.snapshot();
            let moved = match file.direction {
                TransferDirection::Up => "sent",
                TransferDirection::Down => "received",
            };
            write(&json!({
                "event": "progress",
                "file": file.name,
                "size": file.known_size(),
                moved: now.moved,
                "confirmed": now.confirmed,
                "bytes_per_second": now.speed,
                "eta_seconds": now.eta.map(|eta| eta.as_secs()),
            }));
        }
    }

    fn tick_interval(&self) -> Option<Duration> {
        Some(PROGRESS_INTERVAL)
    }
}
