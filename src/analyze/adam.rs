//! Adam: one step of some weights by their gradient. Reference: Kingma and Ba, arXiv:1412.6980.

use rayon::prelude::*;

use crate::model::Real;

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const SMALL: f64 = 1e-8;

/// Moves weights by their gradient and its moments; `step` counts from 1.
pub(super) fn moved<T: Real>(
    weights: &mut [T],
    gradient: &[T],
    (first, second): (&mut [T], &mut [T]),
    (step, rate): (usize, f64),
) {
    let correction = |decay: f64| 1.0 - decay.powi(i32::try_from(step).unwrap_or(i32::MAX));
    let [one, two] = [FIRST_DECAY, SECOND_DECAY].map(T::from_f64);
    let [one_rest, two_rest] = [1.0 - FIRST_DECAY, 1.0 - SECOND_DECAY].map(T::from_f64);
    let rate = T::from_f64(rate / correction(FIRST_DECAY));
    let second_correction = T::from_f64(1.0 / correction(SECOND_DECAY));
    let small = T::from_f64(SMALL);
    let moments = first.par_iter_mut().zip(second.par_iter_mut());
    let all = weights.par_iter_mut().zip(gradient.par_iter()).zip(moments);
    all.for_each(|((weight, &gradient), (first, second))| {
        *first = one * *first + one_rest * gradient;
        *second = two * *second + two_rest * gradient * gradient;
        let size = T::from_f64((second_correction * *second).to_f64().sqrt());
        *weight -= rate * *first / (size + small);
    });
}
