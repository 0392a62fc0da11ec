//! The metric when neurons are replaced: exact, by runs in which their activations are set before the output projection of
//! their MLP.

use std::collections::{BTreeMap, BTreeSet};

use super::screen::Unit;
use crate::engine::{AddAt, Donors, Resumable, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// How neurons are replaced, and what is measured then.
#[derive(Clone, Copy)]
pub(super) struct Replacement<'r, 't, T> {
    pub transformer: &'r Transformer<'t, T>,
    pub metric: Metric,
    pub by: By<'r>,
    pub observer: &'r dyn Observer,
}

/// What takes the place of a neuron's activation.
#[derive(Clone, Copy)]
pub(super) enum By<'r> {
    /// Nothing.
    Zero,
    /// Constants, `[n_layers][d_mlp]`, or `[n_layers][positions, d_mlp]` counted from the left.
    Constants(&'r [Vec<f64>]),
    /// Its activation at the same position of another prompt.
    Donors(&'r Donors),
}

impl<T: Real> Replacement<'_, '_, T> {
    /// The metric of each example with each of some sets of neurons replaced, `[sets][examples]`.
    ///
    /// # Errors
    /// When a number is not finite, a prompt has no donor, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward pass, and one from the first layer of its neurons on for each set.
    pub(super) fn measure(
        &self,
        what: &str,
        examples: &[Example],
        sets: &[Vec<Unit>],
    ) -> Result<Vec<Vec<f64>>> {
        phase(self.observer, what, (sets.len() * examples.len()) as u64);
        let units: BTreeSet<Unit> = sets.iter().flatten().copied().collect();
        let units: Vec<Unit> = units.into_iter().collect();
        let mut measured = vec![Vec::with_capacity(examples.len()); sets.len()];
        let mut done = 0;
        for group in self.transformer.resumed_groups(examples) {
            let donated = self.donated(group, &units)?;
            let ready = Resumable::new(self.transformer, group, AddAt::Every)?;
            for (set, measured) in sets.iter().zip(&mut measured) {
                self.stop()?;
                let set = set.iter().map(|&unit| {
                    let donated = donated.get(&unit).cloned();
                    (
                        unit,
                        donated.unwrap_or_else(|| self.constants(&ready, unit)),
                    )
                });
                measured.extend(ready.units_set(self.metric, set)?);
                done += group.len();
                self.step(done);
            }
        }
        Ok(measured)
    }

    /// The metric of each example with a neuron's activation multiplied by each of some factors, `[factors][examples]`.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward pass, and one from the neuron's layer on for each factor.
    pub(super) fn scaled(
        &self,
        examples: &[Example],
        unit: Unit,
        factors: &[f64],
    ) -> Result<Vec<Vec<f64>>> {
        let mut values = vec![Vec::with_capacity(examples.len()); factors.len()];
        for group in self.transformer.resumed_groups(examples) {
            let ready = Resumable::new(self.transformer, group, AddAt::Every)?;
            // Nothing in front of the neuron depends on it, so this is its activation in every run.
            let own: Vec<T> = ready.units(&[unit]).concat();
            for (&factor, values) in factors.iter().zip(&mut values) {
                self.stop()?;
                let factor = T::from_f64(factor);
                let scaled = own.iter().map(|&value| factor * value).collect();
                values.extend(ready.units_set(self.metric, [(unit, scaled)])?);
            }
        }
        Ok(values)
    }

    /// The activations of the donors of some examples, where there are donors.
    fn donated(&self, examples: &[Example], units: &[Unit]) -> Result<BTreeMap<Unit, Vec<T>>> {
        let By::Donors(donors) = self.by else {
            return Ok(BTreeMap::new());
        };
        let donor = |example: &Example| {
            let donor = donors.of(example).ok_or_else(|| {
                Error::Bug("a prompt without a donor, which the job refuses".into())
            })?;
            // Read where the example is read, so that both have the same rows.
            Ok(Example {
                clean: donor.clean.clone(),
                ..example.clone()
            })
        };
        let given: Vec<Example> = examples.iter().map(donor).collect::<Result<_>>()?;
        let ready = Resumable::new(self.transformer, &given, AddAt::Every)?;
        Ok(units.iter().copied().zip(ready.units(units)).collect())
    }

    /// What a neuron is replaced by at the rows of its layer, where that does not depend on the prompt.
    fn constants(&self, ready: &Resumable<'_, '_, T>, (layer, neuron): Unit) -> Vec<T> {
        let d_mlp = self.transformer.config().d_mlp;
        let rows = ready.unit_rows(layer).into_iter();
        let at = |(_, position): (usize, usize)| match self.by {
            By::Constants(constants) => {
                let constants = &constants[layer];
                let position = if constants.len() > d_mlp { position } else { 0 };
                T::from_f64(constants[position * d_mlp + neuron])
            }
            By::Zero | By::Donors(_) => T::ZERO,
        };
        rows.map(at).collect()
    }

    fn stop(&self) -> Result<()> {
        if self.observer.interrupted() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    fn step(&self, done: usize) {
        self.observer.event(Event::Step {
            done: done as u64,
            note: String::new(),
        });
    }
}
