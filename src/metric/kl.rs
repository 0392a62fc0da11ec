//! -KL(full model || run), summed over the vocabulary. Unit: nats.

use super::{Formula, Read, divergence, log_softmax};
use crate::model::Real;

pub(super) struct Kl;

impl Formula for Kl {
    fn value<T: Real>(read: &Read<'_, T>) -> f64 {
        // Both from logits by the same steps: of equal logits every term is 0.
        0.0 - divergence(&log_softmax(read.full), &log_softmax(read.logits))
    }

    /// `d(-KL) / dlogit_j = p_full_j - p_run_j`.
    fn gradient<T: Real>(read: &Read<'_, T>, weight: f64, gradient: &mut [T]) {
        let (full, run) = (log_softmax(read.full), log_softmax(read.logits));
        for ((gradient, full), run) in gradient.iter_mut().zip(&full).zip(&run) {
            *gradient += T::from_f64(weight * (full.exp() - run.exp()));
        }
    }
}
