//! The analysis of features from pairs and autoencoders to its report.

use super::contexts::most_active;
use super::edges::feature_edges;
use super::evaluator::{BATCH_ROWS, FeatureEvaluator};
use super::judge::{EvaluatedCircuit, Judge};
use super::parameters::FeatureCircuit;
use super::placed::SaeNodes;
use super::replacement::Replacement;
use super::report::{FeatureCircuitReport, NodeScores, SaeScores};
use crate::analyze::variance::Variance;
use crate::discover::{Selected, discover};
use crate::engine::{AddAt, Evaluator, Transformer, mean};
use crate::error::{Error, Result};
use crate::evaluate::{
    accuracy_doubt, below_target, few_doubt, is_below, random_doubt, selection_doubt,
};
use crate::events::{Observer, phase};
use crate::graph::{EdgeMask, ranking};
use crate::metric::Metric;
use crate::model::{Real, Tokenizer};
use crate::task::Example;

/// Nodes between which edges are scored at most: those with the largest `|score|`.
const MOST_LINKED: usize = 200;
/// Share of the variance on the prompts below which a dictionary comes with a warning.
const LEAST_EXPLAINED: f64 = 0.5;
/// Share of the largest `|score|` below which an edge is rounding.
const ROUNDING: f64 = 1e-5;

/// The pairs and figures that an analysis of features works with.
#[derive(Clone, Copy)]
pub struct FeatureTask<'t> {
    /// Pairs that the circuit is found on.
    pub discovery: &'t [Example],
    /// Pairs that it is judged on.
    pub held_out: &'t [Example],
    /// The measure of the behaviour.
    pub metric: Metric,
    /// Resamples of the bootstrap intervals.
    pub bootstrap: usize,
    /// Random sets of features to compare with.
    pub random_baselines: usize,
}

/// Finds the features that a behaviour needs, and how they act on each other.
///
/// # Errors
/// When a number is not finite, an autoencoder does not fit the model, the metric of the full model is that with all nodes
/// replaced while a faithfulness is asked for, or the observer interrupts.
///
/// # Complexity
/// That of the method and the search on the discovery pairs; one forward pass over the held-out pairs for each node
/// described and each random set; a backward pass over some pairs for each node of the circuit.
pub fn find_features<T: Real>(
    transformer: &Transformer<'_, T>,
    tokenizer: Option<&Tokenizer>,
    placements: &SaeNodes<T>,
    task: &FeatureTask<'_>,
    question: &FeatureCircuit,
    observer: &dyn Observer,
) -> Result<FeatureCircuitReport> {
    fits(transformer, placements)?;
    phase(observer, "features of the prompts", 0);
    let replacement = Replacement::new(transformer, placements, task.discovery, question.ablation)?;
    let on = |examples| {
        FeatureEvaluator::new(transformer, placements, examples, task.metric, &replacement)
    };
    let mut evaluator = on(task.discovery)?;
    let found = discover(&mut evaluator, &question.search(), observer)?;
    let circuit: Vec<bool> = (0..placements.nodes())
        .map(|node| found.kept.contains(node, 0))
        .collect();
    let order = ranking(&found.scores, true).into_iter();
    let nodes: Vec<usize> = order.filter(|&node| circuit[node]).collect();

    let held_out = on(task.held_out)?;
    let judge = Judge {
        evaluator: &held_out,
        placements,
        metric: task.metric,
        bootstrap: task.bootstrap,
        observer,
    };
    let judged = judge.judge(&circuit, evaluator.silent(), task.random_baselines)?;
    let described = &nodes[..question.described.min(nodes.len())];
    let mut effects = judge.effects(described)?.into_iter();
    let linked = &nodes[..nodes.len().min(MOST_LINKED)];
    let pairs = &task.discovery[..question.edge_pairs.min(task.discovery.len())];
    let mut edges = Vec::new();
    if question.edges > 0 {
        edges = feature_edges(&on(pairs)?, placements, task.metric, linked, observer)?;
        let largest = edges.first().map_or(0.0, |edge| edge.score.abs());
        edges.retain(|edge| edge.score.abs() >= ROUNDING * largest);
        edges.truncate(question.edges);
    }
    let prompts = (task.discovery, question.contexts);
    let contexts = most_active(
        transformer,
        tokenizer,
        (placements, described),
        prompts,
        observer,
    )?;
    let mut contexts = contexts.into_iter();
    let nodes_of_report = nodes.iter().map(|&node| NodeScores {
        node: placements.node(node).to_string(),
        score: found.scores[node],
        effect: effects.next(),
        contexts: contexts.next().unwrap_or_default(),
    });
    let faithfulness_discovery = on_discovery(&mut evaluator, &found.kept)?;
    let reaches = |asked: f64| faithfulness_discovery.is_some_and(|value| value >= asked);
    let target_reached = question.asked().is_none_or(reaches);
    let silent = evaluator.silent();
    let mut report = FeatureCircuitReport {
        examples_discovery: task.discovery.len(),
        examples: task.held_out.len(),
        dictionaries: dictionaries(&evaluator, placements, &circuit),
        nodes_total: placements.nodes(),
        nodes_active: silent.iter().filter(|silent| !**silent).count(),
        target_reached,
        below_target: target_reached
            && question
                .asked()
                .is_some_and(|asked| is_below(judged.faithfulness.value, asked)),
        faithfulness_discovery,
        metric_full: judged.metric[0],
        metric_empty: judged.metric[1],
        metric_circuit: judged.metric[2],
        accuracy: judged.accuracy.map(|it| it.mean),
        accuracy_interval: judged.accuracy.map(|it| it.interval),
        faithfulness: judged.faithfulness,
        without_errors: judged.without_errors,
        errors_alone: judged.errors_alone,
        all_features: judged.all_features,
        complement: judged.complement,
        random: judged.random.clone(),
        nodes: nodes_of_report.collect(),
        edges,
        warnings: Vec::new(),
    };
    report.warnings = warnings(&report, question, linked.len());
    report.warnings.extend(found.warnings);
    let doubts = doubts(&report, &found.selected, &judged);
    report.warnings.extend(doubts);
    Ok(report)
}

