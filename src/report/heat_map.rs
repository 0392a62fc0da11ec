//! Heat maps as SVG: numbers as colours in rows and columns, with labels in the cells, a legend, and a text for each cell
//! that a browser shows where the pointer is.

use super::plot::{Axis, INK, label};
use super::text::{Text, clip, one_line, text_width, wrap, xml};

/// From light to dark.
const SEQUENTIAL: [[f64; 3]; 5] = [
    [247.0, 250.0, 253.0],
    [198.0, 219.0, 239.0],
    [107.0, 174.0, 214.0],
    [33.0, 113.0, 181.0],
    [8.0, 48.0, 107.0],
];
/// From below zero over zero to above, in colours that people with any common colour vision tell apart.
const DIVERGING: [[f64; 3]; 3] = [
    [0.0, 114.0, 178.0],
    [248.0, 248.0, 248.0],
    [213.0, 94.0, 0.0],
];
/// Where there is no number.
const ABSENT: &str = "#DDDDDD";
/// Font size of the labels in cells, and of those at the axes.
const FONT: f64 = 9.0;
/// Characters that a label in a cell, and one at an axis, shows at most.
const CELL_LABEL: usize = 12;
const AXIS_LABEL: usize = 32;
/// Smallest and largest cell without a label, and what they should take together.
const CELL: f64 = 14.0;
const LARGEST_CELL: f64 = 26.0;
const CELLS: f64 = 360.0;
const MARGIN: f64 = 14.0;
/// Colours of the legend's bar.
const STEPS: usize = 64;
const BAR: f64 = 14.0;

/// Numbers in rows and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// What it shows.
    pub title: String,
    /// What rows are.
    pub row_axis: String,
    /// What columns are.
    pub column_axis: String,
    /// Names of the rows, from the top.
    pub rows: Vec<String>,
    /// Names of the columns, from the left.
    pub columns: Vec<String>,
    /// Row by row, `rows.len() * columns.len()`.
    pub cells: Vec<HeatCell>,
    /// From numbers to colours.
    pub colours: Colours,
    /// What the numbers are.
    pub legend: String,
}

/// One number of a heat map.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeatCell {
    /// The number; a cell without one is grey.
    pub value: Option<f64>,
    /// What the cell shows; empty for its colour alone.
    pub label: String,
    /// Lines shown where the pointer is.
    pub tooltip: Vec<String>,
}

/// How numbers become colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Colours {
    /// From light to dark, over what the numbers cover, or over a given range.
    Sequential(Option<[f64; 2]>),
    /// Two colours from white at zero, over what the numbers cover in both directions.
    Diverging,
}

/// Places of everything, so that nothing is cut off.
struct Frame {
    left: f64,
    top: f64,
    cell: [f64; 2],
    /// Whether names of columns stand upright.
    turned: bool,
    /// Where the cells end.
    right: f64,
    bottom: f64,
    /// Space for the names below them.
    below: f64,
    legend: f64,
    /// The whole picture.
    width: f64,
    height: f64,
    title: Vec<String>,
}

impl HeatMap {
    /// The heat map as SVG.
    ///
    /// # Panics
    /// When the number of cells is not that of rows times columns.
    pub fn svg(&self) -> String {
        stacked(std::slice::from_ref(self))
    }

    /// What is drawn, from the upper left corner.
    fn draw(&self, out: &mut Text, frame: &Frame, axis: &Axis) {
        for (row, line) in frame.title.iter().enumerate() {
            out.line(format_args!(
                "<text x=\"{MARGIN}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"bold\">{}</text>",
                MARGIN + 10.0 + 17.0 * row as f64,
                xml(line)
            ));
        }
        self.axes(out, frame);
        for (index, cell) in self.cells.iter().enumerate() {
            let (row, column) = (index / self.columns.len(), index % self.columns.len());
            let x = frame.left + column as f64 * frame.cell[0];
            let y = frame.top + row as f64 * frame.cell[1];
            self.draw_cell(out, cell, [x, y], frame.cell, axis);
        }
        self.draw_legend(out, frame, axis);
    }

    /// The range of the colours, with round ticks.
    fn axis(&self) -> Axis {
        let values = self.cells.iter().filter_map(|cell| cell.value);
        let values = values.filter(|value| value.is_finite());
        let numbers: Vec<f64> = match self.colours {
            Colours::Sequential(Some(range)) => range.to_vec(),
            Colours::Sequential(None) => values.collect(),
            Colours::Diverging => values.flat_map(|value| [value, -value]).collect(),
        };
        Axis::new(numbers.into_iter(), 1.0, 0.0)
    }

