//! Layer norm, RMS norm and no norm, with their vector-Jacobian products.

use rayon::prelude::*;

use super::rows::dot;
use crate::model::{Norm, NormWeights, Real};

/// Rows that one thread takes at a time.
const ROWS_PER_TASK: usize = 32;

/// Applies the norm to every row of `x`.
pub(crate) fn forward<T: Real>(norm: Norm, weights: &NormWeights<T>, x: &[T]) -> Vec<T> {
    let width = weights.gain.len();
    let mut out = x.to_vec();
    if norm == Norm::None {
        return out;
    }
    out.par_chunks_mut(width * ROWS_PER_TASK).for_each(|rows| {
        for row in rows.chunks_exact_mut(width) {
            let scale = normalise(norm, row);
            for (value, &gain) in row.iter_mut().zip(&weights.gain) {
                *value = *value * scale * gain;
            }
            if let Some(bias) = &weights.bias {
                for (value, &bias) in row.iter_mut().zip(bias) {
                    *value += bias;
                }
            }
        }
    });
    out
}

/// Centres a row where the norm does, and returns the factor that scales it.
fn normalise<T: Real>(norm: Norm, row: &mut [T]) -> T {
    let count = T::from_f64(row.len() as f64);
    let eps = match norm {
        Norm::LayerNorm { eps } => {
            let mean = row.iter().copied().sum::<T>() / count;
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

/// Normalises the rows of `x` for [`backward`].
pub(crate) fn normalised<T: Real>(norm: Norm, width: usize, x: &[T]) -> Normalised<T> {
    let mut hat = x.to_vec();
    let scale = hat
        .par_chunks_exact_mut(width)
        .map(|row| {
            let scale = normalise(norm, row);
            for value in row {
                *value *= scale;
            }
            scale
        })
        .collect();
    Normalised { hat, scale }
}

/// Pulls the gradient of the norm's output back to its input, in place.
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
    let count = T::from_f64(width as f64);
    gradient
        .par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(index, row)| {
            let hat = &at.hat[index * width..(index + 1) * width];
            for (value, &gain) in row.iter_mut().zip(&weights.gain) {
                *value *= gain;
            }
            let mean = match norm {
                Norm::LayerNorm { .. } => row.iter().copied().sum::<T>() / count,
                Norm::RmsNorm { .. } | Norm::None => T::ZERO,
            };
            let along = dot(row, hat) / count;
            let scale = at.scale[index];
            for (value, &hat) in row.iter_mut().zip(hat) {
                *value = scale * (*value - mean - hat * along);
            }
        });
}
