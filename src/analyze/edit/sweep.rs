//! What items say with changes after every layer and of every strength.

use rayon::prelude::*;

use super::change::{Change, SwapPrompt};
use super::changed::{Changed, changed};
use super::report::after_layers;
use crate::analyze::prediction::Prediction;
use crate::engine::{Prompt, Rerun, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// Runs that are made together at most.
const TOGETHER: usize = 64;
/// Items whose runs are kept together at most.
const GROUP: usize = 16;

/// What an item says in one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answered {
    /// 1 where the most likely token is the one that it is to say.
    pub success: f64,
    /// The log-probability of the token that it says unchanged, in nats.
    pub original: f64,
    /// Of the one that it is to say.
    pub replacement: f64,
    /// Size of the change as a share of the stream's norm.
    pub size: f64,
}

impl Answered {
    pub(super) fn new<T: Real>(
        prediction: &Prediction<'_, T>,
        item: &SwapPrompt,
        size: f64,
    ) -> Self {
        Self {
            success: f64::from(prediction.top() == item.replacement),
            original: prediction.log_probability(item.original),
            replacement: prediction.log_probability(item.replacement),
            size,
        }
    }
}

/// Items with the model that is changed.
#[derive(Clone, Copy)]
pub(super) struct Changing<'c, 'a, T> {
    pub transformer: &'c Transformer<'a, T>,
    pub observer: &'c dyn Observer,
}

impl<T: Real> Changing<'_, '_, T> {
    /// For each of some changes, what each item says, `[changes][items]`.
    ///
    /// # Complexity
    /// One forward pass; for each change one of the positions from the first place on, from its first layer on.
    pub(super) fn answers(
        &self,
        items: &[SwapPrompt],
        changes: &[Change<'_>],
        name: &str,
    ) -> Result<Vec<Vec<Answered>>> {
        let mut found = vec![Vec::with_capacity(items.len()); changes.len()];
        phase(self.observer, name, (changes.len() * items.len()) as u64);
        let mut done = 0;
        self.groups(items, |run, group| {
            let each = group.iter().map(|item| {
                let first = item.places.first().map_or(0, |place| place.position);
                item.tokens.len() - first
            });
            let kept: usize = group.iter().map(|item| item.tokens.len()).sum();
            let rows = each.max().unwrap_or(1);
            let together = self.transformer.branches(kept, (rows, 1), TOGETHER);
            let mut pending: Vec<(usize, usize)> = Vec::new();
            for (index, change) in changes.iter().enumerate() {
                pending.extend((0..group.len()).map(|prompt| (index, prompt)));
                // Runs of the same layers go together.
                let next = changes.get(index + 1);
                let more = next.is_some_and(|next| next.layers == change.layers);
                if more && pending.len() < together {
                    continue;
                }
                for pairs in pending.chunks(together) {
                    if self.observer.interrupted() {
                        return Err(Error::Interrupted);
                    }
                    let which = pairs.iter().map(|&(change, prompt)| Changed {
                        prompt,
                        item: &group[prompt],
                        change: changes[change],
                    });
                    let (logits, sizes) = changed(run, &which.collect::<Vec<_>>())?;
                    let answers: Vec<Answered> = logits
                        .par_chunks_exact(logits.len() / pairs.len())
                        .zip(pairs)
                        .zip(&sizes)
                        .map(|((logits, &(_, prompt)), &size)| {
                            Answered::new(&Prediction::new(logits), &group[prompt], size)
                        })
                        .collect();
                    for (&(change, _), answer) in pairs.iter().zip(answers) {
                        found[change].push(answer);
                    }
                    done += pairs.len() as u64;
                    self.observer.event(Event::Step {
                        done,
                        note: after_layers(change.layers),
                    });
                }
                pending.clear();
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Runs items in groups, reading the last position of each.
    pub(super) fn groups(
        &self,
        items: &[SwapPrompt],
        mut visit: impl FnMut(&Rerun<'_, '_, T>, &[SwapPrompt]) -> Result<()>,
    ) -> Result<()> {
        let longest = items.iter().map(|item| item.tokens.len()).max();
        let together = self
            .transformer
            .branches(0, (longest.unwrap_or(1), 1), GROUP);
        for group in items.chunks(together) {
            let last: Vec<[usize; 1]> = group.iter().map(|it| [it.tokens.len() - 1]).collect();
            let prompts = group.iter().zip(&last).map(|(item, last)| Prompt {
                tokens: &item.tokens,
                reads: last,
            });
            let run = Rerun::new(self.transformer, &prompts.collect::<Vec<_>>(), None)?;
            visit(&run, group)?;
        }
        Ok(())
    }
}
