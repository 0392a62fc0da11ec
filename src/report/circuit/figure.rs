//! What a drawing of a circuit shows, whatever the format: nodes with ranks, edges with ports and widths.

use std::collections::{BTreeMap, BTreeSet};

use super::collapse::collapse;
use super::figure_nodes::{Drawn, check_roles};
use super::style::{Palette, Style};
use crate::error::Result;
use crate::graph::{KeyValue, Node, Qkv, Reader};
use crate::report::CircuitFile;
use crate::report::text::{clip, short, thousands};

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
    /// Whether edges of a writer share a line until they have to part.
    pub bundled: bool,
    /// Names of the token spans, each a column; none where positions are merged.
    pub columns: Vec<String>,
    /// Colours and direction.
    pub style: Style,
}

/// What a figure shows beside the circuit, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FigureOptions {
    /// Colours and direction.
    pub style: Style,
    /// How much is drawn of large circuits.
    pub detail: Detail,
    /// Labels below the names of nodes, by name, such as `induction` for `a5.h1`.
    pub roles: BTreeMap<String, Vec<String>>,
    /// Width in pixels, of pictures that have them; by default twice the figure's.
    pub pixels: Option<u32>,
}

/// How much of a circuit is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// As much as can be made out: every edge up to 250 of them, edges between two nodes as one up to 500 and 120 nodes,
    /// a layer's heads as one beyond.
    #[default]
    Fitting,
    /// Every edge.
    Edges,
    /// Edges between two nodes as one.
    Nodes,
    /// The heads of a layer as one node.
    Layers,
}

/// A node of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureNode {
    /// Which node; of several drawn as one, the first.
    pub node: Node,
    /// Its name, or that of the nodes drawn as one.
    pub label: String,
    /// What it does, where that is said.
    pub role: Option<String>,
    /// Row from the bottom: `input` is 0; rows without nodes are left out.
    pub rank: usize,
    /// What is framed together: heads of a key/value group, for `kv: Group` with groups of several heads; heads and MLP
    /// of a layer, where its heads are one node.
    pub group: Option<(usize, usize)>,
    /// Its token span, where positions are told apart.
    pub column: Option<usize>,
    /// Whether it stands for the keys and values that a head has at this span; its output is another node.
    pub is_source: bool,
    /// Which of q, k, v have a kept edge; `None` for nodes with a single input.
    pub ports: Option<[bool; 3]>,
    /// Whether it writes in the circuit; a group's first head may be drawn only for the group's k and v.
    pub writes: bool,
    /// What is known of it, as a tooltip.
    pub about: Option<String>,
}

/// Which input of a node an edge enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    /// Queries, keys or values of a head.
    Part(Qkv),
    /// The only input of a node.
    Only,
    /// Several inputs of a node: edges drawn as one.
    Several,
    /// From an MLP to one of its neurons: the same input, not an edge.
    Inside,
    /// From a head's keys and values at one span to its output at another: inside of the head, not an edge.
    Attended,
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
/// Circuits of more edges are drawn with bundled lines.
const BUNDLED: usize = 80;

impl FigureEdge {
    /// Colour of the line: the port's, or that of negative scores.
    pub(crate) fn colour(&self, palette: &Palette) -> &'static str {
        if self.is_negative() {
            palette.negative
        } else {
            palette.line(self.port)
        }
    }

    /// Whether it is inside of a node, and no edge of the circuit.
    pub(crate) fn is_inside(&self) -> bool {
        matches!(self.port, Port::Inside | Port::Attended)
    }

    /// Whether the edge works against the task.
    pub(crate) fn is_negative(&self) -> bool {
        self.score.is_some_and(|score| score < 0.0)
    }
}

impl Figure {
    /// The figure of a circuit file, as [`Figure::with`] without options.
    ///
    /// # Errors
    /// When the file describes no circuit.
    pub fn new(file: &CircuitFile) -> Result<Self> {
        Self::with(file, &FigureOptions::default())
    }

    /// The figure of a circuit file. Of large circuits, edges and then nodes are drawn as one, and the strongest only;
    /// the caption says so.
    ///
    /// # Errors
    /// When the file describes no circuit, or roles name a node that the model does not have.
    pub fn with(file: &CircuitFile, options: &FigureOptions) -> Result<Self> {
        let mut figure = Self::whole(file, options)?;
        collapse(&mut figure, options.detail);
        if figure.edges.len() > MOST_EDGES {
            figure.keep_strongest(MOST_EDGES);
        }
        figure.bundled = figure.edges.len() > BUNDLED;
        Ok(figure)
    }

