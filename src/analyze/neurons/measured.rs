//! The metric of a split as it is, and by how much it falls without single neurons.

use super::effects::{By, Replacement};
use super::screen::Unit;
use super::task::{Contrast, ContrastSets, NeuronTask};
use crate::analyze::sign::{p_of_difference, p_of_mean};
use crate::engine::{Transformer, mean};
use crate::error::{Error, Result};
use crate::evaluate::Effect;
use crate::events::Observer;
use crate::model::Real;

/// The metric on a split as it is.
pub(super) struct Measured {
    /// On the prompts that show the behaviour.
    pub full: Vec<f64>,
    /// On the others.
    pub other: Vec<f64>,
}

impl Measured {
    pub(super) fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        task: &NeuronTask<'_>,
        sides: &ContrastSets,
        observer: &dyn Observer,
    ) -> Result<Self> {
        Ok(Self {
            full: transformer.clean_metric(&sides.behaviour, task.metric, observer)?,
            other: transformer.clean_metric(&sides.other, task.metric, observer)?,
        })
    }

    /// The size of the metric.
    pub(super) fn size(&self) -> f64 {
        mean(&self.full).abs().max(mean(&self.other).abs())
    }
}

/// By how much the metric falls when single neurons are replaced; of texts, by how much more than that of the other texts.
pub(super) struct Effects {
    pub discovery: Vec<f64>,
    pub held_out: Vec<Effect>,
    /// The p-value of the held-out effect's having the sign of that on the discovery prompts; none of too few prompts.
    pub p: Vec<Option<f64>>,
    /// Set to zero, on the held-out prompts.
    pub zero: Vec<Effect>,
    /// By how much the metric of the other held-out prompts falls; nothing for pairs.
    pub other: Vec<Effect>,
}

impl Effects {
    /// Measures them; `is_zero` where the replacement is zero.
    pub(super) fn new<T: Real>(
        replacement: &Replacement<'_, '_, T>,
        (task, is_zero): (&NeuronTask<'_>, bool),
        units: &[Unit],
        [on_discovery, on_held_out]: [&Measured; 2],
    ) -> Result<Self> {
        let single: Vec<Vec<Unit>> = units.iter().map(|&unit| vec![unit]).collect();
        let drops = |how: &Replacement<'_, '_, T>,
                     what: &str,
                     sides: &ContrastSets,
                     on: &Measured,
                     both| {
            let behaviour = how.measure(what, &sides.behaviour, &single)?;
            let other = if both {
                how.measure(&format!("{what}, other prompts"), &sides.other, &single)?
            } else {
                Vec::new()
            };
            Ok::<_, Error>(Drops {
                behaviour: behaviour.iter().map(|it| drop(&on.full, it)).collect(),
                other: other.iter().map(|it| drop(&on.other, it)).collect(),
            })
        };
        let texts = task.compared == Contrast::Texts;
        let effects = |drops: &Drops| -> Vec<Effect> {
            let each = drops.behaviour.iter().enumerate();
            let effect = |(index, drop): (usize, &Vec<f64>)| match drops.other.get(index) {
                Some(other) if texts => Effect::difference(drop, other, task.bootstrap),
                _ => Effect::of_change(task.metric, drop, task.bootstrap),
            };
            each.map(effect).collect()
        };
        let what = "effects of neurons";
        let discovery = drops(replacement, what, task.discovery, on_discovery, texts)?;
        let independent = task.compared != Contrast::Pairs;
        let what = "effects, held out";
        let held_out = drops(replacement, what, task.held_out, on_held_out, independent)?;
        let zero = if is_zero {
            effects(&held_out)
        } else {
            let zero = Replacement {
                by: By::Zero,
                ..*replacement
            };
            let what = "effects of zero, held out";
            effects(&drops(&zero, what, task.held_out, on_held_out, texts)?)
        };
        let discovery: Vec<f64> = effects(&discovery).iter().map(|it| it.mean).collect();
        let p = discovery.iter().enumerate().map(|(index, &sign)| {
            let drop = &held_out.behaviour[index];
            match held_out.other.get(index) {
                Some(other) if texts => p_of_difference(drop, other, sign),
                _ => p_of_mean(drop, sign),
            }
        });
        let each = held_out.other.iter();
        Ok(Self {
            p: p.collect(),
            held_out: effects(&held_out),
            zero,
            other: each
                .map(|drop| Effect::of_change(task.metric, drop, task.bootstrap))
                .collect(),
            discovery,
        })
    }
}

/// By how much the metric falls without each of some neurons, `[neurons][examples]`.
struct Drops {
    behaviour: Vec<Vec<f64>>,
    other: Vec<Vec<f64>>,
}

/// By how much the metric falls without something.
fn drop(full: &[f64], without: &[f64]) -> Vec<f64> {
    let pairs = full.iter().zip(without);
    pairs.map(|(full, without)| full - without).collect()
}
