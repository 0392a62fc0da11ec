//! What can be asked about one prompt.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::analyze::Mistakes;
use crate::analyze::edit::{EditScale, LARGEST_STRENGTH, after_layers};
use crate::engine::TokenVector;
use crate::graph::Node;

/// Most tokens that are listed.
const MOST_LISTED: usize = 1000;
/// Most tokens that are written.
const MOST_WRITTEN: usize = 1000;

/// What the model says next to a prompt, and how that changes with parts of it replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// The prompt.
    pub prompt: String,
    /// Another prompt to compare it with, from which `Patch` takes its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// Parts that are replaced at every position of the prompt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ablate: Vec<Ablated>,
    /// Tokens whose directions are swapped in the stream, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edit: Vec<DirectionSwap>,
    /// What the model would say after each layer, at the last position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens: Option<PromptLens>,
    /// Tokens listed: those most likely next.
    #[serde(default = "default_top")]
    pub top: usize,
    /// Tokens written after the prompt, each the most likely one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generate: usize,
}

/// A part that is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ablated {
    /// A head `a3.h2`, an MLP `m5` or a neuron `m5.n120`.
    pub node: String,
    /// By what.
    #[serde(default)]
    pub by: AblateWith,
}

/// What takes the place of a part's result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AblateWith {
    /// Its mean over the positions of the prompt, and of the other prompt where there is one.
    #[default]
    Mean,
    /// Zero.
    Zero,
    /// Its result at the same position of the other prompt, which has as many tokens.
    Patch,
}

/// A token's direction in the stream, swapped for another's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectionSwap {
    /// The token that is replaced, with its space.
    pub from: String,
    /// The token that replaces it.
    pub to: String,
    /// Layers after which it is done, ascending; after each, of the stream as it is there then.
    pub layers: Vec<usize>,
    /// Where.
    #[serde(default)]
    pub at: SwapPosition,
    /// Which vectors stand for tokens.
    #[serde(default)]
    pub vector: TokenVector,
    /// What the strength is a multiple of.
    #[serde(default = "default_scale")]
    pub scale: EditScale,
    /// How strongly.
    #[serde(default = "default_strength")]
    pub strength: f64,
}

impl DirectionSwap {
    /// What is done, in words.
    pub(super) fn in_words(&self) -> String {
        let at = match self.at {
            SwapPosition::Last => "the last position".into(),
            SwapPosition::Position(position) => format!("position {position}"),
            SwapPosition::Every => "every position".into(),
        };
        format!(
            "{:?} for {:?} {} at {at}, {} of {}",
            self.to,
            self.from,
            after_layers(&self.layers),
            self.strength,
            match self.scale {
                EditScale::Stream => "the stream's norm",
                EditScale::Removed => "the component removed",
            }
        )
    }
}

/// Where tokens are swapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SwapPosition {
    /// At the prompt's last position.
    #[default]
    Last,
    /// At this position, from 0.
    Position(usize),
    /// At every position, of text that is written too.
    Every,
}

/// What the lens follows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromptLens {
    /// The token whose rank and probability are shown; by default the one that the model says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The file of a tuned lens to look through as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned: Option<PathBuf>,
}

fn default_scale() -> EditScale {
    EditScale::Stream
}

fn default_strength() -> f64 {
    0.5
}

fn default_top() -> usize {
    10
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Prompt {
    /// A prompt as it is.
    pub fn new(prompt: String) -> Self {
        Self {
            prompt,
            compare: None,
            ablate: Vec::new(),
            edit: Vec::new(),
            lens: None,
            top: default_top(),
            generate: 0,
        }
    }

    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self) -> Vec<(&'static str, String)> {
        let mut found = Mistakes::default();
        found.within("analysis.Prompt.top", 1..=MOST_LISTED, self.top);
        found.within("analysis.Prompt.generate", 0..=MOST_WRITTEN, self.generate);
        for ablated in &self.ablate {
            let node = ablated.node.parse::<Node>();
            let problem = node
                .err()
                .map(|problem| format!("{:?}: {problem}", ablated.node));
            found.require(problem.is_none(), "analysis.Prompt.ablate", || {
                problem.unwrap_or_default()
            });
            let other = ablated.by != AblateWith::Patch || self.compare.is_some();
            found.require(other, "analysis.Prompt.ablate", || {
                format!(
                    "{} cannot be replaced by what it does on another prompt, for there is none; give `compare`",
                    ablated.node
                )
            });
        }
        for edit in &self.edit {
            let ascending = edit.layers.is_sorted_by(|one, next| one < next);
            found.require(
                ascending && !edit.layers.is_empty(),
                "analysis.Prompt.edit",
                || format!("expected ascending layers, got {:?}", edit.layers),
            );
            found.require(
                edit.strength > 0.0 && edit.strength <= LARGEST_STRENGTH,
                "analysis.Prompt.edit",
                || {
                    format!(
                        "expected a strength above 0 and up to {LARGEST_STRENGTH}, got {}",
                        edit.strength
                    )
                },
            );
        }
        found.0
    }
}
