//! The child's side: locks itself in, then looks at the file.
//!
//! Runs in a process of its own with no environment, settings, network or threads. It may crash and be killed at any
//! moment; nothing depends on its end.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::order::{Answer, Found, Order, UNABLE, Work};

mod archive;
mod boxes;
mod colour;
mod confine;
mod draw;
mod exif;
mod film_index;
mod frames;
mod heif;
mod jpeg;
mod markup;
mod picture;

/// Carries out an order, which is JSON, and prints the answer.
pub(super) fn run(order: &str) -> ExitCode {
    let end = serde_json::from_str(order).map_err(|error| error.to_string()).and_then(carry_out);
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gantry decode: {error}");
            ExitCode::from(UNABLE)
        }
    }
}

fn carry_out(order: Order) -> Result<(), String> {
    let confined = confine::confine(&order)?;
    let answer = match (order.work, order.reads.first()) {
        (Work::Probe, _) => {
            let mut found = Found::default();
            found.tell("landlock", confined.as_str());
            Answer::Found(found)
        }
        (Work::Tool { program, args }, _) => {
            let mut tool = Command::new(&program);
            tool.args(args).env_clear();
            if program.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"vips")) {
                // It then leaves out the loaders that its authors do not trust with foreign files.
                tool.env("VIPS_BLOCK_UNTRUSTED", "1");
            }
            let error = tool.exec();
            return Err(format!("{} does not start: {error}", program.display()));
        }
        (_, None) => return Err("there is no file".to_owned()),
        (Work::Picture(wish), Some(file)) => picture::look(file, &wish, order.bounds.memory),
        (Work::Heif, Some(file)) => heif::look(file),
        (Work::FilmIndex { present }, Some(file)) => film_index::look(file, &present),
        (Work::Markup, Some(file)) => markup::look(file),
        (Work::Archive { entries }, Some(file)) => archive::look(file, entries),
    };
    let text = serde_json::to_vec(&answer).map_err(|error| error.to_string())?;
    std::io::stdout().write_all(&text).map_err(|error| error.to_string())
}
