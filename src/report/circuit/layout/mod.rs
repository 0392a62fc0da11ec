//! A layered layout for circuits. The rank of a node is given (its layer), so what is left is the order within the
//! ranks, the horizontal coordinates, and the routes: long edges pass every rank between the boxes, never through.

mod columns;
mod coordinates;
mod order;
mod routes;

pub(crate) use self::columns::COLUMN_NAME;

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::Node;
use crate::report::circuit::figure::{Figure, FigureEdge, FigureNode, Port};
use crate::report::circuit::style::Direction;
use crate::report::text::text_width;

/// Positions of everything in a figure; y grows downwards. Within the layout, "along" is the direction from input to
/// logits, and "across" the other one.
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
    /// The columns that have nodes, in order; none where positions are merged.
    pub columns: Vec<Column>,
}

/// Where the nodes of a token span are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// Which of the figure's columns.
    pub number: usize,
    /// Its sides across.
    pub sides: (f64, f64),
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

/// The course of an edge: cubic Bezier curves between ranks, straight lines past them. In a figure drawn upwards,
/// across is x and along is y; in one drawn to the right, across is y and along is x. An edge between two boxes of one
/// row is a straight line across.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Where the edge leaves its writer: across, along.
    pub start: (f64, f64),
    /// For each rank passed, and at last the reader: the place across, the place along where the edge arrives, and that
    /// where it goes on.
    pub stops: Vec<(f64, f64, f64)>,
}

/// Space between the boxes of nodes.
const NODE_GAP: f64 = 16.0;
/// Length of an edge from one box of a row to the next.
const SIDEWAYS: f64 = 26.0;
/// Space between a box and an edge that passes it.
const PASS_GAP: f64 = 10.0;
/// Height of the ports' strip of a head; its width where ports are below each other.
pub(crate) const PORT_HEIGHT: f64 = 11.0;
/// Font sizes of names, of neurons' names, and of roles.
pub(crate) const NAME: f64 = 11.0;
pub(crate) const NEURON_NAME: f64 = 9.0;
pub(crate) const ROLE: f64 = 8.0;
/// Height of a role's line.
pub(crate) const ROLE_HEIGHT: f64 = 11.0;

/// A box, or an edge passing a rank.
pub(crate) struct Item {
    /// The node; `None` for an edge passing by.
    node: Option<usize>,
    /// Extent across.
    width: f64,
    /// Items of one block stay side by side.
    block: usize,
    /// Items of one column stay between its sides.
    column: usize,
}

/// A piece of an edge between neighbouring ranks.
pub(crate) struct Segment {
    from: usize,
    to: usize,
    /// Where it arrives, from the centre of `to`.
    offset: f64,
    /// How strongly it is kept straight.
    weight: f64,
}

/// The figure as items in ranks, joined by segments.
pub(crate) struct Layers {
    items: Vec<Item>,
    /// Item numbers per rank, from left to right.
    ranks: Vec<Vec<usize>>,
    segments: Vec<Segment>,
    /// The segments of each edge, from its writer up; none of one that stays in its row.
    chains: Vec<Vec<usize>>,
    /// Segments that arrive at each item.
    below: Vec<Vec<usize>>,
    /// Segments that leave each item.
    above: Vec<Vec<usize>>,
    /// Space between the boxes of a block.
    gap_in_block: f64,
    /// The columns, where the figure has any; before the layout is drawn they begin at 0.
    columns: Vec<Column>,
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

impl Route {
    /// Whether the edge stays in its row.
    pub(crate) fn is_sideways(&self) -> bool {
        matches!(self.stops[..], [(_, arrives, _)] if (arrives - self.start.1).abs() < 1e-9)
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
            columns: Vec::new(),
            gap_in_block: if figure.edges.iter().any(|edge| is_sideways(figure, edge)) {
                SIDEWAYS
            } else {
                NODE_GAP / 2.0
            },
        };
        let fans = fans(figure);
        for (index, node) in figure.nodes.iter().enumerate() {
            let width = extent(node, fans[index], figure.style.direction).0;
            let first = figure
                .nodes
                .iter()
                .position(|other| node.group.is_some() && other.group == node.group);
            let block = first.unwrap_or(index);
            layers.add_item(
                node.rank,
                Some(index),
                width,
                [block, node.column.unwrap_or(0)],
            );
        }
        // Where edges of a writer pass a rank together.
        let mut passes = BTreeMap::<(usize, usize), usize>::new();
        let mut shared = BTreeMap::<(usize, usize), usize>::new();
        for edge in &figure.edges {
            let (low, high) = (figure.nodes[edge.from].rank, figure.nodes[edge.to].rank);
            let mut chain = Vec::new();
            let mut from = edge.from;
            for rank in low + 1..=high {
                let last = rank == high;
                let width = figure.line_width(edge);
                let to = if last {
                    edge.to
                } else if let Some(&pass) = passes.get(&(edge.from, rank)) {
                    layers.items[pass].width = layers.items[pass].width.max(width);
                    pass
                } else {
                    let block = layers.items.len();
                    let column = layers.items[edge.from].column;
                    let item = layers.add_item(rank, None, width, [block, column]);
                    if figure.bundled {
                        passes.insert((edge.from, rank), item);
                    }
                    item
                };
                let loose = usize::from(from == edge.from) + usize::from(last);
                let known = shared.get(&(from, to)).copied().filter(|_| !last);
                chain.push(known.unwrap_or_else(|| {
                    let segment = layers.segments.len();
                    layers.above[from].push(segment);
                    layers.below[to].push(segment);
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
                    shared.insert((from, to), segment);
                    segment
                }));
                from = to;
            }
            layers.chains.push(chain);
        }
        order::by_column(&mut layers);
        layers.columns = columns::sides(figure, &layers);
        layers
    }

