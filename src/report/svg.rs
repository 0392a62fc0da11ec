//! `circuit.svg`: a circuit drawn for papers. Plain SVG 1.1, no scripts, no style sheets, no fonts of its own.

use super::figure::{Figure, FigureEdge, FigureNode, NEGATIVE, Port, width_of};
use super::layout::{Layout, NodeBox, PORT_HEIGHT, ROLE_FONT, ROLE_HEIGHT, Route, port_offset};
use super::text::{Text, one_line, short, text_width, wrap, xml};
use super::{CircuitFile, Exporter};
use crate::error::Result;
use crate::graph::{Node, Qkv};

/// Writes SVG.
#[derive(Debug)]
pub struct Svg;

impl Exporter for Svg {
    fn name(&self) -> &'static str {
        "svg"
    }

    fn about(&self) -> &'static str {
        "vector graphics"
    }

    fn draw(&self, _file: &CircuitFile, figure: &Figure) -> Result<Vec<u8>> {
        Ok(to_svg(figure).into_bytes())
    }
}

/// Width of the narrowest figure, for its title and legend.
const NARROWEST: f64 = 480.0;
const SIDE: f64 = 16.0;
const INK: &str = "#222222";
const FAINT: &str = "#8C8C8C";

/// A figure as SVG.
pub fn to_svg(figure: &Figure) -> String {
    let layout = Layout::new(figure);
    let width = layout.width.max(NARROWEST);
    let title = wrap(&one_line(&figure.title), 15.0, width - 2.0 * SIDE);
    let caption = wrap(&one_line(&figure.caption), 11.0, width - 2.0 * SIDE);
    let head = 12.0 + 20.0 * title.len() as f64 + 15.0 * caption.len() as f64;
    let legend = legend(figure, width - 2.0 * SIDE);
    let legend_top = head + layout.height + 4.0;
    let rows = legend.last().map_or(0.0, |entry| entry.y);
    let height = legend_top + rows + 28.0;

    let mut out = Text::default();
    out.line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" fill=\"{INK}\">"
    ));
    out.line(format_args!(
        "<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>"
    ));
    let mut y = 8.0;
    for line in &title {
        y += 20.0;
        out.line(format_args!(
            "<text x=\"{SIDE:.0}\" y=\"{y:.0}\" font-size=\"15\" font-weight=\"bold\">{}</text>",
            xml(line)
        ));
    }
    for line in &caption {
        y += 15.0;
        out.line(format_args!(
            "<text x=\"{SIDE:.0}\" y=\"{y:.0}\" fill=\"#555555\">{}</text>",
            xml(line.trim_end_matches([' ', '·']))
        ));
    }
    let left = (width - layout.width) / 2.0;
    layers(&mut out, figure, &layout, width, head);
    out.line(format_args!(
        "<g transform=\"translate({left:.1} {head:.1})\">"
    ));
    groups(&mut out, figure, &layout);
    edges(&mut out, figure, &layout);
    for (node, area) in figure.nodes.iter().zip(&layout.boxes) {
        draw_node(&mut out, node, area);
    }
    out.line(format_args!("</g>"));
    out.line(format_args!(
        "<g transform=\"translate({SIDE:.0} {legend_top:.1})\" font-size=\"10\">"
    ));
    for entry in &legend {
        entry.draw(&mut out);
    }
    out.line(format_args!("</g>"));
    out.line(format_args!("</svg>"));
    out.0
}

/// Names of the layers at the left, every other layer on a light band.
fn layers(out: &mut Text, figure: &Figure, layout: &Layout, width: f64, head: f64) {
    let mut bands = std::collections::BTreeMap::<usize, (f64, f64)>::new();
    for (node, area) in figure.nodes.iter().zip(&layout.boxes) {
        if let Some(layer) = node.node.layer() {
            let band = bands.entry(layer).or_insert((f64::INFINITY, 0.0));
            *band = (band.0.min(area.y), band.1.max(area.bottom()));
        }
    }
    for (place, (layer, (top, bottom))) in bands.into_iter().enumerate() {
        if place % 2 == 0 {
            out.line(format_args!(
                "<rect x=\"0\" y=\"{:.1}\" width=\"{width:.0}\" height=\"{:.1}\" fill=\"#F7F7F5\"/>",
                head + top - 10.0,
                bottom - top + 20.0
            ));
        }
        out.line(format_args!(
            "<text x=\"{SIDE:.0}\" y=\"{:.1}\" font-size=\"10\" fill=\"{FAINT}\">layer {layer}</text>",
            head + f64::midpoint(top, bottom) + 3.5
        ));
    }
}

