//! EAP-IG over activations against its definition: finite differences of plain runs with a group of writers set.

use std::collections::BTreeMap;

use secateur::engine::{Ablation, AblationValues, Evaluator, ModelEvaluator, Transformer};
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Granularity, KeyValue, Node};
use secateur::metric::Metric;
use secateur::model::{ModelConfig, Weights};
use secateur::task::Example;

use crate::oracle::{self, Outputs, gpt2, llama};
use crate::shapes::{attention_only, post_norms};
use crate::twin::Twin;

const STEP: f64 = 1e-4;
const POINTS: [f64; 2] = [0.3, 0.8];

/// The groups that are set together: token embeddings, heads of a layer, MLPs.
fn groups(graph: &ComputationGraph) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(Option<usize>, bool), Vec<usize>> = BTreeMap::new();
    for (writer, node) in graph.writers().iter().enumerate() {
        let is_head = matches!(node, Node::Head { .. });
        groups
            .entry((node.layer(), !is_head))
            .or_default()
            .push(writer);
    }
    groups.into_values().collect()
}

struct Runs<'a> {
    twin: &'a Twin<'a>,
    graph: &'a ComputationGraph,
    clean: Outputs,
    corrupt: Outputs,
}

impl Runs<'_> {
    /// Corrupt plus `point` times the difference, for every writer.
    fn between(&self, point: f64) -> Outputs {
        let mut outputs = self.corrupt.clone();
        for (writer, rows) in outputs.iter_mut().enumerate() {
            for (position, row) in rows.iter_mut().enumerate() {
                for (column, value) in row.iter_mut().enumerate() {
                    *value += point * (self.clean[writer][position][column] - *value);
                }
            }
        }
        outputs
    }

    /// The derivative of the metric along an edge in the run with a group set between corrupt and clean.
    fn derivative(&self, edge: usize, group: &[usize], point: f64) -> f64 {
        let (graph, twin) = (self.graph, self.twin);
        let (writer, _) = graph.ends(edge);
        let ablated = self.between(point);
        let mut kept = vec![1.0; graph.edge_count()];
        for (edge, kept) in kept.iter_mut().enumerate() {
            if group.contains(&graph.ends(edge).0) {
                *kept = 0.0;
            }
        }
        if group.contains(&writer) {
            // Its value in the run is the clean one, `1 - point` differences away from the one that is set.
            let at = |weight: f64| {
                let mut kept = kept.clone();
                kept[edge] = weight;
                twin.value_with(0, &kept, 1.0, &ablated)
            };
            return (at(STEP) - at(-STEP)) / (2.0 * STEP) / (1.0 - point);
        }
        let run = twin.outputs_with(0, &kept, &ablated);
        kept[edge] = 0.5;
        let at = |amount: f64| {
            let mut ablated = ablated.clone();
            for (position, row) in ablated[writer].iter_mut().enumerate() {
                for (column, value) in row.iter_mut().enumerate() {
                    let difference = self.clean[writer][position][column]
                        - self.corrupt[writer][position][column];
                    *value = run[writer][position][column] + 2.0 * amount * difference;
                }
            }
            twin.value_with(0, &kept, 1.0, &ablated)
        };
        (at(STEP) - at(-STEP)) / (2.0 * STEP)
    }
}

#[test]
fn scores_are_mean_derivatives_over_groups_and_points() {
    let cases: [(&str, ModelConfig); 5] = [
        ("gpt2", gpt2(false)),
        ("parallel blocks", gpt2(true)),
        ("llama", llama()),
        ("post-norms", post_norms()),
        ("attention only", attention_only()),
    ];
    for (name, config) in cases {
        let granularity = Granularity {
            kv: KeyValue::PerHead,
            ..Granularity::default()
        };
        let graph =
            ComputationGraph::new(&config, &granularity, &BTreeMap::new()).expect("a graph");
        let weights: Weights<f64> = oracle::random_weights(&config, 7);
        let examples: Vec<Example> = oracle::random_examples(&config, 1, 11);
        let transformer = Transformer::new(&weights, &graph);
        let ablated =
            AblationValues::new(&transformer, &examples, Ablation::Patch, &Silent).expect("values");
        let metric = Metric::ProbDiff;
        let mut evaluator =
            ModelEvaluator::new(&transformer, &examples, metric, Ablation::Patch, &ablated)
                .expect("an evaluator");
        let scores = evaluator.activation_attribution(&POINTS).expect("scores");
        let twin = Twin::new(&weights, &graph, &examples, metric, Ablation::Patch);
        let runs = Runs {
            twin: &twin,
            graph: &graph,
            clean: oracle::full_run(&weights, &graph, &examples[0].clean).1,
            corrupt: oracle::full_run(&weights, &graph, &examples[0].corrupt).1,
        };
        let groups = groups(&graph);
        let largest = scores
            .iter()
            .fold(0.0, |most: f64, score| most.max(score.abs()));
        for edge in (0..graph.edge_count()).step_by(graph.edge_count() / 11) {
            let count = (groups.len() * POINTS.len()) as f64;
            let wanted: f64 = groups
                .iter()
                .flat_map(|group| POINTS.map(|point| runs.derivative(edge, group, point)))
                .sum::<f64>()
                / count;
            let found = scores[edge];
            assert!(
                (found - wanted).abs() < 1e-5 * largest,
                "{name}, {}: {found}, by definition {wanted}",
                graph.edge_name(edge)
            );
        }
    }
}
