//! `secateur repl` on the command line.

use clap::Args;

use super::{AddedVectors, Memory};

#[derive(Debug, Args)]
pub(crate) struct ReplArgs {
    /// The model.
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) added: AddedVectors,
    #[command(flatten)]
    pub(crate) memory: Memory,
}
