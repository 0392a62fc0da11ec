//! Plain tables of text: columns padded, the first ones to the left, numbers to the right.

use super::text::clip;

/// A table with a header line; the first `left` columns are aligned to the left.
pub fn table(header: &[&str], rows: &[Vec<String>], left: usize) -> String {
    let mut lines = vec![header.iter().map(ToString::to_string).collect::<Vec<_>>()];
    // Nothing in a cell moves the cursor or turns the direction of text.
    let shown = |row: &Vec<String>| row.iter().map(|cell| clip(cell, usize::MAX)).collect();
    lines.extend(rows.iter().map(shown));
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column < left {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The same where it is no wider than `columns`; else a paragraph for each row, a line for each cell, long ones broken.
pub fn table_within(header: &[&str], rows: &[Vec<String>], left: usize, columns: usize) -> String {
    let whole = table(header, rows, left);
    if whole.lines().all(|line| line.chars().count() <= columns) {
        return whole;
    }
    let widest = header.iter().map(|name| name.chars().count()).max();
    let widest = widest.unwrap_or(0);
    let paragraphs = rows.iter().map(|row| {
        let lines = header.iter().zip(row).flat_map(|(name, cell)| {
            let cell = &clip(cell, usize::MAX);
            let names = std::iter::once(*name).chain(std::iter::repeat(""));
            let parts = broken(cell, columns.saturating_sub(widest + 2).max(NARROWEST));
            let lines = names.zip(parts);
            lines
                .map(|(name, part)| format!("{name:<widest$}  {part}").trim_end().to_owned() + "\n")
        });
        lines.collect::<String>()
    });
    paragraphs.collect::<Vec<_>>().join("\n")
}

/// A text in lines of at most so many columns, each ended.
pub fn wrapped(text: &str, columns: usize) -> String {
    broken(text, columns.max(NARROWEST)).join("\n") + "\n"
}

/// Columns below which cells are not broken.
const NARROWEST: usize = 20;

/// A text in lines of at most so many characters, broken at spaces; longer words stay whole.
fn broken(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["ioi".into(), "12".into()],
            vec!["induction".into(), "3".into()],
        ];
        insta::assert_snapshot!(table(&["spec", "edges"], &rows, 1), @r"
        spec       edges
        ioi           12
        induction      3
        ");
        assert_eq!(
            table_within(&["spec", "edges"], &rows, 1, 16),
            table(&["spec", "edges"], &rows, 1)
        );
        assert_eq!(
            broken("the answer is first from layer 1 on", 13),
            ["the answer is", "first from", "layer 1 on"]
        );
        assert_eq!(broken("", 13), [""]);
        insta::assert_snapshot!(table_within(&["spec", "edges"], &rows, 1, 15), @r"
        spec   ioi
        edges  12

        spec   induction
        edges  3
        ");
    }
}
