//! A column for every token span: wide enough for its widest row, and for its name.

use super::{Column, Layers, NODE_GAP};
use crate::report::circuit::figure::Figure;
use crate::report::circuit::style::Direction;
use crate::report::text::text_width;

/// Font size of the names of columns.
pub(crate) const COLUMN_NAME: f64 = 11.0;
/// Space between the boxes of neighbouring columns.
const COLUMN_GAP: f64 = 26.0;

/// The sides of the columns that have nodes, the first from 0 on.
pub(crate) fn sides(figure: &Figure, layers: &Layers) -> Vec<Column> {
    let mut columns = Vec::new();
    let mut start = 0.0;
    for (number, name) in figure.columns.iter().enumerate() {
        let widths = layers.ranks.iter().map(|rank| {
            let rank: Vec<usize> = rank
                .iter()
                .copied()
                .filter(|&item| layers.items[item].column == number)
                .collect();
            let gaps: f64 = rank
                .windows(2)
                .map(|pair| layers.distance(pair[0], pair[1]))
                .sum();
            match (rank.first(), rank.last()) {
                (Some(&first), Some(&last)) => {
                    gaps + f64::midpoint(layers.items[first].width, layers.items[last].width)
                }
                _ => 0.0,
            }
        });
        let widest = widths.fold(0.0, f64::max);
        if widest == 0.0 {
            continue;
        }
        let least = match figure.style.direction {
            Direction::Up => text_width(name, COLUMN_NAME),
            Direction::Right => COLUMN_NAME,
        };
        let end = start + widest.max(least);
        columns.push(Column {
            number,
            sides: (start, end),
        });
        start = end + COLUMN_GAP;
    }
    columns
}

/// Space along the figure for the names of its columns: before its first row, and after its last.
pub(crate) fn header(figure: &Figure) -> (f64, f64) {
    if figure.columns.is_empty() {
        return (0.0, 0.0);
    }
    let widths = figure
        .columns
        .iter()
        .map(|name| text_width(name, COLUMN_NAME));
    match figure.style.direction {
        Direction::Up => (0.0, COLUMN_NAME + NODE_GAP / 2.0),
        Direction::Right => (widths.fold(0.0, f64::max) + NODE_GAP / 2.0, 0.0),
    }
}
