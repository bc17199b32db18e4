//! `gantry completions` and `gantry man`: files for the shell and for `man`, made of the command line itself.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use crate::client::error::{Error, Result};

pub(super) const COMPLETIONS_HELP: &str = "\
Examples:
  gantry completions bash > ~/.local/share/bash-completion/completions/gantry
  gantry completions zsh > ~/.zfunc/_gantry
  gantry completions fish > ~/.config/fish/completions/gantry.fish";

pub(super) const MAN_HELP: &str = "\
Examples:
  gantry man | man -l -
  gantry man ~/.local/share/man/man1";

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

#[derive(Args)]
pub(super) struct ManArgs {
    /// Write a page for every command into this directory, instead of the first page to standard output.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl CompletionsArgs {
    pub(super) fn run(&self) -> Result<()> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "gantry", &mut text);
        write_out(&text)
    }
}

impl ManArgs {
    pub(super) fn run(&self) -> Result<()> {
        let Some(folder) = &self.folder else {
            let mut text = Vec::new();
            clap_mangen::Man::new(super::command()).render(&mut text).map_err(Error::local("the page".as_ref()))?;
            return write_out(&text);
        };
        std::fs::create_dir_all(folder).map_err(Error::local(folder))?;
        clap_mangen::generate_to(super::command(), folder).map_err(Error::local(folder))
    }
}

fn write_out(text: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(Error::local("standard output".as_ref()))
}
