//! Adam, with decoder rows that keep norm one.

use super::dictionary::{Dictionary, normalise};
use super::gradient::Gradient;
use super::parameters::SaeKind;
use crate::analyze::adam::moved;
use crate::model::Real;

/// How much faster thresholds learn than weights. They are logarithms that start low and have to move by factors, and Adam's
/// steps are as long as the learning rate, whatever the price: at the weights' rate a short training would not reach them.
const THRESHOLD_RATE: f64 = 20.0;

/// First and second moments of every weight's gradient.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments<T> {
    pub first: Gradient<T>,
    pub second: Gradient<T>,
}

impl<T: Real> Moments<T> {
    pub(super) fn zero(dictionary: &Dictionary<T>) -> Self {
        let zero = Gradient {
            encoder: vec![T::ZERO; dictionary.encoder.len()],
            encoder_bias: vec![T::ZERO; dictionary.encoder_bias.len()],
            decoder: vec![T::ZERO; dictionary.decoder.len()],
            decoder_bias: vec![T::ZERO; dictionary.decoder_bias.len()],
            sparsity: vec![T::ZERO; dictionary.sparsity.len()],
        };
        Self {
            first: zero.clone(),
            second: zero,
        }
    }

    /// Moves the weights; `step` counts from 1.
    pub(super) fn apply(
        &mut self,
        dictionary: &mut Dictionary<T>,
        mut gradient: Gradient<T>,
        (step, rate): (usize, f64),
    ) {
        without_growth(&mut gradient.decoder, &dictionary.decoder, dictionary.width);
        // The threshold of BatchTopK is no weight.
        if let SaeKind::BatchTopK { .. } = dictionary.kind {
            gradient.sparsity.fill(T::ZERO);
        }
        let threshold_rate = match dictionary.kind {
            SaeKind::JumpRelu { .. } => THRESHOLD_RATE * rate,
            _ => rate,
        };
        let (first, second) = (&mut self.first, &mut self.second);
        for (weights, gradient, first, second, rate) in [
            (
                &mut dictionary.encoder,
                &gradient.encoder,
                &mut first.encoder,
                &mut second.encoder,
                rate,
            ),
            (
                &mut dictionary.encoder_bias,
                &gradient.encoder_bias,
                &mut first.encoder_bias,
                &mut second.encoder_bias,
                rate,
            ),
            (
                &mut dictionary.decoder,
                &gradient.decoder,
                &mut first.decoder,
                &mut second.decoder,
                rate,
            ),
            (
                &mut dictionary.decoder_bias,
                &gradient.decoder_bias,
                &mut first.decoder_bias,
                &mut second.decoder_bias,
                rate,
            ),
            (
                &mut dictionary.sparsity,
                &gradient.sparsity,
                &mut first.sparsity,
                &mut second.sparsity,
                threshold_rate,
            ),
        ] {
            moved(weights, gradient, (first, second), (step, rate));
        }
        normalise(&mut dictionary.decoder, dictionary.width);
    }
}

/// Takes the part of each row's gradient along the row out of it: it would only change its norm.
fn without_growth<T: Real>(gradient: &mut [T], rows: &[T], width: usize) {
    let pairs = gradient
        .chunks_exact_mut(width)
        .zip(rows.chunks_exact(width));
    for (gradient, row) in pairs {
        let along = gradient
            .iter()
            .zip(row)
            .fold(0.0, |sum, (gradient, value)| {
                sum + gradient.to_f64() * value.to_f64()
            });
        let along = T::from_f64(along);
        for (gradient, &value) in gradient.iter_mut().zip(row) {
            *gradient -= along * value;
        }
    }
}