    fn add_item(
        &mut self,
        rank: usize,
        node: Option<usize>,
        width: f64,
        [block, column]: [usize; 2],
    ) -> usize {
        let item = self.items.len();
        self.items.push(Item {
            node,
            width,
            block,
            column,
        });
        self.ranks[rank].push(item);
        self.below.push(Vec::new());
        self.above.push(Vec::new());
        item
    }

    /// Least distance between the centres of neighbours.
    fn distance(&self, left: usize, right: usize) -> f64 {
        let (left, right) = (&self.items[left], &self.items[right]);
        let gap = match (left.node, right.node) {
            (Some(_), Some(_)) if left.block == right.block => self.gap_in_block,
            (Some(_), Some(_)) => NODE_GAP,
            (None, None) if self.items.len() > 1_000 => 2.0,
            (None, None) => 5.0,
            _ => PASS_GAP,
        };
        f64::midpoint(left.width, right.width) + gap
    }
}

/// Whether an edge stays in its row.
fn is_sideways(figure: &Figure, edge: &FigureEdge) -> bool {
    figure.nodes[edge.from].rank == figure.nodes[edge.to].rank
}

/// How many lines arrive at every node and leave it.
fn fans(figure: &Figure) -> Vec<(usize, usize)> {
    let mut fans = vec![(0, 0); figure.nodes.len()];
    let mut trunks = BTreeSet::new();
    for edge in &figure.edges {
        if is_sideways(figure, edge) {
            continue;
        }
        fans[edge.to].0 += 1;
        let far = figure.nodes[edge.to].rank > figure.nodes[edge.from].rank + 1;
        if !(figure.bundled && far) || trunks.insert(edge.from) {
            fans[edge.from].1 += 1;
        }
    }
    fans
}

/// Extent across and along of a node with this many edges in and out.
fn extent(
    node: &FigureNode,
    (edges_in, edges_out): (usize, usize),
    direction: Direction,
) -> (f64, f64) {
    let role = node.role.as_deref();
    let role_width = role.map_or(0.0, |role| text_width(role, ROLE) + 10.0);
    let role_height = role.map_or(0.0, |_| ROLE_HEIGHT);
    let name = |size: f64, space: f64| (text_width(&node.label, size) + space).max(role_width);
    let fan = |step: f64| (step * edges_in.max(edges_out) as f64 + 10.0).min(220.0);
    // Of the box without edges.
    let (width, height, step) = match node.node {
        Node::Input | Node::Position | Node::Logits => (name(NAME, 14.0).max(72.0), 24.0, 7.0),
        Node::Mlp { .. } => (name(NAME, 14.0).max(44.0), 24.0, 5.0),
        Node::Neuron { .. } => (name(NEURON_NAME, 10.0), 16.0, 0.0),
        Node::Feature { .. } | Node::Error { .. } => (name(NAME, 14.0), 20.0, 0.0),
        Node::Head { .. } => (name(NAME, 14.0).max(54.0), 24.0, 5.0),
    };
    let (ports_along, ports_across) = if node.ports.is_some() {
        (PORT_HEIGHT, 3.0 * PORT_HEIGHT + 3.0)
    } else {
        (0.0, 0.0)
    };
    match direction {
        Direction::Up => {
            let least = if node.ports.is_some() { 20.0 } else { height };
            (width.max(fan(step)), least + ports_along + role_height)
        }
        Direction::Right => (
            (height + role_height).max(ports_across).max(fan(step)),
            width + ports_along,
        ),
    }
}

/// Centre of a port from the centre of its node.
pub(crate) fn port_offset(port: Port, width: f64) -> f64 {
    match port {
        Port::Part(part) => (part as usize as f64 - 1.0) * width / 3.0,
        Port::Only | Port::Several | Port::Inside | Port::Attended => 0.0,
    }
}
