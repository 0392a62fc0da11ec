//! Mean effects of sites over prompts, and the site of the largest.

use super::effects::{ItemEffects, Tracer};
use super::item::{Role, TraceItem};
use super::report::{TraceCell, TracePart, TracePeak};
use crate::analyze::random::random_vectors;
use crate::engine::mean;
use crate::error::Result;
use crate::evaluate::Effect;
use crate::model::Real;

/// A prompt that the model answers, with its number.
pub(super) type TracedPrompt<'t> = (usize, &'t TraceItem, ItemEffects);

/// The effects of all prompts.
pub(super) struct Places<'p, 't> {
    /// All prompts that the model answers.
    pub known: &'p [TracedPrompt<'t>],
    /// Those by which sites are chosen.
    pub choosing: &'p [&'p TracedPrompt<'t>],
    /// Those that judge them.
    pub judging: &'p [&'p TracedPrompt<'t>],
    pub layers: &'p [usize],
    pub bootstrap: usize,
    /// Number of random directions to compare with.
    pub random: usize,
}

impl Places<'_, '_> {
    /// The mean effects of the `index`-th part at all sites.
    pub(super) fn cells(&self, index: usize, part: TracePart) -> Vec<TraceCell> {
        let mut cells = Vec::new();
        for (place, &layer) in self.layers.iter().enumerate() {
            for role in Role::ALL {
                let values = effects(self.known.iter(), (index, place, role));
                if !values.is_empty() {
                    cells.push(TraceCell {
                        part,
                        layer,
                        role,
                        examples: values.len(),
                        effect: Effect::of(&values, self.bootstrap),
                    });
                }
            }
        }
        cells
    }

    /// The site of the largest mean effect of the `index`-th part on the prompts that choose, the first of equal ones, with
    /// its effect on those that judge.
    pub(super) fn peak<T: Real>(
        &self,
        index: usize,
        part: TracePart,
        tracer: &Tracer<'_, '_, T>,
    ) -> Result<Option<TracePeak>> {
        let mut best: Option<(f64, usize, Role)> = None;
        for place in 0..self.layers.len() {
            for role in Role::ALL {
                let at = (index, place, role);
                let chosen = effects(self.choosing.iter().copied(), at);
                let judged = effects(self.judging.iter().copied(), at);
                if chosen.is_empty() || judged.is_empty() {
                    continue;
                }
                let effect = mean(&chosen);
                if best.is_none_or(|(most, ..)| effect > most) {
                    best = Some((effect, place, role));
                }
            }
        }
        let Some((_, place, role)) = best else {
            return Ok(None);
        };
        let layer = self.layers[place];
        let judged = effects(self.judging.iter().copied(), (index, place, role));
        let random = match part {
            TracePart::Stream if self.random > 0 => Some(self.randomly(tracer, layer, role)?),
            _ => None,
        };
        Ok(Some(TracePeak {
            part,
            layer,
            role,
            effect: Effect::of(&judged, self.bootstrap),
            random: random.map(|random| Effect::of(&random, self.bootstrap)),
        }))
    }

    /// Effects of changes as large along random directions, means over these, on the prompts that judge.
    fn randomly<T: Real>(
        &self,
        tracer: &Tracer<'_, '_, T>,
        layer: usize,
        role: Role,
    ) -> Result<Vec<f64>> {
        let units = random_vectors(self.random, tracer.transformer.heads().d_model, 1.0);
        let mut found = Vec::new();
        for (index, item, _) in self.judging {
            let positions = item.subject.start..item.tokens.len();
            let positions: Vec<usize> = positions.filter(|&it| item.role(it) == role).collect();
            if positions.is_empty() {
                continue;
            }
            let runs = tracer.runs(*index, item)?;
            let effects: Vec<f64> = units
                .iter()
                .map(|unit| tracer.random_effect(&runs, item, (layer, &positions), unit))
                .collect::<Result<_>>()?;
            found.push(mean(&effects));
        }
        Ok(found)
    }
}

/// The effects of a part at a layer and role, of the prompts that have such a position.
fn effects<'k, 't: 'k>(
    known: impl Iterator<Item = &'k TracedPrompt<'t>>,
    (part, place, role): (usize, usize, Role),
) -> Vec<f64> {
    known
        .filter_map(|(_, item, found)| role_mean(item, &found.effects[part][place], role))
        .collect()
}

/// The mean effect of the positions of a role, where a prompt has any.
fn role_mean(item: &TraceItem, effects: &[f64], role: Role) -> Option<f64> {
    let positions = item.subject.start..item.tokens.len();
    let of_role = positions
        .zip(effects)
        .filter(|(position, _)| item.role(*position) == role);
    let values: Vec<f64> = of_role.map(|(_, &effect)| effect).collect();
    (!values.is_empty()).then(|| mean(&values))
}
