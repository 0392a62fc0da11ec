//! The maps that come nearest to the final stream, by the normal equations of ridge regression.

use rayon::prelude::*;

use super::maps::{AffineMap, TunedLens};
use crate::engine::{Dense, Looked, Place, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// Contexts that are run together.
const TOGETHER: usize = 4;

/// Sums over rows of inputs with a one behind them, and of what the final stream has beyond them.
struct Sums {
    /// `[d_model + 1, d_model + 1]`.
    inputs: Vec<f64>,
    /// `[d_model + 1, d_model]`.
    targets: Vec<f64>,
}

/// Fits a map of each place onto the final stream at every position of some contexts.
///
/// A map is the least of `sum w |x + x W + b - y|^2 + ridge * s |W|^2`: a row counts by `w = 1 / mean square of y`, since
/// the final norm only leaves its direction, and `s` is the mean over coordinates of `sum w x^2`, so that the ridge has no
/// unit. It draws the maps to the logit lens.
///
/// # Errors
/// When an activation is not finite, the streams do not span enough, or the observer interrupts.
///
/// # Complexity
/// One forward pass, and two products of `d_model` squared a row and place.
pub fn fit<T: Real>(
    transformer: &Transformer<'_, T>,
    contexts: &[Vec<u32>],
    places: &[Place],
    ridge: f64,
    observer: &dyn Observer,
) -> Result<TunedLens<T>> {
    let width = transformer.heads().d_model;
    let last = places.len().saturating_sub(1);
    let mut sums: Vec<Sums> = (0..last)
        .map(|_| Sums {
            inputs: vec![0.0; (width + 1) * (width + 1)],
            targets: vec![0.0; (width + 1) * width],
        })
        .collect();
    phase(observer, "fitting the lens", contexts.len() as u64);
    let mut done = 0;
    for group in contexts.chunks(TOGETHER) {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let streams = streams_of(transformer, group, places)?;
        let (finals, earlier) = streams.split_last().ok_or_else(no_place)?;
        let weights = weights(finals, width);
        for (sums, stream) in sums.iter_mut().zip(earlier) {
            sums.add(stream, finals, &weights);
        }
        done += group.len() as u64;
        observer.event(Event::Step {
            done,
            note: String::new(),
        });
    }
    let solved: Vec<Result<AffineMap<T>>> = sums
        .into_par_iter()
        .map(|sums| sums.solve(width, ridge))
        .collect();
    let maps: Result<Vec<AffineMap<T>>> = solved.into_iter().collect();
    Ok(TunedLens {
        maps: places.iter().copied().zip(maps?).collect(),
    })
}

/// The streams at every position of some contexts, in double precision.
pub(super) fn streams_of<T: Real>(
    transformer: &Transformer<'_, T>,
    contexts: &[Vec<u32>],
    places: &[Place],
) -> Result<Vec<Vec<f64>>> {
    let every: Vec<Vec<usize>> = contexts.iter().map(|it| (0..it.len()).collect()).collect();
    let looked: Vec<Looked<'_>> = contexts
        .iter()
        .zip(&every)
        .map(|(it, at)| (&it[..], &at[..]))
        .collect();
    let streams = transformer.streams(&looked, places)?;
    let wide = |stream: Vec<T>| stream.into_iter().map(Real::to_f64).collect();
    Ok(streams.into_iter().map(wide).collect())
}

/// What each row counts.
fn weights(finals: &[f64], width: usize) -> Vec<f64> {
    let rows = finals.chunks_exact(width);
    rows.map(|row| {
        let square = row.iter().map(|value| value * value).sum::<f64>() / width as f64;
        if square > 0.0 { 1.0 / square } else { 0.0 }
    })
    .collect()
}

impl Sums {
    fn add(&mut self, stream: &[f64], finals: &[f64], weights: &[f64]) {
        let width = stream.len() / weights.len().max(1);
        let mut inputs = Vec::with_capacity(weights.len() * (width + 1));
        let mut targets = Vec::with_capacity(stream.len());
        let rows = stream.chunks_exact(width).zip(finals.chunks_exact(width));
        for ((x, y), weight) in rows.zip(weights) {
            let root = weight.sqrt();
            inputs.extend(x.iter().map(|value| root * value));
            inputs.push(root);
            targets.extend(x.iter().zip(y).map(|(x, y)| root * (y - x)));
        }
        let by_column = Dense::new(&inputs, width + 1).transposed();
        let squares = by_column.times(Dense::new(&inputs, width + 1));
        let products = by_column.times(Dense::new(&targets, width));
        for (sum, value) in self.inputs.iter_mut().zip(squares) {
            *sum += value;
        }
        for (sum, value) in self.targets.iter_mut().zip(products) {
            *sum += value;
        }
    }

    fn solve<T: Real>(mut self, width: usize, ridge: f64) -> Result<AffineMap<T>> {
        let size = width + 1;
        let squares = (0..width).map(|at| self.inputs[at * size + at]);
        let scale = squares.sum::<f64>() / width as f64;
        for at in 0..width {
            self.inputs[at * size + at] += ridge * scale;
        }
        if !cholesky(&mut self.inputs, size) {
            return Err(Error::NotFinite {
                node: "the tuned lens".into(),
                problem: "the streams of the text do not determine the maps; give more text or a larger ridge".into(),
            });
        }
        substitute(&self.inputs, size, &mut self.targets, width);
        let mut weight: Vec<T> = self.targets.into_iter().map(T::from_f64).collect();
        let bias = weight.split_off(width * width);
        Ok(AffineMap { weight, bias })
    }
}

/// Replaces the lower half of a symmetric matrix by its Cholesky factor; false where it is not positive definite.
fn cholesky(matrix: &mut [f64], size: usize) -> bool {
    for row in 0..size {
        let (above, rest) = matrix.split_at_mut(row * size);
        let row_values = &mut rest[..size];
        for column in 0..=row {
            let other: &[f64] = if column == row {
                &[]
            } else {
                &above[column * size..column * size + size]
            };
            if column < row {
                let products = row_values[..column].iter().zip(other);
                let sum: f64 = products.map(|(a, b)| a * b).sum();
                row_values[column] = (row_values[column] - sum) / other[column];
            } else {
                let sum: f64 = row_values[..row].iter().map(|value| value * value).sum();
                let square = row_values[row] - sum;
                if !(square > 0.0 && square.is_finite()) {
                    return false;
                }
                row_values[row] = square.sqrt();
            }
        }
    }
    true
}

/// Solves `L L^T X = B` in place, `B` being `[size, columns]`.
fn substitute(factor: &[f64], size: usize, b: &mut [f64], columns: usize) {
    let subtract = |target: &mut [f64], by: f64, row: &[f64]| {
        for (target, value) in target.iter_mut().zip(row) {
            *target -= by * value;
        }
    };
    for row in 0..size {
        let (above, rest) = b.split_at_mut(row * columns);
        let target = &mut rest[..columns];
        for (column, known) in above.chunks_exact(columns).enumerate() {
            subtract(target, factor[row * size + column], known);
        }
        for value in target {
            *value /= factor[row * size + row];
        }
    }
    for row in (0..size).rev() {
        let (rest, below) = b.split_at_mut((row + 1) * columns);
        let target = &mut rest[row * columns..];
        for (offset, known) in below.chunks_exact(columns).enumerate() {
            subtract(target, factor[(row + 1 + offset) * size + row], known);
        }
        for value in target {
            *value /= factor[row * size + row];
        }
    }
}

fn no_place() -> Error {
    Error::Bug("a lens without places".into())
}
