//! The maps that come nearest to the final stream, by the normal equations of ridge regression.

use rayon::prelude::*;

use super::maps::TunedLens;
use crate::analyze::AffineMap;
use crate::analyze::normal_equations::NormalEquations;
use crate::engine::{Dense, SequencePositions, StreamSite, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// Contexts that are run together.
const TOGETHER: usize = 4;

/// Sums over rows of inputs with a one after them, and of what the final stream has beyond them.
struct Sums {
    /// `[d_model + 1, d_model + 1]`.
    inputs: Vec<f64>,
    /// `[d_model + 1, d_model]`.
    targets: Vec<f64>,
}

/// Fits a map of each site onto the final stream at every position of some contexts.
///
/// A map is the least of `sum w |x + x W + b - y|^2 + ridge * s |W|^2`: a row counts by `w = 1 / mean square of y`, since
/// the final norm only leaves its direction, and `s` is the mean over coordinates of `sum w x^2`, so that the ridge has no
/// unit. It draws the maps to the logit lens.
///
/// # Errors
/// When an activation is not finite, the streams do not span enough, or the observer interrupts.
///
/// # Complexity
/// One forward pass, and two products of `d_model` squared a row and site.
pub fn fit<T: Real>(
    transformer: &Transformer<'_, T>,
    contexts: &[Vec<u32>],
    places: &[StreamSite],
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
    places: &[StreamSite],
) -> Result<Vec<Vec<f64>>> {
    let every: Vec<Vec<usize>> = contexts.iter().map(|it| (0..it.len()).collect()).collect();
    let looked: Vec<SequencePositions<'_>> = contexts
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
        let equations = NormalEquations::new(&self.inputs, size).ok_or_else(|| Error::NotFinite {
            node: "the tuned lens".into(),
            problem: "the streams of the text do not determine the maps; give more text or a larger ridge".into(),
        })?;
        let solved = equations.solve(&self.targets, width).into_iter();
        let mut weight: Vec<T> = solved.map(T::from_f64).collect();
        let bias = weight.split_off(width * width);
        Ok(AffineMap { weight, bias })
    }
}

fn no_place() -> Error {
    Error::Bug("a lens without places".into())
}
