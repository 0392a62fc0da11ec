//! Boxes of nodes: name, role, and the strip of ports of a head.

use crate::graph::{Node, Qkv};
use crate::report::circuit::figure::{FigureNode, Port};
use crate::report::circuit::layout::{
    NAME, NEURON_NAME, NodeBox, PORT_HEIGHT, ROLE, ROLE_HEIGHT, port_offset,
};
use crate::report::circuit::style::{Direction, Palette};
use crate::report::text::{Text, xml};

/// A node in its place.
pub(crate) fn draw(
    out: &mut Text,
    node: &FigureNode,
    area: &NodeBox,
    direction: Direction,
    palette: &Palette,
) {
    let (fill, round, size) = match node.node {
        Node::Input | Node::Position | Node::Logits => (palette.end, 12.0, NAME),
        Node::Head { .. } => (palette.head, 6.0, NAME),
        Node::Mlp { .. } => (palette.mlp, 0.0, NAME),
        Node::Neuron { .. } => (palette.neuron, area.height / 2.0, NEURON_NAME),
        Node::Feature { .. } => (palette.feature, area.height / 2.0, NAME),
        Node::Error { .. } => (palette.error, 0.0, NAME),
    };
    if let Some(about) = &node.about {
        out.line(format_args!("<g><title>{}</title>", xml(about)));
    }
    let dash = if node.writes {
        ""
    } else {
        " stroke-dasharray=\"3 2\""
    };
    out.line(format_args!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{round:.0}\" fill=\"{fill}\" stroke=\"{}\"{dash}/>",
        area.left(),
        area.y,
        area.width,
        area.height,
        palette.ink
    ));
    let strip = if node.ports.is_some() {
        PORT_HEIGHT
    } else {
        0.0
    };
    // The part of the box beside the strip.
    let (x, height) = match direction {
        Direction::Up => (area.x, area.height - strip),
        Direction::Right => (area.x + strip / 2.0, area.height),
    };
    let role_height = node.role.as_ref().map_or(0.0, |_| ROLE_HEIGHT);
    let y = area.y + (height - role_height) / 2.0 + size * 0.35 + strip * 0.05;
    out.line(format_args!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size:.0}\" text-anchor=\"middle\">{}</text>",
        xml(&node.label)
    ));
    if let Some(role) = &node.role {
        out.line(format_args!(
            "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"{ROLE:.0}\" text-anchor=\"middle\" fill=\"{}\">{}</text>",
            y + ROLE_HEIGHT,
            palette.caption,
            xml(role)
        ));
    }
    if node.about.is_some() {
        out.line(format_args!("</g>"));
    }
    // Where positions are told apart, keys and values have a box of their own.
    let parts: &[Qkv] = match (node.column, node.is_source) {
        (None, _) => &[Qkv::Q, Qkv::K, Qkv::V],
        (Some(_), true) => &[Qkv::K, Qkv::V],
        (Some(_), false) => &[Qkv::Q],
    };
    for &part in parts {
        if let Some(ports) = node.ports {
            draw_port(out, part, ports[part as usize], area, direction, palette);
        }
    }
}

fn draw_port(
    out: &mut Text,
    part: Qkv,
    used: bool,
    area: &NodeBox,
    direction: Direction,
    palette: &Palette,
) {
    let port = Port::Part(part);
    let (x, y, width, height) = match direction {
        Direction::Up => (
            area.x + port_offset(port, area.width),
            area.bottom() - PORT_HEIGHT / 2.0 - 1.0,
            area.width / 3.0 - 4.0,
            PORT_HEIGHT - 2.0,
        ),
        Direction::Right => (
            area.left() + PORT_HEIGHT / 2.0 + 1.0,
            area.y + area.height / 2.0 + port_offset(port, area.height),
            PORT_HEIGHT - 2.0,
            area.height / 3.0 - 3.0,
        ),
    };
    let (fill, ink) = if used {
        (palette.line(port), palette.letter)
    } else {
        (palette.unused[0], palette.unused[1])
    };
    out.line(format_args!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"3\" fill=\"{fill}\"/>",
        x - width / 2.0,
        y - height / 2.0
    ));
    out.line(format_args!(
        "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"8\" text-anchor=\"middle\" fill=\"{ink}\">{}</text>",
        y + 2.5,
        part.letter()
    ));
}
