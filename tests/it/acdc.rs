//! ACDC equals the plain sequential algorithm: one full run per question, nothing predicted, nothing cached.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use proptest::prelude::*;
use secateur::discover::{Acdc, AcdcResult, Decision};
use secateur::engine::{Ablation, AblationValues, ModelEvaluator, Transformer};
use secateur::events::Silent;
use secateur::graph::{
    ComputationGraph, Dangling, EdgeMask, Granularity, Heads, KeyValue, NeuronNodes, Node,
    PositionEmbedding, Qkv, Reader,
};
use secateur::metric::Metric;
use secateur::model::{ModelConfig, PrependBos, load_model};
use secateur::task::{Ioi, LoadRequest, TaskSource};

use crate::oracle::{self, gpt2, llama};
use crate::synthetic::{Gate, Synthetic, Term, named, shape, small_graph, without};
use crate::twin::Twin;

/// Readers from last to first, by name: `logits`, then per layer the MLP, values, keys, queries, heads descending.
fn readers_last_first(graph: &ComputationGraph) -> Vec<usize> {
    let mut order = vec![graph.reader(Reader::Logits).expect("logits")];
    for layer in (0..10).rev() {
        order.extend(graph.reader(Reader::Mlp { layer }));
        for part in [None, Some(Qkv::V), Some(Qkv::K), Some(Qkv::Q)] {
            for head in (0..10).rev() {
                order.extend(graph.reader(Reader::Head { layer, head, part }));
            }
        }
    }
    assert_eq!(order.len(), graph.readers().len());
    order
}

pub(crate) struct Plain {
    pub(crate) kept: EdgeMask,
    pub(crate) decisions: Vec<Decision>,
}

pub(crate) fn plain_edges(
    graph: &ComputationGraph,
    start: &EdgeMask,
    tau: f64,
    mut metric: impl FnMut(&EdgeMask) -> f64,
) -> Plain {
    let mut kept = start.clone();
    let mut before = metric(&kept);
    let mut decisions = Vec::new();
    for reader in readers_last_first(graph) {
        for writer in (0..graph.writers_before(reader)).rev() {
            if !start.contains(writer, reader) {
                continue;
            }
            let edge = graph.edge(writer, reader).expect("an edge");
            let left = without(graph, &kept, edge);
            let live = graph.reaching_logits_by_search(&kept).readers[graph.place(writer, reader)];
            let mut decision = Decision {
                edge,
                change: 0.0,
                kept: false,
                tested: live,
            };
            if live {
                let after = metric(&left);
                decision.change = before - after;
                decision.kept = decision.change >= tau;
                if !decision.kept {
                    before = after;
                }
            }
            if !decision.kept {
                kept = left;
            }
            decisions.push(decision);
        }
    }
    Plain {
        kept: graph.drop_dangling(&kept, Dangling::NoPathToLogits),
        decisions,
    }
}

/// The same over nodes, latest first; a node goes with its outgoing edges.
fn plain_nodes(
    graph: &ComputationGraph,
    tau: f64,
    mut metric: impl FnMut(&EdgeMask) -> f64,
) -> Plain {
    let mut kept = EdgeMask::full(graph);
    let mut before = metric(&kept);
    let mut changes = vec![(0.0, false); graph.writers().len()];
    for writer in (0..graph.writers().len()).rev() {
        if matches!(graph.writers()[writer], Node::Input | Node::Position) {
            continue;
        }
        let mut left = kept.clone();
        for reader in 0..graph.readers().len() {
            left.remove(writer, reader);
        }
        if graph.reaching_logits_by_search(&kept).writers[writer] {
            let after = metric(&left);
            changes[writer] = (before - after, true);
            if before - after >= tau {
                continue;
            }
            before = after;
        }
        kept = left;
    }
    let kept = graph.drop_dangling(&kept, Dangling::NoPathToLogits);
    let decisions = (0..graph.edge_count())
        .map(|edge| {
            let (writer, reader) = graph.ends(edge);
            let (change, tested) = changes[writer];
            Decision {
                edge,
                change,
                kept: kept.contains(writer, reader),
                tested,
            }
        })
        .collect();
    Plain { kept, decisions }
}

