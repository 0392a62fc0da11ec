//! A layered layout for circuits. The rank of a node is given (its layer), so what is left is the order within the
//! ranks, the horizontal coordinates, and the routes: long edges pass every rank between the boxes, never through.

mod coordinates;
mod order;
mod routes;

use super::figure::{Figure, FigureNode, Port};
use super::text::text_width;
use crate::graph::Node;

/// Positions of everything in a figure; y grows downwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Width of the drawing.
    pub width: f64,
    /// Height of the drawing.
    pub height: f64,
    /// One box per node of the figure.
    pub boxes: Vec<NodeBox>,
    /// One route per edge of the figure.
    pub routes: Vec<Route>,
}

/// Where a node is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeBox {
    /// Horizontal centre.
    pub x: f64,
    /// Upper side.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// The course of an edge: cubic Bezier curves between ranks, straight lines past them.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Where the edge leaves its writer.
    pub start: (f64, f64),
    /// For each rank passed, and at last the reader: x, the y where the edge arrives from below and the y where it
    /// goes on.
    pub stops: Vec<(f64, f64, f64)>,
}

/// Space between the boxes of nodes.
const NODE_GAP: f64 = 16.0;
/// Space between a box and an edge that passes it.
const PASS_GAP: f64 = 10.0;
/// Height of the ports' strip of a head.
pub(super) const PORT_HEIGHT: f64 = 11.0;
/// Height and font size of a node's role.
pub(super) const ROLE_HEIGHT: f64 = 10.0;
pub(super) const ROLE_FONT: f64 = 8.0;

/// A box, or an edge passing a rank.
pub(super) struct Item {
    /// The node; `None` for an edge passing by.
    node: Option<usize>,
    width: f64,
    /// Items of one block stay side by side.
    block: usize,
}

/// A piece of an edge between neighbouring ranks.
pub(super) struct Segment {
    from: usize,
    to: usize,
    /// Where it arrives, from the centre of `to`.
    offset: f64,
    /// How strongly it is kept straight.
    weight: f64,
}

/// The figure as items in ranks, joined by segments.
pub(super) struct Layers {
    items: Vec<Item>,
    /// Item numbers per rank, from left to right.
    ranks: Vec<Vec<usize>>,
    segments: Vec<Segment>,
    /// The segments of each edge, from its writer up.
    chains: Vec<Vec<usize>>,
    /// Segments that arrive at each item.
    below: Vec<Vec<usize>>,
    /// Segments that leave each item.
    above: Vec<Vec<usize>>,
}

impl Layout {
    /// Lays a figure out. The same figure always gives the same layout.
    pub fn new(figure: &Figure) -> Self {
        let mut layers = Layers::new(figure);
        order::reduce_crossings(&mut layers);
        let x = coordinates::assign(&layers);
        routes::draw(figure, &layers, x)
    }
}

impl NodeBox {
    /// The left side.
    pub fn left(&self) -> f64 {
        self.x - self.width / 2.0
    }

    /// The right side.
    pub fn right(&self) -> f64 {
        self.x + self.width / 2.0
    }

    /// The lower side.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

impl Layers {
    fn new(figure: &Figure) -> Self {
        let mut layers = Self {
            items: Vec::new(),
            ranks: vec![Vec::new(); figure.rank_count()],
            segments: Vec::new(),
            chains: Vec::new(),
            below: Vec::new(),
            above: Vec::new(),
        };
        let mut degree = vec![(0, 0); figure.nodes.len()];
        for edge in &figure.edges {
            degree[edge.from].1 += 1;
            degree[edge.to].0 += 1;
        }
        for (index, node) in figure.nodes.iter().enumerate() {
            let (width, _) = size(node, degree[index]);
            let first = figure
                .nodes
                .iter()
                .position(|other| node.group.is_some() && other.group == node.group);
            layers.add_item(node.rank, Some(index), width, first.unwrap_or(index));
        }
        for edge in &figure.edges {
            let (low, high) = (figure.nodes[edge.from].rank, figure.nodes[edge.to].rank);
            let mut chain = Vec::new();
            let mut from = edge.from;
            for rank in low + 1..=high {
                let last = rank == high;
                let to = if last {
                    edge.to
                } else {
                    let block = layers.items.len();
                    layers.add_item(rank, None, figure.line_width(edge), block)
                };
                let loose = usize::from(from == edge.from) + usize::from(last);
                chain.push(layers.segments.len());
                layers.above[from].push(layers.segments.len());
                layers.below[to].push(layers.segments.len());
                layers.segments.push(Segment {
                    from,
                    to,
                    offset: if last {
                        port_offset(edge.port, layers.items[to].width)
                    } else {
                        0.0
                    },
                    weight: [8.0, 2.0, 1.0][loose],
                });
                from = to;
            }
            layers.chains.push(chain);
        }
        layers
    }

    fn add_item(&mut self, rank: usize, node: Option<usize>, width: f64, block: usize) -> usize {
        let item = self.items.len();
        self.items.push(Item { node, width, block });
        self.ranks[rank].push(item);
        self.below.push(Vec::new());
        self.above.push(Vec::new());
        item
    }

    /// Least distance between the centres of neighbours.
    fn distance(&self, left: usize, right: usize) -> f64 {
        let (left, right) = (&self.items[left], &self.items[right]);
        let gap = match (left.node, right.node) {
            (Some(_), Some(_)) if left.block == right.block => NODE_GAP / 2.0,
            (Some(_), Some(_)) => NODE_GAP,
            (None, None) if self.items.len() > 1_000 => 2.0,
            (None, None) => 5.0,
            _ => PASS_GAP,
        };
        f64::midpoint(left.width, right.width) + gap
    }
}

/// Width and height of a node with this many edges in and out.
fn size(figure_node: &FigureNode, (edges_in, edges_out): (usize, usize)) -> (f64, f64) {
    let (node, ports) = (&figure_node.node, figure_node.ports.is_some());
    let role = figure_node.role.as_deref().unwrap_or_default();
    let role_height = if role.is_empty() { 0.0 } else { ROLE_HEIGHT };
    let name = text_width(&node.to_string(), 11.0).max(text_width(role, ROLE_FONT)) + 14.0;
    let fan = |step: f64, edges: usize| (step * edges as f64 + 10.0).min(220.0);
    match node {
        Node::Input | Node::Position | Node::Logits => (
            name.max(72.0).max(fan(7.0, edges_in.max(edges_out))),
            24.0 + role_height,
        ),
        Node::Mlp { .. } => (
            name.max(44.0).max(fan(5.0, edges_in.max(edges_out))),
            24.0 + role_height,
        ),
        Node::Neuron { .. } => (
            text_width(&node.to_string(), 9.0).max(text_width(role, ROLE_FONT)) + 10.0,
            16.0 + role_height,
        ),
        Node::Feature { .. } | Node::Error { .. } => (name, 20.0 + role_height),
        Node::Head { .. } => (
            name.max(54.0).max(fan(5.0, edges_in.max(edges_out))),
            role_height + if ports { 20.0 + PORT_HEIGHT } else { 24.0 },
        ),
    }
}

/// Centre of a port from the centre of its node.
pub(super) fn port_offset(port: Port, width: f64) -> f64 {
    match port {
        Port::Part(part) => (part as usize as f64 - 1.0) * width / 3.0,
        Port::Only | Port::Inside => 0.0,
    }
}
