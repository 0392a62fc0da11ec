//! Probability difference: summed probability of the answers minus that of the wrong answers.

use super::{Formula, Read, log_softmax};
use crate::model::Real;

pub(super) struct ProbDiff;

impl Formula for ProbDiff {
    fn value<T: Real>(read: &Read<'_, T>) -> f64 {
        let log_probs = log_softmax(read.logits);
        let sum = |tokens: &[u32]| -> f64 {
            tokens
                .iter()
                .map(|&token| log_probs[token as usize].exp())
                .sum()
        };
        sum(read.answer) - sum(read.wrong)
    }

    /// `d(sum_a p_a - sum_w p_w) / dlogit_j = p_j (sign_j - value), sign being 1, -1 or 0`.
    fn gradient<T: Real>(read: &Read<'_, T>, weight: f64, gradient: &mut [T]) {
        let value = Self::value(read);
        let log_probs = log_softmax(read.logits);
        for (gradient, log_prob) in gradient.iter_mut().zip(&log_probs) {
            *gradient -= T::from_f64(weight * log_prob.exp() * value);
        }
        for (tokens, sign) in [(read.answer, 1.0), (read.wrong, -1.0)] {
            for &token in tokens {
                let prob = log_probs[token as usize].exp();
                gradient[token as usize] += T::from_f64(weight * sign * prob);
            }
        }
    }
}
