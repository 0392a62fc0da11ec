//! Metrics: one number per example from its logits, larger is better.
//!
//! A metric sees either the logits of the answer columns (answers, then wrong answers) or of the whole
//! vocabulary, at each scored position; its value is the mean over the scored positions. Answers of several tokens are
//! teacher-forced: each scored position has its own token as the answer.

mod accuracy;
mod kl;
mod l2;
mod logit_diff;
mod mrr;
mod nll;
mod prob_diff;

use serde::{Deserialize, Serialize};

use crate::model::Real;

/// A metric by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Metric {
    /// Mean logit of the answers minus mean logit of the wrong answers.
    LogitDiff,
    /// Summed probability of the answers minus that of the wrong answers.
    ProbDiff,
    /// -KL(full model || run), in nats.
    Kl,
    /// Log of the summed probability of the answers: minus the negative log-likelihood, in nats.
    Nll,
    /// 1 when the argmax over the vocabulary is an answer.
    Accuracy,
    /// 1 / rank of the best-ranked answer in the vocabulary.
    Mrr,
    /// Minus the squared distance of the logits to the full model's.
    L2,
}

/// One position of one example, as a metric sees it.
#[derive(Clone, Copy)]
pub(crate) struct Read<'a, T> {
    /// Logits: of the answer columns, or of the vocabulary.
    pub logits: &'a [T],
    /// The right answers at this position.
    pub answer: &'a [u32],
    /// The wrong ones.
    pub wrong: &'a [u32],
    /// The full model's logits over the vocabulary at this position, for metrics that compare with it.
    pub full: &'a [T],
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
            Metric::Nll => nll::Nll::$method($($argument),*),
            Metric::Accuracy => accuracy::Accuracy::$method($($argument),*),
            Metric::Mrr => mrr::Mrr::$method($($argument),*),
            Metric::L2 => l2::L2::$method($($argument),*),
        }
    };
}

impl Metric {
    /// Name and unit, as axes of plots have it.
    pub fn axis_label(self) -> String {
        let unit = match self {
            Self::LogitDiff => "logits",
            Self::ProbDiff => "probability",
            Self::Kl | Self::Nll => "nats",
            Self::Accuracy => "share of prompts",
            Self::Mrr => "1 / rank",
            Self::L2 => "squared logits",
        };
        format!("{self:?} ({unit})")
    }

    /// Whether the logits of the whole vocabulary are needed.
    pub fn needs_vocabulary(self) -> bool {
        self != Self::LogitDiff
    }

    /// Whether the metric compares with the full model, at whose own run its gradient is zero.
    pub fn needs_full_model(self) -> bool {
        matches!(self, Self::Kl | Self::L2)
    }

    /// Whether the metric has a gradient: counts of ranks have none.
    pub fn has_gradient(self) -> bool {
        !matches!(self, Self::Accuracy | Self::Mrr)
    }

    /// Whether every example needs wrong answers. Such a metric cannot score answers of several tokens.
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

/// KL divergence of the distribution `of` from `from`, both as log-probabilities, in nats. No divergence is below 0: of nearly
/// equal ones rounding would leave a trace there.
pub(crate) fn divergence(of: &[f64], from: &[f64]) -> f64 {
    // What has no probability adds nothing, whatever the other says.
    let terms = of.iter().zip(from).filter(|(of, _)| of.exp() != 0.0);
    let sum: f64 = terms.map(|(of, from)| of.exp() * (of - from)).sum();
    if sum < 0.0 { 0.0 } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Metric; 7] = [
        Metric::LogitDiff,
        Metric::ProbDiff,
        Metric::Kl,
        Metric::Nll,
        Metric::Accuracy,
        Metric::Mrr,
        Metric::L2,
    ];
    const ANSWER: [u32; 3] = [1, 4, 2];
    const WRONG: [u32; 2] = [0, 5];
    const LOGITS: [f64; 7] = [0.4, -1.2, 0.9, 2.0, 1.1, -0.3, 0.8];
    const FULL: [f64; 7] = [0.1, 0.5, -0.7, 1.4, 1.0, 0.2, -2.0];

    /// The metric of logits over the vocabulary, for which `LogitDiff` wants the answer columns only.
    fn value(metric: Metric, logits: &[f64]) -> f64 {
        metric.value(&Read {
            logits: &columns(metric, logits),
            answer: &ANSWER,
            wrong: &WRONG,
            full: &FULL,
        })
    }

