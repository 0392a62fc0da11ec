//! Features that are never active are given a new direction: that of an input that is reconstructed badly.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::adam::Moments;
use super::dictionary::Dictionary;
use crate::model::Real;

/// Norm of a revived feature's encoder column, in mean norms of the others.
const ENCODER: f64 = 0.2;

/// Gives the features that are dead the directions of inputs drawn by their squared error; both scaled.
pub(super) fn revive<T: Real>(
    dictionary: &mut Dictionary<T>,
    moments: &mut Moments<T>,
    dead: &[usize],
    scaled: &[T],
    seed: u64,
) {
    if dead.is_empty() {
        return;
    }
    let (width, features) = (dictionary.width, dictionary.features);
    let codes = dictionary.encode(scaled);
    let reconstructed = dictionary.decode(&codes);
    let errors: Vec<f64> = scaled
        .chunks_exact(width)
        .zip(reconstructed.chunks_exact(width))
        .map(|(input, output)| {
            let squares = input.iter().zip(output);
            squares
                .map(|(x, y)| (x.to_f64() - y.to_f64()).powi(2))
                .sum()
        })
        .collect();
    let total: f64 = errors.iter().sum();
    if total <= 0.0 {
        return;
    }
    let norm = {
        let squares = dictionary
            .encoder
            .iter()
            .map(|value| value.to_f64().powi(2));
        (squares.sum::<f64>() / features as f64).sqrt()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for &feature in dead {
        let mut left = rng.random::<f64>() * total;
        let drawn = errors.iter().position(|error| {
            left -= error;
            left <= 0.0
        });
        let row = drawn.unwrap_or(errors.len() - 1) * width;
        let mut direction: Vec<T> = scaled[row..row + width]
            .iter()
            .zip(&reconstructed[row..row + width])
            .map(|(&input, &output)| input - output)
            .collect();
        super::dictionary::normalise(&mut direction, width);
        dictionary.decoder[feature * width..(feature + 1) * width].copy_from_slice(&direction);
        for (input, &value) in direction.iter().enumerate() {
            dictionary.encoder[input * features + feature] = T::from_f64(ENCODER * norm) * value;
        }
        dictionary.encoder_bias[feature] = T::ZERO;
        dictionary.reset_sparsity(feature);
        for moments in [&mut moments.first, &mut moments.second] {
            moments.decoder[feature * width..(feature + 1) * width].fill(T::ZERO);
            for input in 0..width {
                moments.encoder[input * features + feature] = T::ZERO;
            }
            moments.encoder_bias[feature] = T::ZERO;
            // Of BatchTopK this is one threshold, which has no moments.
            for at in (feature..moments.sparsity.len()).step_by(features) {
                moments.sparsity[at] = T::ZERO;
            }
        }
    }
}
