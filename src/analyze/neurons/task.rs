//! The prompts that an analysis of neurons compares, and how they belong together.

use serde::Serialize;

use crate::metric::Metric;
use crate::task::Example;

/// Prompts that show a behaviour, and prompts that do not. Of each example the clean prompt is the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContrastSets {
    /// Those that show it.
    pub behaviour: Vec<Example>,
    /// Those that do not.
    pub other: Vec<Example>,
}

/// What the two kinds of prompts are to each other, and what is measured on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Contrast {
    /// Pairs, each of which has its answers.
    Pairs,
    /// Independent prompts, each with the answers that the behaviour would give.
    Sets,
    /// Independent texts, each scored by its own tokens.
    Texts,
}

impl Contrast {
    /// What it means when the metric has no range.
    pub(super) fn no_behaviour(self) -> &'static str {
        match self {
            Self::Pairs => {
                "the metric on the clean prompts is not above that on the corrupt ones: the model does not show this \
                 behaviour, or clean and corrupt have the wrong roles"
            }
            Self::Sets => {
                "the metric on the prompts of the behaviour is not above that on the others: the model does not show this \
                 behaviour, or the two sets have the wrong roles"
            }
            Self::Texts => {
                "replacing together the neurons that seemed needed on the discovery texts does not lower the difference between \
                 the texts of the behaviour and the others, so no group was looked for; single neurons may still be causal"
            }
        }
    }

    /// What the two kinds of prompts are called.
    pub fn kinds(self) -> [&'static str; 2] {
        match self {
            Self::Pairs => ["clean", "corrupt"],
            Self::Sets | Self::Texts => ["behaviour", "other"],
        }
    }
}

/// What an analysis of neurons works with.
#[derive(Debug, Clone, Copy)]
pub struct NeuronTask<'t> {
    /// Prompts that neurons are found on.
    pub discovery: &'t ContrastSets,
    /// Prompts that effects are measured on.
    pub held_out: &'t ContrastSets,
    /// How they belong together.
    pub compared: Contrast,
    /// The measure of the behaviour.
    pub metric: Metric,
    /// Resamples of the bootstrap intervals.
    pub bootstrap: usize,
    /// Random groups to compare with.
    pub random_baselines: usize,
}

impl ContrastSets {
    /// The clean prompts of pairs, and the corrupt ones with the answers of the clean ones.
    pub fn of_pairs(pairs: &[Example]) -> Self {
        Self {
            behaviour: pairs.to_vec(),
            other: pairs.iter().map(Example::swapped).collect(),
        }
    }

    /// All of them, those that show the behaviour first.
    pub fn all(&self) -> impl Iterator<Item = &Example> {
        self.behaviour.iter().chain(&self.other)
    }

    /// The tokens of all of them, in the same order.
    pub(super) fn prompts(&self) -> Vec<&[u32]> {
        self.all().map(|example| &example.clean[..]).collect()
    }

    /// Tokens of the longest.
    pub(crate) fn longest(&self) -> usize {
        self.all()
            .map(|example| example.clean.len())
            .max()
            .unwrap_or(0)
    }
}
