//! What an analysis of edits says: plain numbers and text.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use crate::evaluate::Effect;

/// The answer about edits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EditReport {
    /// Number of discovery prompts.
    pub examples_discovery: usize,
    /// Number of held-out prompts.
    pub examples: usize,
    /// The the stream is changed after layer, chosen on discovery prompts, or the layers changed at once.
    pub layers: Vec<usize>,
    /// The strength, chosen there too.
    pub strength: f64,
    /// Mean over prompts, places and layers of the change's norm, as a share of the stream's norm.
    pub size: Effect,
    /// Held-out prompts as they are.
    pub before: SwapScores,
    /// Changed.
    pub after: SwapScores,
    /// Changed along random directions by as much: one for each.
    pub random: Vec<SwapScores>,
    /// KL(unchanged, changed) of held-out prompts, in nats.
    pub kl: Effect,
    /// The same along the first random direction.
    pub kl_random: Option<Effect>,
    /// What the swap of other prompts' tokens does to held-out prompts.
    pub other_prompts: Option<OtherPrompts>,
    /// What it does to text.
    pub text: Option<EditedText>,
    /// Every layer, or the layers together, and strength tried.
    pub sweep: Vec<EditSweepPoint>,
    /// Held-out prompts with their predictions.
    pub items: Vec<SwapResult>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// What prompts say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SwapScores {
    /// Share of the prompts whose most likely token is the one that they should predict.
    pub success: Effect,
    /// Log-probability of the token that they say as they are, in nats.
    pub original: Effect,
    /// Log-probability of the token that they should predict.
    pub replacement: Effect,
}

/// What the swap of other prompts' tokens does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OtherPrompts {
    /// Number of prompts.
    pub examples: usize,
    /// KL(unchanged, changed), in nats.
    pub kl: Effect,
    /// Share of the prompts whose most likely token stays.
    pub kept: Effect,
    /// KL along a random direction.
    pub kl_random: Effect,
    /// Share of the prompts whose most likely token stays, along a random direction.
    pub kept_random: Effect,
}

/// The loss on text with the stream changed at every position.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EditedText {
    /// Tokens predicted.
    pub tokens: usize,
    /// Pairs of tokens that were swapped, each in runs of its own.
    pub pairs: usize,
    /// Perplexity of the model as it is.
    pub before: f64,
    /// With tokens swapped.
    pub after: f64,
    /// With changes along a random direction by as much.
    pub random: f64,
}

/// Changes after a layer, or after several at once, of one strength.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EditSweepPoint {
    /// The layers.
    pub layers: Vec<usize>,
    /// The strength.
    pub strength: f64,
    /// Success on discovery prompts, by which one is chosen.
    pub discovery: f64,
    /// Success on held-out prompts.
    pub success: Effect,
    /// Mean log-probability there of the token that is said unchanged, in nats.
    pub original: f64,
    /// Of the one that replaces it.
    pub replacement: f64,
    /// Mean size of the change there, as a share of the stream's norm.
    pub size: f64,
}

/// A held-out prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SwapResult {
    /// The end of the prompt.
    pub prompt: String,
    /// The token that is replaced.
    pub original: TokenChange,
    /// The token that replaces it.
    pub replacement: TokenChange,
    /// The most likely tokens with their probabilities, as the prompt is.
    pub top_before: Vec<(String, f64)>,
    /// Changed.
    pub top_after: Vec<(String, f64)>,
    /// KL(unchanged, changed), in nats.
    pub kl: f64,
}

/// A token before and after a change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenChange {
    /// The token.
    pub token: String,
    /// Its probability as the prompt is, and changed.
    pub probability: [f64; 2],
    /// Its rank, from 1.
    pub rank: [usize; 2],
}

/// Where the stream is changed, in words; layers are ascending.
pub(crate) fn after_layers(layers: &[usize]) -> String {
    if let [first, .., last] = layers
        && layers.len() > 2
        && last.abs_diff(*first) + 1 == layers.len()
    {
        return format!("after layers {first} to {last}");
    }
    let numbers: Vec<String> = layers.iter().map(ToString::to_string).collect();
    let plural = if layers.len() == 1 { "" } else { "s" };
    format!("after layer{plural} {}", numbers.join(", "))
}

impl AnalysisReport for EditReport {
    fn finding(&self) -> String {
        let percent = |effect: &Effect| format!("{:.0} %", 100.0 * effect.mean);
        let random: Vec<f64> = self.random.iter().map(|it| it.success.mean).collect();
        let random = if random.is_empty() {
            String::new()
        } else {
            format!(
                " (random {:.0} %)",
                100.0 * random.iter().sum::<f64>() / random.len() as f64
            )
        };
        format!(
            "{} times {}: {} predict the replacement token{random}",
            after_layers(&self.layers),
            self.strength,
            percent(&self.after.success)
        )
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