    fn frame(&self, axis: &Axis) -> Frame {
        let widest = |names: &[String], longest: usize| {
            let widths = names.iter().map(|it| text_width(&clip(it, longest), FONT));
            widths.fold(0.0, f64::max)
        };
        let labels = self.cells.iter().map(|cell| &cell.label[..]);
        let label = labels
            .map(|it| text_width(&clip(it, CELL_LABEL), FONT))
            .fold(0.0, f64::max);
        let columns = widest(&self.columns, AXIS_LABEL);
        let most = self.rows.len().max(self.columns.len()).max(1);
        let square = (CELLS / most as f64).clamp(CELL, LARGEST_CELL);
        let mut cell = [
            square.max(label + 6.0),
            if label > 0.0 { 17.0 } else { square },
        ];
        let turned = columns + 6.0 > cell[0].max(28.0);
        if !turned {
            cell[0] = cell[0].max(columns + 6.0);
        }
        let legend_ticks = axis
            .ticks
            .iter()
            .map(|&tick| text_width(&self::label(tick, axis.step), FONT));
        let legend = BAR + 8.0 + legend_ticks.fold(0.0, f64::max) + 22.0;
        let left = MARGIN + 18.0 + widest(&self.rows, AXIS_LABEL) + 6.0;
        let right = left + cell[0] * self.columns.len() as f64;
        let below = 10.0 + if turned { columns } else { FONT } + 22.0;
        let width = right + 18.0 + legend + MARGIN;
        // Names of axes and of the legend may be longer than what they name.
        let width = width.max(2.0 * MARGIN + text_width(&one_line(&self.column_axis), 11.0));
        let width = width.max(280.0);
        let title = wrap(&one_line(&self.title), 13.0, width - 2.0 * MARGIN);
        let top = MARGIN + 17.0 * title.len() as f64 + 12.0;
        let beside = [&self.row_axis, &self.legend].map(|name| text_width(&one_line(name), 11.0));
        let cells = cell[1] * self.rows.len() as f64;
        let height = (top + cells + below).max(top + beside[0].max(beside[1]) + MARGIN);
        Frame {
            left,
            top,
            cell,
            turned,
            right,
            bottom: top + cells,
            below,
            legend,
            width: width.ceil(),
            height: height.ceil(),
            title,
        }
    }

    fn axes(&self, out: &mut Text, frame: &Frame) {
        let [width, height] = frame.cell;
        for (row, name) in self.rows.iter().enumerate() {
            out.line(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                frame.left - 6.0,
                frame.top + (row as f64 + 0.5) * height + 3.2,
                xml(&clip(name, AXIS_LABEL))
            ));
        }
        for (column, name) in self.columns.iter().enumerate() {
            let x = frame.left + (column as f64 + 0.5) * width;
            let y = frame.bottom + 6.0;
            let name = xml(&clip(name, AXIS_LABEL));
            if frame.turned {
                out.line(format_args!(
                    "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\" transform=\"rotate(-90 {x:.1} {y:.1}) translate(0 3)\">{name}</text>"
                ));
            } else {
                out.line(format_args!(
                    "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
                    y + 8.0
                ));
            }
        }
        let half = text_width(&one_line(&self.column_axis), 11.0) / 2.0;
        let centre = f64::midpoint(frame.left, frame.right);
        out.line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\">{}</text>",
            centre.min(frame.width - MARGIN - half).max(MARGIN + half),
            frame.bottom + frame.below - 10.0,
            xml(&self.column_axis)
        ));
        upright(
            out,
            [MARGIN + 6.0, frame.middle(&self.row_axis)],
            &self.row_axis,
        );
    }

    fn draw_cell(
        &self,
        out: &mut Text,
        cell: &HeatCell,
        [x, y]: [f64; 2],
        size: [f64; 2],
        axis: &Axis,
    ) {
        let value = cell.value.filter(|value| value.is_finite());
        let colour = value.map(|value| self.colour(axis, value));
        let fill = colour.map_or_else(|| ABSENT.to_owned(), hex);
        let title: Vec<String> = cell.tooltip.iter().map(|line| xml(line)).collect();
        let title = if title.is_empty() {
            String::new()
        } else {
            format!("<title>{}</title>", title.join("\n"))
        };
        out.line(format_args!(
            "<g class=\"cell\">{title}<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{fill}\" stroke=\"#FFFFFF\" stroke-width=\"0.5\"/>",
            size[0], size[1]
        ));
        if !cell.label.is_empty() {
            let ink = if colour.is_some_and(is_dark) {
                "#FFFFFF"
            } else {
                INK
            };
            out.line(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{ink}\">{}</text>",
                x + size[0] / 2.0,
                y + size[1] / 2.0 + 3.2,
                xml(&clip(&cell.label, CELL_LABEL))
            ));
        }
        out.line(format_args!("</g>"));
    }

    fn draw_legend(&self, out: &mut Text, frame: &Frame, axis: &Axis) {
        let x = frame.right + 18.0;
        let height = (frame.bottom - frame.top)
            .max(60.0)
            .min(frame.height - frame.top - MARGIN);
        let step = height / STEPS as f64;
        for index in 0..STEPS {
            let share = 1.0 - (index as f64 + 0.5) / STEPS as f64;
            let value = axis.low + share * (axis.high - axis.low);
            out.line(format_args!(
                "<rect x=\"{x:.1}\" y=\"{:.2}\" width=\"{BAR}\" height=\"{:.2}\" fill=\"{}\"/>",
                frame.top + index as f64 * step,
                step + 0.3,
                hex(self.colour(axis, value))
            ));
        }
        for &tick in &axis.ticks {
            let y = frame.top + axis.place(tick) * height;
            out.line(format_args!(
                "<path d=\"M{:.1} {y:.1}h4\" stroke=\"{INK}\" stroke-width=\"0.6\"/>",
                x + BAR
            ));
            out.line(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + BAR + 7.0,
                (y + 3.2).max(frame.top + 6.0),
                label(tick, axis.step)
            ));
        }
        upright(
            out,
            [x + frame.legend - 6.0, frame.middle(&self.legend)],
            &self.legend,
        );
    }

    fn colour(&self, axis: &Axis, value: f64) -> [f64; 3] {
        let share = 1.0 - axis.place(value.clamp(axis.low, axis.high));
        match self.colours {
            Colours::Sequential(_) => between(&SEQUENTIAL, share),
            Colours::Diverging => between(&DIVERGING, share),
        }
    }
}

