//! The arguments of `relation`.

use std::path::PathBuf;

use clap::Args;

use super::BatchArgs;

#[derive(Debug, Args)]
pub(crate) struct RelationArgs {
    /// The model.
    #[arg(value_parser = super::reference())]
    pub(crate) model: String,
    /// The relation: a JSON file with `prompt_templates` and `samples` of `subject` and `object`.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) data: PathBuf,
    /// Number of the template, from 0 [default: the one by which the model knows most].
    #[arg(long, value_name = "N")]
    pub(crate) template: Option<usize>,
    /// Subjects that are shown with their objects in front of every prompt.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) shots: usize,
    /// Most subjects that Jacobians are taken of.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) train: usize,
    /// Layers after which subjects are taken, separated by commas [default: all but the last].
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    pub(crate) layers: Vec<usize>,
    /// Factors of W s that may be chosen.
    #[arg(
        long,
        value_name = "X,..",
        value_delimiter = ',',
        default_value = "1,1.5,2,2.5,3,4,5",
        allow_hyphen_values = true
    )]
    pub(crate) betas: Vec<f64>,
    /// Ranks of the inverse that may be chosen.
    #[arg(
        long,
        value_name = "N,..",
        value_delimiter = ',',
        default_value = "8,16,32,64,128,256"
    )]
    pub(crate) ranks: Vec<usize>,
    /// Seed of which subjects are shown, trained on, and exchanged.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Share of the subjects that only judge.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.5,
        allow_negative_numbers = true
    )]
    pub(crate) held_out: f64,
    /// Name of the spec [default: relation-, the name of the file, and a hash of the question].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}
