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

/// Full minus empty on some of the examples, and a circuit minus empty.
fn gaps(objective: &Synthetic, circuit: &EdgeMask, part: std::ops::Range<usize>) -> [f64; 2] {
    let of = |circuit: &EdgeMask| mean(&objective.values(circuit)[part.clone()]);
    let (full, empty) = (
        of(&EdgeMask::full(&objective.graph)),
        of(&EdgeMask::empty(&objective.graph)),
    );
    [full - empty, of(circuit) - empty]
}

/// The faithfulness on all examples; `None` where it is undefined.
fn on_all(objective: &Synthetic, circuit: &EdgeMask) -> Option<f64> {
    let [range, kept] = gaps(objective, circuit, 0..objective.examples);
    (range.abs() >= 1e-3).then(|| kept / range)
}

/// The faithfulness that a search goes by: on all examples, and, where full minus empty of both is of the same sign as on all and
/// at least a quarter of it, on the selecting two thirds and the validating third too, whichever is smallest.
fn faithfulness(objective: &Synthetic, circuit: &EdgeMask) -> Option<f64> {
    let whole = on_all(objective, circuit)?;
    let count = objective.examples;
    if count < 3 {
        return Some(whole);
    }
    let [range, _] = gaps(objective, circuit, 0..count);
    let split = count - count / 3;
    let parts = [0..split, split..count].map(|part| gaps(objective, circuit, part));
    if parts.iter().any(|[part, _]| part / range < 0.25) {
        return Some(whole);
    }
    let parts = parts.iter().map(|[part, kept]| kept / part);
    Some(parts.fold(whole, f64::min))
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

    /// Whatever the signs of single examples: what the whole graph reaches is reached, and reached means on all examples.
    #[test]
    fn a_target_that_the_whole_graph_reaches_is_reached(
        kind in 0usize..4,
        seed in any::<u64>(),
        examples in 1usize..10,
        target in 0.05f64..1.3,
        offsets in prop::collection::vec(-3.0f64..3.0, 10),
        prune in prop::sample::select(vec![Prune::Edges, Prune::Nodes, Prune::NodesThenEdges]),
    ) {
        let mut objective = Synthetic::random(small_graph(kind), examples, false, seed);
        for term in &mut objective.terms {
            for (worth, offset) in term.worth.iter_mut().zip(&offsets) {
                *worth *= offset;
            }
        }
        let full = EdgeMask::full(&objective.graph);
        let Some(whole) = on_all(&objective, &full) else {
            return Ok(());
        };
        let found = run(&mut objective, target, prune).expect("a discovery");
        let reached = on_all(&objective, &found.kept).expect("defined");
        if whole >= target {
            prop_assert!(found.target_reached, "{reached} of {target}");
        }
        prop_assert_eq!(found.target_reached, reached >= target, "{} of {}", reached, target);
        if prune == Prune::Edges && !found.target_reached {
            let order = secateur::graph::ranking(&objective.estimates, true);
            for count in 1..=order.len() {
                let prefix = EdgeMask::from_edges(&objective.graph, order[..count].iter().copied());
                prop_assert!(on_all(&objective, &prefix).expect("defined") < target, "{} edges reach", count);
            }
        }
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

/// Where the validating examples have the other sign, or no gap, all examples judge, and the result says so.
#[test]
fn a_part_that_cannot_judge_does_not() {
    let graph = small_graph(0);
    let edge = |name: &str| graph.find_edge(name).expect("an edge");
    for last in [-1.5, -1.0, 0.0] {
        let term = |name: &str, worth: f64| Term {
            edges: vec![edge(name)],
            gate: Gate::And,
            worth: vec![worth, worth, worth, worth, last * worth, last * worth],
        };
        let terms = vec![term("input->logits", 3.0), term("m1->logits", 1.0)];
        let mut objective = Synthetic::new(graph.clone(), terms, 6);
        let found = run(&mut objective, 0.7, Prune::Edges).expect("a discovery");
        assert!(found.target_reached, "{last}");
        assert_eq!(found.kept.len(), 1);
        assert!(
            found.warnings[0].starts_with("validation was not possible"),
            "{:?}",
            found.warnings
        );
    }
}

#[test]
fn an_undefined_faithfulness_is_an_error_that_says_so() {
    let graph = small_graph(0);
    let weights = vec![0.0; graph.edge_count()];
    let mut objective = Synthetic::additive(graph, &weights);
    let error = run(&mut objective, 0.5, Prune::Edges).expect_err("full equals empty");
    assert!(error.to_string().contains("undefined"), "{error}");
}
