//! Minus the squared distance of the logits to the full model's, summed over the vocabulary. Unit: logits squared.

use super::{Formula, Read};
use crate::model::Real;

pub(super) struct L2;

impl Formula for L2 {
    fn value<T: Real>(read: &Read<'_, T>) -> f64 {
        let logits = read.logits.iter().zip(read.full);
        let distance: f64 = logits
            .map(|(run, full)| (run.to_f64() - full.to_f64()).powi(2))
            .sum();
        // Not the negation, which of 0 is -0.
        0.0 - distance
    }

    /// `d(-L2) / dlogit_j = 2 (full_j - run_j)`.
    fn gradient<T: Real>(read: &Read<'_, T>, weight: f64, gradient: &mut [T]) {
        let logits = read.logits.iter().zip(read.full);
        for (gradient, (run, full)) in gradient.iter_mut().zip(logits) {
            *gradient += T::from_f64(2.0 * weight * (full.to_f64() - run.to_f64()));
        }
    }
}
