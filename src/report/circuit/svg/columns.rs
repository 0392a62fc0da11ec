//! The token spans of a figure: their names, and lines between them.

use crate::report::circuit::figure::Figure;
use crate::report::circuit::layout::{COLUMN_NAME, Layout};
use crate::report::circuit::style::Direction;
use crate::report::text::{Text, xml};

/// Names of the spans above their columns, or left of the rows of a figure drawn to the right.
pub(crate) fn draw(out: &mut Text, figure: &Figure, layout: &Layout, [left, head]: [f64; 2]) {
    let palette = figure.style.theme.palette();
    let up = figure.style.direction == Direction::Up;
    for (place, column) in layout.columns.iter().enumerate() {
        let (from, to) = column.sides;
        let middle = f64::midpoint(from, to);
        let (x, y, anchor) = if up {
            (left + middle, head + COLUMN_NAME, "middle")
        } else {
            (left + 8.0, head + middle + 0.35 * COLUMN_NAME, "start")
        };
        out.line(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{COLUMN_NAME:.0}\" font-weight=\"bold\" text-anchor=\"{anchor}\" fill=\"{}\">{}</text>",
            palette.caption,
            xml(&figure.columns[column.number])
        ));
        let Some(next) = layout.columns.get(place + 1) else {
            continue;
        };
        let between = f64::midpoint(to, next.sides.0);
        let line = if up {
            format!("M{:.1} {head:.1}v{:.1}", left + between, layout.height)
        } else {
            format!("M{left:.1} {:.1}h{:.1}", head + between, layout.width)
        };
        out.line(format_args!(
            "<path d=\"{line}\" stroke=\"{}\" stroke-width=\"0.6\" stroke-dasharray=\"2 3\"/>",
            palette.faint
        ));
    }
}
