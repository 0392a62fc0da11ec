//! Circuits from scores: the largest, all above a threshold, or grown from `logits`.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Select;
use super::units::Units;
use crate::graph::{ComputationGraph, Dangling, EdgeMask, ranking};

/// How a selection by scores turned out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selected {
    /// What was selected: `edges` or `nodes`.
    pub what: &'static str,
    /// How many of them there are.
    pub available: usize,
    /// How many were asked for; none where a threshold decides.
    pub asked: Option<usize>,
    /// How many were taken.
    pub chosen: usize,
    /// How many of these are in the circuit, without dangling parts.
    pub left: usize,
    /// The largest `|score|`.
    pub largest: f64,
}

/// Selects a circuit by the scores of `units` and drops dangling parts.
pub(crate) fn select(
    graph: &ComputationGraph,
    units: &Units,
    scores: &[f64],
    how: Select,
) -> (EdgeMask, Selected) {
    let mut asked = None;
    let mut take = |count: usize| {
        asked = Some(count);
        let mut order = ranking(scores, true);
        order.truncate(count);
        (units.mask(graph, order.iter().copied()), order.len())
    };
    let (mask, chosen) = match how {
        Select::TopN { edges, share } => {
            take(edges.unwrap_or_else(|| count_of(share.unwrap_or(1.0), units.len())))
        }
        Select::Threshold(least) => {
            let above = (0..units.len()).filter(|&unit| scores[unit].abs() >= least);
            (units.mask(graph, above.clone()), above.count())
        }
        Select::Greedy { edges } => match units {
            Units::Edges(numbers) => {
                let mut all = vec![0.0; graph.edge_count()];
                for (&edge, &score) in numbers.iter().zip(scores) {
                    all[edge] = score;
                }
                let within = EdgeMask::from_edges(graph, numbers.iter().copied());
                asked = Some(edges);
                let grown = greedy(graph, &all, &within, edges);
                let count = grown.len();
                (grown, count)
            }
            // Every node reaches `logits` directly, so growing nodes is taking the largest.
            Units::Nodes(_) => take(edges),
        },
    };
    let kept = graph.drop_dangling(&mask, Dangling::NoPathEitherWay);
    let selected = Selected {
        what: units.name(),
        available: units.len(),
        asked,
        chosen,
        left: (0..units.len())
            .filter(|&unit| units.is_in(graph, &kept, unit))
            .count(),
        largest: scores.iter().fold(0.0, |most, score| score.abs().max(most)),
    };
    (kept, selected)
}

/// MIB's `int(share * total)`.
fn count_of(share: f64, total: usize) -> usize {
    (share * total as f64) as usize
}

/// An edge whose reader is in the circuit.
#[derive(PartialEq)]
struct Open {
    size: f64,
    edge: usize,
}

impl Eq for Open {}

impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.size
            .total_cmp(&other.size)
            .then(other.edge.cmp(&self.edge))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Grows a circuit from `logits`: always the largest `|score|` among edges into nodes of the circuit (EAP-IG).
fn greedy(graph: &ComputationGraph, scores: &[f64], within: &EdgeMask, count: usize) -> EdgeMask {
    let mut mask = EdgeMask::empty(graph);
    let spans = graph.span_count();
    let mut opened = vec![false; graph.readers().len() * spans];
    let mut heap = BinaryHeap::new();
    let mut open = |place: usize, heap: &mut BinaryHeap<Open>| {
        if !std::mem::replace(&mut opened[place], true) {
            let (reader, span) = (place / spans, place % spans);
            let writers = within.writers_into(reader);
            for writer in writers.filter(|writer| writer % spans == span) {
                if let Some(edge) = graph.edge(writer, reader) {
                    heap.push(Open {
                        size: scores[edge].abs(),
                        edge,
                    });
                }
            }
        }
    };
    let logits = graph.readers().len() - 1;
    for place in logits * spans..(logits + 1) * spans {
        open(place, &mut heap);
    }
    for _ in 0..count {
        let Some(Open { edge, .. }) = heap.pop() else {
            break;
        };
        let (writer, reader) = graph.ends(edge);
        mask.insert(writer, reader);
        for place in graph.feeding(writer, reader) {
            open(place, &mut heap);
        }
    }
    mask
}
