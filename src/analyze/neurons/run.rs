//! The analysis of neurons from prompts to its report.

use super::contexts::most_active;
use super::dose::{DosePoint, DoseResponse};
use super::effects::{By, Replacement};
use super::group::{NeuronSet, Range, judge, smallest};
use super::measured::{Effects, Measured};
use super::parameters::Neurons;
use super::report::{NeuronReport, NeuronScores, Verdict};
use super::screen::{self, Screen, Unit};
use super::task::{Contrast, NeuronTask};
use crate::analyze::sign::FEWEST_SIGNED;
use crate::engine::{Ablation, Donors, Transformer, mean};
use crate::error::{Error, Result};
use crate::evaluate::Effect;
use crate::events::{Event, Observer, phase};
use crate::graph::Node;
use crate::model::{ModelConfig, Real, Tokenizer, Weights};
use crate::task::Example;

/// Screens all neurons of a model, measures the most promising, and looks for the group that the behaviour needs.
///
/// # Errors
/// When a number is not finite, the model has no MLPs, a prompt has no donor, or the observer interrupts.
///
/// # Complexity
/// About five forward passes and one backward pass over the discovery prompts; then at most one forward pass for each
/// neuron measured, group tried and dose. Effects on prompts that are no pairs are measured on both sets.
pub fn find_neurons<T: Real>(
    (weights, room): (&Weights<T>, Option<usize>),
    tokenizer: Option<&Tokenizer>,
    task: &NeuronTask<'_>,
    question: &Neurons,
    observer: &dyn Observer,
) -> Result<NeuronReport> {
    if let Some(problem) = no_neurons(&weights.config) {
        return Err(Error::Usage(problem.into()));
    }
    let beside = screen::bytes::<T>(&weights.config, task.discovery, question);
    let room = room.map(|room| room.saturating_sub(beside));
    let transformer = Transformer::plain(weights)?.within(room);
    let screen = Screen::new(&transformer, task, question, observer)?;
    let units = screen.candidates(question.top);
    let contexts = most_active(
        &transformer,
        tokenizer,
        task.discovery,
        (&units, question.contexts),
        observer,
    )?;

    let donors = donors(task, question.ablation);
    let replacement = Replacement {
        transformer: &transformer,
        metric: task.metric,
        by: match &donors {
            Some(donors) => By::Donors(donors),
            None => By::Constants(&screen.reference),
        },
        observer,
    };
    phase(observer, "metric on all prompts", 0);
    let on_discovery = Measured::new(&transformer, task, task.discovery, observer)?;
    let on_held_out = Measured::new(&transformer, task, task.held_out, observer)?;
    let splits = [&on_discovery, &on_held_out];
    let is_zero = question.ablation == Ablation::Zero;
    let effects = Effects::new(&replacement, (task, is_zero), &units, splits)?;
    let mut figures: Vec<NeuronScores> = Vec::with_capacity(units.len());
    for ((index, &(layer, neuron)), contexts) in units.iter().enumerate().zip(contexts) {
        let association = screen.associations[layer][neuron];
        let effect = effects.held_out[index];
        figures.push(NeuronScores {
            neuron: name((layer, neuron)),
            association,
            mean_activation: screen.means[layer][neuron],
            attribution: screen.attributions[layer][neuron],
            effect_discovery: effects.discovery[index],
            verdict: Verdict::of(
                &association,
                (effect.mean, effects.p[index]),
                on_held_out.size(),
            ),
            effect,
            p_effect: effects.p[index],
            effect_zero: effects.zero[index],
            effect_other: effects.other.get(index).copied(),
            contexts,
        });
    }
    figures.sort_by(|a, b| b.effect.mean.abs().total_cmp(&a.effect.mean.abs()));

    let dosed = ordered(&units, |index| effects.discovery[index].abs());
    let doses = dose_responses(&replacement, task, question, &dosed)?;
    let helpful = Helpful {
        order: ordered(&units, |index| effects.discovery[index]),
        needed: effects.discovery.iter().filter(|it| **it > 0.0).count(),
    };
    let (group, remaining_without_all, mut warnings) =
        find_group(&replacement, (task, question), &helpful, splits)?;
    if figures.iter().any(|it| it.verdict == Verdict::Undecided) {
        warnings.push(format!(
            "fewer than {FEWEST_SIGNED} held-out prompts of a kind: whether neurons are causal is not decided"
        ));
    }
    for warning in &warnings {
        observer.event(Event::Warning(warning.clone()));
    }
    Ok(NeuronReport {
        compared: task.compared,
        examples_discovery: task.discovery.behaviour.len(),
        examples: task.held_out.behaviour.len(),
        examples_other_discovery: task.discovery.other.len(),
        examples_other: task.held_out.other.len(),
        metric_clean: mean(&on_held_out.full),
        metric_corrupt: mean(&on_held_out.other),
        neurons_screened: screen.len(),
        neurons_correlated: screen.correlated(),
        neurons: figures,
        doses,
        group,
        remaining_without_all,
        warnings,
    })
}

/// The neurons measured, by effect on the discovery prompts.
struct Helpful {
    order: Vec<Unit>,
    /// Those of them, the first, without which the metric falls.
    needed: usize,
}

