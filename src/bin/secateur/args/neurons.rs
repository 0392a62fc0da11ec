//! `secateur neurons` on the command line.

use std::path::PathBuf;

use clap::Args;

use super::BatchArgs;

#[derive(Debug, Args)]
pub(crate) struct NeuronsArgs {
    /// The model.
    #[arg(value_parser = super::reference())]
    pub(crate) model: String,
    /// The task, as a spec file names it, such as 'Ioi(pairs: 64, seed: 0)' or 'File("rows.jsonl")'.
    #[arg(long, value_name = "TASK", value_parser = super::task(), required_unless_present = "behaviour")]
    pub(crate) task: Option<String>,
    /// Instead of a task: prompts that show a behaviour, one per line of a .txt file, or JSON objects with the key `prompt`.
    #[arg(long, value_name = "FILE", requires = "other", conflicts_with = "task")]
    pub(crate) behaviour: Option<PathBuf>,
    /// Prompts that do not show it, likewise; of any number and length.
    #[arg(long, value_name = "FILE", requires = "behaviour")]
    pub(crate) other: Option<PathBuf>,
    /// An answer that the behaviour gives to the prompts of both files; may be given several times. Without, prompts are scored
    /// by their own tokens.
    #[arg(long, value_name = "TEXT", requires = "behaviour")]
    pub(crate) answer: Vec<String>,
    /// A wrong answer, likewise.
    #[arg(long, value_name = "TEXT", requires = "answer")]
    pub(crate) wrong: Vec<String>,
    /// The measure of the behaviour [default: `LogitDiff`, for prompts without wrong answers `Nll`].
    #[arg(long, value_name = "METRIC")]
    pub(crate) metric: Option<String>,
    /// Share of the prompts that only judge.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.5,
        allow_negative_numbers = true
    )]
    pub(crate) held_out: f64,
    /// Name of the spec [default: neurons-, the task or the file, and a hash of the question].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Neurons whose effect is measured: so many by attribution, and so many by correlation.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
    /// What counts of a neuron's activations on a prompt: `Read` (the last position read), `Max` or `Mean`.
    #[arg(long, value_name = "POOL", default_value = "Read")]
    pub(crate) pool: String,
    /// What a neuron is replaced by: `Mean`, `MeanPositional`, `Zero` or `Resample(seed: 0)`.
    #[arg(long, value_name = "ABLATION", default_value = "Mean")]
    pub(crate) ablation: String,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}
