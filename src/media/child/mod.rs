//! Child process: confines itself, then inspects the file.
//!
//! Runs without environment, settings, network or threads. The child may crash or be killed at any moment; nothing
//! depends on an orderly exit.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::protocol::{ChildFindings, ChildRequest, ChildResponse, ChildTask, UNABLE_EXIT_CODE};

mod colour;
mod exif;
mod frame_count;
mod heif;
mod iso_bmff;
mod jpeg;
mod mp4_index;
mod picture;
mod sandbox;
mod svg;
mod thumbnail;
mod zip_listing;

/// Carries out a request in JSON and prints the response.
pub(super) fn run_request(order: &str) -> ExitCode {
    let end = serde_json::from_str(order).map_err(|error| error.to_string()).and_then(execute_request);
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gantry decode: {error}");
            ExitCode::from(UNABLE_EXIT_CODE)
        }
    }
}

fn execute_request(order: ChildRequest) -> Result<(), String> {
    let confined = sandbox::enter_sandbox(&order)?;
    let answer = match (order.work, order.reads.first()) {
        (ChildTask::Probe, _) => {
            let mut found = ChildFindings::default();
            found.set_detail("landlock", confined.as_str());
            ChildResponse::Found(found)
        }
        (ChildTask::Tool { program, args }, _) => {
            let mut tool = Command::new(&program);
            tool.args(args).env_clear();
            if program.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"vips")) {
                // Makes libvips skip the loaders that its authors do not trust with untrusted files.
                tool.env("VIPS_BLOCK_UNTRUSTED", "1");
            }
            let error = tool.exec();
            return Err(format!("{} does not start: {error}", program.display()));
        }
        (_, None) => return Err("there is no file".to_owned()),
        (ChildTask::Picture(wish), Some(file)) => picture::inspect_picture(file, &wish, order.bounds.memory),
        (ChildTask::Heif, Some(file)) => heif::inspect_header(file),
        (ChildTask::FilmIndex { present }, Some(file)) => mp4_index::find_index(file, &present),
        (ChildTask::Markup, Some(file)) => svg::inspect_svg(file),
        (ChildTask::Archive { entries }, Some(file)) => zip_listing::list_archive(file, entries),
    };
    let text = serde_json::to_vec(&answer).map_err(|error| error.to_string())?;
    std::io::stdout().write_all(&text).map_err(|error| error.to_string())
}