fn assert_same(found: &AcdcResult, plain: &Plain, graph: &ComputationGraph, what: &str) {
    assert_eq!(found.decisions.len(), plain.decisions.len(), "{what}");
    for (found, plain) in found.decisions.iter().zip(&plain.decisions) {
        let name = graph.edge_name(plain.edge);
        assert_eq!(
            (found.edge, found.kept, found.tested),
            (plain.edge, plain.kept, plain.tested),
            "{what}: {name}: {found:?}, the plain algorithm says {plain:?}"
        );
        assert!(
            (found.change - plain.change).abs() <= 1e-9 * plain.change.abs().max(1.0),
            "{what}: {name}: {found:?}, the plain algorithm says {plain:?}"
        );
    }
    assert_eq!(found.kept, plain.kept, "{what}");
}

fn cases() -> Vec<(&'static str, ModelConfig, Granularity, NeuronNodes)> {
    let gpt2 = |n_heads, parallel| ModelConfig {
        n_layers: 2,
        n_heads,
        n_kv_heads: n_heads,
        ..gpt2(parallel)
    };
    let llama = ModelConfig {
        n_layers: 2,
        n_heads: 4,
        ..llama()
    };
    let default = Granularity::default;
    let per_head = Granularity {
        kv: KeyValue::PerHead,
        ..default()
    };
    let whole = Granularity {
        heads: Heads::Whole,
        ..default()
    };
    let positions = Granularity {
        position_embedding: PositionEmbedding::Writer,
        ..default()
    };
    let neurons: NeuronNodes = BTreeMap::from([(0, vec![1, 5, 19]), (1, vec![3])]);
    let none = NeuronNodes::new;
    vec![
        ("gpt2", gpt2(3, false), default(), none()),
        ("parallel blocks", gpt2(2, true), default(), none()),
        ("group", llama.clone(), default(), none()),
        ("per head", llama.clone(), per_head, none()),
        ("whole heads", llama, whole, none()),
        ("position writer", gpt2(2, false), positions, none()),
        ("neurons", gpt2(2, false), default(), neurons),
    ]
}

const SETTINGS: [(Ablation, Metric); 5] = [
    (Ablation::Patch, Metric::LogitDiff),
    (Ablation::Patch, Metric::Kl),
    (Ablation::Zero, Metric::LogitDiff),
    (Ablation::Mean, Metric::Kl),
    (Ablation::MeanPositional, Metric::LogitDiff),
];

