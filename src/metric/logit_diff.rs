//! Logit difference: mean logit of the answers minus mean logit of the wrong answers. Unit: logits.

use super::{Formula, Read};
use crate::model::Real;

pub(super) struct LogitDiff;

impl Formula for LogitDiff {
    fn value<T: Real>(read: &Read<'_, T>) -> f64 {
        let (answer, wrong) = read.logits.split_at(read.answer.len());
        let mean = |logits: &[T]| {
            logits.iter().map(|logit| logit.to_f64()).sum::<f64>() / logits.len() as f64
        };
        mean(answer) - mean(wrong)
    }

    fn gradient<T: Real>(read: &Read<'_, T>, weight: f64, gradient: &mut [T]) {
        let (answer, wrong) = gradient.split_at_mut(read.answer.len());
        let (up, down) = (weight / answer.len() as f64, weight / wrong.len() as f64);
        for gradient in answer {
            *gradient += T::from_f64(up);
        }
        for gradient in wrong {
            *gradient -= T::from_f64(down);
        }
    }
}
