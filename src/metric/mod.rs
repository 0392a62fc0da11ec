//! Metrics: one number per example from its logits, larger is better.
//!
//! A metric sees either the logits of the answer columns (answers, then wrong answers) or of the whole
//! vocabulary, at each position read; its value is the mean over the positions read.

mod accuracy;
mod kl;
mod logit_diff;
mod prob_diff;

use serde::{Deserialize, Serialize};

use crate::model::Real;
use crate::task::Example;

/// A metric by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Metric {
    /// Mean logit of the answers minus mean logit of the wrong answers.
    LogitDiff,
    /// Summed probability of the answers minus that of the wrong answers.
    ProbDiff,
    /// -KL(full model || run), in nats.
    Kl,
    /// 1 when the argmax over the vocabulary is an answer.
    Accuracy,
}

/// One position of one example, as a metric sees it.
pub(crate) struct Read<'a, T> {
    /// Logits: of the answer columns, or of the vocabulary.
    pub logits: &'a [T],
    /// The example.
    pub example: &'a Example,
    /// Log-probabilities of the full model at this position, for metrics that compare with it.
    pub full_log_probs: &'a [T],
}

/// A metric's formula, one file each.
trait Formula {
    /// The metric at one position.
    fn value<T: Real>(read: &Read<'_, T>) -> f64;
    /// Adds `weight` times the gradient with respect to the logits to `gradient`.
    fn gradient<T: Real>(read: &Read<'_, T>, weight: f64, gradient: &mut [T]);
}

macro_rules! dispatch {
    ($metric:expr, $method:ident($($argument:expr),*)) => {
        match $metric {
            Metric::LogitDiff => logit_diff::LogitDiff::$method($($argument),*),
            Metric::ProbDiff => prob_diff::ProbDiff::$method($($argument),*),
            Metric::Kl => kl::Kl::$method($($argument),*),
            Metric::Accuracy => accuracy::Accuracy::$method($($argument),*),
        }
    };
}

impl Metric {
    /// Whether the logits of the whole vocabulary are needed.
    pub fn needs_vocabulary(self) -> bool {
        self != Self::LogitDiff
    }

    /// Whether the metric compares with the full model's distribution.
    pub fn needs_full_model(self) -> bool {
        self == Self::Kl
    }

    /// Whether every example needs wrong answers.
    pub fn needs_wrong(self) -> bool {
        matches!(self, Self::LogitDiff | Self::ProbDiff)
    }

    /// The metric at one position.
    pub(crate) fn value<T: Real>(self, read: &Read<'_, T>) -> f64 {
        dispatch!(self, value(read))
    }

    /// Adds `weight` times the gradient with respect to the logits.
    pub(crate) fn gradient<T: Real>(self, read: &Read<'_, T>, weight: f64, gradient: &mut [T]) {
        dispatch!(self, gradient(read, weight, gradient));
    }
}

/// Log-softmax in f64.
pub(crate) fn log_softmax<T: Real>(logits: &[T]) -> Vec<f64> {
    let largest = logits
        .iter()
        .map(|l| l.to_f64())
        .fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits.iter().map(|l| (l.to_f64() - largest).exp()).sum();
    let shift = largest + total.ln();
    logits.iter().map(|l| l.to_f64() - shift).collect()
}
