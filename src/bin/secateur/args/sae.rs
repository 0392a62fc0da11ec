//! The arguments of `sae` and `superposition`.

use std::path::PathBuf;

use clap::Args;

use super::BatchArgs;

#[derive(Debug, Args)]
pub(crate) struct SaeArgs {
    /// The model.
    #[arg(value_parser = super::reference())]
    pub(crate) model: String,
    /// Load a dictionary from this folder (cfg.json and `sae_weights.safetensors`) instead of training one.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["layer", "of", "kind", "features", "tokens", "batch", "learning_rate"])]
    pub(crate) load: Option<PathBuf>,
    /// The layer.
    #[arg(long, value_name = "N", required_unless_present = "load")]
    pub(crate) layer: Option<usize>,
    /// What of it: `Stream` (the stream that leaves it), `Mlp` (what its MLP writes) or `Heads` (their results) [default:
    /// Stream].
    #[arg(long, value_name = "WHAT")]
    pub(crate) of: Option<String>,
    /// The kind: 'Relu(l1: 0.1)', 'TopK(k: 32)', 'BatchTopK(k: 32)', 'JumpRelu(l0: 0.5, bandwidth: 0.1)' or
    /// 'Gated(l1: 0.1)' [default: 'TopK(k: 32)'].
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Number of features.
    #[arg(long, value_name = "N", required_unless_present = "load")]
    pub(crate) features: Option<usize>,
    /// A text file to train and measure on, read as far as it is needed; may be given several times [default: text drawn
    /// from the model].
    #[arg(long, value_name = "FILE")]
    pub(crate) text: Vec<PathBuf>,
    /// Tokens of text drawn from the model, where no file is given.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    pub(crate) sampled: usize,
    /// Tokens trained on; text is read again as often as needed [default: 500000].
    #[arg(long, value_name = "N")]
    pub(crate) tokens: Option<usize>,
    /// Tokens of a context [default: 128, with --load what cfg.json says].
    #[arg(long, value_name = "N")]
    pub(crate) context: Option<usize>,
    /// Positions at the start of each context and prompt that are neither trained on nor measured nor changed [default: 1,
    /// with --load what cfg.json says].
    #[arg(long, value_name = "N")]
    pub(crate) skip_first: Option<usize>,
    /// Rows of a training step [default: 1024].
    #[arg(long, value_name = "N")]
    pub(crate) batch: Option<usize>,
    /// Adam's learning rate [default: 0.001].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) learning_rate: Option<f64>,
    /// Seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Share of the contexts, and of a task's pairs, that only judge [default: 0.1, with --load 0.5].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) held_out: Option<f64>,
    /// A prompt to decompose into features and error, token by token; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Vec<String>,
    /// A task, as a spec file names it, on which features are changed, such as 'Ioi(pairs: 64, seed: 0)'.
    #[arg(long, value_name = "TASK", value_parser = super::task())]
    pub(crate) task: Option<String>,
    /// The measure of the behaviour.
    #[arg(
        long,
        value_name = "METRIC",
        default_value = "LogitDiff",
        requires = "task"
    )]
    pub(crate) metric: String,
    /// Features of the task that are measured: those of the largest attribution.
    #[arg(long, value_name = "N", default_value_t = 20, requires = "task")]
    pub(crate) top: usize,
    /// What is done to each: `Zero`, `Mean`, `Scale(2.0)`, `Add(4.0)` (so many times its mean activation).
    #[arg(
        long,
        value_name = "LIST",
        default_value = "[Zero, Mean, Scale(2.0), Add(4.0)]",
        requires = "task"
    )]
    pub(crate) changes: String,
    /// Where: `Read` (positions whose logits are read) or `Every`.
    #[arg(long, value_name = "WHERE", default_value = "Every", requires = "task")]
    pub(crate) at: String,
    /// Times its mean activation that is added of a feature in written text.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 4.0,
        requires = "task",
        allow_negative_numbers = true
    )]
    pub(crate) strength: f64,
    /// Name of the spec [default: sae-, the layer or the folder, and a hash of the question].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) batch_args: BatchArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SuperpositionArgs {
    /// Coordinates.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) width: usize,
    /// Known features, and features of the dictionary.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) features: usize,
    /// Features active in a row.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) active: usize,
    /// Rounds of training, of 4096 rows each.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) rounds: usize,
    /// Seed of the features, the rows and the dictionaries.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
