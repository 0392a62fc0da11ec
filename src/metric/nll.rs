//! Minus the negative log-likelihood of the answer set: the log of its summed probability. Unit: nats.

use super::{Formula, Read, log_softmax};
use crate::model::Real;

pub(super) struct Nll;

/// Log of the summed probability of tokens.
fn log_sum(log_probs: &[f64], tokens: &[u32]) -> f64 {
    let of = |token: &u32| log_probs[*token as usize];
    let largest = tokens.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = tokens.iter().map(|token| (of(token) - largest).exp()).sum();
    largest + total.ln()
}

impl Formula for Nll {
    fn value<T: Real>(read: &Read<'_, T>) -> f64 {
        log_sum(&log_softmax(read.logits), read.answer)
    }

    /// `d log P(answers) / dlogit_j = p_j [j is an answer] / P(answers) - p_j`.
    fn gradient<T: Real>(read: &Read<'_, T>, weight: f64, gradient: &mut [T]) {
        let log_probs = log_softmax(read.logits);
        let of_answers = log_sum(&log_probs, read.answer);
        for (gradient, log_prob) in gradient.iter_mut().zip(&log_probs) {
            *gradient -= T::from_f64(weight * log_prob.exp());
        }
        for &token in read.answer {
            let share = (log_probs[token as usize] - of_answers).exp();
            gradient[token as usize] += T::from_f64(weight * share);
        }
    }
}
