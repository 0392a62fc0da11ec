//! Arguments of `secateur patchscope`.

use std::path::PathBuf;

use clap::Args;

use super::BatchArgs;

#[derive(Debug, Args)]
pub(crate) struct PatchscopeArgs {
    /// The model.
    #[arg(value_parser = super::reference())]
    pub(crate) model: String,
    /// A text of whose last token the representations are read out; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Vec<String>,
    /// A task whose prompts are to say what the model predicts next, such as 'Ioi(pairs: 64)' or 'File("rows.jsonl")'.
    #[arg(long, value_name = "TASK", value_parser = super::task())]
    pub(crate) task: Option<String>,
    /// The prompt that representations are put into: 'Identity', 'Description', 'Feature(Capital)' (Continent, Currency,
    /// Language, Opposite) or 'Text("The capital of x is")'.
    #[arg(long, value_name = "PROMPT", default_value = "Identity")]
    pub(crate) prompt: String,
    /// The word of the prompt in whose place they are put [default: ? of Identity, x of others].
    #[arg(long, value_name = "WORD")]
    pub(crate) placeholder: Option<String>,
    /// How far before the position read representations of the task's prompts are taken.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) back: usize,
    /// Layers behind which they are taken, separated by commas [default: all].
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    pub(crate) source_layers: Vec<usize>,
    /// Layers behind which they are put [default: all].
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    pub(crate) target_layers: Vec<usize>,
    /// A text file on which affine maps between layers are fitted, that representations go through.
    #[arg(long, value_name = "FILE")]
    pub(crate) ridge: Option<PathBuf>,
    /// A tuned lens that `lens --tune` saved, through whose maps representations go from layer to layer.
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "ridge")]
    pub(crate) tuned: Option<PathBuf>,
    /// What the prompts of the task are expected to say: `Next` (the model's own next token) or `Answer` (the task's).
    #[arg(long, value_name = "WHAT", default_value = "Next")]
    pub(crate) wanted: String,
    /// Behind which layer representations are put to be read out [default: the one that they are taken from].
    #[arg(long, value_name = "N")]
    pub(crate) at_layer: Option<usize>,
    /// Held-out prompts of the task that are read out besides the texts.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) samples: usize,
    /// Tokens that are written.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) tokens: usize,
    /// Share of the prompts of the task that only judge [default: 0.5].
    #[arg(
        long,
        value_name = "X",
        requires = "task",
        allow_negative_numbers = true
    )]
    pub(crate) held_out: Option<f64>,
    /// Name of the spec [default: patchscope- and a hash of the question].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}