/// Frames around the heads that share k and v.
fn groups(out: &mut Text, figure: &Figure, layout: &Layout) {
    let mut frames = std::collections::BTreeMap::<(usize, usize), (usize, NodeBox)>::new();
    for (node, area) in figure.nodes.iter().zip(&layout.boxes) {
        let Some(group) = node.group else { continue };
        let frame = frames.entry(group).or_insert((0, *area));
        let (left, right) = (
            frame.1.left().min(area.left()),
            frame.1.right().max(area.right()),
        );
        frame.0 += 1;
        frame.1.x = f64::midpoint(left, right);
        frame.1.width = right - left;
    }
    for (members, area) in frames.values() {
        if *members > 1 {
            out.line(format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"9\" fill=\"#E9EEF3\" stroke=\"#B8C4CF\" stroke-width=\"0.6\"/>",
                area.left() - 5.0,
                area.y - 5.0,
                area.width + 10.0,
                area.height + 10.0
            ));
        }
    }
}

/// All edges, the strongest on top.
fn edges(out: &mut Text, figure: &Figure, layout: &Layout) {
    let mut order: Vec<usize> = (0..figure.edges.len()).collect();
    let strength = |edge: usize| figure.edges[edge].score.map_or(0.0, f64::abs);
    order.sort_by(|&a, &b| strength(a).total_cmp(&strength(b)).then(a.cmp(&b)));
    let opacity = match figure.edges.len() {
        0..60 => 0.9,
        60..200 => 0.7,
        _ => 0.5,
    };
    out.line(format_args!("<g fill=\"none\">"));
    for edge in order {
        out.line(format_args!("<g opacity=\"{opacity}\">"));
        draw_edge(out, figure, &figure.edges[edge], &layout.routes[edge]);
        out.line(format_args!("</g>"));
    }
    out.line(format_args!("</g>"));
}

fn draw_edge(out: &mut Text, figure: &Figure, edge: &FigureEdge, route: &Route) {
    let width = figure.line_width(edge);
    let arrow = if edge.port == Port::Inside {
        0.0
    } else {
        4.0 + 1.4 * width
    };
    let dash = match edge.port {
        Port::Inside => " stroke-dasharray=\"1 2.5\"".into(),
        _ if edge.is_negative() => format!(" stroke-dasharray=\"{:.1} 3\"", 3.0 + width),
        _ => String::new(),
    };
    out.line(format_args!(
        "<title>{}</title><path d=\"{}\" stroke=\"{}\" stroke-width=\"{width:.2}\"{dash}/>",
        xml(&edge.tooltip),
        path(route, arrow),
        edge.colour()
    ));
    if let Some(&(x, y, _)) = route.stops.last()
        && arrow > 0.0
    {
        let half = 1.8 + 0.6 * width;
        out.line(format_args!(
            "<path d=\"M{:.1} {:.1}L{x:.1} {y:.1}L{:.1} {1:.1}Z\" fill=\"{}\"/>",
            x - half,
            y + arrow,
            x + half,
            edge.port.colour()
        ));
    }
}

/// The line of an edge, up to where its arrowhead begins.
fn path(route: &Route, arrow: f64) -> String {
    let (mut x, mut y) = route.start;
    let mut path = format!("M{x:.1} {y:.1}");
    let last = route.stops.len().saturating_sub(1);
    for (stop, &(to, arrives, leaves)) in route.stops.iter().enumerate() {
        let arrives = if stop == last {
            arrives + arrow
        } else {
            arrives
        };
        let bend = (y - arrives) * 0.5;
        path.extend([format!(
            "C{x:.1} {:.1} {to:.1} {:.1} {to:.1} {arrives:.1}",
            y - bend,
            arrives + bend
        )]);
        if stop != last {
            path.extend([format!("V{leaves:.1}")]);
        }
        (x, y) = (to, leaves);
    }
    path
}

