//! Random vectors to compare found ones with.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Vectors of independent normal numbers, scaled to a norm.
pub(super) fn random_vectors(count: usize, width: usize, norm: f64) -> Vec<Vec<f64>> {
    (0..count as u64)
        .map(|seed| random_vector(seed, width, norm))
        .collect()
}

/// The vector of a seed.
pub(super) fn random_vector(seed: u64, width: usize, norm: f64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let normal = |rng: &mut ChaCha8Rng| {
        // Box and Muller; 1 - u is never 0.
        let (u, angle) = (rng.random::<f64>(), rng.random::<f64>());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    };
    let mut vector: Vec<f64> = (0..width).map(|_| normal(&mut rng)).collect();
    scale_to(&mut vector, norm);
    vector
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