    /// Every edge of a circuit.
    fn whole(file: &CircuitFile, options: &FigureOptions) -> Result<Self> {
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
            bundled: false,
            columns: graph.spans().to_vec(),
            style: options.style,
        };
        check_roles(&graph, &options.roles)?;
        let kept = circuit.kept.edges(&graph);
        let index = figure.add_nodes(&graph, &kept, group);
        for edge in kept {
            let (writer, reader) = graph.ends(edge);
            let score = circuit.scores.as_ref().map(|scores| scores[edge]);
            figure.largest = figure.largest.max(score.map_or(0.0, f64::abs));
            let from = index[&Drawn::writer(&graph, writer)];
            let to = index[&Drawn::reader(&graph, reader, writer)];
            let reader = graph.readers()[reader];
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
        figure.link_heads(&graph, group, &index);
        for node in figure.nodes.iter_mut().filter(|node| !node.is_source) {
            node.role = options
                .roles
                .get(&node.node.to_string())
                .filter(|roles| !roles.is_empty())
                .map(|roles| clip(&roles.join(", "), LONGEST_ROLE));
        }
        Ok(figure)
    }

    /// Drops all but the strongest edges and the nodes that only dropped edges had; the caption says so.
    pub(crate) fn keep_strongest(&mut self, count: usize) {
        let strength = |edge: &FigureEdge| edge.score.map_or(0.0, f64::abs);
        let inside = self.edges.extract_if(.., |edge| edge.is_inside());
        let inside: Vec<FigureEdge> = inside.collect();
        let before = self.edges.len();
        if before <= count {
            self.edges.extend(inside);
            return;
        }
        let mut order: Vec<usize> = (0..before).collect();
        order.sort_by(|&a, &b| {
            let strengths = strength(&self.edges[b]).total_cmp(&strength(&self.edges[a]));
            strengths.then(a.cmp(&b))
        });
        let mut kept = vec![false; before];
        for &edge in &order[..count] {
            kept[edge] = true;
        }
        let mut kept = kept.into_iter();
        self.edges.retain(|_| kept.next().unwrap_or(false));
        let ends = self.edges.iter().flat_map(|edge| [edge.from, edge.to]);
        let ends: BTreeSet<usize> = ends.collect();
        let linked = inside.into_iter();
        self.edges
            .extend(linked.filter(|edge| ends.contains(&edge.from) && ends.contains(&edge.to)));
        self.drop_bare_nodes();
        self.caption = format!(
            "{} · the\u{a0}{}\u{a0}strongest of {}\u{a0}lines drawn",
            self.caption,
            thousands(count),
            thousands(before)
        );
    }

    /// Drops nodes without edges, but for the ends, and ranks without nodes.
    fn drop_bare_nodes(&mut self) {
        let mut used = vec![false; self.nodes.len()];
        for edge in &self.edges {
            used[edge.from] = true;
            used[edge.to] = true;
        }
        let mut place = vec![0; self.nodes.len()];
        let mut nodes = Vec::new();
        for (index, node) in std::mem::take(&mut self.nodes).into_iter().enumerate() {
            place[index] = nodes.len();
            let is_end = node.column.is_none() && matches!(node.node, Node::Input | Node::Logits);
            if used[index] || is_end {
                nodes.push(node);
            }
        }
        self.nodes = nodes;
        for edge in &mut self.edges {
            (edge.from, edge.to) = (place[edge.from], place[edge.to]);
        }
        self.close_ranks();
    }

    /// Leaves out ranks without nodes.
    pub(crate) fn close_ranks(&mut self) {
        let mut ranks: Vec<usize> = self.nodes.iter().map(|node| node.rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        for node in &mut self.nodes {
            node.rank = ranks.partition_point(|&rank| rank < node.rank);
        }
    }

    /// Width of an edge's line: its area grows with `|score|`.
    pub(crate) fn line_width(&self, edge: &FigureEdge) -> f64 {
        match edge.score {
            _ if edge.is_inside() => 0.8,
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
pub(crate) fn width_of(share: f64) -> f64 {
    0.6 + 3.4 * share.sqrt()
}

/// The caption's parts; no line breaks within the last two.
fn caption(file: &CircuitFile) -> String {
    let mut caption = format!(
        "{} · {} · {} · {}\u{a0}of\u{a0}{}\u{a0}edges",
        clip(&file.task, 100),
        clip(&file.model.label(), 100),
        clip(&file.method, 100),
        thousands(file.edges.len()),
        thousands(file.edges_total),
    );
    if let Some(faithfulness) = file.figures.get("faithfulness") {
        caption = format!("{caption} · faithfulness\u{a0}{faithfulness:.2}");
    }
    if let Some(why) = file.stop.in_words() {
        caption = format!("{caption} · the search {why}");
    }
    caption
}
