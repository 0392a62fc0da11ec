//! Target search on synthetic objectives: the circuit reaches the target, and no part of it can go.

use proptest::prelude::*;
use secateur::discover::{Discovery, Method, Search, Target, discover};
use secateur::engine::mean;
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Dangling, EdgeMask, Granularity, Node, Prune};
use secateur::score::Eap;

use crate::synthetic::{Gate, Synthetic, Term, graph_of, shape, small_graph, without};

fn run(objective: &mut Synthetic, faithfulness: f64, prune: Prune) -> secateur::Result<Discovery> {
    let search = Search {
        method: Method::Eap(Eap::default()),
        select: None,
        target: Some(Target { faithfulness }),
        prune,
        dangling: Dangling::NoPathEitherWay,
    };
    discover(objective, &search, &Silent)
}

/// The smaller faithfulness of the selecting two thirds and the validating third; `None` where it is undefined.
fn faithfulness(objective: &Synthetic, circuit: &EdgeMask) -> Option<f64> {
    let count = objective.examples;
    let split = if count < 3 { count } else { count - count / 3 };
    let of =
        |circuit: &EdgeMask, part: std::ops::Range<usize>| mean(&objective.values(circuit)[part]);
    let (full, empty) = (
        EdgeMask::full(&objective.graph),
        EdgeMask::empty(&objective.graph),
    );
    let mut least = f64::INFINITY;
    for part in [0..split, split..count] {
        if part.is_empty() {
            continue;
        }
        let (all, none) = (of(&full, part.clone()), of(&empty, part.clone()));
        if (all - none).abs() < 1e-3 {
            return None;
        }
        least = least.min((of(circuit, part) - none) / (all - none));
    }
    Some(least)
}

fn without_node(graph: &ComputationGraph, circuit: &EdgeMask, writer: usize) -> EdgeMask {
    let mut left = circuit.clone();
    for reader in 0..graph.readers().len() {
        left.remove(writer, reader);
    }
    left
}

/// Every circuit with one part less.
fn with_one_part_less(graph: &ComputationGraph, kept: &EdgeMask, prune: Prune) -> Vec<EdgeMask> {
    match prune {
        Prune::Nodes => (0..graph.writers().len())
            .filter(|&writer| !matches!(graph.writers()[writer], Node::Input | Node::Position))
            .map(|writer| without_node(graph, kept, writer))
            .filter(|left| left != kept)
            .collect(),
        _ => kept
            .edges(graph)
            .into_iter()
            .map(|edge| without(graph, kept, edge))
            .collect(),
    }
}

