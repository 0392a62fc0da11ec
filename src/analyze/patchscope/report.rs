//! What an analysis with a patchscope says: plain numbers and text.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use crate::evaluate::Effect;

/// The answer of a patchscope.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PatchscopeReport {
    /// The target prompt.
    pub prompt: String,
    /// Its tokens as text.
    pub prompt_tokens: Vec<String>,
    /// The position of its placeholder.
    pub position: usize,
    /// What is made of a representation on the way: `identity`, `ridge` or `tuned lens`.
    pub mapping: &'static str,
    /// Number of discovery prompts.
    pub examples_discovery: usize,
    /// Number of held-out prompts.
    pub examples: usize,
    /// Means over the source layers, with the target layers that were chosen; none without prompts of a task.
    pub overall: Option<Overall>,
    /// Every source layer.
    pub layers: Vec<LayerScores>,
    /// Every source and target layer.
    pub grid: Vec<GridPoint>,
    /// What representations say.
    pub decoded: Vec<DecodedText>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// Scores of held-out prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DecodingScores {
    /// Share of the prompts whose most likely token is an expected one.
    pub precision: Effect,
    /// Minus the log of the expected tokens' probability, in nats.
    pub surprisal: Effect,
}

/// Means over the source layers of each held-out prompt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Overall {
    /// The patchscope with the target layers chosen on discovery prompts.
    pub patched: DecodingScores,
    /// With the target layer that is the source layer, where all are among the targets.
    pub same: Option<DecodingScores>,
    /// The logit lens.
    pub logit_lens: DecodingScores,
    /// A lens by the maps to the last layer: of a tuned lens, the lens itself.
    pub mapped_lens: Option<DecodingScores>,
    /// Representations of other prompts.
    pub shuffled: DecodingScores,
    /// The target prompt as it is.
    pub unpatched: DecodingScores,
    /// The patchscope's precision minus the logit lens's.
    pub precision_gain: Effect,
    /// The logit lens's surprisal minus the patchscope's, in nats.
    pub surprisal_gain: Effect,
}

/// Scores of a source layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LayerScores {
    /// The layer whose leaving stream is taken.
    pub layer: usize,
    /// The layer after which it is put: of the best precision on discovery prompts, of equal ones of the least surprisal.
    pub target: usize,
    /// With that target layer.
    pub patched: DecodingScores,
    /// Put after the layer that it was taken from, where that is a target.
    pub same: Option<DecodingScores>,
    /// The logit lens.
    pub logit_lens: DecodingScores,
    /// A lens by the map to the last layer: of a tuned lens, the lens itself.
    pub mapped_lens: Option<DecodingScores>,
    /// Representations of other prompts, put after the chosen layer.
    pub shuffled: DecodingScores,
}

/// Means of one source and target layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GridPoint {
    /// The source layer.
    pub source: usize,
    /// The target layer.
    pub target: usize,
    /// Precision on discovery prompts, by which target layers are chosen.
    pub precision_discovery: f64,
    /// Precision on held-out prompts.
    pub precision: f64,
    /// Mean surprisal on held-out prompts, in nats.
    pub surprisal: f64,
}

/// What the representations of a text say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecodedText {
    /// The text.
    pub text: String,
    /// The token whose representations these are.
    pub token: String,
    /// What the target prompt goes on with as it is.
    pub unpatched: String,
    /// By source layer.
    pub layers: Vec<DecodedLayer>,
}

/// What a representation says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecodedLayer {
    /// The layer whose leaving stream is taken.
    pub source: usize,
    /// The layer after which it is put.
    pub target: usize,
    /// What the target prompt goes on with.
    pub says: String,
}

impl PatchscopeReport {
    /// The name of the lens by the maps to the last layer.
    pub fn mapped_name(&self) -> &'static str {
        if self.mapping == "tuned lens" {
            self.mapping
        } else {
            "mapped lens"
        }
    }
}

impl AnalysisReport for PatchscopeReport {
    fn finding(&self) -> String {
        let Some(overall) = &self.overall else {
            return format!("{} texts are decoded", self.decoded.len());
        };
        let percent = |said: &DecodingScores| format!("{:.0} %", 100.0 * said.precision.mean);
        format!(
            "over all layers {} predict the expected token (logit lens {}, other prompts' {})",
            percent(&overall.patched),
            percent(&overall.logit_lens),
            percent(&overall.shuffled)
        )
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
