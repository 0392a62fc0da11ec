//! The analysis of neurons from prompts to its report.

use super::contexts::most_active;
use super::dose::{DosePoint, DoseResponse};
use super::effects::{Replacement, graph_of};
use super::group::{Group, Range, judge, smallest};
use super::parameters::Neurons;
use super::report::{NeuronFigures, NeuronReport, Verdict};
use super::screen::{self, Screen, Unit};
use crate::analyze::Effect;
use crate::engine::{Ablation, Transformer, mean};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::Node;
use crate::metric::Metric;
use crate::model::{ModelConfig, Real, Tokenizer, Weights};
use crate::task::Example;

/// The prompts and figures that an analysis of neurons works with.
#[derive(Clone, Copy)]
pub struct NeuronTask<'t> {
    /// Pairs that neurons are found on.
    pub discovery: &'t [Example],
    /// Pairs that effects are measured on.
    pub held_out: &'t [Example],
    /// The measure of the behaviour.
    pub metric: Metric,
    /// Resamples of the bootstrap intervals.
    pub bootstrap: usize,
    /// Random groups to compare with.
    pub random_baselines: usize,
}

/// Screens all neurons of a model, measures the most promising, and looks for the group that the behaviour needs.
///
/// # Errors
/// When a number is not finite, the model has no MLPs or norms their output, or the observer interrupts.
///
/// # Complexity
/// About five forward passes and one backward pass over the discovery prompts; then at most one forward pass for each
/// neuron measured, group tried and dose.
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
    let graph = graph_of(weights, std::iter::empty())?;
    let beside = screen::bytes::<T>(&weights.config, task.discovery, question);
    let screening = room.map(|room| room.saturating_sub(beside));
    let transformer = Transformer::new(weights, &graph).within(screening);
    let screen = Screen::new(
        &transformer,
        task.discovery,
        task.metric,
        question,
        observer,
    )?;
    let units = screen.candidates(question.top);
    let contexts = most_active(
        &transformer,
        tokenizer,
        task.discovery,
        (&units, question.contexts),
        observer,
    )?;

    // Means are over the prompts of both kinds.
    let prompts: Vec<Example> = task
        .discovery
        .iter()
        .cloned()
        .chain(task.discovery.iter().map(Example::swapped))
        .collect();
    let replacement = Replacement {
        weights,
        room,
        metric: task.metric,
        ablation: question.ablation,
        prompts: &prompts,
        observer,
    };
    phase(observer, "metric on all prompts", 0);
    let on_discovery = Measured::new(&transformer, task.discovery, task.metric, observer)?;
    let on_held_out = Measured::new(&transformer, task.held_out, task.metric, observer)?;
    let effects = Effects::new(&replacement, task, &units, [&on_discovery, &on_held_out])?;
    let mut figures: Vec<NeuronFigures> = Vec::with_capacity(units.len());
    for ((index, &(layer, neuron)), contexts) in units.iter().enumerate().zip(contexts) {
        let association = screen.associations[layer][neuron];
        let effect = effects.held_out[index];
        figures.push(NeuronFigures {
            neuron: name((layer, neuron)),
            association,
            mean_activation: screen.means[layer][neuron],
            attribution: screen.attributions[layer][neuron],
            effect_discovery: effects.discovery[index],
            verdict: Verdict::of(
                &association,
                &effect,
                effects.discovery[index],
                on_held_out.size(),
            ),
            effect,
            effect_zero: effects.zero[index],
            contexts,
        });
    }
    figures.sort_by(|a, b| b.effect.mean.abs().total_cmp(&a.effect.mean.abs()));

    let dosed = ordered(&units, |index| effects.discovery[index].abs());
    let doses = dose_responses(&replacement, task, question, &dosed)?;
    let helpful = ordered(&units, |index| effects.discovery[index]);
    let splits = [&on_discovery, &on_held_out];
    let (group, remaining_without_all, mut warnings) =
        find_group(&replacement, (task, question), &helpful, splits)?;
    if figures.iter().any(|it| it.verdict == Verdict::Undecided) {
        let warning = "effects have no interval (bootstrap is 0, or there is one held-out pair), so whether they are \
                       causal is not decided";
        warnings.push(warning.to_owned());
    }
    for warning in &warnings {
        observer.event(Event::Warning(warning.clone()));
    }
    Ok(NeuronReport {
        examples_discovery: task.discovery.len(),
        examples: task.held_out.len(),
        metric_clean: mean(&on_held_out.full),
        metric_corrupt: mean(&on_held_out.corrupt),
        neurons_screened: screen.len(),
        neurons_correlated: screen.correlated(),
        neurons: figures,
        doses,
        group,
        remaining_without_all,
        warnings,
    })
}