fn check(objective: &mut Synthetic, target: f64, prune: Prune) {
    let graph = objective.graph.clone();
    if faithfulness(objective, &EdgeMask::full(&graph)).is_none() {
        return;
    }
    let found = run(objective, target, prune).expect("a discovery");
    assert!(
        found.target_reached,
        "the full model reaches any target up to 1"
    );
    let reached = faithfulness(objective, &found.kept).expect("defined");
    assert!(reached >= target - 1e-12, "{reached} of {target}");
    for left in with_one_part_less(&graph, &found.kept, prune) {
        let left = faithfulness(objective, &left).expect("defined");
        assert!(
            left < target + 1e-12,
            "a part can go: {left} still reaches {target}"
        );
    }
    assert_eq!(
        found.kept,
        graph.drop_dangling(&found.kept, Dangling::NoPathEitherWay)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn the_result_reaches_the_target_and_is_one_minimal(
        kind in 0usize..4,
        seed in any::<u64>(),
        examples in 1usize..8,
        target in 0.05f64..1.0,
        positive in any::<bool>(),
        batch in prop::sample::select(vec![1usize, 3, 64]),
        by_nodes in any::<bool>(),
    ) {
        let mut objective = Synthetic::random(small_graph(kind), examples, positive, seed);
        objective.batch = batch;
        check(&mut objective, target, if by_nodes { Prune::Nodes } else { Prune::Edges });
    }

    #[test]
    fn the_result_does_not_depend_on_the_batch(seed in any::<u64>(), target in 0.3f64..1.0) {
        let mut objective = Synthetic::random(small_graph(0), 6, true, seed);
        let mut found = Vec::new();
        for batch in [1, 3, 64] {
            objective.batch = batch;
            found.push(run(&mut objective, target, Prune::Edges).expect("a discovery").kept);
        }
        prop_assert_eq!(&found[0], &found[1]);
        prop_assert_eq!(&found[0], &found[2]);
    }

    #[test]
    fn beyond_the_full_model_nothing_reaches_and_everything_stays(seed in any::<u64>()) {
        let mut objective = Synthetic::random(small_graph(1), 2, true, seed);
        let full = EdgeMask::full(&objective.graph);
        prop_assume!(objective.mean(&full) > 0.1);
        for prune in [Prune::Edges, Prune::Nodes, Prune::NodesThenEdges] {
            let found = run(&mut objective, 1.01, prune).expect("a discovery");
            prop_assert!(!found.target_reached);
            prop_assert_eq!(&found.kept, &full);
        }
    }
}

#[test]
fn nodes_then_edges_reaches_the_target_with_no_edge_to_spare() {
    for seed in 0..20 {
        let mut objective = Synthetic::random(
            graph_of(&shape(3, 2), &Granularity::default()),
            4,
            true,
            seed,
        );
        let found = run(&mut objective, 0.8, Prune::NodesThenEdges).expect("a discovery");
        assert!(found.target_reached);
        let reached = faithfulness(&objective, &found.kept).expect("defined");
        assert!(reached >= 0.8, "{reached}");
        for left in with_one_part_less(&objective.graph, &found.kept, Prune::Edges) {
            assert!(faithfulness(&objective, &left).expect("defined") < 0.8);
        }
    }
}

/// Of an OR gate one input stays, of an AND gate both, whatever the ranking says.
#[test]
fn gates_keep_what_they_need() {
    let graph = small_graph(0);
    let edge = |name: &str| graph.find_edge(name).expect("an edge");
    let gate = |gate, names: [&str; 2]| Term {
        edges: names.map(edge).to_vec(),
        gate,
        worth: vec![1.0; 6],
    };
    let (and, or) = (
        ["input->a0.h1<v>", "m0->m1"],
        ["a0.h1->logits", "a1.h1->logits"],
    );
    for seed in 0..10 {
        let terms = vec![gate(Gate::And, and), gate(Gate::Or, or)];
        let mut objective = Synthetic::new(graph.clone(), terms, 6);
        let noise = Synthetic::random(graph.clone(), 6, true, seed);
        objective.estimates.clone_from(&noise.estimates);
        let found = run(&mut objective, 1.0, Prune::Edges).expect("a discovery");
        let contains = |name: &str| {
            let (writer, reader) = graph.ends(edge(name));
            found.kept.contains(writer, reader)
        };
        assert!(found.target_reached);
        assert!(and.into_iter().all(contains), "seed {seed}");
        assert_eq!(or.into_iter().filter(|name| contains(name)).count(), 1);
        check(&mut objective, 1.0, Prune::Edges);
    }
}

/// What only the validating examples need is kept, although the selecting ones would do without it.
#[test]
fn a_removal_that_only_validation_notices_is_not_made() {
    let graph = small_graph(0);
    let edge = |name: &str| graph.find_edge(name).expect("an edge");
    let term = |name: &str, worth: [f64; 6]| Term {
        edges: vec![edge(name)],
        gate: Gate::And,
        worth: worth.to_vec(),
    };
    let terms = vec![
        term("input->logits", [1.0; 6]),
        term("m1->logits", [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]),
    ];
    let mut objective = Synthetic::new(graph.clone(), terms, 6);
    let found = run(&mut objective, 0.9, Prune::Edges).expect("a discovery");
    let (writer, reader) = graph.ends(edge("m1->logits"));
    assert!(found.target_reached && found.kept.contains(writer, reader));
}

#[test]
fn an_undefined_faithfulness_is_an_error_that_says_so() {
    let graph = small_graph(0);
    let weights = vec![0.0; graph.edge_count()];
    let mut objective = Synthetic::additive(graph, &weights);
    let error = run(&mut objective, 0.5, Prune::Edges).expect_err("full equals empty");
    assert!(error.to_string().contains("undefined"), "{error}");
}