#[test]
fn on_a_model_it_equals_the_plain_algorithm() {
    for (name, config, granularity, neurons) in cases() {
        let graph = ComputationGraph::new(&config, &granularity, &neurons).expect("a graph");
        let weights = oracle::random_weights(&config, 21);
        let examples = oracle::random_examples(&config, 4, 22);
        let transformer = Transformer::new(&weights, &graph);
        for (ablation, metric) in SETTINGS {
            let twin = Twin::new(&weights, &graph, &examples, metric, ablation);
            let ablated =
                AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
            let mut evaluator =
                ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
                    .expect("an evaluator");
            let full = EdgeMask::full(&graph);
            let range = (twin.mean(&full) - twin.mean(&EdgeMask::empty(&graph))).abs();
            let (mut removed_some, mut kept_some) = (false, false);
            for tau in [f64::NEG_INFINITY, 0.003, 0.12, f64::INFINITY] {
                let what = format!("{name}, {ablation:?}, {metric:?}, tau {tau}");
                let found = Acdc::new(tau)
                    .edges(&mut evaluator, &full, &Silent)
                    .expect("a result");
                let plain = plain_edges(&graph, &full, tau, |mask| twin.mean(mask));
                assert_same(&found, &plain, &graph, &what);
                let mut edges: Vec<usize> = found.decisions.iter().map(|step| step.edge).collect();
                edges.sort_unstable();
                assert_eq!(edges, (0..graph.edge_count()).collect::<Vec<_>>(), "{what}");
                let near = found
                    .decisions
                    .iter()
                    .filter(|step| step.tested && (step.change - tau).abs() < 1e-5 * range);
                assert_eq!(found.near_ties, near.count(), "{what}");
                if tau == f64::NEG_INFINITY {
                    assert_eq!(found.kept, full, "{what}");
                } else if tau == f64::INFINITY {
                    assert!(found.kept.is_empty(), "{what}");
                } else {
                    kept_some |= !found.kept.is_empty();
                    removed_some |= found.decisions.iter().any(|step| !step.tested);
                }
            }
            assert!(kept_some && removed_some, "{name}: the taus ask nothing");
            for tau in [0.01, 0.4] {
                let what = format!("{name}, nodes, {ablation:?}, {metric:?}, tau {tau}");
                let mut found = Acdc::new(tau)
                    .nodes(&mut evaluator, &Silent)
                    .expect("a result");
                let plain = plain_nodes(&graph, tau, |mask| twin.mean(mask));
                found.decisions.sort_by_key(|step| step.edge);
                assert_same(&found, &plain, &graph, &what);
            }
        }
    }
}

