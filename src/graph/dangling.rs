//! Parts of a circuit that lie on no path: reachability with petgraph, and its dense form for inner loops.

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, Reversed, VisitMap, Visitable, Walker};

use super::computation::{Link, Place};
use super::{ComputationGraph, EdgeMask};

/// Which parts without a path count as dangling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dangling {
    /// Only parts without a path to `logits`: they never matter.
    NoPathToLogits,
    /// Those, and parts without a path from `input`: they matter under zero and mean ablation, but EAP-IG's
    /// circuits drop them.
    NoPathEitherWay,
}

/// Writers and readers that have a path, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alive {
    /// One flag per writer.
    pub writers: Vec<bool>,
    /// One flag per reader and span, in the order of [`ComputationGraph::place`].
    pub readers: Vec<bool>,
}

impl ComputationGraph {
    /// The parts with a path to `logits` through kept edges.
    ///
    /// This is the dense form for inner loops; the tests hold it against petgraph's reachability.
    pub fn reaching_logits(&self, kept: &EdgeMask) -> Alive {
        let spans = self.span_count();
        let mut words = vec![0u64; self.writers().len().div_ceil(64)];
        let mut readers = vec![false; self.readers().len() * spans];
        for reader in (0..self.readers().len()).rev() {
            let is_last = self.outputs(reader).is_empty();
            for span in 0..spans {
                let live = |writer: usize| words[writer / 64] >> (writer % 64) & 1 == 1;
                if !is_last && !self.outputs_at(reader, span).any(live) {
                    continue;
                }
                readers[reader * spans + span] = true;
                if spans > 1 {
                    let read = kept.writers_into(reader);
                    for writer in read.filter(|writer| writer % spans == span) {
                        words[writer / 64] |= 1 << (writer % 64);
                    }
                } else {
                    for (word, &kept) in words.iter_mut().zip(kept.row(reader)) {
                        *word |= kept;
                    }
                }
            }
        }
        let writers = (0..self.writers().len())
            .map(|writer| words[writer / 64] >> (writer % 64) & 1 == 1)
            .collect();
        Alive { writers, readers }
    }

    /// The readers with a path to `logits` through kept edges, from any span.
    pub fn live_readers(&self, kept: &EdgeMask) -> Vec<bool> {
        let places = self.reaching_logits(kept).readers;
        let readers = places.chunks_exact(self.span_count());
        readers.map(|spans| spans.contains(&true)).collect()
    }

    /// The parts with a path from writers that no reader computes (`input`, `pos`) through kept edges.
    pub fn reached_from_input(&self, kept: &EdgeMask) -> Alive {
        let graph = self.digraph(kept);
        let mut computed = vec![false; self.writers().len()];
        for reader in 0..self.readers().len() {
            for &writer in self.outputs(reader) {
                computed[writer] = true;
            }
        }
        let sources = (0..computed.len())
            .filter(|&writer| !computed[writer])
            .map(NodeIndex::new);
        let mut seen = graph.visit_map();
        for source in sources {
            for place in Dfs::new(&graph, source).iter(&graph) {
                seen.visit(place);
            }
        }
        self.alive(&graph, |place| seen.is_visited(&place))
    }

    /// Drops dangling parts until none is left, as EAP-IG's `prune` does.
    pub fn drop_dangling(&self, kept: &EdgeMask, dangling: Dangling) -> EdgeMask {
        let mut mask = kept.clone();
        loop {
            let before = mask.len();
            self.drop_once(&mut mask, dangling);
            if mask.len() == before {
                return mask;
            }
        }
    }

    fn drop_once(&self, mask: &mut EdgeMask, dangling: Dangling) {
        let down = self.reaching_logits(mask);
        let up = match dangling {
            Dangling::NoPathToLogits => None,
            Dangling::NoPathEitherWay => Some(self.reached_from_input(mask)),
        };
        for reader in 0..self.readers().len() {
            let writers: Vec<usize> = mask.writers_into(reader).collect();
            for writer in writers {
                let reached = up.as_ref().is_none_or(|up| up.writers[writer]);
                if !down.readers[self.place(writer, reader)] || !reached {
                    mask.remove(writer, reader);
                }
            }
        }
    }

    /// [`ComputationGraph::reaching_logits`] by petgraph's reversed depth-first search.
    pub fn reaching_logits_by_search(&self, kept: &EdgeMask) -> Alive {
        let graph = self.digraph(kept);
        let mut seen = graph.visit_map();
        let logits = self.readers().len() - 1;
        for span in 0..self.span_count() {
            let place = logits * self.span_count() + span;
            let start = NodeIndex::new(self.writers().len() + place);
            for place in Dfs::new(Reversed(&graph), start).iter(Reversed(&graph)) {
                seen.visit(place);
            }
        }
        self.alive(&graph, |place| seen.is_visited(&place))
    }

    fn alive(&self, graph: &DiGraph<Place, Link>, seen: impl Fn(NodeIndex) -> bool) -> Alive {
        let mut alive = Alive {
            writers: vec![false; self.writers().len()],
            readers: vec![false; self.readers().len() * self.span_count()],
        };
        for index in graph.node_indices().filter(|&index| seen(index)) {
            match graph[index] {
                Place::Writer(writer) => alive.writers[writer] = true,
                Place::Reader(reader, span) => {
                    alive.readers[reader * self.span_count() + span] = true;
                }
            }
        }
        alive
    }
}
