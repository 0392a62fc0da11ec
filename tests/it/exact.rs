//! Exact patching equals the plain twin edge by edge, and identities that hold between scores.

use secateur::engine::{Ablation, AblationValues, Evaluator, ModelEvaluator, Transformer};
use secateur::events::Silent;
use secateur::graph::{EdgeMask, Granularity, KeyValue, Node};
use secateur::metric::Metric;
use secateur::model::{Attention, Block, ModelConfig};
use secateur::score::{EapIg, Exact};

use crate::oracle::{self, llama};
use crate::synthetic::{graph_of, shape, without};
use crate::twin::Twin;

fn grouped() -> ModelConfig {
    ModelConfig {
        n_layers: 2,
        n_heads: 4,
        ..llama()
    }
}

#[test]
fn every_edge_equals_the_plain_twin() {
    for (config, seed) in [(shape(3, 2), 1), (grouped(), 2)] {
        let graph = graph_of(&config, &Granularity::default());
        let weights = oracle::random_weights(&config, seed);
        let examples = oracle::random_examples(&config, 4, seed + 10);
        let transformer = Transformer::new(&weights, &graph);
        for (ablation, metric) in [
            (Ablation::Patch, Metric::LogitDiff),
            (Ablation::Patch, Metric::Kl),
            (Ablation::Zero, Metric::ProbDiff),
            (Ablation::Mean, Metric::LogitDiff),
            (Ablation::MeanPositional, Metric::LogitDiff),
        ] {
            let twin = Twin::new(&weights, &graph, &examples, metric, ablation);
            let ablated =
                AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
            let mut evaluator =
                ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
                    .expect("an evaluator");
            let scores = Exact::default()
                .score(&mut evaluator, &Silent)
                .expect("scores");
            assert_eq!(scores.len(), graph.edge_count());
            let full = EdgeMask::full(&graph);
            let base = twin.mean(&full);
            for (edge, score) in scores.iter().enumerate() {
                let wanted = base - twin.mean(&without(&graph, &full, edge));
                assert!(
                    (score - wanted).abs() < 1e-9,
                    "{}, {ablation:?}, {metric:?}: {score}, the twin says {wanted}",
                    graph.edge_name(edge)
                );
            }
            assert!(scores.iter().any(|score| score.abs() > 1e-3));
        }
    }
}

/// An edge of a group is its copies at once, and gradients are linear.
#[test]
fn the_gradient_score_of_a_group_edge_is_the_sum_of_its_copies() {
    let config = grouped();
    let group = graph_of(&config, &Granularity::default());
    let granularity = Granularity {
        kv: KeyValue::PerHead,
        ..Granularity::default()
    };
    let per_head = graph_of(&config, &granularity);
    let weights = oracle::random_weights(&config, 3);
    let examples = oracle::random_examples(&config, 5, 4);
    let scores = |graph| {
        let transformer = Transformer::new(&weights, graph);
        let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
        let ablated =
            AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
        let mut evaluator =
            ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
                .expect("an evaluator");
        EapIg::default().score(&mut evaluator).expect("scores")
    };
    let copies = scores(&per_head);
    let mut sums = vec![0.0; group.edge_count()];
    let size = config.n_heads / config.n_kv_heads;
    for (edge, score) in copies.iter().enumerate() {
        let name = per_head.edge_name(edge);
        let grouped = match name.rsplit_once(".h") {
            Some((before, head)) if name.ends_with("<k>") || name.ends_with("<v>") => {
                let (head, part) = head.split_once('<').expect("a part");
                let head: usize = head.parse().expect("a head");
                format!("{before}.h{}<{part}", head / size * size)
            }
            _ => name,
        };
        sums[group.find_edge(&grouped).expect("the group's edge")] += score;
    }
    for (edge, (score, sum)) in scores(&group).iter().zip(&sums).enumerate() {
        let name = group.edge_name(edge);
        assert!((score - sum).abs() < 1e-10, "{name}: {score}, not {sum}");
    }
}

/// Under patching, edges from a writer whose runs agree on clean and corrupt are worth exactly nothing.
#[test]
fn a_writer_that_does_not_see_the_difference_scores_zero() {
    let config = shape(2, 2);
    let graph = graph_of(&config, &Granularity::default());
    let mut weights = oracle::random_weights(&config, 8);
    // Head 1 of layer 0 writes nothing: its rows of the output map are zero.
    let (head, d) = (config.d_head, config.d_model);
    let blocks: Vec<_> = (0..config.n_layers)
        .map(|layer| {
            let mut attention = Attention::clone(&weights.attention(layer));
            if layer == 0 {
                let mut weight = attention.o.weight.to_vec();
                weight[head * d..2 * head * d].fill(0.0);
                attention.o.weight = weight.into();
            }
            let mlp = weights.mlp(layer).as_deref().cloned();
            Block { attention, mlp }
        })
        .collect();
    weights.blocks = blocks.into();
    let examples = oracle::random_examples(&config, 3, 9);
    let transformer = Transformer::new(&weights, &graph);
    let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
    let ablated = AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
    let mut evaluator = ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
        .expect("an evaluator");
    let exact = Exact::default()
        .score(&mut evaluator, &Silent)
        .expect("scores");
    let gradient = evaluator.attribution(&[1.0]).expect("scores");
    let silent = graph
        .writer(Node::Head { layer: 0, head: 1 })
        .expect("the head");
    for edge in 0..graph.edge_count() {
        if graph.ends(edge).0 == silent {
            let name = graph.edge_name(edge);
            assert!(exact[edge].abs() < 1e-12, "{name}: {}", exact[edge]);
            assert!(gradient[edge].abs() < 1e-12, "{name}: {}", gradient[edge]);
        }
    }
}
