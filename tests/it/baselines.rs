//! Circuits to compare with: enough edges, all on paths, the same for the same seed.

use proptest::prelude::*;
use secateur::evaluate::{permuted, random_connected};
use secateur::graph::{ComputationGraph, Dangling, EdgeMask};

use crate::synthetic::small_graph;

type Baseline = fn(&ComputationGraph, usize, u64) -> EdgeMask;
const BASELINES: [Baseline; 2] = [random_connected, permuted];

proptest! {
    #[test]
    fn they_have_enough_edges_all_on_paths(kind in 0usize..4, share in 0.0f64..1.0, seed in any::<u64>()) {
        let graph = small_graph(kind);
        let edges = (share * graph.edge_count() as f64) as usize;
        for baseline in BASELINES {
            let circuit = baseline(&graph, edges, seed);
            prop_assert!(circuit.len() >= edges, "{} of {edges}", circuit.len());
            let connected = graph.drop_dangling(&circuit, Dangling::NoPathEitherWay);
            prop_assert_eq!(&circuit, &connected);
            prop_assert_eq!(&circuit, &baseline(&graph, edges, seed));
        }
    }
}

#[test]
fn all_edges_asked_is_the_full_graph_and_none_the_empty_circuit() {
    for kind in 0..4 {
        let graph = small_graph(kind);
        for baseline in BASELINES {
            let all = baseline(&graph, graph.edge_count(), 1);
            assert_eq!(all, EdgeMask::full(&graph));
            assert!(baseline(&graph, 0, 1).is_empty());
        }
    }
}

#[test]
fn seeds_differ_and_grown_circuits_are_hardly_larger_than_asked() {
    let graph = small_graph(1);
    for baseline in BASELINES {
        let circuits: Vec<EdgeMask> = (0..10).map(|seed| baseline(&graph, 20, seed)).collect();
        for (index, circuit) in circuits.iter().enumerate() {
            assert!(!circuits[..index].contains(circuit), "seed {index}");
        }
    }
    let sizes: Vec<usize> = (0..50)
        .map(|seed| random_connected(&graph, 20, seed).len())
        .collect();
    let mean = sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
    assert!(mean < 26.0, "{mean} edges on average: {sizes:?}");
}
