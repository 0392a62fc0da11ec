//! Heat maps as SVG: numbers as colours in rows and columns, with labels in the cells, a legend, and a text for each cell
//! that a browser shows where the pointer is.

use super::axis::Axis;
use super::plot::whole;
use super::plot_colours::{LIGHT, scale_colour};
use crate::report::text::{Text, clip, one_line, text_width, wrap, xml};

/// Font size of the labels in cells, and of those at the axes.
const FONT: f64 = 9.0;
/// Characters that a label in a cell, and one at an axis, shows at most.
const CELL_LABEL: usize = 12;
const AXIS_LABEL: usize = 32;
/// Smallest and largest cell without a label, and what they should take together.
const CELL: f64 = 14.0;
const LARGEST_CELL: f64 = 32.0;
const CELLS: f64 = 360.0;
const MARGIN: f64 = 14.0;
/// Space between the cells and the legend.
const GAP: f64 = 18.0;
/// Colours of the legend's bar.
const STEPS: usize = 64;
/// Of the lowest number of two-sided colours, from which share on a cell is marked as below zero.
const MARKED: f64 = 0.05;
const BAR: f64 = 14.0;
/// Least height of the bar, so that its ticks are apart, and of the room for upright names.
const LEAST_BAR: f64 = 96.0;
/// Height up to which cells grow so that few rows are as high as the bar.
const HIGHEST_CELL: f64 = 48.0;
/// Font size of names of axes and of the legend, and height of their lines.
const NAME: f64 = 11.0;
const NAME_LINE: f64 = 13.0;
/// Width of maps side by side.
const ABREAST: f64 = 1_120.0;

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
    /// Height of the legend's bar, and width of its numbers.
    bar: f64,
    numbers: f64,
    /// Lines of the upright names of rows and of the legend.
    row_axis: Vec<String>,
    legend: Vec<String>,
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
        several(std::slice::from_ref(self))
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
        let rows = self.rows.len().max(1) as f64;
        cell[1] = cell[1].max((LEAST_BAR / rows).min(HIGHEST_CELL));
        let cells = cell[1] * self.rows.len() as f64;
        let bar = cells.max(LEAST_BAR);
        let upright = |name: &str| wrap(&one_line(name), NAME, bar);
        let (row_axis, legend) = (upright(&self.row_axis), upright(&self.legend));
        let across = |lines: &[String]| NAME_LINE * lines.len() as f64;
        let ticks = axis.ticks.iter();
        let numbers = ticks
            .map(|&tick| text_width(&axis.label(tick), FONT))
            .fold(0.0, f64::max);
        let left = MARGIN + across(&row_axis) + 5.0 + widest(&self.rows, AXIS_LABEL) + 6.0;
        let right = left + cell[0] * self.columns.len() as f64;
        // The name of the columns is below the bar and the upright names too.
        let below = (10.0 + if turned { columns } else { FONT } + 22.0).max(bar - cells + 28.0);
        let width = right + GAP + BAR + 7.0 + numbers + 4.0 + across(&legend) + MARGIN;
        // The name of the columns may be longer than what it names.
        let width = width.max(2.0 * MARGIN + text_width(&one_line(&self.column_axis), NAME));
        let width = width.max(280.0);
        let title = wrap(&one_line(&self.title), 13.0, width - 2.0 * MARGIN);
        let top = MARGIN + 17.0 * title.len() as f64 + 12.0;
        let height = top + cells + below;
        Frame {
            left,
            top,
            cell,
            turned,
            right,
            bottom: top + cells,
            below,
            bar,
            numbers,
            row_axis,
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
        let half = text_width(&one_line(&self.column_axis), NAME) / 2.0;
        let centre = f64::midpoint(frame.left, frame.right);
        out.line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"{NAME}\">{}</text>",
            centre.min(frame.width - MARGIN - half).max(MARGIN + half),
            frame.bottom + frame.below - 10.0,
            xml(&self.column_axis)
        ));
        frame.upright(out, MARGIN + 6.0, frame.bottom - frame.top, &frame.row_axis);
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
        let (fill, is_dark) = colour.unwrap_or_else(|| (LIGHT.absent.to_owned(), false));
        let title: Vec<String> = cell.tooltip.iter().map(|line| xml(line)).collect();
        let title = if title.is_empty() {
            String::new()
        } else {
            format!("<title>{}</title>", title.join("\n"))
        };
        out.line(format_args!(
            "<g class=\"cell\">{title}<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{fill}\" stroke=\"{}\" stroke-width=\"0.5\"/>",
            size[0], size[1], LIGHT.ground
        ));
        if !cell.label.is_empty() {
            let ink = LIGHT.labels[usize::from(is_dark)];
            out.line(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{ink}\">{}</text>",
                x + size[0] / 2.0,
                y + size[1] / 2.0 + 3.2,
                xml(&clip(&cell.label, CELL_LABEL))
            ));
        }
        let below = value.is_some_and(|value| self.is_below_zero(axis, value));
        if below && cell.label.is_empty() {
            let middle = [x + size[0] / 2.0, y + size[1] / 2.0];
            self.mark(
                out,
                middle,
                size[0].min(size[1]),
                axis,
                value.unwrap_or_default(),
            );
        }
        out.line(format_args!("</g>"));
    }

    /// Whether two-sided colours show a number as clearly below zero.
    fn is_below_zero(&self, axis: &Axis, value: f64) -> bool {
        self.colours == Colours::Diverging && value < MARKED * axis.low
    }

    /// A minus sign, which can be seen in print.
    fn mark(&self, out: &mut Text, [x, y]: [f64; 2], size: f64, axis: &Axis, value: f64) {
        let (_, is_dark) = self.colour(axis, value);
        out.line(format_args!(
            "<path d=\"M{:.1} {y:.1}h{:.1}\" stroke=\"{}\" stroke-width=\"1.1\" stroke-opacity=\"{}\"/>",
            x - 0.2 * size,
            0.4 * size,
            LIGHT.labels[usize::from(is_dark)],
            LIGHT.below_zero
        ));
    }

    fn draw_legend(&self, out: &mut Text, frame: &Frame, axis: &Axis) {
        let x = frame.right + GAP;
        let step = frame.bar / STEPS as f64;
        for index in 0..STEPS {
            let share = 1.0 - (index as f64 + 0.5) / STEPS as f64;
            let value = axis.low + share * (axis.high - axis.low);
            out.line(format_args!(
                "<rect x=\"{x:.1}\" y=\"{:.2}\" width=\"{BAR}\" height=\"{:.2}\" fill=\"{}\"/>",
                frame.top + index as f64 * step,
                step + 0.3,
                self.colour(axis, value).0
            ));
        }
        for index in (0..STEPS).step_by(STEPS / 8).skip(1) {
            let place = index as f64 / STEPS as f64;
            let value = axis.low + (1.0 - place) * (axis.high - axis.low);
            if self.is_below_zero(axis, value) {
                let y = frame.top + place * frame.bar;
                self.mark(out, [x + BAR / 2.0, y], BAR, axis, value);
            }
        }
        for &tick in &axis.ticks {
            let y = frame.top + axis.place(tick) * frame.bar;
            out.line(format_args!(
                "<path d=\"M{:.1} {y:.1}h4\" stroke=\"{}\" stroke-width=\"0.6\"/>",
                x + BAR,
                LIGHT.ink
            ));
            out.line(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + BAR + 7.0,
                y + 3.2,
                axis.label(tick)
            ));
        }
        let beside = x + BAR + 7.0 + frame.numbers + 4.0 + NAME;
        frame.upright(out, beside, frame.bar, &frame.legend);
    }

    /// The colour of a value, and whether bright text is easier to read on it.
    fn colour(&self, axis: &Axis, value: f64) -> (String, bool) {
        let share = 1.0 - axis.place(value.clamp(axis.low, axis.high));
        match self.colours {
            Colours::Sequential(_) => scale_colour(&LIGHT.sequential, share),
            Colours::Diverging => scale_colour(&LIGHT.diverging, share),
        }
    }
}

