//! `secateur completions`: completions for a shell.

use clap::CommandFactory;
use secateur::Result;

use crate::args::Cli;
use crate::output;

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<u8> {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "secateur", &mut bytes);
    output::data(&bytes)?;
    Ok(0)
}
