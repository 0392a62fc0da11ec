//! Training, round by round: a state that can be written down after each and gone on from, to the same bits.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::adam::Moments;
use super::dictionary::Dictionary;
use super::gradient::{Gradient, gradient};
use super::parameters::{Recipe, SaeKind};
use super::revival::revive;
use crate::model::Real;

/// Share of the steps in which the learning rate rises.
const WARM_UP: f64 = 0.05;
/// Share of the steps in which it falls to zero.
const DECAY: f64 = 0.2;
/// Dead features are revived so many times, at equal distances, never at the end.
const REVIVALS: usize = 4;
/// Share of the old threshold that a step of `BatchTopK` leaves.
const THRESHOLD_DECAY: f64 = 0.99;
/// Rows that revived features are drawn from.
const REVIVED_FROM: usize = 4096;

/// The state of training after some rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Training<T> {
    /// The autoencoder so far.
    pub dictionary: Dictionary<T>,
    moments: Moments<T>,
    /// Steps done.
    pub step: usize,
    /// By feature: rows on which it was active since dead ones were last revived.
    pub active: Vec<u64>,
    /// The rounds done.
    pub rounds: Vec<Round>,
}

/// Means over the steps of a round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Round {
    /// Squared distance of the reconstruction, of inputs whose mean squared norm is about their width.
    pub reconstruction: f64,
    /// What sparsity cost.
    pub sparsity: f64,
    /// Active features of a row.
    pub l0: f64,
    /// Features revived after it.
    pub revived: usize,
}

/// What a step of training consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Codes, loss and gradient of a batch.
    Gradient,
    /// The weights are moved.
    Adam,
}

/// How far training is to go.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Rounds in all.
    pub rounds: usize,
    /// Steps in all.
    pub steps: usize,
}

impl<T: Real> Training<T> {
    /// A training that has not begun.
    pub fn new(recipe: &Recipe, width: usize) -> Self {
        let dictionary = Dictionary::random(recipe.kind, width, recipe.features, recipe.seed);
        Self {
            moments: Moments::zero(&dictionary),
            active: vec![0; recipe.features],
            dictionary,
            step: 0,
            rounds: Vec::new(),
        }
    }

    /// The moments of the optimiser, first and second.
    pub fn moments(&self) -> [&Gradient<T>; 2] {
        [&self.moments.first, &self.moments.second]
    }

    /// The same, to be read from a checkpoint.
    pub fn moments_mut(&mut self) -> [&mut Gradient<T>; 2] {
        [&mut self.moments.first, &mut self.moments.second]
    }

    /// Trains on the rows of the next round, in an order drawn by the seed and the round. `done` is told of every stage that
    /// is done.
    ///
    /// # Panics
    /// When the rows do not have the dictionary's width, or there are none.
    pub fn round(
        &mut self,
        recipe: &Recipe,
        progress: Progress,
        rows: &[T],
        done: &mut dyn FnMut(Stage),
    ) {
        let width = self.dictionary.width;
        let number = self.rounds.len();
        if number == 0 {
            self.look_at(rows);
        }
        let scaled = self.dictionary.scaled(rows);
        let mut order: Vec<usize> = (0..rows.len() / width).collect();
        let seed = recipe.seed.wrapping_add(1 + number as u64);
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut round = Round {
            reconstruction: 0.0,
            sparsity: 0.0,
            l0: 0.0,
            revived: 0,
        };
        let mut seen = 0;
        for batch in order.chunks(recipe.batch) {
            let inputs: Vec<T> = batch
                .iter()
                .flat_map(|row| &scaled[row * width..(row + 1) * width])
                .copied()
                .collect();
            let (loss, gradient, codes) = gradient(&self.dictionary, &inputs);
            done(Stage::Gradient);
            self.step += 1;
            let rate = recipe.learning_rate * schedule(self.step, progress.steps);
            self.moments
                .apply(&mut self.dictionary, gradient, (self.step, rate));
            done(Stage::Adam);
            let rows = batch.len() as f64;
            round.reconstruction += rows * loss.reconstruction;
            round.sparsity += rows * loss.sparsity;
            round.l0 += self.count(&codes);
            seen += batch.len();
        }
        for mean in [
            &mut round.reconstruction,
            &mut round.sparsity,
            &mut round.l0,
        ] {
            *mean /= seen as f64;
        }
        let every = progress.rounds.div_ceil(REVIVALS);
        if (number + 1).is_multiple_of(every) && number + every < progress.rounds {
            let alive = std::mem::replace(&mut self.active, vec![0; recipe.features]);
            let alive = alive.iter().enumerate();
            let dead: Vec<usize> = alive
                .filter(|(_, rows)| **rows == 0)
                .map(|(at, _)| at)
                .collect();
            round.revived = dead.len();
            let from = &scaled[..scaled.len().min(REVIVED_FROM * width)];
            revive(&mut self.dictionary, &mut self.moments, &dead, from, seed);
        }
        self.rounds.push(round);
    }

    /// Sets the scale and the decoder's bias by the first rows.
    fn look_at(&mut self, rows: &[T]) {
        let width = self.dictionary.width;
        let count = (rows.len() / width) as f64;
        let norms = rows.chunks_exact(width).map(|row| {
            let squares = row.iter().map(|value| value.to_f64().powi(2));
            squares.sum::<f64>().sqrt()
        });
        let mean_norm = norms.sum::<f64>() / count;
        self.dictionary.scale = (width as f64).sqrt() / mean_norm.max(f64::MIN_POSITIVE);
        let mut mean = vec![0.0; width];
        for row in rows.chunks_exact(width) {
            for (mean, value) in mean.iter_mut().zip(row) {
                *mean += self.dictionary.scale * value.to_f64() / count;
            }
        }
        self.dictionary.decoder_bias = mean.into_iter().map(T::from_f64).collect();
    }

    /// Counts active features; returns how many there are.
    fn count(&mut self, codes: &[T]) -> f64 {
        let mut total = 0.0;
        let mut least = f64::INFINITY;
        for row in codes.chunks_exact(self.dictionary.features) {
            for (active, code) in self.active.iter_mut().zip(row) {
                if *code > T::ZERO {
                    *active += 1;
                    total += 1.0;
                    least = least.min(code.to_f64());
                }
            }
        }
        if let SaeKind::BatchTopK { .. } = self.dictionary.kind
            && least.is_finite()
        {
            let threshold = &mut self.dictionary.sparsity[0];
            let old = if self.step > 1 { THRESHOLD_DECAY } else { 0.0 };
            *threshold = T::from_f64(old * threshold.to_f64() + (1.0 - old) * least);
        }
        total
    }
}

/// The share of the learning rate at a step, counted from 1.
fn schedule(step: usize, steps: usize) -> f64 {
    let done = step as f64 / steps.max(1) as f64;
    (done / WARM_UP)
        .min(1.0)
        .min(((1.0 - done) / DECAY).max(0.0) + 1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_stays_and_falls() {
        let at = |step| schedule(step, 1000);
        assert!(at(1) < 0.03);
        assert!((at(50) - 1.0).abs() < 1e-12);
        assert!((at(700) - 1.0).abs() < 1e-12);
        assert!((at(900) - 0.501).abs() < 1e-12);
        assert!(at(1000) > 0.0 && at(1000) < 0.01);
    }
}
