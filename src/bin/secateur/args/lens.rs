//! Arguments of `lens`, `attention` and `residual`.

use std::path::PathBuf;

use clap::Args;

use super::BatchArgs;

#[derive(Debug, Args)]
pub(crate) struct LensArgs {
    /// The model.
    #[arg(value_parser = super::reference())]
    pub(crate) model: String,
    /// The task whose clean prompts are looked at, as a spec file names it, such as 'Ioi(pairs: 64, seed: 0)'.
    #[arg(
        long,
        value_name = "TASK", value_parser = super::task(),
        required_unless_present = "prompt",
        conflicts_with = "prompt"
    )]
    pub(crate) task: Option<String>,
    /// A text to look at instead of a task; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Vec<String>,
    /// The token that is followed, with its space [default: the task's answer; of texts what the model says].
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Look between attention and MLP too.
    #[arg(long)]
    pub(crate) after_attention: bool,
    /// Prompts that are drawn as heat maps, the first ones.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) drawn: usize,
    /// Most likely tokens that a cell shows.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,
    /// Leave out what every head and MLP adds to the logit.
    #[arg(long)]
    pub(crate) no_attribution: bool,
    /// Fit a tuned lens and look through it as well.
    #[arg(long, conflicts_with = "tuned")]
    pub(crate) tune: bool,
    /// Look through a tuned lens that was fitted before.
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) tuned: Option<PathBuf>,
    /// A text file to fit it on; may be given several times [default: text drawn from the model].
    #[arg(long, value_name = "FILE", requires = "tune")]
    pub(crate) text: Vec<PathBuf>,
    /// Tokens of text drawn from the model, where no file is given.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub(crate) sampled: usize,
    /// Tokens of a context of that text.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub(crate) context: usize,
    /// Layers whose map is then trained on the KL divergence, separated by commas.
    #[arg(long, value_name = "N,..", value_delimiter = ',', requires = "tune")]
    pub(crate) train: Vec<usize>,
    /// Share of the text that only judges [default: 0.1].
    #[arg(
        long,
        value_name = "X",
        requires = "tune",
        allow_negative_numbers = true
    )]
    pub(crate) held_out: Option<f64>,
    /// Name of the spec [default: lens-, the task, and a hash of the question].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AttentionArgs {
    /// The model.
    #[arg(value_parser = super::reference())]
    pub(crate) model: String,
    /// A task on whose prompts name moving is scored, as a spec file names it [default: none].
    #[arg(long, value_name = "TASK", value_parser = super::task())]
    pub(crate) task: Option<String>,
    /// Sequences of random tokens, each repeated once.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) sequences: usize,
    /// Random tokens of a sequence, before they are repeated.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) length: usize,
    /// What they are drawn among: `Vocabulary`, or `Prompts`, the tokens of the task's prompts.
    #[arg(long, value_name = "WHICH", default_value = "Vocabulary")]
    pub(crate) tokens: String,
    /// Seed of these tokens.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// A score from here on gives a head its role.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.4,
        allow_negative_numbers = true
    )]
    pub(crate) threshold: f64,
    /// Heads whose attention is drawn, such as a5.h1, separated by commas [default: those with the largest scores].
    #[arg(long, value_name = "HEAD,..", value_delimiter = ',')]
    pub(crate) draw: Vec<String>,
    /// Heads that are drawn where none is named.
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub(crate) drawn: usize,
    /// Name of the spec [default: attention-, the task, and a hash of the question].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ResidualArgs {
    /// The model.
    #[arg(value_parser = super::reference())]
    pub(crate) model: String,
    /// The task whose clean prompts are looked at, as a spec file names it.
    #[arg(
        long,
        value_name = "TASK", value_parser = super::task(),
        required_unless_present = "prompt",
        conflicts_with = "prompt"
    )]
    pub(crate) task: Option<String>,
    /// A text to look at instead of a task; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Vec<String>,
    /// At which positions: `Read` (where logits are read) or `Every` (the mean over all but the first).
    #[arg(long, value_name = "WHERE", default_value = "Read")]
    pub(crate) over: String,
    /// A direction into which parts may write: 'Token(" Paris")', 'Difference(" Paris", " Rome")' or
    /// 'Vector("vector.safetensors")'; may be given several times.
    #[arg(long, value_name = "DIRECTION")]
    pub(crate) direction: Vec<String>,
    /// Name of the spec [default: residual-, the task, and a hash of the question].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}
