//! What a drawing of a circuit shows, whatever the format: nodes with ranks, edges with ports and widths.

use std::collections::BTreeMap;

use super::CircuitFile;
use super::text::{clip, short, thousands};
use crate::error::Result;
use crate::graph::{ComputationGraph, KeyValue, Node, Qkv, Reader};

/// A circuit as a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Name of the spec.
    pub title: String,
    /// Task, model, method, edges and faithfulness in one line.
    pub caption: String,
    /// Nodes in the graph's order.
    pub nodes: Vec<FigureNode>,
    /// Kept edges in the graph's order, then the links from MLPs to their neurons.
    pub edges: Vec<FigureEdge>,
    /// Largest `|score|`; 0 without scores.
    pub largest: f64,
    /// Whether k and v are shared by the heads of a group.
    pub grouped: bool,
}

/// A node of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureNode {
    /// Which node.
    pub node: Node,
    /// Row from the bottom: `input` is 0; rows without nodes are left out.
    pub rank: usize,
    /// The key/value group, for heads under `kv: Group` with groups of several heads.
    pub group: Option<(usize, usize)>,
    /// Which of q, k, v have a kept edge; `None` for nodes with a single input.
    pub ports: Option<[bool; 3]>,
    /// What it does, where that is known.
    pub role: Option<String>,
    /// Whether it writes in the circuit; a group's first head may be drawn only for the group's k and v.
    pub writes: bool,
    /// What is known of it.
    pub about: Option<String>,
}

/// Which input of a node an edge enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    /// Queries, keys or values of a head.
    Part(Qkv),
    /// The only input of a node.
    Only,
    /// From an MLP to one of its neurons: the same input, not an edge.
    Inside,
}

/// An edge of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureEdge {
    /// Index of the writer among the nodes.
    pub from: usize,
    /// Index of the reader's node among the nodes.
    pub to: usize,
    /// Where it enters.
    pub port: Port,
    /// Its score, where there are scores.
    pub score: Option<f64>,
    /// Its name and score, and the group it enters.
    pub tooltip: String,
}

/// A figure draws this many edges at most, the strongest; beyond that nothing can be made out.
const MOST_EDGES: usize = 1_500;
/// Characters of a node's roles.
const LONGEST_ROLE: usize = 40;

/// Line colour of negative scores; with the ports' colours from Okabe and Ito's colour-blind-safe palette.
pub(super) const NEGATIVE: &str = "#D55E00";

impl Port {
    /// Colour of lines and arrowheads.
    pub(super) fn colour(self) -> &'static str {
        match self {
            Self::Part(Qkv::Q) => "#0072B2",
            Self::Part(Qkv::K) => "#CC79A7",
            Self::Part(Qkv::V) => "#009E73",
            Self::Only => "#4D4D4D",
            Self::Inside => "#8C8C8C",
        }
    }
}

impl FigureEdge {
    /// Colour of the line: the port's, or that of negative scores.
    pub(super) fn colour(&self) -> &'static str {
        if self.is_negative() {
            NEGATIVE
        } else {
            self.port.colour()
        }
    }

    /// Whether the edge works against the task.
    pub(super) fn is_negative(&self) -> bool {
        self.score.is_some_and(|score| score < 0.0)
    }
}

impl Figure {
    /// The figure of a circuit file. Of circuits of more than 1,500 edges the strongest are drawn.
    ///
    /// # Errors
    /// When the file describes no circuit.
    pub fn new(file: &CircuitFile) -> Result<Self> {
        let (graph, circuit) = file.circuit()?;
        let group = match file.granularity.kv {
            KeyValue::Group => file.model.config.group_size(),
            KeyValue::PerHead => 1,
        };
        let mut figure = Self {
            title: clip(&file.name, 120),
            caption: caption(file),
            nodes: Vec::new(),
            edges: Vec::new(),
            largest: 0.0,
            grouped: false,
        };
        let mut kept = circuit.kept.edges(&graph);
        if kept.len() > MOST_EDGES {
            let scores = circuit.scores.as_deref().unwrap_or_default();
            let strength = |edge: usize| scores.get(edge).map_or(0.0, |score| score.abs());
            kept.sort_by(|&a, &b| strength(b).total_cmp(&strength(a)).then(a.cmp(&b)));
            kept.truncate(MOST_EDGES);
            kept.sort_unstable();
            figure.caption = format!(
                "{} · the {} strongest drawn",
                figure.caption,
                thousands(MOST_EDGES)
            );
        }
        let index = figure.add_nodes(&graph, &kept, group);
        for edge in kept {
            let (writer, reader) = graph.ends(edge);
            let score = circuit.scores.as_ref().map(|scores| scores[edge]);
            figure.largest = figure.largest.max(score.map_or(0.0, f64::abs));
            let reader = graph.readers()[reader];
            let from = index[&graph.writers()[writer]];
            let to = index[&reader.node()];
            let mut tooltip = graph.edge_name(edge);
            if let Some(score) = score {
                tooltip = format!("{tooltip}: {}", short(score));
            }
            let port = match reader {
                Reader::Head {
                    part: Some(part), ..
                } => Port::Part(part),
                _ => Port::Only,
            };
            if let (Reader::Head { head, .. }, Port::Part(part @ (Qkv::K | Qkv::V))) =
                (reader, port)
                && group > 1
            {
                figure.grouped = true;
                let last = head + group - 1;
                tooltip = format!("{tooltip} ({} of group h{head}-h{last})", part.letter());
            }
            if let (Some(ports), Port::Part(part)) = (&mut figure.nodes[to].ports, port) {
                ports[part as usize] = true;
            }
            figure.edges.push(FigureEdge {
                from,
                to,
                port,
                score,
                tooltip,
            });
        }
        figure.link_neurons(&index);
        Ok(figure)
    }