/// Bytes that the analysis takes besides the model, about.
pub(crate) fn bytes_of<T: Real>(
    transformer: &Transformer<'_, T>,
    placements: &SaeNodes<T>,
    task: &FeatureTask<'_>,
) -> usize {
    // Each representation is kept clean and replaced, as it is and as what is left.
    let widths = placements.all().iter().map(|it| 6 * it.dictionary.width);
    let widths = widths.sum();
    let runs = |examples| transformer.spliced_bytes(examples, widths, BATCH_ROWS);
    let dictionaries = placements.all().iter();
    let weights = dictionaries.map(|it| 2 * it.dictionary.encoder.len() + BATCH_ROWS * 4);
    runs(task.discovery) + runs(task.held_out) + weights.sum::<usize>() * size_of::<T>()
}

/// Refuses autoencoders of representations that the model does not have.
fn fits<T: Real>(transformer: &Transformer<'_, T>, placements: &SaeNodes<T>) -> Result<()> {
    for placed in placements.all() {
        let (layer, of) = (placed.layer, placed.of);
        let layers = transformer.heads().n_layers;
        if layer >= layers {
            return Err(Error::Usage(format!(
                "an SAE is of layer {layer}: the model has {layers} layers, counted from 0"
            )));
        }
        let (width, wanted) = (placed.dictionary.width, transformer.width_of(of));
        if width != wanted {
            return Err(Error::Usage(format!(
                "the SAE of {of:?} of layer {layer} is of {width} numbers at a position, and the model has {wanted} \
                 there; it is of another model or representation"
            )));
        }
    }
    Ok(())
}

/// Faithfulness on the pairs that the circuit was found on.
fn on_discovery<T: Real>(
    evaluator: &mut FeatureEvaluator<'_, '_, T>,
    kept: &EdgeMask,
) -> Result<Option<f64>> {
    let graph = evaluator.graph();
    let circuits = [EdgeMask::full(graph), EdgeMask::empty(graph), kept.clone()];
    let values = evaluator.measure(&circuits)?;
    let [full, empty, circuit] = [0, 1, 2].map(|index: usize| mean(&values[index]));
    Ok(crate::evaluate::faithfulness(circuit, full, empty))
}

