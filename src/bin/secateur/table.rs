//! Plain tables of text: columns padded, the first ones to the left, numbers to the right.

/// A table with a header line; the first `left` columns are aligned to the left.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>], left: usize) -> String {
    let mut lines = vec![header.iter().map(ToString::to_string).collect::<Vec<_>>()];
    lines.extend_from_slice(rows);
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

/// A figure with three digits behind the point; `-` where it is undefined.
pub(crate) fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.3}"))
}

/// Faithfulness with its interval, such as `0.912 [0.870, 0.951]`.
pub(crate) fn with_interval(value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match interval {
        Some([low, high]) => format!("{} [{low:.3}, {high:.3}]", figure(value)),
        None => figure(value),
    }
}

/// Two figures with an arrow between, such as `0.98 -> 0.95`.
pub(crate) fn change(before: Option<f64>, after: Option<f64>) -> String {
    format!("{} -> {}", figure(before), figure(after))
}

/// Wall time for people.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole / 60 % 60)
    }
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
    }

    #[test]
    fn durations_keep_two_units() {
        assert_eq!(duration(3.25), "3.2 s");
        assert_eq!(duration(61.0), "1 min 01 s");
        assert_eq!(duration(3725.0), "1 h 02 min");
    }
}
