//! Scores of nodes and of hidden units against their definition: the derivative along the node's own output.

use std::collections::BTreeMap;

use secateur::ComputationGraph;
use secateur::engine::{Ablation, AblationValues, Evaluator, ModelEvaluator, Transformer, mean};
use secateur::events::Silent;
use secateur::graph::{Granularity, NeuronNodes, Node};
use secateur::metric::Metric;
use secateur::model::ModelConfig;
use secateur::score::node_scores;

use crate::oracle::{self, gpt2, llama};
use crate::twin::Twin;

/// Scores by writer, of whole nodes and of hidden units, with the derivatives they stand for.
fn check(config: &ModelConfig, neurons: &NeuronNodes, ablation: Ablation) {
    let graph = ComputationGraph::new(config, &Granularity::default(), neurons).expect("a graph");
    let weights = oracle::random_weights(config, 31);
    let examples = oracle::random_examples(config, 3, 32);
    let metric = Metric::LogitDiff;
    let transformer = Transformer::new(&weights, &graph);
    let ablated = AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
    let mut evaluator = ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
        .expect("an evaluator");
    let nodes = node_scores(&graph, &evaluator.attribution(&[1.0]).expect("scores"));
    let units = evaluator.neuron_attribution(&[1.0]).expect("scores");
    let twin = Twin::new(&weights, &graph, &examples, metric, ablation);
    let step = 1e-4;
    for (writer, node) in graph.writers().iter().enumerate() {
        // The share of the writer's output that all its readers see.
        let at = |share: f64| {
            let mut kept = vec![1.0; graph.edge_count()];
            for (edge, kept) in kept.iter_mut().enumerate() {
                if graph.ends(edge).0 == writer {
                    *kept = share;
                }
            }
            mean(&twin.values(&kept))
        };
        let slope = (at(1.0 + step) - at(1.0 - step)) / (2.0 * step);
        let close = |found: f64| (found - slope).abs() < 1e-5 * slope.abs().max(1.0);
        let what = format!(
            "{node}, {ablation:?}: {} or {}, not {slope}",
            nodes[writer], units[writer]
        );
        assert!(close(nodes[writer]), "{what}");
        if matches!(node, Node::Neuron { .. }) {
            assert!(close(units[writer]), "{what}");
        }
    }
}

#[test]
fn scores_of_nodes_are_derivatives_along_their_own_output() {
    let split: NeuronNodes = BTreeMap::from([(1, vec![0, 7, 19])]);
    for neurons in [NeuronNodes::new(), split] {
        for config in [gpt2(false), gpt2(true), llama()] {
            for ablation in [Ablation::Patch, Ablation::Zero] {
                check(&config, &neurons, ablation);
            }
        }
    }
}
