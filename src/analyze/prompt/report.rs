//! What an analysis of a prompt says: plain numbers, no behaviour.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use crate::analyze::lens::LensPrediction;

/// What the model says next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PromptReport {
    /// The tokens of the prompt.
    pub tokens: Vec<TokenText>,
    /// Those of the other prompt.
    pub tokens_compare: Vec<TokenText>,
    /// The parts replaced, with what replaces them.
    pub ablated: Vec<String>,
    /// The tokens swapped, with where.
    pub edited: Vec<String>,
    /// The tokens that are most likely next, with what is changed.
    pub next: Vec<NextToken>,
    /// KL divergence of the distribution with what is changed from the model's own, in nats; none where nothing is changed.
    pub kl: Option<f64>,
    /// KL divergence of the model's distribution after the other prompt from that after the prompt, in nats.
    pub kl_compare: Option<f64>,
    /// What the model would say after each layer, at the last position, with what is changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lens: Vec<LensRow>,
    /// The text written.
    pub written: Option<String>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// What the final norm and the unembedding read at a place of the stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LensRow {
    /// The place.
    pub place: String,
    /// As it is.
    pub logit_lens: LensPrediction,
    /// Through the map of a tuned lens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned_lens: Option<LensPrediction>,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenText {
    /// Its number.
    pub id: u32,
    /// Its text.
    pub text: String,
}

/// A token that may be next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NextToken {
    /// The token.
    #[serde(flatten)]
    pub token: TokenText,
    /// Its probability.
    pub probability: f64,
    /// Its probability with nothing changed; none where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
    /// Its probability after the other prompt, nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<f64>,
}

impl AnalysisReport for PromptReport {
    fn finding(&self) -> String {
        let first = self.next.first();
        let first = first.map_or_else(String::new, |next| {
            format!("{:?} ({:.3})", next.token.text, next.probability)
        });
        match self.kl {
            None => format!("next is {first}"),
            Some(kl) => format!("next is {first}, {kl:.3} nats from the model's own"),
        }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
