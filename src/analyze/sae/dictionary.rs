//! A sparse autoencoder: encoder, what makes its codes sparse, decoder.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::parameters::SaeKind;
use crate::engine::Dense;
use crate::model::Real;

/// The threshold that `JumpRelu` starts from.
const FIRST_THRESHOLD: f64 = 0.5;

/// The weights of a sparse autoencoder. Inputs are multiplied by `scale` first and reconstructions divided by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dictionary<T> {
    /// What makes codes sparse.
    pub kind: SaeKind,
    /// Numbers of an input.
    pub width: usize,
    /// Number of features.
    pub features: usize,
    /// By this inputs have a mean norm of the square root of their width.
    pub scale: f64,
    /// `[width, features]`.
    pub encoder: Vec<T>,
    /// `[features]`; of `Gated` the gates'.
    pub encoder_bias: Vec<T>,
    /// `[features, width]`, rows of norm one.
    pub decoder: Vec<T>,
    /// `[width]`; taken from inputs, added to reconstructions.
    pub decoder_bias: Vec<T>,
    /// `JumpRelu`: the thresholds' logarithms, `[features]`. `Gated`: logarithms of the magnitudes' scales, then their
    /// biases, `[2 * features]`. `BatchTopK`: the threshold used after training, `[1]`.
    pub sparsity: Vec<T>,
}

impl<T: Real> Dictionary<T> {
    /// Random unit directions, the encoder the decoder's transpose.
    pub fn random(kind: SaeKind, width: usize, features: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut decoder: Vec<T> = (0..features * width)
            .map(|_| T::from_f64(normal(&mut rng)))
            .collect();
        normalise(&mut decoder, width);
        let mut encoder = vec![T::ZERO; width * features];
        for (feature, direction) in decoder.chunks_exact(width).enumerate() {
            for (input, value) in direction.iter().enumerate() {
                encoder[input * features + feature] = *value;
            }
        }
        let sparsity = match kind {
            SaeKind::JumpRelu { .. } => vec![T::from_f64(FIRST_THRESHOLD.ln()); features],
            SaeKind::Gated { .. } => vec![T::ZERO; 2 * features],
            SaeKind::BatchTopK { .. } => vec![T::ZERO],
            SaeKind::Relu { .. } | SaeKind::TopK { .. } => Vec::new(),
        };
        Self {
            kind,
            width,
            features,
            scale: 1.0,
            encoder,
            encoder_bias: vec![T::ZERO; features],
            decoder,
            decoder_bias: vec![T::ZERO; width],
            sparsity,
        }
    }

    /// The norm of every feature's decoder row.
    pub fn decoder_norms(&self) -> Vec<f64> {
        let rows = self.decoder.chunks_exact(self.width);
        let squares = rows.map(|row| row.iter().map(|value| value.to_f64().powi(2)).sum::<f64>());
        squares.map(f64::sqrt).collect()
    }

    /// Of every feature, the norm of what a code of one adds to a reconstruction in units of the inputs.
    pub fn units(&self) -> Vec<f64> {
        let norms = self.decoder_norms().into_iter();
        norms.map(|norm| norm / self.scale).collect()
    }

    /// What a feature's code of one adds to a reconstruction in units of the inputs, `[width]`.
    pub fn direction(&self, feature: usize) -> Vec<f64> {
        let row = &self.decoder[feature * self.width..(feature + 1) * self.width];
        row.iter()
            .map(|value| value.to_f64() / self.scale)
            .collect()
    }

    /// Whether every weight is finite.
    pub fn is_finite(&self) -> bool {
        let parts = [
            &self.encoder,
            &self.encoder_bias,
            &self.decoder,
            &self.decoder_bias,
            &self.sparsity,
        ];
        parts.into_iter().flatten().all(|value| value.is_finite())
    }

    /// The same weights in another precision.
    pub fn cast<U: Real>(&self) -> Dictionary<U> {
        let cast = |values: &[T]| values.iter().map(|it| U::from_f64(it.to_f64())).collect();
        Dictionary {
            kind: self.kind,
            width: self.width,
            features: self.features,
            scale: self.scale,
            encoder: cast(&self.encoder),
            encoder_bias: cast(&self.encoder_bias),
            decoder: cast(&self.decoder),
            decoder_bias: cast(&self.decoder_bias),
            sparsity: cast(&self.sparsity),
        }
    }

    /// Puts a feature's threshold, or the scale and bias of its magnitude, back to where they start.
    pub(super) fn reset_sparsity(&mut self, feature: usize) {
        match self.kind {
            SaeKind::JumpRelu { .. } => {
                self.sparsity[feature] = T::from_f64(FIRST_THRESHOLD.ln());
            }
            SaeKind::Gated { .. } => {
                self.sparsity[feature] = T::ZERO;
                self.sparsity[self.features + feature] = T::ZERO;
            }
            SaeKind::Relu { .. } | SaeKind::TopK { .. } | SaeKind::BatchTopK { .. } => {}
        }
    }

