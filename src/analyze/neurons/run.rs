//! The analysis of neurons from prompts to its report.

use super::contexts::most_active;
use super::dose::{DosePoint, DoseResponse};
use super::effects::{Replacement, graph_of};
use super::group::{Range, judge, smallest};
use super::parameters::Neurons;
use super::report::{Effect, NeuronFigures, NeuronReport, Verdict};
use super::screen::{Screen, Unit};
use crate::engine::{Ablation, Transformer, mean};
use crate::error::{Error, Result};
use crate::evaluate::intervals;
use crate::events::{Event, Observer, phase};
use crate::graph::Node;
use crate::metric::Metric;
use crate::model::{Real, Tokenizer, Weights};
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
    if !weights.config.has_mlps() {
        return Err(Error::Usage("the model has no MLPs, so no neurons".into()));
    }
    let graph = graph_of(weights, std::iter::empty())?;
    let transformer = Transformer::new(weights, &graph).within(room);
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
        .chain(task.discovery.iter().map(swapped))
        .collect();
    let replacement = Replacement {
        weights,
        room,
        metric: task.metric,
        ablation: question.ablation,
        prompts: &prompts,
        observer,
    };
    let on_discovery = Measured::new(&transformer, task.discovery, task.metric);
    let on_held_out = Measured::new(&transformer, task.held_out, task.metric);
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
            verdict: Verdict::of(&association, &effect, on_held_out.difference()),
            effect,
            effect_zero: effects.zero[index],
            contexts,
        });
    }
    figures.sort_by(|a, b| b.effect.mean.abs().total_cmp(&a.effect.mean.abs()));

    let dosed = ordered(&units, |index| effects.discovery[index].abs());
    let doses = dose_responses(&replacement, task, question, &dosed)?;
    let helpful = ordered(&units, |index| effects.discovery[index]);
    let all = std::slice::from_ref(&helpful);
    let all = replacement.measure("all neurons measured", task.discovery, all)?;
    let mut warnings = Vec::new();
    let group = if on_discovery.difference() > 0.0 {
        let (range, most) = (on_discovery.range(), question.remaining);
        let found = smallest(&replacement, task.discovery, &range, &helpful, most)?;
        let counts = (task.random_baselines, task.bootstrap);
        let range = on_held_out.range();
        let judged = found.map(|found| judge(&replacement, task.held_out, &range, found, counts));
        judged.transpose()?
    } else {
        let warning = "the metric on the clean prompts is not above that on the corrupt ones: the model does not show \
                       this behaviour, or clean and corrupt have the wrong roles";
        warnings.push(warning.to_owned());
        None
    };
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
        remaining_without_all: on_discovery.range().remaining(&all[0]),
        warnings,
    })
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
        let zero = Replacement {
            ablation: Ablation::Zero,
            ..*replacement
        };
        let zero = zero.measure("effects of zero, held out", task.held_out, &single)?;
        let estimates = |measured: &[Vec<f64>]| {
            let drops = measured.iter().map(|without| on_held_out.drop(without));
            drops.map(|drop| estimate(&drop, task.bootstrap)).collect()
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
    ) -> Self {
        let corrupt: Vec<Example> = examples.iter().map(swapped).collect();
        Self {
            full: transformer.clean_metric(examples, metric),
            corrupt: transformer.clean_metric(&corrupt, metric),
        }
    }

    /// By how much the metric falls without something.
    fn drop(&self, without: &[f64]) -> Vec<f64> {
        let pairs = self.full.iter().zip(without);
        pairs.map(|(full, without)| full - without).collect()
    }

    /// What the metric is larger by on the clean prompts.
    fn difference(&self) -> f64 {
        mean(&self.full) - mean(&self.corrupt)
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
        let values =
            transformer.scaled_neuron(task.held_out, task.metric, unit, &question.doses)?;
        let point = |(&factor, values): (&f64, &Vec<f64>)| DosePoint {
            factor,
            metric: estimate(values, task.bootstrap),
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

/// A mean with its bootstrap interval.
fn estimate(values: &[f64], bootstrap: usize) -> Effect {
    let statistic = |picks: &[usize]| {
        let picked: Vec<f64> = picks.iter().map(|&index| values[index]).collect();
        vec![Some(mean(&picked))]
    };
    Effect {
        mean: mean(values),
        interval: intervals(values.len(), bootstrap, 0, statistic)
            .pop()
            .flatten(),
    }
}

/// The pair with the corrupt prompt in the place of the clean one, the answers as they were.
fn swapped(example: &Example) -> Example {
    Example {
        clean: example.corrupt.clone(),
        corrupt: example.clean.clone(),
        ..example.clone()
    }
}

fn name((layer, neuron): Unit) -> String {
    Node::Neuron { layer, neuron }.to_string()
}
