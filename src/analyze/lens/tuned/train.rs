//! A map trained further on what counts: the KL divergence of the model's own output from what the lens says.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::fit::streams_of;
use crate::analyze::AffineMap;
use crate::analyze::adam::moved;
use crate::analyze::lens::TunedFit;
use crate::engine::{Dense, StreamSite, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// Contexts that are run together.
const TOGETHER: usize = 4;

/// Trains the map of a site by Adam, the learning rate falling to zero, in an order of positions drawn by the seed.
///
/// # Errors
/// When a number is not finite, or the observer interrupts.
///
/// # Complexity
/// One forward pass of the text, and each step three products with the unembedding for each of its positions.
pub fn train<T: Real>(
    transformer: &Transformer<'_, T>,
    contexts: &[Vec<u32>],
    (place, map): (StreamSite, &mut AffineMap<T>),
    fit: &TunedFit,
    observer: &dyn Observer,
) -> Result<()> {
    let width = map.bias.len();
    let last = StreamSite::Layer(transformer.heads().n_layers - 1);
    let (mut inputs, mut finals): (Vec<T>, Vec<T>) = (Vec::new(), Vec::new());
    for group in contexts.chunks(TOGETHER) {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let streams = streams_of(transformer, group, &[place, last])?;
        for (kept, stream) in [&mut inputs, &mut finals].into_iter().zip(streams) {
            kept.extend(stream.into_iter().map(T::from_f64));
        }
    }
    let squares = finals
        .iter()
        .map(|value| value.to_f64().powi(2))
        .sum::<f64>();
    let size = (squares / finals.len().max(1) as f64).sqrt();
    let rows = |data: &[T], picked: &[usize]| -> Vec<T> {
        let rows = picked
            .iter()
            .map(|row| &data[row * width..(row + 1) * width]);
        rows.flatten().copied().collect()
    };
    let mut order: Vec<usize> = (0..inputs.len() / width).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(fit.seed);
    let mut next = order.len();
    let zeros = |count: usize| (vec![T::ZERO; count], vec![T::ZERO; count]);
    let (mut weight_moments, mut bias_moments) = (zeros(width * width), zeros(width));
    phase(
        observer,
        format!("training the lens at {place}"),
        fit.steps as u64,
    );
    for step in 1..=fit.steps {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        if next + fit.batch > order.len() {
            order.shuffle(&mut rng);
            next = 0;
        }
        let picked = &order[next..(next + fit.batch).min(order.len())];
        next += picked.len();
        let (x, y) = (rows(&inputs, picked), rows(&finals, picked));
        let (losses, gradient) = transformer.divergence(&map.apply(&x), &y);
        let loss = losses.iter().sum::<f64>() / picked.len() as f64;
        if !loss.is_finite() {
            return Err(Error::NotFinite {
                node: format!("the lens at {place}"),
                problem: "its loss is not finite; lower learning_rate".into(),
            });
        }
        let each = T::from_f64(1.0 / picked.len() as f64);
        let mut weight_gradient = Dense::new(&x, width)
            .transposed()
            .times(Dense::new(&gradient, width));
        let mut bias_gradient = vec![T::ZERO; width];
        for row in gradient.chunks_exact(width) {
            for (sum, &value) in bias_gradient.iter_mut().zip(row) {
                *sum += value;
            }
        }
        for value in weight_gradient.iter_mut().chain(&mut bias_gradient) {
            *value *= each;
        }
        let rate = fit.learning_rate * (1.0 - (step - 1) as f64 / fit.steps as f64);
        let (first, second) = (&mut weight_moments.0, &mut weight_moments.1);
        moved(
            &mut map.weight,
            &weight_gradient,
            (first, second),
            (step, rate),
        );
        let (first, second) = (&mut bias_moments.0, &mut bias_moments.1);
        moved(
            &mut map.bias,
            &bias_gradient,
            (first, second),
            (step, rate * size),
        );
        observer.event(Event::Step {
            done: step as u64,
            note: format!("KL {loss:.3}"),
        });
    }
    Ok(())
}
