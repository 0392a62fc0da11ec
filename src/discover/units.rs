//! What a search keeps or removes at once: an edge, or a node with all its edges.

use crate::graph::{ComputationGraph, EdgeMask, Node};

/// The parts of a circuit that are kept or removed together.
#[derive(Debug, Clone)]
pub(crate) enum Units {
    /// Single edges, by edge number.
    Edges(Vec<usize>),
    /// Writers other than sources, with all their edges, by writer number.
    Nodes(Vec<usize>),
}

impl Units {
    /// The edges of a circuit.
    pub(crate) fn edges(graph: &ComputationGraph, within: &EdgeMask) -> Self {
        Self::Edges(within.edges(graph))
    }

    /// All nodes but the sources, which are always kept.
    pub(crate) fn nodes(graph: &ComputationGraph) -> Self {
        let removable = |writer: &usize| !is_source(graph.writers()[*writer]);
        Self::Nodes((0..graph.writers().len()).filter(removable).collect())
    }

    /// What they are, in words.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Edges(_) => "edges",
            Self::Nodes(_) => "nodes",
        }
    }

    /// Number of units.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Edges(units) | Self::Nodes(units) => units.len(),
        }
    }

    /// The circuit that has only these units.
    pub(crate) fn mask(
        &self,
        graph: &ComputationGraph,
        kept: impl IntoIterator<Item = usize>,
    ) -> EdgeMask {
        match self {
            Self::Edges(units) => {
                EdgeMask::from_edges(graph, kept.into_iter().map(|unit| units[unit]))
            }
            Self::Nodes(units) => {
                let mut writers: Vec<bool> = graph
                    .writers()
                    .iter()
                    .map(|&node| is_source(node))
                    .collect();
                for unit in kept {
                    writers[units[unit]] = true;
                }
                between(graph, &writers)
            }
        }
    }

    /// Removes a unit from a circuit.
    pub(crate) fn remove(&self, graph: &ComputationGraph, circuit: &mut EdgeMask, unit: usize) {
        match self {
            Self::Edges(units) => {
                let (writer, reader) = graph.ends(units[unit]);
                circuit.remove(writer, reader);
            }
            Self::Nodes(units) => remove_node(graph, circuit, units[unit]),
        }
    }

    /// Whether a unit has any edge in a circuit.
    pub(crate) fn is_in(&self, graph: &ComputationGraph, circuit: &EdgeMask, unit: usize) -> bool {
        match self {
            Self::Edges(units) => {
                let (writer, reader) = graph.ends(units[unit]);
                circuit.contains(writer, reader)
            }
            Self::Nodes(units) => {
                (0..graph.readers().len()).any(|reader| circuit.contains(units[unit], reader))
            }
        }
    }

    /// The units' scores, from scores of all edges.
    pub(crate) fn scores(&self, graph: &ComputationGraph, edge_scores: &[f64]) -> Vec<f64> {
        match self {
            Self::Edges(units) => units.iter().map(|&edge| edge_scores[edge]).collect(),
            Self::Nodes(units) => {
                let nodes = crate::score::node_scores(graph, edge_scores);
                units.iter().map(|&writer| nodes[writer]).collect()
            }
        }
    }
}

/// All edges among kept writers: into readers from which a kept writer, or `logits`, is computed.
fn between(graph: &ComputationGraph, writers: &[bool]) -> EdgeMask {
    let mut mask = EdgeMask::empty(graph);
    let spans = graph.span_count();
    for reader in 0..graph.readers().len() {
        for span in 0..spans {
            let mut outputs = graph.outputs_at(reader, span);
            if !graph.outputs(reader).is_empty() && !outputs.any(|writer| writers[writer]) {
                continue;
            }
            let read = (span..graph.writers_before(reader)).step_by(spans);
            for writer in read.filter(|&writer| writers[writer]) {
                mask.insert(writer, reader);
            }
        }
    }
    mask
}

/// Removes a writer's edges, and the edges into readers that fed only it.
fn remove_node(graph: &ComputationGraph, circuit: &mut EdgeMask, node: usize) {
    let used: Vec<bool> = (0..graph.writers().len())
        .map(|writer| {
            writer != node
                && (0..graph.readers().len()).any(|reader| circuit.contains(writer, reader))
        })
        .collect();
    let spans = graph.span_count();
    for reader in 0..graph.readers().len() {
        circuit.remove(node, reader);
        for span in 0..spans {
            let outputs: Vec<usize> = graph.outputs_at(reader, span).collect();
            if outputs.contains(&node) && !outputs.iter().any(|&writer| used[writer]) {
                for writer in (span..graph.writers_before(reader)).step_by(spans) {
                    circuit.remove(writer, reader);
                }
            }
        }
    }
}

fn is_source(node: Node) -> bool {
    matches!(node, Node::Input | Node::Position)
}
