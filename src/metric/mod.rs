//! Metrics: one number per example from its logits, larger is better.

use serde::{Deserialize, Serialize};

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
