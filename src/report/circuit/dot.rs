//! `circuit.dot`: a circuit for Graphviz, input at the bottom, one row per layer.

use super::figure::{Figure, FigureEdge, FigureNode, FigureOptions, Port};
use super::style::{Direction, Palette};
use crate::error::Result;
use crate::graph::{Node, Qkv};
use crate::report::CircuitFile;
use crate::report::Exporter;
use crate::report::text::{Text, dot_string, short, xml};

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

    fn export(&self, file: &CircuitFile, options: &FigureOptions) -> Result<Vec<u8>> {
        Figure::with(file, options).map(|figure| to_dot(&figure).into_bytes())
    }
}

/// A figure as DOT.
pub fn to_dot(figure: &Figure) -> String {
    let palette = figure.style.theme.palette();
    let direction = match figure.style.direction {
        Direction::Up => "BT",
        Direction::Right => "LR",
    };
    let mut out = Text::default();
    out.line(format_args!("digraph circuit {{"));
    out.line(format_args!(
        "  graph [rankdir={direction}, ranksep=0.5, nodesep=0.2, labelloc=t, fontname=\"Helvetica\", fontsize=12, bgcolor=\"{}\", fontcolor=\"{}\", label=<<B>{}</B><BR/>{}{}>];",
        palette.ground,
        palette.ink,
        label_text(&figure.title),
        label_text(&figure.caption),
        legend(figure, palette)
    ));
    out.line(format_args!(
        "  node [fontname=\"Helvetica\", fontsize=11, margin=\"0.08,0.04\", height=0.3, width=0.5, color=\"{0}\", fontcolor=\"{0}\"];",
        palette.ink
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
            out.line(format_args!("    {}", node_line(node, figure, palette)));
        }
        out.line(format_args!("  }}"));
    }
    for pair in ranks.windows(2) {
        if let (Some(below), Some(above)) = (pair[0].first(), pair[1].first()) {
            out.line(format_args!(
                "  \"{}\" -> \"{}\" [style=invis, weight=0];",
                below.id(&figure.columns),
                above.id(&figure.columns)
            ));
        }
    }
    for edge in &figure.edges {
        out.line(format_args!("  {}", edge_line(figure, edge, palette)));
    }
    out.line(format_args!("}}"));
    out.0
}

/// What the colours of lines mean, as a line of a label.
fn legend(figure: &Figure, palette: &Palette) -> String {
    let used = |port: Port| figure.edges.iter().any(|edge| edge.port == port);
    let parts = [(Qkv::Q, "into q"), (Qkv::K, "into k"), (Qkv::V, "into v")];
    let ports = parts.map(|(part, words)| (Port::Part(part), words));
    let mut entries: Vec<(&str, &str)> = ports
        .into_iter()
        .filter(|&(port, _)| used(port))
        .map(|(port, words)| (palette.line(port), words))
        .collect();
    if figure.edges.iter().any(FigureEdge::is_negative) {
        entries.push((palette.negative, "negative score (dashed)"));
    }
    if entries.is_empty() {
        return String::new();
    }
    let entries = entries.iter();
    let entries = entries.map(|(colour, words)| format!("<FONT COLOR=\"{colour}\">{words}</FONT>"));
    format!("<BR/>{}", entries.collect::<Vec<_>>().join(" · "))
}

/// Text of an HTML-like label, which may not be empty.
fn label_text(text: &str) -> String {
    if text.trim().is_empty() {
        return "&#160;".into();
    }
    xml(text)
}

/// Name and role, as the inside of an HTML-like label.
fn words(node: &FigureNode, columns: &[String]) -> String {
    let role = node.role.as_ref().map_or_else(String::new, |role| {
        format!("<BR/><FONT POINT-SIZE=\"8\">{}</FONT>", xml(role))
    });
    let span = node.column.and_then(|column| columns.get(column));
    let span = span.map_or_else(String::new, |span| {
        format!(" <FONT POINT-SIZE=\"8\">@{}</FONT>", xml(span))
    });
    format!("{}{span}{role}", xml(&node.label))
}

