//! The methods a spec can name, how a circuit is selected from scores, and the target of a search.

use serde::{Deserialize, Serialize};

use super::Acdc;
use crate::score::{CleanCorrupted, Eap, EapIg, EapIgActivations, Exact};

/// A method by name, with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Method {
    /// Exact patching of every edge.
    Exact(Exact),
    /// Edge attribution patching.
    Eap(Eap),
    /// Edge attribution patching with integrated gradients.
    EapIg(EapIg),
    /// Edge attribution patching, the gradient averaged over the clean and the corrupt run.
    CleanCorrupted(CleanCorrupted),
    /// Edge attribution patching with integrated gradients over activations.
    EapIgActivations(EapIgActivations),
    /// ACDC.
    Acdc(Acdc),
}

/// How a circuit is selected from scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Select {
    /// The edges with the largest `|score|`: `TopN(edges: n)` or `TopN(share: x)`.
    TopN {
        /// Number of edges.
        #[serde(default)]
        edges: Option<usize>,
        /// Share of the graph's edges.
        #[serde(default)]
        share: Option<f64>,
    },
    /// Grown from `logits`: always the largest `|score|` among edges into nodes of the circuit.
    Greedy {
        /// Number of edges.
        edges: usize,
    },
    /// The edges with `|score|` of at least this.
    Threshold(f64),
}

/// The smallest circuit found that reaches this is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Faithfulness to reach.
    pub faithfulness: f64,
}

impl Method {
    /// Runs whose gradients are taken together.
    pub fn runs(&self) -> usize {
        match self {
            Self::Exact(_) | Self::Acdc(_) => 0,
            Self::Eap(_) => 1,
            Self::EapIg(eap_ig) => eap_ig.points().len(),
            Self::CleanCorrupted(both) => both.points().len(),
            Self::EapIgActivations(eap_ig) => eap_ig.points().len(),
        }
    }

    /// Whether it keeps the run of the circuit that it stands at.
    pub fn rebases(&self) -> bool {
        matches!(self, Self::Exact(_) | Self::Acdc(_))
    }

    /// The method's name in specs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exact(_) => "Exact",
            Self::Eap(_) => "Eap",
            Self::EapIg(_) => "EapIg",
            Self::CleanCorrupted(_) => "CleanCorrupted",
            Self::EapIgActivations(_) => "EapIgActivations",
            Self::Acdc(_) => "Acdc",
        }
    }
}