    /// The same figure with the roles of nodes, given by their names.
    #[must_use]
    pub fn with_roles(mut self, roles: &BTreeMap<String, Vec<String>>) -> Self {
        for node in &mut self.nodes {
            let known = roles.get(&node.node.to_string());
            node.role = known
                .filter(|roles| !roles.is_empty())
                .map(|roles| clip(&roles.join(", "), LONGEST_ROLE));
        }
        self
    }

    fn add_nodes(
        &mut self,
        graph: &ComputationGraph,
        kept: &[usize],
        group: usize,
    ) -> BTreeMap<Node, usize> {
        // Whether the node writes in the circuit.
        let mut shown = BTreeMap::from([(Node::Input, true), (Node::Logits, true)]);
        for &edge in kept {
            let (writer, reader) = graph.ends(edge);
            shown.entry(graph.readers()[reader].node()).or_insert(false);
            let node = graph.writers()[writer];
            shown.insert(node, true);
            if let Node::Neuron { layer, .. } = node {
                shown.entry(Node::Mlp { layer }).or_insert(false);
            }
        }
        let mut rows: Vec<usize> = shown.keys().map(row).collect();
        rows.sort_unstable();
        rows.dedup();
        let whole = graph.granularity().heads == crate::graph::Heads::Whole;
        for (&node, &writes) in &shown {
            let head = match node {
                Node::Head { layer, head } => Some((layer, head)),
                _ => None,
            };
            self.nodes.push(FigureNode {
                node,
                rank: rows.partition_point(|&other| other < row(&node)),
                group: head
                    .filter(|_| group > 1 && !whole)
                    .map(|(layer, head)| (layer, head / group)),
                ports: head.filter(|_| !whole).map(|_| [false; 3]),
                role: None,
                writes,
                about: None,
            });
        }
        self.nodes.sort_by_key(|node| (node.rank, node.node));
        let nodes = self.nodes.iter().enumerate();
        nodes.map(|(index, node)| (node.node, index)).collect()
    }

    fn link_neurons(&mut self, index: &BTreeMap<Node, usize>) {
        for (to, node) in self.nodes.iter().enumerate() {
            if let Node::Neuron { layer, .. } = node.node {
                self.edges.push(FigureEdge {
                    from: index[&Node::Mlp { layer }],
                    to,
                    port: Port::Inside,
                    score: None,
                    tooltip: format!("{} is computed from the input of m{layer}", node.node),
                });
            }
        }
    }

    /// Width of an edge's line: its area grows with `|score|`.
    pub(super) fn line_width(&self, edge: &FigureEdge) -> f64 {
        match edge.score {
            _ if edge.port == Port::Inside => 0.8,
            Some(score) if self.largest > 0.0 => width_of(score.abs() / self.largest),
            _ => 1.2,
        }
    }

    /// Number of ranks.
    pub fn rank_count(&self) -> usize {
        self.nodes
            .iter()
            .map(|node| node.rank + 1)
            .max()
            .unwrap_or(0)
    }
}

/// Line width for a share of the largest `|score|`.
pub(super) fn width_of(share: f64) -> f64 {
    0.6 + 3.4 * share.sqrt()
}

/// Row from the bottom before empty rows are left out.
pub(super) fn row(node: &Node) -> usize {
    match *node {
        Node::Input | Node::Position => 0,
        Node::Head { layer, .. } => 3 * layer + 1,
        Node::Mlp { layer } => 3 * layer + 2,
        Node::Neuron { layer, .. } => 3 * layer + 3,
        Node::Feature { layer, of, .. } | Node::Error { layer, of } => 3 * layer + 1 + of as usize,
        Node::Logits => usize::MAX,
    }
}

/// The caption's parts; no line breaks within the last two.
fn caption(file: &CircuitFile) -> String {
    let mut caption = format!(
        "{} · {} · {} · {}\u{a0}of\u{a0}{}\u{a0}edges",
        clip(&file.task, 100),
        clip(&file.model.name, 60),
        clip(&file.method, 100),
        thousands(file.edges.len()),
        thousands(file.edges_total),
    );
    if let Some(faithfulness) = file.figures.get("faithfulness") {
        caption = format!("{caption} · faithfulness\u{a0}{faithfulness:.2}");
    }
    caption
}