fn node_line(node: &FigureNode, figure: &Figure, palette: &Palette) -> String {
    let columns = &figure.columns;
    let dashed = if node.writes { "" } else { ",dashed" };
    let style = match (node.node, node.ports) {
        (Node::Head { .. }, Some(ports)) => return head_line(node, ports, (columns, palette)),
        (Node::Input | Node::Position | Node::Logits, _) => format!(
            "shape=box, style=\"rounded,filled,bold\", fillcolor=\"{}\"",
            palette.end
        ),
        (Node::Mlp { .. }, _) => format!(
            "shape=box, style=\"filled{dashed}\", fillcolor=\"{}\"",
            palette.mlp
        ),
        (Node::Neuron { .. }, _) => format!(
            "shape=ellipse, style=filled, fillcolor=\"{}\", fontsize=8, height=0.2, width=0.3",
            palette.neuron
        ),
        (Node::Feature { .. }, _) => format!(
            "shape=ellipse, style=filled, fillcolor=\"{}\"",
            palette.feature
        ),
        (Node::Error { .. }, _) => format!(
            "shape=box, style=\"filled,dashed\", fillcolor=\"{}\"",
            palette.error
        ),
        (Node::Head { .. }, None) => format!(
            "shape=box, style=\"rounded,filled{dashed}\", fillcolor=\"{}\"",
            palette.head
        ),
    };
    let about = node.about.as_ref().map_or_else(String::new, |about| {
        format!(", tooltip={}", dot_string(about))
    });
    format!(
        "\"{}\" [{style}, label=<{}>{about}{}];",
        node.id(columns),
        words(node, columns),
        in_column(node)
    )
}

/// Graphviz puts the nodes of a group below each other where it can.
fn in_column(node: &FigureNode) -> String {
    let column = node.column.map(|column| format!(", group={column}"));
    column.unwrap_or_default()
}

/// A head with its three inputs where edges arrive.
fn head_line(
    node: &FigureNode,
    ports: [bool; 3],
    (columns, palette): (&[String], &Palette),
) -> String {
    let cell = |part: Qkv| {
        let colour = if ports[part as usize] {
            palette.line(Port::Part(part))
        } else {
            palette.unused[1]
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
    format!(
        "\"{}\" [shape=plain, label=<<TABLE BORDER=\"1\" STYLE=\"{style}\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"2\" BGCOLOR=\"{}\"><TR><TD COLSPAN=\"3\">{}</TD></TR><TR>{cells}</TR></TABLE>>{}];",
        node.id(columns),
        palette.head,
        words(node, columns),
        in_column(node)
    )
}

fn edge_line(figure: &Figure, edge: &FigureEdge, palette: &Palette) -> String {
    let [from, to] = [edge.from, edge.to].map(|node| figure.nodes[node].id(&figure.columns));
    let side = match figure.style.direction {
        Direction::Up => 's',
        Direction::Right => 'w',
    };
    let port = match edge.port {
        // Lines joined into one keep the colour of their input; the box then has no ports.
        Port::Part(part) if figure.nodes[edge.to].ports.is_some() => {
            format!(":{}:{side}", part.letter())
        }
        _ => String::new(),
    };
    let style = match edge.port {
        Port::Inside | Port::Attended => ", style=dotted, arrowhead=none",
        _ if edge.is_negative() => ", style=dashed",
        _ => "",
    };
    let score = edge.score.map_or_else(String::new, |score| {
        format!(", comment=\"{}\"", short(score))
    });
    format!(
        "\"{from}\" -> \"{to}\"{port} [penwidth={:.2}, color=\"{}\"{style}{score}, tooltip={}];",
        figure.line_width(edge),
        edge.colour(palette),
        dot_string(&edge.tooltip)
    )
}
