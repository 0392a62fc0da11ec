//! Circuits to compare with: enough edges, all on paths, the same for the same seed.

use proptest::prelude::*;
use secateur::evaluate::{permuted, random_connected};
use secateur::graph::{ComputationGraph, Dangling, EdgeMask};

use crate::synthetic::small_graph;

type Baseline = fn(&ComputationGraph, usize, Dangling, u64) -> EdgeMask;
const BASELINES: [Baseline; 2] = [random_connected, permuted];

proptest! {
    #[test]
    fn they_have_enough_edges_all_on_paths(kind in 0usize..4, share in 0.0f64..1.0, seed in any::<u64>()) {
        let graph = small_graph(kind);
        let edges = (share * graph.edge_count() as f64) as usize;
        for baseline in BASELINES {
            for dangling in [Dangling::NoPathEitherWay, Dangling::NoPathToLogits] {
                let circuit = baseline(&graph, edges, dangling, seed);
                prop_assert!(circuit.len() >= edges, "{} of {edges}", circuit.len());
                let connected = graph.drop_dangling(&circuit, dangling);
                prop_assert_eq!(&circuit, &connected);
                prop_assert_eq!(&circuit, &baseline(&graph, edges, dangling, seed));
            }
        }
    }
}

#[test]
fn all_edges_asked_is_the_full_graph_and_none_the_empty_circuit() {
    for kind in 0..4 {
        let graph = small_graph(kind);
        for baseline in BASELINES {
            let dangling = Dangling::NoPathEitherWay;
            let all = baseline(&graph, graph.edge_count(), dangling, 1);
            assert_eq!(all, EdgeMask::full(&graph));
            assert!(baseline(&graph, 0, dangling, 1).is_empty());
        }
    }
}

#[test]
fn seeds_differ_and_grown_circuits_are_hardly_larger_than_asked() {
    let graph = small_graph(1);
    let dangling = Dangling::NoPathEitherWay;
    for baseline in BASELINES {
        let circuits: Vec<EdgeMask> = (0..10)
            .map(|seed| baseline(&graph, 20, dangling, seed))
            .collect();
        for (index, circuit) in circuits.iter().enumerate() {
            assert!(!circuits[..index].contains(circuit), "seed {index}");
        }
    }
    let sizes: Vec<usize> = (0..50)
        .map(|seed| random_connected(&graph, 20, dangling, seed).len())
        .collect();
    let mean = sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
    assert!(mean < 26.0, "{mean} edges on average: {sizes:?}");
}
