//! Where neurons are most active.

use serde::Serialize;

use super::screen::{Unit, prompts};
use crate::engine::Transformer;
use crate::error::Result;
use crate::events::{Observer, phase};
use crate::model::{Real, Tokenizer};
use crate::task::Example;

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
/// Two forward passes.
pub(super) fn most_active<T: Real>(
    transformer: &Transformer<'_, T>,
    tokenizer: Option<&Tokenizer>,
    examples: &[Example],
    (units, count): (&[Unit], usize),
    observer: &dyn Observer,
) -> Result<Vec<Vec<Context>>> {
    phase(observer, "contexts", 2 * examples.len() as u64);
    let sequences: Vec<&[u32]> = prompts(examples).collect();
    // Per neuron: activation, sequence and position, largest first.
    let mut best: Vec<Vec<(f64, usize, usize)>> = vec![Vec::new(); units.len()];
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
                    insert(best, (activation, sequence, position), count, &sequences);
                }
            }
        }
    })?;
    let text = |tokens: &[u32]| {
        if let Some(tokenizer) = tokenizer {
            tokenizer.decode(tokens)
        } else {
            let ids: Vec<String> = tokens.iter().map(ToString::to_string).collect();
            ids.join(" ")
        }
    };
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

/// Keeps the `count` largest; of equal contexts the first.
fn insert(
    best: &mut Vec<(f64, usize, usize)>,
    new: (f64, usize, usize),
    count: usize,
    sequences: &[&[u32]],
) {
    let place = best.partition_point(|held| held.0 >= new.0);
    if place >= count {
        return;
    }
    let context =
        |&(_, sequence, position): &(f64, usize, usize)| &sequences[sequence][..=position];
    if best.iter().any(|held| context(held) == context(&new)) {
        return;
    }
    best.insert(place, new);
    best.truncate(count);
}
