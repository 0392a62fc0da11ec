//! Where features are most active on the prompts of a task.

use super::placed::SaeNodes;
use crate::analyze::neurons::{Context, keep_most_active};
use crate::analyze::text_of;
use crate::engine::{BLOCK, Transformer};
use crate::error::{Error, Result};
use crate::events::{Observer, phase};
use crate::model::{Real, Tokenizer};
use crate::task::Example;

/// The contexts of clean and corrupt prompts in which each of some nodes is most active, each context once; none of errors.
///
/// # Errors
/// When a number is not finite, or the observer interrupts.
///
/// # Complexity
/// Two forward passes for each autoencoder.
pub(super) fn most_active<T: Real>(
    transformer: &Transformer<'_, T>,
    tokenizer: Option<&Tokenizer>,
    (placements, nodes): (&SaeNodes<T>, &[usize]),
    (examples, count): (&[Example], usize),
    observer: &dyn Observer,
) -> Result<Vec<Vec<Context>>> {
    phase(observer, "contexts", 0);
    let both = |example: &'_ Example| [example.clean.clone(), example.corrupt.clone()];
    let sequences: Vec<Vec<u32>> = examples.iter().flat_map(both).collect();
    // Per node: activation, sequence and position, largest first.
    let mut best: Vec<Vec<(f64, usize, usize)>> = vec![Vec::new(); nodes.len()];
    for (index, placed) in placements.all().iter().enumerate() {
        let own: Vec<(usize, usize)> = nodes
            .iter()
            .enumerate()
            .filter_map(|(at, &node)| match placements.place(node) {
                (place, Some(feature)) if place == index => Some((at, feature)),
                _ => None,
            })
            .collect();
        if own.is_empty() || count == 0 {
            continue;
        }
        for (group, sequences_of_group) in sequences.chunks(BLOCK).enumerate() {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let rows: Vec<&[u32]> = sequences_of_group.iter().map(Vec::as_slice).collect();
            let values = transformer.representation(&rows, placed.layer, placed.of)?;
            let mut active = placed.active(&values).into_iter();
            for (sequence, tokens) in (group * BLOCK..).zip(sequences_of_group) {
                for (position, active) in active.by_ref().take(tokens.len()).enumerate() {
                    for &(at, feature) in &own {
                        let Some(&(_, value)) = active.iter().find(|it| it.0 == feature) else {
                            continue;
                        };
                        let found = (value.to_f64(), sequence, position);
                        keep_most_active(&mut best[at], found, count, |sequence, position| {
                            (position, &sequences[sequence][..=position])
                        });
                    }
                }
            }
        }
    }
    let text = |tokens: &[u32]| text_of(tokenizer, tokens);
    let context = |&(activation, sequence, position): &(f64, usize, usize)| Context {
        activation,
        before: text(&sequences[sequence][..position]),
        token: text(&sequences[sequence][position..=position]),
    };
    let contexts = best.iter();
    Ok(contexts
        .map(|best| best.iter().map(context).collect())
        .collect())
}
