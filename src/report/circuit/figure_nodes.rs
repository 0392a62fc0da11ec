//! The nodes of a figure: which there are, in which row, and the links inside of them.

use std::collections::{BTreeMap, BTreeSet};

use super::figure::{Figure, FigureEdge, FigureNode, Port};
use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, Heads, Node, Qkv, Reader};
use crate::report::text::clip;

/// What is drawn as a box: a node; where positions are told apart, a node at a span, and a head's keys and values at a
/// span as a box of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Drawn {
    node: Node,
    column: Option<usize>,
    is_source: bool,
}

impl Drawn {
    fn whole(node: Node) -> Self {
        Self {
            node,
            column: None,
            is_source: false,
        }
    }

    /// The box that a writer leaves.
    pub(crate) fn writer(graph: &ComputationGraph, writer: usize) -> Self {
        Self {
            node: graph.writers()[writer],
            column: graph.span_of(writer),
            is_source: false,
        }
    }

    /// The box that an edge from a writer enters.
    pub(crate) fn reader(graph: &ComputationGraph, reader: usize, writer: usize) -> Self {
        let column = graph.span_of(writer);
        let reader = graph.readers()[reader];
        let is_source = matches!(
            reader,
            Reader::Head {
                part: None | Some(Qkv::K | Qkv::V),
                ..
            }
        );
        Self {
            node: reader.node(),
            column,
            is_source: is_source && column.is_some(),
        }
    }

    /// Row from the bottom before empty rows are left out.
    fn row(&self) -> usize {
        row(&self.node).saturating_sub(usize::from(self.is_source))
    }
}

impl Figure {
    /// The boxes that kept edges touch.
    pub(crate) fn add_nodes(
        &mut self,
        graph: &ComputationGraph,
        kept: &[usize],
        group: usize,
    ) -> BTreeMap<Drawn, usize> {
        // Whether the node writes in the circuit.
        let mut shown = BTreeMap::new();
        if graph.spans().is_empty() {
            shown.extend([Node::Input, Node::Logits].map(|node| (Drawn::whole(node), true)));
        }
        for &edge in kept {
            let (writer, reader) = graph.ends(edge);
            let to = Drawn::reader(graph, reader, writer);
            let is_last = to.node == Node::Logits;
            shown.entry(to).or_insert(is_last || to.is_source);
            let from = Drawn::writer(graph, writer);
            shown.insert(from, true);
            if let Node::Neuron { layer, .. } = from.node {
                let node = Node::Mlp { layer };
                shown.entry(Drawn { node, ..from }).or_insert(false);
            }
        }
        let mut rows: Vec<usize> = shown.keys().map(Drawn::row).collect();
        rows.sort_unstable();
        rows.dedup();
        let whole = graph.granularity().heads == Heads::Whole;
        for (drawn, &writes) in &shown {
            let head = match drawn.node {
                Node::Head { layer, head } => Some((layer, head)),
                _ => None,
            };
            let label = match head {
                Some((layer, head)) if drawn.is_source && group > 1 && !whole => {
                    format!("a{layer}.h{head}-h{}", head + group - 1)
                }
                _ => drawn.node.to_string(),
            };
            self.nodes.push(FigureNode {
                node: drawn.node,
                label,
                role: None,
                rank: rows.partition_point(|&other| other < drawn.row()),
                group: head
                    .filter(|_| group > 1 && !whole && drawn.column.is_none())
                    .map(|(layer, head)| (layer, head / group)),
                column: drawn.column,
                is_source: drawn.is_source,
                ports: head.filter(|_| !whole).map(|_| [false; 3]),
                writes,
                about: None,
            });
        }
        self.nodes
            .sort_by_key(|node| (node.rank, node.column, node.node));
        let nodes = self.nodes.iter().enumerate();
        nodes
            .map(|(index, node)| {
                let drawn = Drawn {
                    node: node.node,
                    column: node.column,
                    is_source: node.is_source,
                };
                (drawn, index)
            })
            .collect()
    }

    /// Links MLPs to their neurons.
    pub(crate) fn link_neurons(&mut self, index: &BTreeMap<Drawn, usize>) {
        for (drawn, &to) in index {
            if let Node::Neuron { layer, .. } = drawn.node {
                let node = Node::Mlp { layer };
                self.edges.push(FigureEdge {
                    from: index[&Drawn { node, ..*drawn }],
                    to,
                    port: Port::Inside,
                    score: None,
                    tooltip: format!("{} is computed from the input of m{layer}", drawn.node),
                });
            }
        }
    }

    /// Links the keys and values of heads at each span to what the heads write at others.
    pub(crate) fn link_heads(
        &mut self,
        graph: &ComputationGraph,
        group: usize,
        index: &BTreeMap<Drawn, usize>,
    ) {
        let spans = graph.spans();
        let written: BTreeSet<Drawn> = index.keys().filter(|it| !it.is_source).copied().collect();
        for (drawn, &from) in index.iter().filter(|(drawn, _)| drawn.is_source) {
            let (Node::Head { layer, head }, Some(seen)) = (drawn.node, drawn.column) else {
                continue;
            };
            for head in head..head + group {
                let node = Node::Head { layer, head };
                for (column, span) in spans.iter().enumerate() {
                    let output = Drawn {
                        node,
                        column: Some(column),
                        is_source: false,
                    };
                    if !written.contains(&output) {
                        continue;
                    }
                    self.edges.push(FigureEdge {
                        from,
                        to: index[&output],
                        port: Port::Attended,
                        score: None,
                        tooltip: format!(
                            "{node} at {span} sees its keys and values at {}",
                            spans[seen]
                        ),
                    });
                }
            }
        }
    }
}

impl FigureNode {
    /// A name that no other node of the figure has.
    pub(crate) fn id(&self, columns: &[String]) -> String {
        let source = if self.is_source { " k v" } else { "" };
        match self.column.and_then(|column| columns.get(column)) {
            Some(span) => format!("{}@{span}{source}", self.node),
            None => self.node.to_string(),
        }
    }
}

/// Refuses roles of nodes that there are not.
pub(crate) fn check_roles(
    graph: &ComputationGraph,
    roles: &BTreeMap<String, Vec<String>>,
) -> Result<()> {
    let mut names: Vec<String> = graph.writers().iter().map(ToString::to_string).collect();
    names.extend(
        graph
            .readers()
            .iter()
            .map(|reader| reader.node().to_string()),
    );
    names.sort_unstable();
    match roles.keys().find(|name| names.binary_search(name).is_err()) {
        Some(name) => Err(Error::Usage(format!(
            "roles: the model has no node `{}`; nodes are named as in the circuit, such as `a1.h0` or `m2`",
            clip(name, 60)
        ))),
        None => Ok(()),
    }
}

/// Row from the bottom before empty rows are left out.
pub(crate) fn row(node: &Node) -> usize {
    match *node {
        Node::Input | Node::Position => 0,
        Node::Head { layer, .. } => 4 * layer + 2,
        Node::Mlp { layer } => 4 * layer + 3,
        Node::Neuron { layer, .. } => 4 * layer + 4,
        Node::Feature { layer, of, .. } | Node::Error { layer, of } => 4 * layer + 1 + of as usize,
        Node::Logits => usize::MAX,
    }
}
