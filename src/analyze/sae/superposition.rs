//! A toy of superposition: rows made of few of more known features than there are coordinates, to see whether a dictionary
//! recovers them. Reference: Elhage et al. 2022, "Toy Models of Superposition", arXiv:2209.10652; Sharkey et al. 2022,
//! "Taking features out of superposition with sparse autoencoders", for the mean of the largest cosines.

use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::{Dictionary, Progress, Recipe, SaeKind, Training};
use crate::analyze::random::{random_vector, scale_to};
use crate::analyze::variance::Variance;
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};

/// Rows of a round.
const ROUND: usize = 4096;
/// Most rounds of training.
const MOST_ROUNDS: usize = 1_000_000;
/// A feature counts as found where a direction of the dictionary has at least this cosine with it.
const FOUND: f64 = 0.9;

/// Features that are known, and rows made of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Superposition {
    width: usize,
    active: usize,
    seed: u64,
    /// Directions of norm one.
    features: Vec<Vec<f64>>,
}

/// What a dictionary recovers of known features.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovery {
    /// The kind of the dictionary.
    pub kind: SaeKind,
    /// Mean over the known features of the largest cosine with a direction of the dictionary.
    pub mean_max_cosine: f64,
    /// The same of the random directions that training began with.
    pub random: f64,
    /// Share of the known features with a largest cosine of at least 0.9.
    pub found: f64,
    /// Active features of a row of the dictionary.
    pub l0: f64,
    /// 1 - squared distance of the reconstructions / squared distance of the mean, on rows that were not trained on.
    pub variance_explained: Option<f64>,
}

impl Superposition {
    /// So many random features in a space of `width` coordinates, `active` of them in every row.
    ///
    /// # Errors
    /// When there is nothing to recover: no coordinate, no feature, or more active features than there are.
    pub fn new(width: usize, features: usize, active: usize, seed: u64) -> Result<Self> {
        if width == 0
            || active == 0
            || active > features
            || width.saturating_mul(features) > 1 << 24
        {
            return Err(Error::Usage(format!(
                "{active} of {features} features in {width} coordinates: at least one coordinate and one active feature are \
                 needed, no more active ones than there are, and at most {} numbers",
                1 << 24
            )));
        }
        // Seeds far from those of dictionaries, which draw their first directions in the same way.
        let own = |feature: usize| {
            seed.wrapping_add(1)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .wrapping_add(feature as u64)
        };
        Ok(Self {
            width,
            active,
            seed,
            features: (0..features)
                .map(|feature| random_vector(own(feature), width, 1.0))
                .collect(),
        })
    }

    /// Rows of a round: in each the active features, drawn anew, with sizes between one and two. Every round has its own.
    ///
    /// # Shape
    /// `[count, width]`.
    pub fn rows(&self, count: usize, round: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(round as u64 + 1);
        let mut rows = Vec::with_capacity(count * self.width);
        let mut row = vec![0.0; self.width];
        for _ in 0..count {
            row.fill(0.0);
            for feature in sample(&mut rng, self.features.len(), self.active) {
                let size = 1.0 + rng.random::<f64>();
                for (value, part) in row.iter_mut().zip(&self.features[feature]) {
                    *value += size * part;
                }
            }
            rows.extend(row.iter().map(|value| *value as f32));
        }
        rows
    }

    /// Of every known feature the largest cosine with a direction of a dictionary.
    pub fn cosines(&self, dictionary: &Dictionary<f32>) -> Vec<f64> {
        let directions: Vec<Vec<f64>> = (0..dictionary.features)
            .map(|feature| {
                let mut direction = dictionary.direction(feature);
                scale_to(&mut direction, 1.0);
                direction
            })
            .collect();
        let cosine = |feature: &[f64], direction: &[f64]| -> f64 {
            feature.iter().zip(direction).map(|(a, b)| a * b).sum()
        };
        let largest = |feature: &Vec<f64>| {
            let cosines = directions
                .iter()
                .map(|direction| cosine(feature, direction));
            cosines.fold(-1.0, f64::max)
        };
        self.features.iter().map(largest).collect()
    }

    /// Trains a dictionary of a recipe on so many rounds of rows, and compares it with the known features.
    ///
    /// # Errors
    /// When there are more rounds than anybody waits for, the loss is not finite, or the observer interrupts.
    pub fn recover(
        &self,
        recipe: &Recipe,
        rounds: usize,
        observer: &dyn Observer,
    ) -> Result<Recovery> {
        if rounds > MOST_ROUNDS {
            let problem = format!("{rounds} rounds: at most {MOST_ROUNDS} are trained");
            return Err(Error::Usage(problem));
        }
        let steps = ROUND.div_ceil(recipe.batch);
        let progress = Progress {
            rounds,
            steps: rounds * steps,
        };
        let mut training = Training::new(recipe, self.width);
        let random = mean(&self.cosines(&training.dictionary));
        phase(observer, format!("{:?}", recipe.kind), rounds as u64);
        for round in 0..rounds {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            training.round(recipe, progress, &self.rows(ROUND, round), &mut |_| {});
            observer.event(Event::Step {
                done: round as u64 + 1,
                note: String::new(),
            });
        }
        if !training.dictionary.is_finite() {
            return Err(Error::NotFinite {
                node: format!("{:?}", recipe.kind),
                problem: "training diverged; lower the learning rate".into(),
            });
        }
        let cosines = self.cosines(&training.dictionary);
        let found = cosines.iter().filter(|cosine| **cosine >= FOUND).count();
        let (l0, variance_explained) = self.fit(&training.dictionary, rounds);
        Ok(Recovery {
            kind: recipe.kind,
            mean_max_cosine: mean(&cosines),
            random,
            found: found as f64 / cosines.len() as f64,
            l0,
            variance_explained,
        })
    }

    /// Active features of a row, and the share of the variance explained, on rows of a round.
    fn fit(&self, dictionary: &Dictionary<f32>, round: usize) -> (f64, Option<f64>) {
        let rows = self.rows(ROUND, round);
        let codes = dictionary.encode(&dictionary.scaled(&rows));
        let active = codes.iter().filter(|code| **code > 0.0).count();
        let outputs = dictionary.outputs(&codes);
        let mut variance = Variance::new(self.width);
        variance.add(&rows, &outputs);
        (active as f64 / ROUND as f64, variance.explained())
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