fn draw_node(out: &mut Text, node: &FigureNode, area: &NodeBox) {
    let (fill, round, size) = match node.node {
        Node::Input | Node::Position | Node::Logits => ("#E3E3E3", area.height / 2.0, 11.0),
        Node::Head { .. } => ("#FFFFFF", 6.0, 11.0),
        Node::Mlp { .. } => ("#FFF1CC", 0.0, 11.0),
        Node::Neuron { .. } => ("#FFF9E8", area.height / 2.0, 9.0),
    };
    let dash = if node.writes {
        ""
    } else {
        " stroke-dasharray=\"3 2\""
    };
    out.line(format_args!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{round:.0}\" fill=\"{fill}\" stroke=\"{INK}\"{dash}/>",
        area.left(),
        area.y,
        area.width,
        area.height
    ));
    let strip = if node.ports.is_some() {
        PORT_HEIGHT
    } else {
        0.0
    };
    let role = if node.role.is_some() {
        ROLE_HEIGHT
    } else {
        0.0
    };
    out.line(format_args!(
        "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{size:.0}\" text-anchor=\"middle\">{}</text>",
        area.x,
        area.y + (area.height - strip - role) / 2.0 + size * 0.35 + strip * 0.05,
        node.node
    ));
    if let Some(role) = &node.role {
        out.line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{ROLE_FONT}\" text-anchor=\"middle\" fill=\"#555555\">{}</text>",
            area.x,
            area.bottom() - strip - ROLE_HEIGHT + ROLE_FONT - 2.0,
            xml(role)
        ));
    }
    let Some(ports) = node.ports else { return };
    for part in [Qkv::Q, Qkv::K, Qkv::V] {
        let used = ports[part as usize];
        let x = area.x + port_offset(Port::Part(part), area.width);
        let colour = if used {
            Port::Part(part).colour()
        } else {
            "#EDEDED"
        };
        out.line(format_args!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"{colour}\"/>",
            x - area.width / 6.0 + 2.0,
            area.bottom() - PORT_HEIGHT,
            area.width / 3.0 - 4.0,
            PORT_HEIGHT - 2.0
        ));
        out.line(format_args!(
            "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"8\" text-anchor=\"middle\" fill=\"{}\">{}</text>",
            area.bottom() - 4.2,
            if used { "#FFFFFF" } else { "#AAAAAA" },
            part.letter()
        ));
    }
}

/// A line sample and its meaning, placed within the legend.
struct Entry {
    x: f64,
    y: f64,
    colour: &'static str,
    width: f64,
    dash: &'static str,
    label: String,
}

/// Length of a line sample, with the space after it.
const SAMPLE: f64 = 26.0;

impl Entry {
    fn draw(&self, out: &mut Text) {
        let mut x = self.x;
        if self.width > 0.0 {
            out.line(format_args!(
                "<path d=\"M{x:.1} {:.1}h20\" stroke=\"{}\" stroke-width=\"{:.2}\"{}/>",
                self.y + 8.5,
                self.colour,
                self.width,
                self.dash
            ));
            x += SAMPLE;
        }
        out.line(format_args!(
            "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"#555555\">{}</text>",
            self.y + 12.0,
            xml(&self.label)
        ));
    }
}

/// What the figure uses of colours, widths and dashes, in rows of at most `width`.
fn legend(figure: &Figure, width: f64) -> Vec<Entry> {
    let mut entries: Vec<(&'static str, f64, &'static str, String)> = Vec::new();
    let used = |port: Port| figure.edges.iter().any(|edge| edge.port == port);
    let ports = [
        (Port::Part(Qkv::Q), "into q"),
        (Port::Part(Qkv::K), "into k"),
        (Port::Part(Qkv::V), "into v"),
        (Port::Only, "into MLP or logits"),
    ];
    for (port, label) in ports {
        if used(port) {
            entries.push((port.colour(), 2.0, "", label.into()));
        }
    }
    if figure.edges.iter().any(FigureEdge::is_negative) {
        let dash = " stroke-dasharray=\"5 3\"";
        entries.push((NEGATIVE, 2.0, dash, "negative score".into()));
    }
    if figure.largest > 0.0 {
        for share in [1.0, 0.25, 0.04] {
            let value = short(figure.largest * share);
            let label = if share < 1.0 {
                value
            } else {
                format!("|score| {value}")
            };
            entries.push(("#4D4D4D", width_of(share), "", label));
        }
    }
    if used(Port::Inside) {
        let dash = " stroke-dasharray=\"1 2.5\"";
        entries.push((FAINT, 0.8, dash, "neuron of its MLP".into()));
    }
    if figure.grouped {
        let label = "framed heads share k and v, drawn at the group's first head";
        entries.push(("", 0.0, "", label.into()));
    }
    let (mut x, mut y) = (0.0, 0.0);
    let place = |(colour, line, dash, label): (&'static str, f64, &'static str, String)| {
        let sample = if line > 0.0 { SAMPLE } else { 0.0 };
        let wide = sample + text_width(&label, 10.0);
        if x > 0.0 && x + wide > width {
            (x, y) = (0.0, y + 16.0);
        }
        let entry = Entry {
            x,
            y,
            colour,
            width: line,
            dash,
            label,
        };
        x += wide + 14.0;
        entry
    };
    entries.into_iter().map(place).collect()
}
