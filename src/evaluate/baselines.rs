//! Circuits to compare with: random connected ones, and those of permuted scores, of the same number of edges.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::graph::{ComputationGraph, Dangling, EdgeMask};

/// A random connected circuit: grown from `logits`, always a random edge into a node of the circuit, until at
/// least `edges` edges are left after dangling parts are dropped.
pub fn random_connected(
    graph: &ComputationGraph,
    edges: usize,
    dangling: Dangling,
    seed: u64,
) -> EdgeMask {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let spans = graph.span_count();
    let logits = graph.readers().len() - 1;
    let mut opened = vec![false; graph.readers().len() * spans];
    let mut open: Vec<usize> = Vec::new();
    let mut order = Vec::new();
    let mut opening: Vec<usize> = (logits * spans..(logits + 1) * spans).collect();
    loop {
        for place in opening.drain(..) {
            if !std::mem::replace(&mut opened[place], true) {
                let (reader, span) = (place / spans, place % spans);
                let writers = (span..graph.writers_before(reader)).step_by(spans);
                open.extend(writers.filter_map(|writer| graph.edge(writer, reader)));
            }
        }
        if open.is_empty() {
            break;
        }
        let edge = open.swap_remove(rng.random_range(0..open.len()));
        order.push(edge);
        let (writer, reader) = graph.ends(edge);
        opening.extend(graph.feeding(writer, reader));
    }
    smallest_prefix(graph, &order, edges, dangling)
}

/// The circuit of permuted scores: the edges in random order, the fewest that leave at least `edges` edges after
/// dangling parts are dropped.
pub fn permuted(graph: &ComputationGraph, edges: usize, dangling: Dangling, seed: u64) -> EdgeMask {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..graph.edge_count()).collect();
    order.shuffle(&mut rng);
    smallest_prefix(graph, &order, edges, dangling)
}

/// The shortest prefix of `order` with at least `edges` edges that do not dangle.
fn smallest_prefix(
    graph: &ComputationGraph,
    order: &[usize],
    edges: usize,
    dangling: Dangling,
) -> EdgeMask {
    let circuit = |count: usize| {
        let mask = EdgeMask::from_edges(graph, order[..count].iter().copied());
        graph.drop_dangling(&mask, dangling)
    };
    let (mut low, mut high) = (0, order.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        if circuit(middle).len() >= edges {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    circuit(low)
}
