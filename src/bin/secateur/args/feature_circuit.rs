//! Arguments of `secateur feature-circuit`.

use clap::Args;

use super::{AskedArgs, BatchArgs};

#[derive(Debug, Args)]
pub(crate) struct FeatureCircuitArgs {
    #[command(flatten)]
    pub(crate) asked: AskedArgs,
    /// The measure of the behaviour.
    #[arg(long, value_name = "METRIC", default_value = "LogitDiff")]
    pub(crate) metric: String,
    /// A sparse autoencoder: a folder as `secateur sae` writes it, or 'Train(layer: 1, features: 256, text: ..)' with the
    /// keys of `Sae` in specs; may be given several times, for different representations.
    #[arg(long, value_name = "DICTIONARY", required = true)]
    pub(crate) dictionary: Vec<String>,
    /// How features are scored: `EapIgActivations(steps: 10)` (integrated gradients), `Eap()` (attribution), `Exact()`,
    /// `EapIg(steps: 5)`, `CleanCorrupted()` or `Acdc(tau: 0.05)`.
    #[arg(
        long,
        value_name = "METHOD",
        default_value = "EapIgActivations(steps: 10)"
    )]
    pub(crate) method: String,
    /// Which are kept: 'Faithfulness(0.9)', 'Top(20)' or 'Threshold(0.1)' [default: Faithfulness(0.9); none with Acdc].
    #[arg(long, value_name = "KEEP")]
    pub(crate) keep: Option<String>,
    /// What replaces the others: `Patch` (the corrupt prompt), `Mean` or `Zero`.
    #[arg(long, value_name = "ABLATION", default_value = "Patch")]
    pub(crate) ablation: String,
    /// Edges reported.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) edges: usize,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}
