//! What can be asked about one prompt.

use serde::{Deserialize, Serialize};

use crate::analyze::Mistakes;
use crate::graph::Node;

/// Most tokens that are listed.
const MOST_LISTED: usize = 1000;
/// Most tokens that are written.
const MOST_WRITTEN: usize = 1000;

/// What the model says next to a prompt, and how that changes with parts of it replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub by: Instead,
}

/// What takes the place of a part's result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Instead {
    /// Its mean over the positions of the prompt, and of the other prompt where there is one.
    #[default]
    Mean,
    /// Zero.
    Zero,
    /// Its result at the same position of the other prompt, which has as many tokens.
    Patch,
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
            top: default_top(),
            generate: 0,
        }
    }

    /// Values that make no sense, each with its key in the spec.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, String)> {
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
            let other = ablated.by != Instead::Patch || self.compare.is_some();
            found.require(other, "analysis.Prompt.ablate", || {
                format!(
                    "{} cannot be replaced by what it does on another prompt, for there is none; give `compare`",
                    ablated.node
                )
            });
        }
        found.0
    }
}
