//! The training loss of a sparse autoencoder and its gradient.

use super::dictionary::Dictionary;
use super::parameters::SaeKind;
use crate::engine::Dense;
use crate::model::Real;

/// The gradient with respect to every weight, in the shapes of the dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradient<T> {
    /// `[width, features]`.
    pub encoder: Vec<T>,
    /// `[features]`.
    pub encoder_bias: Vec<T>,
    /// `[features, width]`.
    pub decoder: Vec<T>,
    /// `[width]`.
    pub decoder_bias: Vec<T>,
    /// As the dictionary's.
    pub sparsity: Vec<T>,
}

/// The parts of the loss, means over rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Loss {
    /// Squared distance of the reconstruction.
    pub reconstruction: f64,
    /// What sparsity costs, prices included; of `Gated` with the reconstruction by its gates.
    pub sparsity: f64,
}

/// Loss, gradient and codes for a batch of scaled inputs.
///
/// What a `JumpRelu` threshold does is a step; its gradient is the pseudo-derivative of the reference, by a rectangle of
/// the bandwidth given. The gates' own reconstruction does not train the decoder, as in the reference.
///
/// # Complexity
/// Five products of `rows * width * features`; with `Gated` seven.
pub fn gradient<T: Real>(dictionary: &Dictionary<T>, scaled: &[T]) -> (Loss, Gradient<T>, Vec<T>) {
    let (width, features) = (dictionary.width, dictionary.features);
    let rows = scaled.len() / width;
    let share = 1.0 / rows as f64;
    let centred = dictionary.centred(scaled);
    let z = dictionary.projected(&centred);
    let mut codes = z.clone();
    dictionary.activate(&mut codes, true);

    let decoder = Dense::new(&dictionary.decoder, width);
    let mut error = dictionary.decode(&codes);
    let mut loss = Loss::default();
    for (error, &input) in error.iter_mut().zip(scaled) {
        let difference = error.to_f64() - input.to_f64();
        loss.reconstruction += share * difference * difference;
        *error = T::from_f64(2.0 * share * difference);
    }
    let decoder_gradient = Dense::new(&codes, features)
        .transposed()
        .times(Dense::new(&error, width));
    let mut decoder_bias = column_sums(&error, width);
    // With respect to the codes.
    let mut on_codes = Dense::new(&error, width).times(decoder.transposed());
    let mut sparsity = vec![0.0; dictionary.sparsity.len()];
    let mut encoder_bias = vec![0.0; features];
    // With respect to the projections.
    let mut on_z = vec![T::ZERO; z.len()];
    match dictionary.kind {
        SaeKind::Gated { l1 } => {
            let batch = (scaled, &z[..], &codes[..], &on_codes[..]);
            loss.sparsity = gated(
                dictionary,
                l1,
                batch,
                (&mut on_z, &mut encoder_bias, &mut sparsity),
            );
        }
        SaeKind::JumpRelu { l0, bandwidth } => {
            for at in 0..z.len() {
                let feature = at % features;
                let threshold = dictionary.sparsity[feature].to_f64().exp();
                let before = z[at].to_f64() + dictionary.encoder_bias[feature].to_f64();
                if (before - threshold).abs() < bandwidth / 2.0 {
                    let step = on_codes[at].to_f64() * threshold + share * l0;
                    // The derivative by the threshold, and by its logarithm.
                    sparsity[feature] -= threshold * step / bandwidth;
                }
                if codes[at] > T::ZERO {
                    loss.sparsity += share * l0;
                    encoder_bias[feature] += on_codes[at].to_f64();
                    on_z[at] = on_codes[at];
                }
            }
        }
        SaeKind::Relu { .. } | SaeKind::TopK { .. } | SaeKind::BatchTopK { .. } => {
            let price = match dictionary.kind {
                SaeKind::Relu { l1 } => l1,
                _ => 0.0,
            };
            for at in 0..z.len() {
                if codes[at] > T::ZERO {
                    loss.sparsity += share * price * codes[at].to_f64();
                    on_codes[at] += T::from_f64(share * price);
                    encoder_bias[at % features] += on_codes[at].to_f64();
                    on_z[at] = on_codes[at];
                }
            }
        }
    }
    let encoder = Dense::new(&centred, width)
        .transposed()
        .times(Dense::new(&on_z, features));
    // The bias is also taken from the inputs.
    let on_centred =
        Dense::new(&on_z, features).times(Dense::new(&dictionary.encoder, features).transposed());
    for (bias, centred) in decoder_bias.iter_mut().zip(column_sums(&on_centred, width)) {
        *bias -= centred;
    }
    let cast = |values: Vec<f64>| values.into_iter().map(T::from_f64).collect();
    let gradient = Gradient {
        encoder,
        encoder_bias: cast(encoder_bias),
        decoder: decoder_gradient,
        decoder_bias: cast(decoder_bias),
        sparsity: cast(sparsity),
    };
    (loss, gradient, codes)
}

/// The gradient of a gated dictionary by projections, gates' biases and magnitudes; returns what sparsity costs.
fn gated<T: Real>(
    dictionary: &Dictionary<T>,
    l1: f64,
    (scaled, z, codes, on_codes): (&[T], &[T], &[T], &[T]),
    (on_z, gate_bias, magnitudes): (&mut [T], &mut [f64], &mut [f64]),
) -> f64 {
    let (width, features) = (dictionary.width, dictionary.features);
    let share = width as f64 / scaled.len() as f64;
    let mut gates = z.to_vec();
    for row in gates.chunks_exact_mut(features) {
        for (gate, &bias) in row.iter_mut().zip(&dictionary.encoder_bias) {
            *gate += bias;
            if *gate <= T::ZERO {
                *gate = T::ZERO;
            }
        }
    }
    let mut cost = 0.0;
    let mut by_gates = dictionary.decode(&gates);
    for (error, &input) in by_gates.iter_mut().zip(scaled) {
        let difference = error.to_f64() - input.to_f64();
        cost += share * difference * difference;
        *error = T::from_f64(2.0 * share * difference);
    }
    let decoder = Dense::new(&dictionary.decoder, width);
    let on_gates = Dense::new(&by_gates, width).times(decoder.transposed());
    for at in 0..z.len() {
        let feature = at % features;
        if gates[at] > T::ZERO {
            cost += share * l1 * gates[at].to_f64();
            let by_gate = on_gates[at].to_f64() + share * l1;
            gate_bias[feature] += by_gate;
            on_z[at] = T::from_f64(by_gate);
        }
        if codes[at] > T::ZERO {
            let scale = dictionary.sparsity[feature].to_f64().exp();
            let by_magnitude = on_codes[at].to_f64();
            magnitudes[feature] += by_magnitude * scale * z[at].to_f64();
            magnitudes[features + feature] += by_magnitude;
            on_z[at] += T::from_f64(by_magnitude * scale);
        }
    }
    cost
}

fn column_sums<T: Real>(values: &[T], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for row in values.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value.to_f64();
        }
    }
    sums
}
