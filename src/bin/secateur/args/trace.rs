//! Arguments of `secateur trace`.

use clap::Args;

use super::{AskedArgs, BatchArgs};

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    #[command(flatten)]
    pub(crate) asked: AskedArgs,
    /// Standard deviation of the noise, as a multiple of that of the subjects' embeddings.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 3.0,
        allow_negative_numbers = true
    )]
    pub(crate) noise: f64,
    /// Samples of noise for each prompt.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) samples: usize,
    /// Seed of the noise.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Layers behind which the stream is put back, separated by commas [default: all].
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    pub(crate) layers: Vec<usize>,
    /// Layers whose attentions, or MLPs, are put back together; 0 leaves that out.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) window: usize,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}
