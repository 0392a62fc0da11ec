//! Mean reciprocal rank: 1 / rank of the best-ranked answer in the vocabulary, the lowest token winning ties.

use super::{Formula, Read};
use crate::model::Real;

pub(super) struct Mrr;

impl Formula for Mrr {
    fn value<T: Real>(read: &Read<'_, T>) -> f64 {
        if read.logits.iter().any(|logit| !logit.is_finite()) {
            return f64::NAN;
        }
        let logit = |token: u32| read.logits[token as usize];
        let before = |a: u32, b: u32| logit(a) > logit(b) || (logit(a) == logit(b) && a < b);
        let best = read
            .answer
            .iter()
            .copied()
            .reduce(|best, token| if before(token, best) { token } else { best });
        let Some(best) = best else { return 0.0 };
        let ahead = (0..read.logits.len() as u32)
            .filter(|&token| before(token, best))
            .count();
        1.0 / (ahead + 1) as f64
    }

    /// Zero almost everywhere; specs that would use it are refused.
    fn gradient<T: Real>(_: &Read<'_, T>, _: f64, _: &mut [T]) {}
}
