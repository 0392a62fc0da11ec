//! Several results side by side: terminal text, CSV, Markdown, LaTeX.

use serde::Serialize;

use super::csv::{field, number};
use super::latex::latex_text;
use super::table::{table_within, wrapped};
use super::text::{Text, one_line, thousands};
use crate::error::{Error, Result};

/// One result in a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the spec.
    pub name: String,
    /// Name of the model.
    pub model: String,
    /// How the circuit was found.
    pub method: String,
    /// Edges of the circuit.
    pub edges_kept: usize,
    /// Edges of the full graph.
    pub edges_total: usize,
    /// Faithfulness on held-out prompts.
    pub faithfulness: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// Accuracy of the circuit.
    pub accuracy: Option<f64>,
    /// Its 95 % interval, by Wilson.
    pub accuracy_interval: Option<[f64; 2]>,
    /// Mean faithfulness of random circuits of the same number of edges.
    pub random: Option<f64>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

const HEADINGS: [&str; 8] = [
    "task",
    "model",
    "method",
    "edges",
    "faithfulness",
    "95 % interval",
    "accuracy",
    "random",
];
/// The columns of the CSV table.
const COLUMNS: &str = "task,model,method,edges_kept,edges_total,faithfulness,faithfulness_low,faithfulness_high,accuracy,accuracy_low,accuracy_high,random,warnings";
/// Columns of words; the others are numbers and stand right.
const WORDS: usize = 3;

impl Comparison {
    fn cells(&self) -> [String; 8] {
        let figure = |value: Option<f64>| value.map_or_else(|| "-".into(), decimals);
        [
            one_line(&self.name),
            one_line(&self.model),
            one_line(&self.method),
            format!(
                "{} / {}",
                thousands(self.edges_kept),
                thousands(self.edges_total)
            ),
            figure(self.faithfulness),
            self.interval.map_or_else(|| "-".into(), range),
            match (self.accuracy, self.accuracy_interval) {
                (Some(accuracy), Some(interval)) => {
                    format!("{} {}", decimals(accuracy), range(interval))
                }
                (accuracy, _) => figure(accuracy),
            },
            figure(self.random),
        ]
    }
}

fn range([low, high]: [f64; 2]) -> String {
    format!("[{}, {}]", decimals(low), decimals(high))
}

/// The warnings of all results, each with the result that it is of.
pub(super) fn warnings(rows: &[Comparison]) -> Vec<String> {
    let of = |row: &Comparison| {
        let result = format!("{} on {}", one_line(&row.name), one_line(&row.model));
        let warnings = row.warnings.iter();
        let warnings = warnings.map(move |it| format!("{result}: {}", one_line(it)));
        warnings.collect::<Vec<_>>()
    };
    rows.iter().flat_map(of).collect()
}

/// Whether a text begins as one of the tables below.
pub(super) fn is_comparison(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().filter(|it| *it != "|").collect();
    let starts = words.starts_with(&["task", "model", "method", "edges", "faithfulness"]);
    let latex = first.starts_with("\\begin{tabular}{lll")
        && text.contains("\n\\toprule\ntask & model & method & ");
    starts || latex || first.starts_with("task,model,method,edges_kept,")
}

/// A figure with three decimals; zero has no sign.
pub fn decimals(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" {
        text[1..].into()
    } else {
        text
    }
}

/// The results as a JSON list, with all digits.
///
/// # Errors
/// Never for values of this type; the serialiser's signature allows it.
pub fn compare_json(rows: &[Comparison]) -> Result<String> {
    let text = serde_json::to_string_pretty(rows)
        .map_err(|error| Error::Bug(format!("comparison: {error}")))?;
    Ok(text + "\n")
}

/// An aligned table for terminals of so many columns, or a paragraph for each result where it is wider; then the warnings.
pub fn compare_text(rows: &[Comparison], columns: usize) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.cells().to_vec()).collect();
    let mut text = table_within(&HEADINGS, &cells, WORDS, columns);
    for (index, warning) in warnings(rows).iter().enumerate() {
        if index == 0 {
            text.push('\n');
        }
        text += &wrapped(&format!("warning: {warning}"), columns);
    }
    text
}

/// A table for other programs, with all digits; undefined figures are empty.
pub fn compare_csv(rows: &[Comparison]) -> String {
    let mut out = Text::default();
    out.line(format_args!("{COLUMNS}"));
    let figure = |value: Option<f64>| value.map_or_else(String::new, number);
    for row in rows {
        out.line(format_args!(
            "{},{},{},{},{},{},{},{},{},{},{},{},{}",
            field(&row.name),
            field(&row.model),
            field(&row.method),
            row.edges_kept,
            row.edges_total,
            figure(row.faithfulness),
            figure(row.interval.map(|[low, _]| low)),
            figure(row.interval.map(|[_, high]| high)),
            figure(row.accuracy),
            figure(row.accuracy_interval.map(|[low, _]| low)),
            figure(row.accuracy_interval.map(|[_, high]| high)),
            figure(row.random),
            field(&row.warnings.join("; "))
        ));
    }
    out.0
}

/// A Markdown table, then the warnings as a list.
pub fn compare_markdown(rows: &[Comparison]) -> String {
    let escape = |cell: &String| {
        let mut out = String::new();
        for character in cell.chars() {
            if "\\|`*_<>[]&".contains(character) {
                out.push('\\');
            }
            out.push(character);
        }
        out
    };
    let mut out = Text::default();
    out.line(format_args!("| {} |", HEADINGS.join(" | ")));
    let rule: Vec<&str> = (0..HEADINGS.len())
        .map(|column| if column < WORDS { "---" } else { "---:" })
        .collect();
    out.line(format_args!("| {} |", rule.join(" | ")));
    for row in rows {
        let cells: Vec<String> = row.cells().iter().map(escape).collect();
        out.line(format_args!("| {} |", cells.join(" | ")));
    }
    for (index, warning) in warnings(rows).iter().enumerate() {
        if index == 0 {
            out.line(format_args!(""));
        }
        out.line(format_args!("- Warning: {}", escape(warning)));
    }
    out.0
}

/// A LaTeX `tabular`, with the rules of the `booktabs` package; then the warnings in small print.
pub fn compare_latex(rows: &[Comparison]) -> String {
    let mut out = Text::default();
    out.line(format_args!("\\begin{{tabular}}{{lllrrrrr}}"));
    out.line(format_args!("\\toprule"));
    out.line(format_args!(
        "{} \\\\",
        HEADINGS.map(latex_text).join(" & ")
    ));
    out.line(format_args!("\\midrule"));
    for row in rows {
        // Braces keep a leading `[` from being read as an argument of the line break before it.
        let cells = row.cells().map(|cell| format!("{{{}}}", latex_text(&cell)));
        out.line(format_args!("{} \\\\", cells.join(" & ")));
    }
    out.line(format_args!("\\bottomrule"));
    out.line(format_args!("\\end{{tabular}}"));
    for warning in warnings(rows) {
        out.line(format_args!(
            "\\par{{\\footnotesize Warning: {}\\par}}",
            latex_text(&warning)
        ));
    }
    out.0
}