/// The group that the behaviour needs, what is left without all neurons, and remarks.
fn find_group<T: Real>(
    replacement: &Replacement<'_, '_, T>,
    (task, question): (&NeuronTask<'_>, &Neurons),
    helpful: &Helpful,
    [on_discovery, on_held_out]: [&Measured; 2],
) -> Result<(Option<NeuronSet>, Option<f64>, Vec<String>)> {
    let mut warnings = Vec::new();
    // Nothing but the neurons themselves says how a model without the behaviour would score a text.
    let without = |examples: &[Example], measured: &Measured| -> Result<Vec<f64>> {
        if task.compared != Contrast::Texts {
            return Ok(measured.other.clone());
        }
        let needed = [helpful.order[..helpful.needed].to_vec()];
        let measured = replacement.measure("all neurons that the texts need", examples, &needed)?;
        Ok(measured.into_iter().flatten().collect())
    };
    let [discovery, held_out] = [task.discovery, task.held_out].map(|sides| &sides.behaviour[..]);
    let lows = [
        without(discovery, on_discovery)?,
        without(held_out, on_held_out)?,
    ];
    let paired = task.compared != Contrast::Sets;
    let [on_discovery, on_held_out] =
        [(on_discovery, &lows[0]), (on_held_out, &lows[1])].map(|(measured, without)| Range {
            without,
            full: &measured.full,
            paired,
        });
    let all = std::slice::from_ref(&helpful.order);
    let all = replacement.measure("all neurons measured", discovery, all)?;
    let remaining_without_all = on_discovery.remaining(&all[0]);
    let group = if remaining_without_all.is_some() {
        warnings.extend(on_held_out.doubt());
        let order = &helpful.order;
        let found = smallest(
            replacement,
            discovery,
            &on_discovery,
            order,
            question.remaining,
        )?;
        let counts = (task.random_baselines, task.bootstrap);
        let judged = found.map(|found| judge(replacement, held_out, &on_held_out, found, counts));
        judged.transpose()?
    } else {
        warnings.push(task.compared.no_behaviour().to_owned());
        None
    };
    if let Some(group) = &group {
        warnings.extend(group.doubt());
        if group.remaining.is_none() {
            let warning = "the metric on the held-out prompts is not above that without the behaviour, so what the group \
                           leaves of it is not known there";
            warnings.push(warning.to_owned());
        } else if group.random.len() < task.random_baselines {
            warnings.push(format!(
                "{} of {} random groups: some layer has too few neurons outside of the group",
                group.random.len(),
                task.random_baselines
            ));
        }
    }
    Ok((group, remaining_without_all, warnings))
}

/// Where neurons are replaced by those of other prompts: the discovery prompts of both kinds.
fn donors(task: &NeuronTask<'_>, ablation: Ablation) -> Option<Donors> {
    let Ablation::Resample(resample) = ablation else {
        return None;
    };
    let prompts: Vec<Example> = task.discovery.all().cloned().collect();
    Some(Donors::new(&prompts, resample))
}

/// Why a model's neurons cannot be analysed.
pub(crate) fn no_neurons(config: &ModelConfig) -> Option<&'static str> {
    (!config.has_mlps()).then_some("the model has no MLPs, so no neurons")
}

/// The least bytes of runs with which neurons can be analysed.
pub(crate) fn least_room<T: Real>(
    weights: &Weights<T>,
    task: &NeuronTask<'_>,
    question: &Neurons,
) -> Result<usize> {
    let config = &weights.config;
    let transformer = Transformer::plain(weights)?;
    let sides = [task.discovery, task.held_out];
    let kinds = sides.iter().flat_map(|it| [&it.behaviour, &it.other]);
    let least = kinds.map(|examples| transformer.least_room(examples, Ablation::Mean, 1));
    let beside = screen::bytes::<T>(config, task.discovery, question);
    Ok(least.max().unwrap_or(0) + beside)
}

/// Neurons by what is largest of them.
fn ordered(units: &[Unit], size: impl Fn(usize) -> f64) -> Vec<Unit> {
    let mut order: Vec<usize> = (0..units.len()).collect();
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
    order.into_iter().map(|index| units[index]).collect()
}

/// The curves of the first neurons of an order, on the held-out prompts.
fn dose_responses<T: Real>(
    replacement: &Replacement<'_, '_, T>,
    task: &NeuronTask<'_>,
    question: &Neurons,
    order: &[Unit],
) -> Result<Vec<DoseResponse>> {
    let dosed = &order[..question.dose_curves.min(order.len())];
    phase(replacement.observer, "dose-response", dosed.len() as u64);
    let mut curves = Vec::with_capacity(dosed.len());
    for &unit in dosed {
        let values = replacement.scaled(&task.held_out.behaviour, unit, &question.doses)?;
        let point = |(&factor, values): (&f64, &Vec<f64>)| DosePoint {
            factor,
            metric: Effect::of_metric(task.metric, values, task.bootstrap),
        };
        let points = question.doses.iter().zip(&values).map(point).collect();
        curves.push(DoseResponse::new(name(unit), points));
        replacement.observer.event(Event::Step {
            done: curves.len() as u64,
            note: String::new(),
        });
    }
    Ok(curves)
}

fn name((layer, neuron): Unit) -> String {
    Node::Neuron { layer, neuron }.to_string()
}
