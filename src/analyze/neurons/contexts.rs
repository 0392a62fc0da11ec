//! Where neurons are most active: where their activation is farthest from zero.

use serde::Serialize;

use super::screen::Unit;
use super::task::ContrastSets;
use crate::analyze::text_of;
use crate::engine::Transformer;
use crate::error::Result;
use crate::events::{Observer, phase};
use crate::model::{Real, Tokenizer};

/// A token in its context.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Context {
    /// The neuron's activation at the token.
    pub activation: f64,
    /// The prompt up to the token.
    pub before: String,
    /// The token.
    pub token: String,
}

/// The contexts in which each neuron is most active, each context once.
///
/// # Errors
/// When the observer interrupts.
///
/// # Complexity
/// One forward pass over all prompts.
pub(super) fn most_active<T: Real>(
    transformer: &Transformer<'_, T>,
    tokenizer: Option<&Tokenizer>,
    sides: &ContrastSets,
    (units, count): (&[Unit], usize),
    observer: &dyn Observer,
) -> Result<Vec<Vec<Context>>> {
    let sequences = sides.prompts();
    phase(observer, "contexts", sequences.len() as u64);
    // Per neuron: activation, sequence and position, largest first.
    let mut best: Vec<Vec<(f64, usize, usize)>> = vec![Vec::new(); units.len()];
    // What a token's activation depends on: what is before it, or everything.
    let causal = !transformer.config().attention.bidirectional;
    transformer.hidden_units(&sequences, observer, |shown| {
        let rows: usize = shown.rows.iter().map(ExactSizeIterator::len).sum();
        let width = shown.units.len().checked_div(rows).unwrap_or(0);
        for (&(layer, neuron), best) in units.iter().zip(&mut best) {
            if layer != shown.layer {
                continue;
            }
            for (sequence, rows) in (shown.sequences.0..).zip(shown.rows) {
                for (position, row) in rows.clone().enumerate() {
                    let activation = shown.units[row * width + neuron].to_f64();
                    let found = (activation, sequence, position);
                    keep_most_active(best, found, count, |sequence, position| {
                        let tokens = sequences[sequence];
                        (position, if causal { &tokens[..=position] } else { tokens })
                    });
                }
            }
        }
    })?;
    let text = |tokens: &[u32]| text_of(tokenizer, tokens);
    let context = |&(activation, sequence, position): &(f64, usize, usize)| Context {
        activation,
        before: text(&sequences[sequence][..position]),
        token: text(&sequences[sequence][position..=position]),
    };
    Ok(best
        .iter()
        .map(|best| best.iter().map(context).collect())
        .collect())
}

/// Keeps the `count` farthest from zero; of equal contexts the first.
pub(in crate::analyze) fn keep_most_active<'s>(
    best: &mut Vec<(f64, usize, usize)>,
    new: (f64, usize, usize),
    count: usize,
    context: impl Fn(usize, usize) -> (usize, &'s [u32]),
) {
    let place = best.partition_point(|held| held.0.abs() >= new.0.abs());
    if place >= count {
        return;
    }
    if best
        .iter()
        .any(|held| context(held.1, held.2) == context(new.1, new.2))
    {
        return;
    }
    best.insert(place, new);
    best.truncate(count);
}
