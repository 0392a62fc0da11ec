//! Layer norm, RMS norm and no norm, with their vector-Jacobian products.

use rayon::prelude::*;

use super::dispatch::dispatched;
use super::filled::filled;
use super::rows::{dot_lanes as dot, gather};
use crate::model::{Norm, NormWeights, Real};

/// Rows that one thread takes at a time.
const ROWS_PER_TASK: usize = 32;

/// Applies the norm to every row of `x`.
pub(crate) fn forward<T: Real>(norm: Norm, weights: &NormWeights<T>, x: &[T]) -> Vec<T> {
    let width = weights.gain.len();
    if norm == Norm::None {
        return x.to_vec();
    }
    let bias = weights.bias.as_deref().unwrap_or_default();
    let task = width * ROWS_PER_TASK;
    filled(x.len(), task, |index, out| {
        let x = &x[index * task..][..out.len()];
        for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            forward_row(norm, &weights.gain, bias, x, out);
        }
    })
}

dispatched! {
    fn forward_row<T: Real>(norm: Norm, gain: &[T], bias: &[T], x: &[T], out: &mut [T]) {
        out.copy_from_slice(x);
        let scale = normalise(norm, out);
        for (value, &gain) in out.iter_mut().zip(gain) {
            *value = *value * scale * gain;
        }
        for (value, &bias) in out.iter_mut().zip(bias) {
            *value += bias;
        }
    }
}

/// Centres a row where the norm does, and returns the factor that scales it.
#[inline(always)]
fn normalise<T: Real>(norm: Norm, row: &mut [T]) -> T {
    let count = T::from_f64(row.len() as f64);
    let eps = match norm {
        Norm::LayerNorm { eps } => {
            let mean = sum(row) / count;
            for value in row.iter_mut() {
                *value -= mean;
            }
            eps
        }
        Norm::RmsNorm { eps } => eps,
        Norm::None => return T::ONE,
    };
    T::ONE / (dot(row, row) / count + T::from_f64(eps)).sqrt()
}

/// What the vector-Jacobian product needs of a forward pass: the normalised rows and their scales.
pub(crate) struct Normalised<T> {
    /// `x` centred and scaled, without gain and bias, `[rows, d_model]`.
    pub hat: Vec<T>,
    /// The scale of each row.
    pub scale: Vec<T>,
}

impl<T: Real> Normalised<T> {
    /// Some of the rows.
    pub(crate) fn gather(&self, width: usize, indices: &[usize]) -> Self {
        Self {
            hat: gather(&self.hat, width, indices),
            scale: indices.iter().map(|&row| self.scale[row]).collect(),
        }
    }
}

/// Normalises the rows of `x` for [`backward`].
pub(crate) fn normalised<T: Real>(norm: Norm, width: usize, x: &[T]) -> Normalised<T> {
    let task = width * ROWS_PER_TASK;
    let mut hat = filled(x.len(), task, |index, out| {
        out.copy_from_slice(&x[index * task..][..out.len()]);
    });
    let mut scale = vec![T::ONE; x.len() / width];
    hat.par_chunks_mut(task)
        .zip(scale.par_chunks_mut(ROWS_PER_TASK))
        .for_each(|(rows, scales)| {
            for (row, scale) in rows.chunks_exact_mut(width).zip(scales) {
                *scale = normalised_row(norm, row);
            }
        });
    Normalised { hat, scale }
}

dispatched! {
    fn normalised_row<T: Real>(norm: Norm, row: &mut [T]) -> T {
        let scale = normalise(norm, row);
        for value in row {
            *value *= scale;
        }
        scale
    }
}

/// Pulls the gradient of the norm's outrestored to its input, in place.
pub(crate) fn backward<T: Real>(
    norm: Norm,
    weights: &NormWeights<T>,
    at: &Normalised<T>,
    gradient: &mut [T],
) {
    if norm == Norm::None {
        return;
    }
    let width = weights.gain.len();
    gradient
        .par_chunks_mut(width * ROWS_PER_TASK)
        .zip(at.hat.par_chunks(width * ROWS_PER_TASK))
        .zip(at.scale.par_chunks(ROWS_PER_TASK))
        .for_each(|((rows, hats), scales)| {
            let rows = rows.chunks_exact_mut(width).zip(hats.chunks_exact(width));
            for ((row, hat), &scale) in rows.zip(scales) {
                backward_row(norm, &weights.gain, hat, scale, row);
            }
        });
}

dispatched! {
    /// [`backward`] for one row.
    pub(crate) fn backward_row<T: Real>(norm: Norm, gain: &[T], hat: &[T], scale: T, row: &mut [T]) {
        if norm == Norm::None {
            return;
        }
        let count = T::from_f64(row.len() as f64);
        for (value, &gain) in row.iter_mut().zip(gain) {
            *value *= gain;
        }
        let mean = match norm {
            Norm::LayerNorm { .. } => sum(row) / count,
            Norm::RmsNorm { .. } | Norm::None => T::ZERO,
        };
        let along = dot(row, hat) / count;
        for (value, &hat) in row.iter_mut().zip(hat) {
            *value = scale * (*value - mean - hat * along);
        }
    }
}

/// Sum in eight lanes.
#[inline(always)]
fn sum<T: Real>(row: &[T]) -> T {
    let mut lanes = [T::ZERO; 8];
    let chunks = row.chunks_exact(8);
    let rest: T = chunks.remainder().iter().copied().sum();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.into_iter().sum::<T>() + rest
}
