//! `secateur repl` on the command line.

use clap::Args;

use super::{AddedVectors, Memory};

#[derive(Debug, Args)]
pub(crate) struct ReplArgs {
    /// The model.
    #[arg(value_parser = super::reference())]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) added: AddedVectors,
    #[command(flatten)]
    pub(crate) memory: Memory,
}
