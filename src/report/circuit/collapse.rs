//! Fewer lines and boxes in figures of large circuits: edges between two nodes as one, then the heads of a layer as
//! one node.

use std::collections::BTreeMap;

use super::figure::{Detail, Figure, FigureEdge, FigureNode, Port};
use crate::graph::Node;
use crate::report::text::{short, thousands};

/// Edges of a figure that shows each of them.
const EDGES: usize = 250;
/// Lines and nodes of a figure that shows all nodes.
const LINES: usize = 500;
const NODES: usize = 120;
/// Lines of an overview.
const OVERVIEW: usize = 180;

/// Joins what the detail asks for; the caption says what was joined.
pub(crate) fn collapse(figure: &mut Figure, detail: Detail) {
    let detail = match detail {
        Detail::Fitting if figure.edges.len() <= EDGES => Detail::Edges,
        Detail::Fitting if figure.edges.len() <= LINES && figure.nodes.len() <= NODES => {
            Detail::Nodes
        }
        Detail::Fitting => Detail::Layers,
        other => other,
    };
    match detail {
        Detail::Edges | Detail::Fitting => {}
        Detail::Nodes => {
            join_edges(figure);
            note(figure, "edges between two nodes drawn as one");
        }
        Detail::Layers => {
            join_heads(figure);
            join_edges(figure);
            place_side_by_side(figure);
            note(figure, "heads of a layer drawn as one");
            if figure.edges.len() > OVERVIEW {
                figure.keep_strongest(OVERVIEW);
            }
        }
    }
}

fn note(figure: &mut Figure, what: &str) {
    figure.caption = format!("{} · {}", figure.caption, what.replace(' ', "\u{a0}"));
}

/// What nodes are drawn as one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Joined {
    Heads(usize, Option<usize>, bool),
    Neurons(usize, Option<usize>),
    Alone(Node, Option<usize>),
}

fn join_heads(figure: &mut Figure) {
    let mut members = BTreeMap::<Joined, Vec<usize>>::new();
    for (index, node) in figure.nodes.iter().enumerate() {
        let joined = match node.node {
            Node::Head { layer, .. } => Joined::Heads(layer, node.column, node.is_source),
            Node::Neuron { layer, .. } => Joined::Neurons(layer, node.column),
            other => Joined::Alone(other, node.column),
        };
        members.entry(joined).or_default().push(index);
    }
    let mut place = vec![0; figure.nodes.len()];
    let mut nodes: Vec<(FigureNode, Vec<usize>)> = members
        .into_iter()
        .map(|(joined, members)| {
            let first = figure.nodes[members[0]].clone();
            let label = match joined {
                Joined::Heads(layer, ..) if members.len() > 1 => {
                    format!("a{layer}: {} heads", members.len())
                }
                Joined::Neurons(layer, _) if members.len() > 1 => {
                    format!("m{layer}: {} neurons", members.len())
                }
                _ => first.label.clone(),
            };
            let role = first.role.clone().filter(|_| members.len() == 1);
            let writes = members.iter().any(|&member| figure.nodes[member].writes);
            let node = FigureNode {
                label,
                role,
                group: None,
                ports: None,
                writes,
                ..first
            };
            (node, members)
        })
        .collect();
    nodes.sort_by_key(|(node, _)| (node.rank, node.column, node.node));
    for (index, (_, members)) in nodes.iter().enumerate() {
        for &member in members {
            place[member] = index;
        }
    }
    figure.nodes = nodes.into_iter().map(|(node, _)| node).collect();
    for edge in &mut figure.edges {
        (edge.from, edge.to) = (place[edge.from], place[edge.to]);
    }
    figure.grouped = false;
    figure.close_ranks();
}

/// Heads and MLP of a layer in one row and one frame, which makes deep models half as tall.
fn place_side_by_side(figure: &mut Figure) {
    if !figure.columns.is_empty() {
        // Heads and MLP of a column stand above each other.
        return;
    }
    let heads: BTreeMap<usize, usize> = figure
        .nodes
        .iter()
        .filter(|node| matches!(node.node, Node::Head { .. }))
        .filter_map(|node| Some((node.node.layer()?, node.rank)))
        .collect();
    for node in &mut figure.nodes {
        let (Node::Head { layer, .. } | Node::Mlp { layer }) = node.node else {
            continue;
        };
        if let Some(&rank) = heads.get(&layer) {
            node.rank = rank;
            node.group = Some((layer, 0));
        }
    }
    figure.close_ranks();
}

fn join_edges(figure: &mut Figure) {
    let mut members = BTreeMap::<(usize, usize), Vec<FigureEdge>>::new();
    for edge in std::mem::take(&mut figure.edges) {
        members.entry((edge.from, edge.to)).or_default().push(edge);
    }
    figure.edges = members.values().map(|edges| join(edges)).collect();
    for node in &mut figure.nodes {
        node.ports = None;
    }
    let strengths = figure.edges.iter().filter_map(|edge| edge.score);
    figure.largest = strengths.map(f64::abs).fold(0.0, f64::max);
}

/// One line for some edges: as wide as they are together, with the sign of their sum.
fn join(edges: &[FigureEdge]) -> FigureEdge {
    let first = edges[0].clone();
    if edges.len() == 1 {
        return first;
    }
    let scores: Vec<f64> = edges.iter().filter_map(|edge| edge.score).collect();
    let sum: f64 = scores.iter().sum();
    let strength: f64 = scores.iter().map(|score| score.abs()).sum();
    let port = if edges.iter().all(|edge| edge.port == first.port) {
        first.port
    } else {
        Port::Several
    };
    let mut tooltip = format!("{} edges", thousands(edges.len()));
    if !scores.is_empty() {
        tooltip = format!("{tooltip}, sum of |score| {}", short(strength));
    }
    FigureEdge {
        port,
        score: (!scores.is_empty()).then_some(if sum < 0.0 { -strength } else { strength }),
        tooltip,
        ..first
    }
}
