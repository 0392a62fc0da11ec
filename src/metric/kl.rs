//! -KL(full model || run), summed over the vocabulary. Unit: nats.

use super::{Formula, Read, log_softmax};
use crate::model::Real;

pub(super) struct Kl;

impl Formula for Kl {
    fn value<T: Real>(read: &Read<'_, T>) -> f64 {
        let run = log_softmax(read.logits);
        let divergence: f64 = read
            .full
            .iter()
            .zip(&run)
            .map(|(full, run)| {
                let full = full.to_f64();
                full.exp() * (full - run)
            })
            .sum();
        // Not the negation, which of 0 is -0.
        0.0 - divergence
    }

    /// `d(-KL) / dlogit_j = p_full_j - p_run_j`.
    fn gradient<T: Real>(read: &Read<'_, T>, weight: f64, gradient: &mut [T]) {
        let run = log_softmax(read.logits);
        for ((gradient, full), run) in gradient.iter_mut().zip(read.full).zip(&run) {
            *gradient += T::from_f64(weight * (full.to_f64().exp() - run.exp()));
        }
    }
}
