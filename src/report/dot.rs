//! `circuit.dot`: a circuit for Graphviz, input at the bottom, one row per layer.

use super::figure::{Figure, FigureEdge, FigureNode, Port};
use super::text::{Text, dot_string, short, xml};
use super::{CircuitFile, Exporter};
use crate::error::Result;
use crate::graph::{Node, Qkv};

/// Writes DOT, for Graphviz.
#[derive(Debug)]
pub struct Dot;

impl Exporter for Dot {
    fn name(&self) -> &'static str {
        "dot"
    }

    fn about(&self) -> &'static str {
        "Graphviz source"
    }

    fn draw(&self, _file: &CircuitFile, figure: &Figure) -> Result<Vec<u8>> {
        Ok(to_dot(figure).into_bytes())
    }
}

/// A figure as DOT.
pub fn to_dot(figure: &Figure) -> String {
    let mut out = Text::default();
    out.line(format_args!("digraph circuit {{"));
    out.line(format_args!(
        "  graph [rankdir=BT, ranksep=0.5, nodesep=0.2, labelloc=t, fontname=\"Helvetica\", fontsize=12, label=<<B>{}</B><BR/>{}>];",
        label_text(&figure.title),
        label_text(&figure.caption)
    ));
    out.line(format_args!(
        "  node [fontname=\"Helvetica\", fontsize=11, margin=\"0.08,0.04\", height=0.3, width=0.5];"
    ));
    out.line(format_args!("  edge [arrowsize=0.6];"));
    let ranks: Vec<Vec<&FigureNode>> = (0..figure.rank_count())
        .map(|rank| {
            let nodes = figure.nodes.iter();
            nodes.filter(|node| node.rank == rank).collect()
        })
        .collect();
    for rank in &ranks {
        out.line(format_args!("  {{"));
        out.line(format_args!("    rank=same;"));
        for node in rank {
            out.line(format_args!("    {}", node_line(node)));
        }
        out.line(format_args!("  }}"));
    }
    for pair in ranks.windows(2) {
        if let (Some(below), Some(above)) = (pair[0].first(), pair[1].first()) {
            out.line(format_args!(
                "  \"{}\" -> \"{}\" [style=invis, weight=0];",
                below.node, above.node
            ));
        }
    }
    for edge in &figure.edges {
        out.line(format_args!("  {}", edge_line(figure, edge)));
    }
    out.line(format_args!("}}"));
    out.0
}

/// Text of an HTML-like label, which may not be empty.
fn label_text(text: &str) -> String {
    if text.trim().is_empty() {
        return "&#160;".into();
    }
    xml(text)
}

fn node_line(node: &FigureNode) -> String {
    let name = node.node;
    let style = match name {
        Node::Input | Node::Position | Node::Logits => {
            "shape=box, style=\"rounded,filled,bold\", fillcolor=\"#E6E6E6\""
        }
        Node::Mlp { .. } if node.writes => "shape=box, style=filled, fillcolor=\"#FFF4D6\"",
        Node::Mlp { .. } => "shape=box, style=\"filled,dashed\", fillcolor=\"#FFF4D6\"",
        Node::Neuron { .. } => {
            "shape=ellipse, style=filled, fillcolor=\"#FFF9E8\", fontsize=8, height=0.2, width=0.3"
        }
        Node::Head { .. } => {
            if let Some(ports) = node.ports {
                return head_line(node, ports);
            }
            "shape=box, style=\"rounded,filled\", fillcolor=\"#EEF3F8\""
        }
    };
    if let Some(role) = &node.role {
        let label = format!("{name}<BR/><FONT POINT-SIZE=\"8\">{}</FONT>", xml(role));
        return format!("\"{name}\" [{style}, label=<{label}>];");
    }
    format!("\"{name}\" [{style}];")
}

/// A head with its three inputs along the bottom.
fn head_line(node: &FigureNode, ports: [bool; 3]) -> String {
    let cell = |part: Qkv| {
        let colour = if ports[part as usize] {
            Port::Part(part).colour()
        } else {
            "#BFBFBF"
        };
        let letter = part.letter();
        format!(
            "<TD PORT=\"{letter}\"><FONT POINT-SIZE=\"8\" COLOR=\"{colour}\">{letter}</FONT></TD>"
        )
    };
    let cells = [Qkv::Q, Qkv::K, Qkv::V].map(cell).concat();
    let style = if node.writes {
        "ROUNDED"
    } else {
        "ROUNDED,DASHED"
    };
    let role = node.role.as_ref().map_or_else(String::new, |role| {
        format!("<BR/><FONT POINT-SIZE=\"8\">{}</FONT>", xml(role))
    });
    format!(
        "\"{0}\" [shape=plain, label=<<TABLE BORDER=\"1\" STYLE=\"{style}\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"2\" BGCOLOR=\"#EEF3F8\"><TR><TD COLSPAN=\"3\">{0}{role}</TD></TR><TR>{cells}</TR></TABLE>>];",
        node.node
    )
}

fn edge_line(figure: &Figure, edge: &FigureEdge) -> String {
    let (from, to) = (figure.nodes[edge.from].node, figure.nodes[edge.to].node);
    let port = match edge.port {
        Port::Part(part) => format!(":{}:s", part.letter()),
        Port::Only | Port::Inside => String::new(),
    };
    let style = match edge.port {
        Port::Inside => ", style=dotted, arrowhead=none",
        _ if edge.is_negative() => ", style=dashed",
        _ => "",
    };
    let score = edge.score.map_or_else(String::new, |score| {
        format!(", comment=\"{}\"", short(score))
    });
    format!(
        "\"{from}\" -> \"{to}\"{port} [penwidth={:.2}, color=\"{}\"{style}{score}, tooltip={}];",
        figure.line_width(edge),
        edge.colour(),
        dot_string(&edge.tooltip)
    )
}