/// Heat maps as one SVG, side by side and below each other.
///
/// # Panics
/// When a map's number of cells is not that of rows times columns.
pub(crate) fn several(maps: &[HeatMap]) -> String {
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
    let widest = drawn
        .iter()
        .map(|(_, frame)| frame.width)
        .fold(1.0, f64::max);
    let abreast = ((ABREAST / widest) as usize).clamp(1, maps.len().max(1));
    let mut places = Vec::new();
    let mut height = 0.0;
    for row in drawn.chunks(abreast) {
        places.extend((0..row.len()).map(|column| (column as f64 * widest, height)));
        height += row
            .iter()
            .map(|(_, frame)| frame.height)
            .fold(0.0, f64::max);
    }
    let width = widest * abreast as f64;
    let mut out = Text::default();
    for ((map, (axis, frame)), (left, top)) in maps.iter().zip(&drawn).zip(places) {
        if maps.len() > 1 {
            out.line(format_args!(
                "<g transform=\"translate({left:.0} {top:.0})\">"
            ));
        }
        map.draw(&mut out, frame, axis);
        if maps.len() > 1 {
            out.line(format_args!("</g>"));
        }
    }
    whole([width, height], FONT, &out.0)
}

impl Frame {
    /// Lines that are read from below, beside what they name, which begins at the top and is so high.
    fn upright(&self, out: &mut Text, x: f64, high: f64, lines: &[String]) {
        for (row, line) in lines.iter().enumerate() {
            let x = x + NAME_LINE * row as f64;
            // All of a long one is in the picture.
            let y = self.top + high.max(text_width(line, NAME)) / 2.0;
            out.line(format_args!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" font-size=\"{NAME}\" transform=\"rotate(-90 {x:.1} {y:.1})\">{}</text>",
                xml(line)
            ));
        }
    }
}
