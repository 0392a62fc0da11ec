//! What colours, widths and dashes mean.

use crate::graph::Qkv;
use crate::report::circuit::figure::{Figure, FigureEdge, Port, width_of};
use crate::report::circuit::style::Palette;
use crate::report::text::{Text, short, text_width, xml};

/// A line sample and its meaning, placed within the legend.
pub(crate) struct Entry {
    x: f64,
    pub(crate) y: f64,
    colour: &'static str,
    /// Width of the sample; 0 for a text alone.
    width: f64,
    dash: &'static str,
    label: String,
}

/// Length of a line sample, with the space after it.
const SAMPLE: f64 = 26.0;
/// Space between entries.
const SPACE: f64 = 14.0;
/// Shares of the largest `|score|` whose widths are shown.
const SHARES: [f64; 3] = [1.0, 0.25, 0.04];

/// Colour, width and dashes of a line, and what it means.
type Sample = (&'static str, f64, &'static str, String);

impl Entry {
    pub(crate) fn draw(&self, out: &mut Text, palette: &Palette) {
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
            "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{}\">{}</text>",
            self.y + 12.0,
            palette.caption,
            xml(&self.label)
        ));
    }
}

/// What the figure uses of colours, widths and dashes, in rows of at most `width`.
pub(crate) fn entries(figure: &Figure, width: f64) -> Vec<Entry> {
    let palette = figure.style.theme.palette();
    let mut samples: Vec<Sample> = Vec::new();
    let used = |port: Port| figure.edges.iter().any(|edge| edge.port == port);
    let ports = [
        (Port::Part(Qkv::Q), "into q"),
        (Port::Part(Qkv::K), "into k"),
        (Port::Part(Qkv::V), "into v"),
    ];
    for (port, label) in ports {
        if used(port) {
            samples.push((palette.line(port), 2.0, "", label.into()));
        }
    }
    let of_features = figure.nodes.iter().any(|it| it.node.is_of_dictionary());
    let others = match (used(Port::Only), used(Port::Several)) {
        (true, true) => Some("into MLP, logits or several of q, k, v"),
        (true, false) if of_features => Some("attribution through what it enters"),
        (true, false) => Some("into MLP or logits"),
        (false, true) => Some("into several of q, k, v"),
        (false, false) => None,
    };
    if let Some(label) = others {
        samples.push((palette.line(Port::Only), 2.0, "", label.into()));
    }
    if figure.bundled {
        let label = "edges of one node, until they part";
        samples.push((palette.faint, 2.0, "", label.into()));
    }
    if figure.edges.iter().any(FigureEdge::is_negative) {
        let dash = " stroke-dasharray=\"5 3\"";
        samples.push((palette.negative, 2.0, dash, "negative score".into()));
    }
    let widths = samples.len()..samples.len() + SHARES.len();
    if figure.largest > 0.0 {
        for share in SHARES {
            let value = short(figure.largest * share);
            let label = if share < 1.0 {
                value
            } else {
                format!("|score| {value}")
            };
            samples.push((palette.line(Port::Only), width_of(share), "", label));
        }
    }
    if used(Port::Inside) {
        let dash = " stroke-dasharray=\"1 2.5\"";
        samples.push((palette.faint, 0.8, dash, "neuron of its MLP".into()));
    }
    if used(Port::Attended) {
        let dash = " stroke-dasharray=\"1 2.5\"";
        let label = "from a head's keys and values to its output";
        samples.push((palette.faint, 0.8, dash, label.into()));
    }
    if figure.grouped {
        let label = if figure.columns.is_empty() {
            "framed heads share k and v, drawn at the group's first head"
        } else {
            "the keys and values of a group's heads are one box"
        };
        samples.push(("", 0.0, "", label.into()));
    }
    if figure.nodes.iter().any(|node| !node.writes) {
        samples.push(("", 0.0, "", "dashed boxes write nothing here".into()));
    }
    let extent = |(_, line, _, label): &Sample| {
        let sample = if *line > 0.0 { SAMPLE } else { 0.0 };
        sample + text_width(label, 10.0)
    };
    let extents: Vec<f64> = samples.iter().map(extent).collect();
    let (mut x, mut y) = (0.0, 0.0);
    let place = |(index, (colour, line, dash, label)): (usize, Sample)| {
        let wide = extents[index];
        // Samples of widths stay in one row.
        let needed = if index == widths.start && figure.largest > 0.0 {
            extents[widths.clone()].iter().sum::<f64>() + 2.0 * SPACE
        } else {
            wide
        };
        if x > 0.0 && x + needed > width {
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
        x += wide + SPACE;
        entry
    };
    samples.into_iter().enumerate().map(place).collect()
}