#[test]
fn it_can_start_from_a_circuit() {
    let config = shape(2, 3);
    let graph = crate::synthetic::graph_of(&config, &Granularity::default());
    let weights = oracle::random_weights(&config, 5);
    let examples = oracle::random_examples(&config, 3, 6);
    let transformer = Transformer::new(&weights, &graph);
    let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
    let twin = Twin::new(&weights, &graph, &examples, metric, ablation);
    let ablated = AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
    let mut evaluator = ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
        .expect("an evaluator");
    for seed in 0..4 {
        let start = oracle::random_mask(&graph, 0.6, seed);
        let found = Acdc::new(0.02)
            .edges(&mut evaluator, &start, &Silent)
            .expect("a result");
        let plain = plain_edges(&graph, &start, 0.02, |mask| twin.mean(mask));
        assert_same(&found, &plain, &graph, &format!("start {seed}"));
        assert_eq!(found.decisions.len(), start.len());
        assert!(found.kept.is_subset(&start));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Speculation may cost time, never change a decision.
    #[test]
    fn decisions_do_not_depend_on_the_batch_or_the_predictions(
        kind in 0usize..4, seed in any::<u64>(), tau in -0.2f64..0.6, positive in any::<bool>(),
    ) {
        let mut objective = Synthetic::random(small_graph(kind), 3, positive, seed);
        let graph = objective.graph.clone();
        let full = EdgeMask::full(&graph);
        let plain = plain_edges(&graph, &full, tau, |mask| objective.mean(mask));
        let nodes = plain_nodes(&graph, tau, |mask| objective.mean(mask));
        for batch in [1, 3, 64] {
            objective.batch = batch;
            let found = Acdc::new(tau).edges(&mut objective, &full, &Silent).expect("a result");
            assert_same(&found, &plain, &graph, &format!("batch {batch}"));
            let mut found = Acdc::new(tau).nodes(&mut objective, &Silent).expect("a result");
            found.decisions.sort_by_key(|step| step.edge);
            assert_same(&found, &nodes, &graph, &format!("nodes, batch {batch}"));
        }
    }
}

#[test]
fn right_predictions_save_calls() {
    let graph = small_graph(0);
    let weights: Vec<f64> = (0..graph.edge_count())
        .map(|edge| if edge % 5 == 0 { 1.0 } else { 0.0 })
        .collect();
    let full = EdgeMask::full(&graph);
    let mut calls = Vec::new();
    for batch in [1, 16] {
        let mut objective = Synthetic::additive(graph.clone(), &weights);
        objective.batch = batch;
        Acdc::new(0.5)
            .edges(&mut objective, &full, &Silent)
            .expect("a result");
        calls.push(objective.calls);
    }
    assert!(calls[1] * 4 < calls[0], "{calls:?}");
}

/// ACDC keeps both inputs of an AND gate and the earlier tested one of an OR gate goes.
#[test]
fn of_an_or_gate_one_input_stays_and_of_an_and_gate_both() {
    let graph = small_graph(0);
    let edge = |name: &str| graph.find_edge(name).expect("an edge");
    let gate = |gate, names: [&str; 2]| Term {
        edges: names.map(edge).to_vec(),
        gate,
        worth: vec![1.0],
    };
    let terms = vec![
        gate(Gate::And, ["a1.h0->logits", "m0->logits"]),
        gate(Gate::Or, ["input->a1.h0<v>", "a0.h1->m0"]),
    ];
    let mut objective = Synthetic::new(graph.clone(), terms, 1);
    let found = Acdc::new(0.5)
        .edges(&mut objective, &EdgeMask::full(&graph), &Silent)
        .expect("a result");
    let contains = |name: &str| named(&graph, &[name]).is_subset(&found.kept);
    assert!(contains("a1.h0->logits") && contains("m0->logits"));
    assert!(!contains("input->a1.h0<v>") && contains("a0.h1->m0"));
}

#[test]
fn decisions_within_rounding_of_tau_are_counted() {
    let graph = small_graph(0);
    let mut weights = vec![1.0; graph.edge_count()];
    let edge = graph.find_edge("m0->m1").expect("an edge");
    weights[edge] = 3.37;
    let mut objective = Synthetic::additive(graph.clone(), &weights);
    let full = EdgeMask::full(&graph);
    let range = objective.mean(&full);
    for (distance, ties) in [(0.0, 1), (0.5e-5, 1), (-0.5e-5, 1), (2e-5, 0)] {
        let tau = 3.37 + distance * range;
        let found = Acdc::new(tau)
            .edges(&mut objective, &full, &Silent)
            .expect("a result");
        assert_eq!(found.near_ties, ties, "{distance} of the range");
    }
}

/// The time both take is printed; see it with `cargo test --release --test it built_in -- --nocapture`.
#[test]
fn on_a_built_in_model_it_equals_the_plain_algorithm() {
    let model = load_model("builtin:toy-llama", Path::new(".")).expect("the model");
    let request = LoadRequest {
        prompts: secateur::task::Prompts::Pairs,
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        base: Path::new("."),
        observer: &Silent,
    };
    let task = TaskSource::Ioi(Ioi {
        pairs: 4,
        seed: 1,
        ..Ioi::default()
    });
    let examples = task.load(&request).expect("examples").examples;
    let weights = model.weights.cast::<f64>();
    let graph = ComputationGraph::new(model.config(), &Granularity::default(), &NeuronNodes::new())
        .expect("a graph");
    let transformer = Transformer::new(&weights, &graph);
    let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
    let ablated = AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
    let full = EdgeMask::full(&graph);
    let start = Instant::now();
    let mut evaluator = ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
        .expect("an evaluator");
    let found = Acdc::new(0.05)
        .edges(&mut evaluator, &full, &Silent)
        .expect("a result");
    let fast = start.elapsed();
    let start = Instant::now();
    let twin = Twin::new(&weights, &graph, &examples, metric, ablation);
    let plain = plain_edges(&graph, &full, 0.05, |mask| twin.mean(mask));
    eprintln!(
        "ACDC keeps {} of {} edges: {fast:.2?}, the plain algorithm {:.2?}",
        found.kept.len(),
        graph.edge_count(),
        start.elapsed()
    );
    assert_same(&found, &plain, &graph, "toy-llama");
    assert!(!found.kept.is_empty() && found.kept != full);
}