    fn columns(metric: Metric, logits: &[f64]) -> Vec<f64> {
        if metric.needs_vocabulary() {
            return logits.to_vec();
        }
        let tokens = ANSWER.iter().chain(&WRONG);
        tokens.map(|&token| logits[token as usize]).collect()
    }

    #[test]
    fn values_are_those_of_the_definitions() {
        let total: f64 = LOGITS.iter().map(|logit| logit.exp()).sum();
        let prob = |token: usize| LOGITS[token].exp() / total;
        let right = prob(1) + prob(4) + prob(2);
        let full: f64 = FULL.iter().map(|logit| logit.exp()).sum();
        let wanted = [
            (-1.2 + 1.1 + 0.9) / 3.0 - (0.4 - 0.3) / 2.0,
            right - prob(0) - prob(5),
            -(0..7)
                .map(|token| {
                    let share = FULL[token].exp() / full;
                    share * (share / prob(token)).ln()
                })
                .sum::<f64>(),
            right.ln(),
            0.0,
            // Token 3 alone is ahead of answer 4.
            0.5,
            -(0..7)
                .map(|token| (LOGITS[token] - FULL[token]).powi(2))
                .sum::<f64>(),
        ];
        for (metric, wanted) in ALL.into_iter().zip(wanted) {
            let found = value(metric, &LOGITS);
            assert!(
                (found - wanted).abs() < 1e-12,
                "{metric:?}: {found}, not {wanted}"
            );
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_values() {
        for metric in ALL {
            let logits = columns(metric, &LOGITS);
            let read = Read {
                logits: &logits,
                answer: &ANSWER,
                wrong: &WRONG,
                full: &FULL,
            };
            // What is there before stays: gradients are added.
            let mut gradient = vec![0.25; logits.len()];
            metric.gradient(&read, 0.7, &mut gradient);
            for place in 0..logits.len() {
                let at = |step: f64| {
                    let mut moved = logits.clone();
                    moved[place] += step;
                    metric.value(&Read {
                        logits: &moved,
                        ..read
                    })
                };
                let slope = 0.25 + 0.7 * (at(1e-6) - at(-1e-6)) / 2e-6;
                let found = gradient[place];
                assert!(
                    (found - slope).abs() < 1e-8,
                    "{metric:?}, {place}: {found}, not {slope}"
                );
            }
            let moves = gradient.iter().any(|value| (value - 0.25).abs() > 1e-3);
            assert_eq!(moves, metric.has_gradient(), "{metric:?}");
        }
    }

    #[test]
    fn a_model_has_no_distance_from_itself() {
        for seed in 0..200_u32 {
            let number = |place: u32| ((seed * 37 + place * 101) % 997) as f32 / 31.0 - 16.0;
            let logits: Vec<f32> = (0..41).map(number).collect();
            for metric in [Metric::Kl, Metric::L2] {
                let found = metric.value(&Read {
                    logits: &logits,
                    answer: &ANSWER,
                    wrong: &WRONG,
                    full: &logits,
                });
                assert_eq!(found.to_bits(), 0.0_f64.to_bits(), "{metric:?}: {found}");
            }
        }
    }

    #[test]
    fn the_lowest_token_wins_ties() {
        let rank = |logits: &[f64]| 1.0 / value(Metric::Mrr, logits);
        let tied = [1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0];
        assert!((rank(&tied) - 2.0).abs() < 1e-12);
        assert!(value(Metric::Accuracy, &tied).abs() < 1e-12);
        let ahead = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0];
        assert!((rank(&ahead) - 1.0).abs() < 1e-12);
        assert!((value(Metric::Accuracy, &ahead) - 1.0).abs() < 1e-12);
        let last = [5.0, -1.0, -2.0, 1.0, -3.0, 2.0, 1.0];
        assert!((rank(&last) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn ranks_of_logits_that_are_no_numbers_are_none() {
        for metric in [Metric::Accuracy, Metric::Mrr, Metric::Nll, Metric::L2] {
            for broken in [f64::NAN, f64::INFINITY] {
                let mut logits = LOGITS;
                logits[3] = broken;
                assert!(
                    !value(metric, &logits).is_finite(),
                    "{metric:?} of {broken}"
                );
            }
        }
    }
}
