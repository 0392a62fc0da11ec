//! The indirect effects of every site on the answer of one prompt.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::item::TraceItem;
use super::parameters::Tracing;
use super::report::TracePart;
use crate::analyze::prediction::Prediction;
use crate::analyze::random::{norm_of, normal};
use crate::engine::{BlockPart, Overwrite, Prompt, Rerun, Transformer, mean};
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::Real;

/// Runs that are made together at most.
const TOGETHER: usize = 64;

/// What was measured on one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemEffects {
    /// Probability of the answers without noise.
    pub clean: f64,
    /// With noise, a mean over its samples.
    pub noised: f64,
    /// By how much the probability with noise rises when a site is restored, for each part that is restored:
    /// `[parts][layers][positions from the subject on]`.
    pub effects: Vec<Vec<Vec<f64>>>,
}

/// What prompts are traced with.
#[derive(Clone, Copy)]
pub(super) struct Tracer<'c, 'a, T> {
    pub transformer: &'c Transformer<'a, T>,
    pub question: &'c Tracing,
    pub layers: &'c [usize],
    /// Standard deviation of the noise.
    pub sigma: f64,
    pub observer: &'c dyn Observer,
}

/// The runs of one prompt.
pub(super) struct Runs<'t, 'a, T> {
    clean: Rerun<'t, 'a, T>,
    noised: Rerun<'t, 'a, T>,
    pub before: f64,
    pub after: f64,
}

impl<'c, 'a, T: Real> Tracer<'c, 'a, T> {
    /// Whether the model's most likely token is an answer.
    pub(super) fn answers_correctly(&self, item: &TraceItem) -> Result<bool> {
        let logits = self.clean(item)?.logits()?;
        Ok(item.answers.contains(&Prediction::new(&logits).top()))
    }

    fn clean(&self, item: &TraceItem) -> Result<Rerun<'c, 'a, T>> {
        let last = [item.tokens.len() - 1];
        let prompt = Prompt {
            tokens: &item.tokens,
            reads: &last,
        };
        Rerun::new(self.transformer, &[prompt], None)
    }

