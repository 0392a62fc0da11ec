//! Random vectors of a given size, to compare with.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Vectors of independent normal numbers, scaled to a norm.
pub(super) fn random_vectors(count: usize, d_model: usize, norm: f64) -> Vec<Vec<f64>> {
    (0..count as u64)
        .map(|seed| random_vector(seed, d_model, norm))
        .collect()
}

/// The vector of a seed.
pub(super) fn random_vector(seed: u64, d_model: usize, norm: f64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut vector: Vec<f64> = (0..d_model).map(|_| normal(&mut rng)).collect();
    scale_to(&mut vector, norm);
    vector
}

/// A normal random number of mean 0 and variance 1.
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    // Box and Muller; 1 - u is never 0.
    let (u, angle) = (rng.random::<f64>(), rng.random::<f64>());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// Scales a vector to a norm; one of norm zero stays.
pub(super) fn scale_to(vector: &mut [f64], norm: f64) {
    let own = norm_of(vector);
    if own > 0.0 {
        for value in vector {
            *value *= norm / own;
        }
    }
}

/// The Euclidean norm.
pub(super) fn norm_of(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum::<f64>().sqrt()
}