/// Heat maps below each other as one SVG.
///
/// # Panics
/// When a map's number of cells is not that of rows times columns.
pub(super) fn stacked(maps: &[HeatMap]) -> String {
    let drawn: Vec<(Axis, Frame)> = maps
        .iter()
        .map(|map| {
            let cells = map.rows.len() * map.columns.len();
            assert_eq!(map.cells.len(), cells, "cells of a heat map");
            let axis = map.axis();
            let frame = map.frame(&axis);
            (axis, frame)
        })
        .collect();
    let width = drawn
        .iter()
        .map(|(_, frame)| frame.width)
        .fold(0.0, f64::max);
    let height: f64 = drawn.iter().map(|(_, frame)| frame.height).sum();
    let mut out = Text::default();
    out.line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"{FONT}\" fill=\"{INK}\">"
    ));
    out.line(format_args!(
        "<rect class=\"ground\" width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>"
    ));
    let mut top = 0.0;
    for (map, (axis, frame)) in maps.iter().zip(&drawn) {
        if maps.len() > 1 {
            out.line(format_args!("<g transform=\"translate(0 {top:.0})\">"));
        }
        map.draw(&mut out, frame, axis);
        if maps.len() > 1 {
            out.line(format_args!("</g>"));
        }
        top += frame.height;
    }
    out.line(format_args!("</svg>"));
    out.0
}

impl Frame {
    /// Where the middle of an upright name is, so that all of it is in the picture.
    fn middle(&self, name: &str) -> f64 {
        let half = text_width(&one_line(name), 11.0) / 2.0;
        f64::midpoint(self.top, self.bottom).max(self.top + half)
    }
}

/// A name that is read from below.
fn upright(out: &mut Text, [x, y]: [f64; 2], name: &str) {
    out.line(format_args!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" font-size=\"11\" transform=\"rotate(-90 {x:.1} {y:.1})\">{}</text>",
        xml(name)
    ));
}

/// A colour between stops at equal distances.
fn between(stops: &[[f64; 3]], share: f64) -> [f64; 3] {
    let place = share * (stops.len() - 1) as f64;
    let below = (place as usize).min(stops.len() - 2);
    let part = place - below as f64;
    let (from, to) = (stops[below], stops[below + 1]);
    std::array::from_fn(|channel| from[channel] + part * (to[channel] - from[channel]))
}

fn hex(colour: [f64; 3]) -> String {
    let [red, green, blue] = colour.map(|channel| channel.round() as u8);
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// Whether white is easier to read on a colour than ink is.
fn is_dark([red, green, blue]: [f64; 3]) -> bool {
    0.299 * red + 0.587 * green + 0.114 * blue < 140.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_from_one_end_to_the_other() {
        assert_eq!(hex(between(&SEQUENTIAL, 0.0)), "#F7FAFD");
        assert_eq!(hex(between(&SEQUENTIAL, 1.0)), "#08306B");
        assert_eq!(hex(between(&DIVERGING, 0.5)), "#F8F8F8");
        assert!(is_dark(SEQUENTIAL[4]) && !is_dark(SEQUENTIAL[0]) && !is_dark(DIVERGING[1]));
    }
}
