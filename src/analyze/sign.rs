//! How sure the sign of a mean is.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::engine::mean;

/// Fewest examples of which a sign is told.
pub(super) const FEWEST_SIGNED: usize = 10;
/// The largest p-value with which a sign is sure. Effects have one of two signs, so this is half of 5 %.
pub(super) const SURE: f64 = 0.025;
/// Resamples, and exchanges of signs or labels.
const DRAWN: usize = 1999;

/// The p-value of a mean's having this sign, against its being zero; none of fewer than [`FEWEST_SIGNED`] values.
///
/// It is the largest of three, each of which holds where others do not: Student's t test (normal values of few examples),
/// exchanging signs (values of few kinds, most of them zero, where they are as likely above zero as below), and a
/// bootstrap of Student's t (skewed values). Reference: Hall 1988, "Theoretical comparison of bootstrap confidence
/// intervals".
///
/// # Complexity
/// About 4000 passes over the values.
pub(super) fn p_of_mean(values: &[f64], sign: f64) -> Option<f64> {
    if values.len() < FEWEST_SIGNED {
        return None;
    }
    let values: Vec<f64> = values.iter().map(|value| value * sign.signum()).collect();
    let spread = Spread::of(&values);
    let found = spread.t();
    let student = student(found, values.len() as f64 - 1.0);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut drawn = vec![0.0; values.len()];
    let exchanged = share_above(found, || {
        for (drawn, value) in drawn.iter_mut().zip(&values) {
            *drawn = if rng.random() { *value } else { -value };
        }
        Spread::of(&drawn).t()
    });
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let resampled = share_above(found, || {
        resample(&mut drawn, &values, spread.mean, &mut rng);
        Spread::of(&drawn).t()
    });
    Some(student.max(exchanged).max(resampled))
}

/// The same of the mean of some values minus that of others, which are independent of them; none where either are too few.
///
/// The three are Welch's t test, exchanging labels, and a bootstrap of Welch's t. Reference for exchanging labels where the
/// spreads differ: Janssen 1997, "Studentized permutation tests for non-i.i.d. hypotheses and the generalized
/// Behrens-Fisher problem".
pub(super) fn p_of_difference(values: &[f64], others: &[f64], sign: f64) -> Option<f64> {
    if values.len().min(others.len()) < FEWEST_SIGNED {
        return None;
    }
    let signed = |from: &[f64]| -> Vec<f64> { from.iter().map(|it| it * sign.signum()).collect() };
    let sets = [signed(values), signed(others)];
    let spreads = [Spread::of(&sets[0]), Spread::of(&sets[1])];
    let found = spreads[0].welch(&spreads[1]);
    let student = student(found, spreads[0].welch_freedom(&spreads[1]));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut all = sets.concat();
    let exchanged = share_above(found, || {
        all.shuffle(&mut rng);
        let (one, other) = all.split_at(values.len());
        Spread::of(one).welch(&Spread::of(other))
    });
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut drawn = sets.clone();
    let resampled = share_above(found, || {
        for ((drawn, values), spread) in drawn.iter_mut().zip(&sets).zip(&spreads) {
            resample(drawn, values, spread.mean, &mut rng);
        }
        Spread::of(&drawn[0]).welch(&Spread::of(&drawn[1]))
    });
    Some(student.max(exchanged).max(resampled))
}

/// The upper tail of Student's t.
fn student(t: f64, freedom: f64) -> f64 {
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| student.cdf(-t))
}

/// The share of drawn statistics that are at least as large as the one found, which counts as one of them.
fn share_above(found: f64, mut draw: impl FnMut() -> f64) -> f64 {
    // Sums of the same numbers in another order are equal but for rounding.
    let least = found - 1e-9 * found.abs();
    let above = (0..DRAWN).filter(|_| draw() >= least).count();
    (above + 1) as f64 / (DRAWN + 1) as f64
}

/// Values drawn with repetition, as distances from their mean.
fn resample(drawn: &mut [f64], values: &[f64], mean: f64, rng: &mut ChaCha8Rng) {
    for drawn in drawn {
        *drawn = values[rng.random_range(0..values.len())] - mean;
    }
}

/// A mean and the square of its standard error.
struct Spread {
    mean: f64,
    error: f64,
    count: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let (mean, count) = (mean(values), values.len() as f64);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let scale = values.iter().fold(0.0_f64, |most, it| most.max(it.abs()));
        let variance = squares / (count - 1.0);
        // What rounding leaves of equal values is no spread.
        let error = if variance <= (1e-12 * scale).powi(2) {
            0.0
        } else {
            variance / count
        };
        Self { mean, error, count }
    }

    fn t(&self) -> f64 {
        ratio(self.mean, self.error)
    }

    fn welch(&self, other: &Self) -> f64 {
        ratio(self.mean - other.mean, self.error + other.error)
    }

    fn welch_freedom(&self, other: &Self) -> f64 {
        let of = |it: &Self| it.error * it.error / (it.count - 1.0);
        let freedom = (self.error + other.error).powi(2) / (of(self) + of(other));
        if freedom.is_finite() { freedom } else { 1.0 }
    }
}

/// A mean in standard errors; what has no error is as sure as can be.
fn ratio(mean: f64, error: f64) -> f64 {
    if error > 0.0 {
        mean / error.sqrt()
    } else if mean.abs() > 0.0 {
        mean.signum() * f64::INFINITY
    } else {
        0.0
    }
}

#[cfg(test)]
#[path = "sign/tests.rs"]
mod tests;