    /// Inputs as they are encoded: scaled, without the decoder's bias.
    pub(super) fn centred(&self, scaled: &[T]) -> Vec<T> {
        let mut out = scaled.to_vec();
        for row in out.chunks_exact_mut(self.width) {
            for (value, &bias) in row.iter_mut().zip(&self.decoder_bias) {
                *value -= bias;
            }
        }
        out
    }

    /// Inputs multiplied by the scale.
    pub fn scaled(&self, inputs: &[T]) -> Vec<T> {
        let scale = T::from_f64(self.scale);
        inputs.iter().map(|&value| scale * value).collect()
    }

    /// `centred W_enc`, `[rows, features]`, without the bias.
    pub(super) fn projected(&self, centred: &[T]) -> Vec<T> {
        Dense::new(centred, self.width).times(Dense::new(&self.encoder, self.features))
    }

    /// The codes of scaled inputs, `[rows, features]`. `BatchTopK` uses its threshold.
    pub fn encode(&self, scaled: &[T]) -> Vec<T> {
        let mut z = self.projected(&self.centred(scaled));
        self.activate(&mut z, false);
        z
    }

    /// Turns projections into codes; `training` where `BatchTopK` chooses among the batch.
    pub(super) fn activate(&self, z: &mut [T], training: bool) {
        let bias = &self.encoder_bias;
        if let SaeKind::Gated { .. } = self.kind {
            let (scales, biases) = self.sparsity.split_at(self.features);
            z.par_chunks_exact_mut(self.features).for_each(|row| {
                for (feature, z) in row.iter_mut().enumerate() {
                    let gate = *z + bias[feature];
                    let magnitude =
                        T::from_f64(scales[feature].to_f64().exp()) * *z + biases[feature];
                    *z = if gate > T::ZERO && magnitude > T::ZERO {
                        magnitude
                    } else {
                        T::ZERO
                    };
                }
            });
            return;
        }
        z.par_chunks_exact_mut(self.features).for_each(|row| {
            for (z, &bias) in row.iter_mut().zip(bias) {
                *z += bias;
            }
            match self.kind {
                SaeKind::TopK { k } => keep_largest(row, k),
                SaeKind::JumpRelu { .. } => {
                    for (z, threshold) in row.iter_mut().zip(&self.sparsity) {
                        if z.to_f64() <= threshold.to_f64().exp() {
                            *z = T::ZERO;
                        }
                    }
                }
                SaeKind::BatchTopK { .. } if !training => {
                    for z in row {
                        if *z <= self.sparsity[0] || *z <= T::ZERO {
                            *z = T::ZERO;
                        }
                    }
                }
                _ => {
                    for z in row {
                        if *z <= T::ZERO {
                            *z = T::ZERO;
                        }
                    }
                }
            }
        });
        if let SaeKind::BatchTopK { k } = self.kind
            && training
        {
            let rows = z.len() / self.features;
            keep_largest(z, k * rows);
        }
    }

    /// Scaled reconstructions of codes, `[rows, width]`.
    pub fn decode(&self, codes: &[T]) -> Vec<T> {
        let mut out = Dense::new(codes, self.features).times(Dense::new(&self.decoder, self.width));
        for row in out.chunks_exact_mut(self.width) {
            for (value, &bias) in row.iter_mut().zip(&self.decoder_bias) {
                *value += bias;
            }
        }
        out
    }

    /// Reconstructions of inputs, as they come.
    pub fn reconstruct(&self, inputs: &[T]) -> Vec<T> {
        self.outputs(&self.encode(&self.scaled(inputs)))
    }

    /// Reconstructions of codes in units of the inputs, `[rows, width]`.
    pub fn outputs(&self, codes: &[T]) -> Vec<T> {
        let mut out = self.decode(codes);
        let scale = T::from_f64(1.0 / self.scale);
        for value in &mut out {
            *value *= scale;
        }
        out
    }
}

/// Leaves the `k` largest positive numbers, the first of equal ones.
fn keep_largest<T: Real>(values: &mut [T], k: usize) {
    let mut order: Vec<usize> = (0..values.len())
        .filter(|&at| values[at] > T::ZERO)
        .collect();
    if order.len() > k {
        let larger = |&a: &usize, &b: &usize| {
            let (x, y) = (values[a].to_f64(), values[b].to_f64());
            y.total_cmp(&x).then(a.cmp(&b))
        };
        order.select_nth_unstable_by(k, larger);
        order.truncate(k);
    }
    let mut kept = vec![false; values.len()];
    for at in order {
        kept[at] = true;
    }
    for (value, kept) in values.iter_mut().zip(kept) {
        if !kept {
            *value = T::ZERO;
        }
    }
}

/// Gives every row norm one.
pub(super) fn normalise<T: Real>(rows: &mut [T], width: usize) {
    for row in rows.chunks_exact_mut(width) {
        let norm = row
            .iter()
            .map(|value| value.to_f64().powi(2))
            .sum::<f64>()
            .sqrt();
        let scale = T::from_f64(1.0 / norm.max(1e-12));
        for value in row {
            *value *= scale;
        }
    }
}

/// A normal number, by Box and Muller.
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, angle) = (rng.random::<f64>(), rng.random::<f64>());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}
