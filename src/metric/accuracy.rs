//! Accuracy: 1 when the argmax over the vocabulary is an answer, the lowest token winning ties.

use super::{Formula, Read};
use crate::model::Real;

pub(super) struct Accuracy;

impl Formula for Accuracy {
    fn value<T: Real>(read: &Read<'_, T>) -> f64 {
        let mut best = 0;
        for (token, logit) in read.logits.iter().enumerate() {
            if !logit.is_finite() {
                return f64::NAN;
            }
            if *logit > read.logits[best] {
                best = token;
            }
        }
        if read.answer.contains(&(best as u32)) {
            1.0
        } else {
            0.0
        }
    }

    /// Zero almost everywhere; specs that would use it are refused.
    fn gradient<T: Real>(_: &Read<'_, T>, _: f64, _: &mut [T]) {}
}