/// The group that the behaviour needs, what is left without all neurons, and remarks.
fn find_group<T: Real>(
    replacement: &Replacement<'_, T>,
    (task, question): (&NeuronTask<'_>, &Neurons),
    helpful: &Vec<Unit>,
    [on_discovery, on_held_out]: [&Measured; 2],
) -> Result<(Option<Group>, Option<f64>, Vec<String>)> {
    let all = std::slice::from_ref(helpful);
    let all = replacement.measure("all neurons measured", task.discovery, all)?;
    let mut warnings = Vec::new();
    let remaining_without_all = on_discovery.range().remaining(&all[0]);
    let group = if remaining_without_all.is_some() {
        let (range, most) = (on_discovery.range(), question.remaining);
        let found = smallest(replacement, task.discovery, &range, helpful, most)?;
        let counts = (task.random_baselines, task.bootstrap);
        let range = on_held_out.range();
        let judged = found.map(|found| judge(replacement, task.held_out, &range, found, counts));
        judged.transpose()?
    } else {
        let warning = "the metric on the clean prompts is not above that on the corrupt ones: the model does not show \
                       this behaviour, or clean and corrupt have the wrong roles";
        warnings.push(warning.to_owned());
        None
    };
    if let Some(group) = &group {
        if group.remaining.is_none() {
            let warning = "the metric on the held-out clean prompts is not above that on the corrupt ones, so what the \
                           group leaves of the behaviour is not known there";
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

/// Why a model's neurons cannot be analysed.
pub(crate) fn no_neurons(config: &ModelConfig) -> Option<&'static str> {
    if !config.has_mlps() {
        Some("the model has no MLPs, so no neurons")
    } else if config.post_norms {
        Some(
            "the model norms what its MLPs write, and the norm of a sum is not a sum: single neurons cannot be replaced \
             in it",
        )
    } else {
        None
    }
}

/// The least bytes of runs with which neurons can be analysed.
pub(crate) fn least_room<T: Real>(
    weights: &Weights<T>,
    task: &NeuronTask<'_>,
    question: &Neurons,
) -> Result<usize> {
    let config = &weights.config;
    // As many nodes as are measured at a time.
    let count = (2 * question.top).min(config.n_layers * config.d_mlp);
    let nodes = (0..count).map(|index| (index / config.d_mlp, index % config.d_mlp));
    let graph = graph_of(weights, nodes)?;
    let transformer = Transformer::new(weights, &graph);
    let least = |examples| transformer.least_room(examples, question.ablation, 1);
    let least = least(task.discovery).max(least(task.held_out));
    Ok(least + screen::bytes::<T>(config, task.discovery, question))
}

/// Neurons by what is largest of them.
fn ordered(units: &[Unit], size: impl Fn(usize) -> f64) -> Vec<Unit> {
    let mut order: Vec<usize> = (0..units.len()).collect();
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
    order.into_iter().map(|index| units[index]).collect()
}

/// Drops of the metric when single neurons are replaced.
struct Effects {
    discovery: Vec<f64>,
    held_out: Vec<Effect>,
    /// Set to zero, on the held-out prompts.
    zero: Vec<Effect>,
}

impl Effects {
    fn new<T: Real>(
        replacement: &Replacement<'_, T>,
        task: &NeuronTask<'_>,
        units: &[Unit],
        [on_discovery, on_held_out]: [&Measured; 2],
    ) -> Result<Self> {
        let single: Vec<Vec<Unit>> = units.iter().map(|&unit| vec![unit]).collect();
        let discovery = replacement.measure("effects of neurons", task.discovery, &single)?;
        let held_out = replacement.measure("effects, held out", task.held_out, &single)?;
        let zero = if replacement.ablation == Ablation::Zero {
            held_out.clone()
        } else {
            let zero = Replacement {
                ablation: Ablation::Zero,
                ..*replacement
            };
            zero.measure("effects of zero, held out", task.held_out, &single)?
        };
        let estimates = |measured: &[Vec<f64>]| {
            let drops = measured.iter().map(|without| on_held_out.drop(without));
            drops
                .map(|drop| Effect::of(&drop, task.bootstrap))
                .collect()
        };
        Ok(Self {
            discovery: discovery
                .iter()
                .map(|without| mean(&on_discovery.drop(without)))
                .collect(),
            held_out: estimates(&held_out),
            zero: estimates(&zero),
        })
    }
}

/// The metric on a split as it is.
struct Measured {
    full: Vec<f64>,
    corrupt: Vec<f64>,
}

impl Measured {
    fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        examples: &[Example],
        metric: Metric,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let corrupt: Vec<Example> = examples.iter().map(Example::swapped).collect();
        Ok(Self {
            full: transformer.clean_metric(examples, metric, observer)?,
            corrupt: transformer.clean_metric(&corrupt, metric, observer)?,
        })
    }

    /// By how much the metric falls without something.
    fn drop(&self, without: &[f64]) -> Vec<f64> {
        let pairs = self.full.iter().zip(without);
        pairs.map(|(full, without)| full - without).collect()
    }

    /// The size of the metric.
    fn size(&self) -> f64 {
        mean(&self.full).abs().max(mean(&self.corrupt).abs())
    }

    fn range(&self) -> Range<'_> {
        Range {
            corrupt: &self.corrupt,
            full: &self.full,
        }
    }
}

/// The curves of the first neurons of an order, on the held-out prompts.
fn dose_responses<T: Real>(
    replacement: &Replacement<'_, T>,
    task: &NeuronTask<'_>,
    question: &Neurons,
    order: &[Unit],
) -> Result<Vec<DoseResponse>> {
    let dosed = &order[..question.dosed.min(order.len())];
    phase(replacement.observer, "dose-response", dosed.len() as u64);
    let graph = graph_of(replacement.weights, dosed.iter().copied())?;
    let transformer = Transformer::new(replacement.weights, &graph).within(replacement.room);
    let mut curves = Vec::with_capacity(dosed.len());
    for &unit in dosed {
        if replacement.observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let values = transformer.scaled_neuron(
            task.held_out,
            task.metric,
            unit,
            &question.doses,
            replacement.observer,
        )?;
        let point = |(&factor, values): (&f64, &Vec<f64>)| DosePoint {
            factor,
            metric: Effect::of(values, task.bootstrap),
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
