//! `circuit.svg`: a circuit drawn for papers. Plain SVG 1.1, no scripts, no style sheets, no fonts of its own.

mod columns;
mod edges;
mod legend;
mod nodes;

use std::collections::BTreeMap;

use crate::error::Result;
use crate::report::circuit::figure::{Figure, FigureOptions};
use crate::report::circuit::layout::{Layout, NodeBox};
use crate::report::circuit::style::{Direction, Palette};
use crate::report::text::{Text, one_line, wrap, xml};
use crate::report::{CircuitFile, Exporter};

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

    fn export(&self, file: &CircuitFile, options: &FigureOptions) -> Result<Vec<u8>> {
        Figure::with(file, options).map(|figure| to_svg(&figure).into_bytes())
    }
}

/// Width of the narrowest figure, for its title and legend.
const NARROWEST: f64 = 480.0;
const SIDE: f64 = 16.0;

/// A figure as SVG.
pub fn to_svg(figure: &Figure) -> String {
    let palette = figure.style.theme.palette();
    let layout = Layout::new(figure);
    let width = layout.width.max(NARROWEST).ceil();
    let title = wrap(&one_line(&figure.title), 15.0, width - 2.0 * SIDE);
    let caption = wrap(&one_line(&figure.caption), 11.0, width - 2.0 * SIDE);
    let head = 12.0 + 20.0 * title.len() as f64 + 15.0 * caption.len() as f64;
    let legend = legend::entries(figure, width - 2.0 * SIDE);
    let legend_top = head + layout.height + 4.0;
    let rows = legend.last().map_or(0.0, |entry| entry.y);
    let height = (legend_top + rows + 28.0).ceil();

    let mut out = Text::default();
    out.line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" fill=\"{}\">",
        palette.ink
    ));
    out.line(format_args!(
        "<rect width=\"100%\" height=\"100%\" fill=\"{}\"/>",
        palette.ground
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
            "<text x=\"{SIDE:.0}\" y=\"{y:.0}\" fill=\"{}\">{}</text>",
            palette.caption,
            xml(line.trim_matches([' ', '·']))
        ));
    }
    let left = (width - layout.width) / 2.0;
    layers(&mut out, figure, &layout, [width, left, head]);
    columns::draw(&mut out, figure, &layout, [left, head]);
    out.line(format_args!(
        "<g transform=\"translate({left:.1} {head:.1})\">"
    ));
    groups(&mut out, figure, &layout, palette);
    edges::draw(&mut out, figure, &layout, palette);
    for (node, area) in figure.nodes.iter().zip(&layout.boxes) {
        nodes::draw(&mut out, node, area, figure.style.direction, palette);
    }
    out.line(format_args!("</g>"));
    out.line(format_args!(
        "<g transform=\"translate({SIDE:.0} {legend_top:.1})\" font-size=\"10\">"
    ));
    for entry in &legend {
        entry.draw(&mut out, palette);
    }
    out.line(format_args!("</g>"));
    out.line(format_args!("</svg>"));
    out.0
}

/// Names of the layers, every other layer on a band: at the left, or above a figure drawn to the right.
fn layers(out: &mut Text, figure: &Figure, layout: &Layout, [width, left, head]: [f64; 3]) {
    let palette = figure.style.theme.palette();
    let up = figure.style.direction == Direction::Up;
    let mut bands = BTreeMap::<usize, (f64, f64)>::new();
    for (node, area) in figure.nodes.iter().zip(&layout.boxes) {
        if let Some(layer) = node.node.layer() {
            let (low, high) = if up {
                (area.y, area.bottom())
            } else {
                (area.left(), area.right())
            };
            let band = bands.entry(layer).or_insert((f64::INFINITY, 0.0));
            *band = (band.0.min(low), band.1.max(high));
        }
    }
    for (place, (layer, (low, high))) in bands.into_iter().enumerate() {
        let (from, extent) = (low - 10.0, high - low + 20.0);
        if place % 2 == 0 && palette.band != palette.ground {
            let area = if up {
                [0.0, head + from, width, extent]
            } else {
                [left + from, head, extent, layout.height]
            };
            out.line(format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                area[0], area[1], area[2], area[3], palette.band
            ));
        }
        let middle = f64::midpoint(low, high);
        let (x, y, anchor) = if up {
            (SIDE, head + middle + 3.5, "start")
        } else {
            (left + middle, head + 14.0, "middle")
        };
        out.line(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"10\" text-anchor=\"{anchor}\" fill=\"{}\">layer {layer}</text>",
            palette.faint
        ));
    }
}

/// Frames around the heads that share k and v.
fn groups(out: &mut Text, figure: &Figure, layout: &Layout, palette: &Palette) {
    let mut frames = BTreeMap::<(usize, usize), Vec<&NodeBox>>::new();
    for (node, area) in figure.nodes.iter().zip(&layout.boxes) {
        if let Some(group) = node.group {
            frames.entry(group).or_default().push(area);
        }
    }
    for members in frames.values().filter(|members| members.len() > 1) {
        let low = |side: fn(&NodeBox) -> f64| {
            let sides = members.iter().map(|area| side(area));
            sides.fold(f64::INFINITY, f64::min) - 5.0
        };
        let high = |side: fn(&NodeBox) -> f64| {
            let sides = members.iter().map(|area| side(area));
            sides.fold(f64::NEG_INFINITY, f64::max) + 5.0
        };
        let (x, y) = (low(NodeBox::left), low(|area| area.y));
        let (right, bottom) = (high(NodeBox::right), high(NodeBox::bottom));
        out.line(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"9\" fill=\"{}\" stroke=\"{}\" stroke-width=\"0.6\"/>",
            right - x,
            bottom - y,
            palette.group[0],
            palette.group[1]
        ));
    }
}