    /// Runs the `index`-th prompt without noise and with all samples of it.
    pub(super) fn runs(&self, index: usize, item: &TraceItem) -> Result<Runs<'c, 'a, T>> {
        let width = self.transformer.heads().d_model;
        let last = [item.tokens.len() - 1];
        let prompt = Prompt {
            tokens: &item.tokens,
            reads: &last,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(self.question.seed);
        rng.set_stream(index as u64);
        let samples = self.question.samples;
        let mut noise = vec![T::ZERO; samples * item.tokens.len() * width];
        for sample in 0..samples {
            let first = (sample * item.tokens.len() + item.subject.start) * width;
            for number in &mut noise[first..first + item.subject.len() * width] {
                *number = T::from_f64(self.sigma * normal(&mut rng));
            }
        }
        let clean = self.clean(item)?;
        let noised = Rerun::new(self.transformer, &vec![prompt; samples], Some(&noise))?;
        let before = mean(&probabilities(&clean.logits()?, 1, &item.answers));
        let after = mean(&probabilities(&noised.logits()?, samples, &item.answers));
        Ok(Runs {
            clean,
            noised,
            before,
            after,
        })
    }

    /// All effects of the `index`-th prompt.
    ///
    /// # Complexity
    /// For each sample of noise, layer and position from the subject on, a forward pass of the positions from there on, from the
    /// layer on; and two more with a window.
    pub(super) fn effects(&self, index: usize, item: &TraceItem) -> Result<ItemEffects> {
        let runs = self.runs(index, item)?;
        let parts = TracePart::all(self.question.window);
        let mut effects = Vec::with_capacity(parts.len());
        for &part in parts {
            let mut of_layers = Vec::with_capacity(self.layers.len());
            for &layer in self.layers {
                if self.observer.interrupted() {
                    return Err(Error::Interrupted);
                }
                of_layers.push(self.of_layer(&runs, item, (part, layer))?);
            }
            effects.push(of_layers);
        }
        Ok(ItemEffects {
            clean: runs.before,
            noised: runs.after,
            effects,
        })
    }

    /// The effects of one layer, by position from the subject on.
    fn of_layer(
        &self,
        runs: &Runs<'_, '_, T>,
        item: &TraceItem,
        (part, layer): (TracePart, usize),
    ) -> Result<Vec<f64>> {
        let positions = item.subject.start..item.tokens.len();
        // What is restored where nothing is read any more has no effect.
        let read = |position: &usize| runs.clean.stream(0, *position, layer).is_some();
        let open: Vec<usize> = match part {
            TracePart::Stream => positions.clone().filter(read).collect(),
            _ => positions.clone().collect(),
        };
        let samples = self.question.samples;
        let places: Vec<(usize, usize)> = open
            .iter()
            .flat_map(|&position| (0..samples).map(move |sample| (sample, position)))
            .collect();
        let mut found = Vec::with_capacity(places.len());
        for places in places.chunks(self.together(item)) {
            let logits = match part {
                TracePart::Stream => {
                    let changes = places.iter().map(|&(prompt, position)| Overwrite {
                        prompt,
                        position,
                        values: runs
                            .clean
                            .stream(0, position, layer)
                            .unwrap_or_default()
                            .to_vec(),
                    });
                    runs.noised
                        .overwritten(layer, &changes.collect::<Vec<_>>())?
                }
                TracePart::Attention => {
                    let which = (self.window(layer), BlockPart::Attention);
                    runs.noised.restored(&runs.clean, which, places)?
                }
                TracePart::Mlp => {
                    let which = (self.window(layer), BlockPart::Mlp);
                    runs.noised.restored(&runs.clean, which, places)?
                }
            };
            found.extend(probabilities(&logits, places.len(), &item.answers));
        }
        let mut by_position = found.chunks_exact(samples);
        let effect = |position: usize| {
            if !open.contains(&position) {
                return 0.0;
            }
            by_position.next().map_or(0.0, mean) - runs.after
        };
        Ok(positions.map(effect).collect())
    }

    /// The effect of a change of the stream at some positions that is as large as putting it back, along a random direction: a
    /// mean over the positions.
    pub(super) fn random_effect(
        &self,
        runs: &Runs<'_, '_, T>,
        item: &TraceItem,
        (layer, positions): (usize, &[usize]),
        unit: &[f64],
    ) -> Result<f64> {
        let mut effects = Vec::new();
        for &position in positions {
            let mut changes = Vec::new();
            for prompt in 0..self.question.samples {
                let streams = [
                    runs.clean.stream(0, position, layer),
                    runs.noised.stream(prompt, position, layer),
                ];
                let [Some(clean), Some(noised)] = streams else {
                    continue;
                };
                let pairs = clean.iter().zip(noised);
                let back: Vec<f64> = pairs.map(|(a, b)| a.to_f64() - b.to_f64()).collect();
                let size = norm_of(&back);
                let pairs = noised.iter().zip(unit);
                changes.push(Overwrite {
                    prompt,
                    position,
                    values: pairs
                        .map(|(&x, &unit)| x + T::from_f64(size * unit))
                        .collect(),
                });
            }
            let mut found = Vec::new();
            for changes in changes.chunks(self.together(item)) {
                let logits = runs.noised.overwritten(layer, changes)?;
                found.extend(probabilities(&logits, changes.len(), &item.answers));
            }
            effects.push(if found.is_empty() {
                0.0
            } else {
                mean(&found) - runs.after
            });
        }
        Ok(mean(&effects))
    }

    /// Runs from the subject on that are made together.
    fn together(&self, item: &TraceItem) -> usize {
        let tokens = item.tokens.len() * (self.question.samples + 1);
        let rows = item.tokens.len() - item.subject.start;
        self.transformer.branches(tokens, (rows, 1), TOGETHER)
    }

    /// The layers around one that are reassembled.
    fn window(&self, layer: usize) -> Range<usize> {
        window(
            layer,
            self.question.window,
            self.transformer.heads().n_layers,
        )
    }
}

/// `count` layers around one, as far as there are layers.
pub(super) fn window(layer: usize, count: usize, n_layers: usize) -> Range<usize> {
    let first = layer.saturating_sub(count / 2);
    let end = (layer + count - count / 2).min(n_layers);
    first..end
}

/// The summed probability of some tokens in each of some rows of logits.
fn probabilities<T: Real>(logits: &[T], rows: usize, tokens: &[u32]) -> Vec<f64> {
    let rows = logits.chunks_exact(logits.len() / rows.max(1));
    rows.map(|logits| Prediction::new(logits).log_probability_of(tokens).exp())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn windows_are_around_their_layer() {
        assert_eq!(window(4, 3, 10), 3..6);
        assert_eq!(window(4, 4, 10), 2..6);
        assert_eq!(window(4, 1, 10), 4..5);
        assert_eq!(window(0, 5, 10), 0..3);
        assert_eq!(window(9, 5, 10), 7..10);
    }
}