/// What is known of each autoencoder on the clean discovery prompts.
fn dictionaries<T: Real>(
    evaluator: &FeatureEvaluator<'_, '_, T>,
    placements: &SaeNodes<T>,
    circuit: &[bool],
) -> Vec<SaeScores> {
    let figures = placements.all().iter().enumerate().map(|(index, placed)| {
        let width = placed.dictionary.width;
        let (mut rows, mut active) = (0, 0);
        let mut variance = Variance::new(width);
        for group in evaluator.groups() {
            let parts = &group.clean[index];
            let places = group.spliced.places(placed.layer);
            let after = places.rows(AddAt::Every, placed.skip_first);
            rows += after.len();
            for row in after {
                active += parts.active[row].len();
                let values = row * width..(row + 1) * width;
                variance.add_left(&parts.whole[values.clone()], &parts.error[values]);
            }
        }
        let count = rows.max(1) as f64;
        let features = placements.first(index)..placements.error(index);
        let count_of = |wanted: &dyn Fn(usize) -> bool| {
            let features = features.clone();
            features.filter(|&node| wanted(node)).count()
        };
        SaeScores {
            layer: placed.layer,
            of: placed.of,
            kind: placed.dictionary.kind,
            features: placed.dictionary.features,
            features_active: count_of(&|node| !evaluator.silent()[node]),
            features_kept: count_of(&|node| circuit[node]),
            error_kept: circuit[placements.error(index)],
            l0: active as f64 / count,
            variance_explained: variance.explained(),
        }
    });
    figures.collect()
}

/// Doubts that circuits of heads come with too.
fn doubts(
    report: &FeatureCircuitReport,
    selected: &[Selected],
    judged: &EvaluatedCircuit,
) -> Vec<String> {
    let selections = selected.iter().map(|it| Selected {
        what: "nodes",
        ..*it
    });
    let mut doubts: Vec<String> = selections.filter_map(|it| selection_doubt(&it)).collect();
    doubts.extend(judged.gap_doubt.clone());
    if !report.nodes.is_empty() && report.nodes.len() < report.nodes_total {
        doubts.extend(accuracy_doubt(report.accuracy, &judged.accuracy_lost));
        let share = report.faithfulness.value;
        let share = share.filter(|_| judged.gap_doubt.is_none());
        doubts.extend(random_doubt("features", share, &report.random));
    }
    doubts.extend(few_doubt(report.examples));
    doubts
}

fn warnings(
    report: &FeatureCircuitReport,
    question: &FeatureCircuit,
    linked: usize,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if !report.target_reached {
        warnings.push(
            "the faithfulness asked for was not reached on the discovery pairs: all nodes are kept"
                .into(),
        );
    }
    if report.metric_full <= report.metric_empty {
        warnings.push(
            "the metric of the full model is not above that with all nodes ablated: the model does not show this behaviour, or \
             clean and corrupt have the wrong roles"
                .into(),
        );
    }
    for it in &report.dictionaries {
        if let Some(explained) = it
            .variance_explained
            .filter(|share| *share < LEAST_EXPLAINED)
        {
            warnings.push(format!(
                "the SAE of {:?} of layer {} explains {:.0} % of the variance on these prompts, so its error is most of \
                 what is there",
                it.of,
                it.layer,
                100.0 * explained
            ));
        }
    }
    let Some(faithfulness) = report.faithfulness.value else {
        warnings.push(
            "faithfulness is undefined: replacing all nodes does not change the metric on the held-out pairs"
                .into(),
        );
        return warnings;
    };
    if let Some(asked) = question.asked().filter(|_| report.below_target) {
        let interval = report.faithfulness.interval;
        warnings.push(below_target(Some(faithfulness), interval, asked));
    }
    if question.edges > 0 && linked < report.nodes.len() {
        warnings.push(format!(
            "edges are between the {linked} nodes with the largest |score| only"
        ));
    }
    warnings
}
