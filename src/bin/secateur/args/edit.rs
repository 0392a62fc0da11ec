//! Arguments of `secateur edit`.

use std::path::PathBuf;

use clap::Args;

use super::{AskedArgs, BatchArgs};

#[derive(Debug, Args)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    pub(crate) asked: AskedArgs,
    /// Which vectors stand for tokens: `Unembedding` or `Embedding`.
    #[arg(long, value_name = "WHICH", default_value = "Unembedding")]
    pub(crate) vector: String,
    /// What strengths are multiples of: `Removed` (the component that is removed) or `Stream` (the stream's norm).
    #[arg(long, value_name = "WHAT", default_value = "Removed")]
    pub(crate) scale: String,
    /// Where the stream is changed: `Read` (the last position read), `Back(2)` (two before it), `Every`, or `Differing` (where clean and corrupt prompt
    /// differ).
    #[arg(long, value_name = "WHERE", default_value = "Read")]
    pub(crate) at: String,
    /// Layers behind which it may be changed, separated by commas [default: all].
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    pub(crate) layers: Vec<usize>,
    /// Change it behind all of these layers at once, rather than behind one at a time.
    #[arg(long)]
    pub(crate) together: bool,
    /// How strongly it may be changed.
    #[arg(
        long,
        value_name = "X,..",
        value_delimiter = ',',
        default_value = "0.5,1,2,4",
        allow_hyphen_values = true
    )]
    pub(crate) strengths: Vec<f64>,
    /// A text file on which it should change nothing, for perplexities.
    #[arg(long, value_name = "FILE")]
    pub(crate) text: Option<PathBuf>,
    /// Held-out prompts that are listed.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) listed: usize,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}
