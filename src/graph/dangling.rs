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
    /// One flag per reader.
    pub readers: Vec<bool>,
}

impl ComputationGraph {
    /// The parts with a path to `logits` through kept edges.
    ///
    /// This is the dense form for inner loops; the tests hold it against petgraph's reachability.
    pub fn reaching_logits(&self, kept: &EdgeMask) -> Alive {
        let mut words = vec![0u64; self.writers().len().div_ceil(64)];
        let mut readers = vec![false; self.readers().len()];
        for reader in (0..self.readers().len()).rev() {
            let outputs = self.outputs(reader);
            let live = |&writer: &usize| words[writer / 64] >> (writer % 64) & 1 == 1;
            if outputs.is_empty() || outputs.iter().any(live) {
                readers[reader] = true;
                for (word, &kept) in words.iter_mut().zip(kept.row(reader)) {
                    *word |= kept;
                }
            }
        }
        let writers = (0..self.writers().len())
            .map(|writer| words[writer / 64] >> (writer % 64) & 1 == 1)
            .collect();
        Alive { writers, readers }
    }

    /// The readers with a path to `logits` through kept edges.
    pub fn live_readers(&self, kept: &EdgeMask) -> Vec<bool> {
        self.reaching_logits(kept).readers
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
                if !down.readers[reader] || !reached {
                    mask.remove(writer, reader);
                }
            }
        }
    }

    /// [`ComputationGraph::reaching_logits`] by petgraph's reversed depth-first search.
    pub fn reaching_logits_by_search(&self, kept: &EdgeMask) -> Alive {
        let graph = self.digraph(kept);
        let logits = NodeIndex::new(self.writers().len() + self.readers().len() - 1);
        let mut seen = graph.visit_map();
        for place in Dfs::new(Reversed(&graph), logits).iter(Reversed(&graph)) {
            seen.visit(place);
        }
        self.alive(&graph, |place| seen.is_visited(&place))
    }

    fn alive(&self, graph: &DiGraph<Place, Link>, seen: impl Fn(NodeIndex) -> bool) -> Alive {
        let mut alive = Alive {
            writers: vec![false; self.writers().len()],
            readers: vec![false; self.readers().len()],
        };
        for index in graph.node_indices().filter(|&index| seen(index)) {
            match graph[index] {
                Place::Writer(writer) => alive.writers[writer] = true,
                Place::Reader(reader) => alive.readers[reader] = true,
            }
        }
        alive
    }
}
