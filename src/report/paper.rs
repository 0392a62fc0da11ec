//! `numbers.tex`: the figures of results as LaTeX commands, so that a text cannot disagree with its figures.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::CircuitFile;
use super::latex::plain_latex;
use super::text::{Text, one_line};
use crate::error::{Error, Result};
use crate::report::circuit::limits::read_figures;

/// A circuit with what a figure shows about it.
#[derive(Debug, Clone)]
pub struct PaperResult {
    /// The circuit.
    pub file: CircuitFile,
    /// Its figures.
    pub report: PaperReport,
    /// Every edge's score, where the result has them.
    pub scores: Option<BTreeMap<String, f64>>,
}

/// The keys of `report.json` that figures need; others are ignored.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "named as in report.json")]
pub struct PaperReport {
    pub examples: usize,
    pub edges_kept: usize,
    pub edges_total: usize,
    pub metric_full: f64,
    pub metric_empty: f64,
    pub metric_circuit: f64,
    pub faithfulness: Option<f64>,
    pub faithfulness_interval: Option<[f64; 2]>,
    pub accuracy_full: Option<f64>,
    pub accuracy_circuit: Option<f64>,
    pub kl_circuit: Option<f64>,
    pub cpr: Option<f64>,
    pub cmd: Option<f64>,
    pub random: Option<PaperBaseline>,
    pub curve: Option<Vec<PaperPoint>>,
}

/// A baseline of `report.json`.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "named as in report.json")]
pub struct PaperBaseline {
    pub mean: f64,
}

/// A point of a curve of `report.json`.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "named as in report.json")]
pub struct PaperPoint {
    pub edges: usize,
    pub faithfulness: Option<f64>,
    pub interval: Option<[f64; 2]>,
}

impl PaperReport {
    /// Reads `report.json`. `name` is for messages.
    ///
    /// # Errors
    /// When the text is no JSON of this form.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        read_figures(text, name)
    }
}

/// What names of results begin with in file names and commands: the spec's name, with the model's where several results
/// have the same.
pub fn result_names(results: &[PaperResult]) -> Vec<String> {
    let alike = |name: &str| {
        let named = results.iter().filter(|other| other.file.name == name);
        named.count() > 1
    };
    let name = |result: &PaperResult| {
        if alike(&result.file.name) {
            format!("{}-{}", result.file.name, result.file.model.name)
        } else {
            result.file.name.clone()
        }
    };
    results.iter().map(name).collect()
}

/// The first line of `numbers.tex`.
pub(super) const NUMBERS_START: &str =
    "% Results of secateur; written with the pictures beside it.";

/// The commands of all results: `\newcommand{\ioiEdges}{49}` and so on.
///
/// # Errors
/// When two results would define the same command.
pub fn numbers_tex(results: &[PaperResult]) -> Result<String> {
    let mut out = Text::default();
    out.line(format_args!("{NUMBERS_START}"));
    let mut defined = BTreeMap::<String, String>::new();
    for (result, name) in results.iter().zip(result_names(results)) {
        let prefix = letters(&name);
        out.line(format_args!("% {}", plain_latex(&one_line(&name))));
        for (figure, value) in numbers(result) {
            let command = format!("\\{prefix}{figure}");
            if let Some(other) = defined.insert(command.clone(), name.clone()) {
                return Err(Error::Usage(format!(
                    "numbers.tex: the results `{}` and `{}` would both define {command}; give their specs other names",
                    one_line(&other),
                    one_line(&name)
                )));
            }
            out.line(format_args!("\\newcommand{{{command}}}{{{value}}}"));
        }
    }
    Ok(out.0)
}

/// A name as letters only, as commands must be: words in capitals, digits spelled.
fn letters(name: &str) -> String {
    const DIGITS: [&str; 10] = [
        "Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine",
    ];
    let mut out = String::new();
    let mut start = false;
    for character in name.chars() {
        match character {
            letter if letter.is_ascii_alphabetic() && start && !out.is_empty() => {
                out.push(letter.to_ascii_uppercase());
                start = false;
            }
            letter if letter.is_ascii_alphabetic() => {
                out.push(letter);
                start = false;
            }
            digit if digit.is_ascii_digit() => {
                out += DIGITS[usize::from(digit as u8 - b'0')];
                start = true;
            }
            _ => start = true,
        }
    }
    if out.is_empty() {
        out.push_str("circuit");
    }
    out
}

/// Name and value of each figure; what is undefined is a dash.
fn numbers(result: &PaperResult) -> Vec<(&'static str, String)> {
    let report = &result.report;
    let decimals = |value: Option<f64>| value.map_or_else(|| "--".into(), |value| signed(value, 2));
    let percent = |value: Option<f64>| {
        value.map_or_else(
            || "--".into(),
            |value| format!("{}\\,\\%", signed(value * 100.0, 0)),
        )
    };
    let words = |text: &str| plain_latex(&one_line(text));
    let [low, high] = match report.faithfulness_interval {
        Some([low, high]) => [Some(low), Some(high)],
        None => [None, None],
    };
    let identity = result.file.model.identity.as_ref();
    let share = report.edges_kept as f64 / report.edges_total.max(1) as f64;
    vec![
        ("Name", words(&result.file.name)),
        ("Model", words(&result.file.model.label())),
        (
            "ModelWeights",
            words(identity.map_or("--", |it| &it.weights)),
        ),
        ("ModelHash", words(&result.file.model.hash)),
        ("Task", words(&result.file.task)),
        ("Method", words(&result.file.method)),
        ("Metric", words(&result.file.metric)),
        ("Ablation", words(&result.file.ablation)),
        ("Examples", grouped(report.examples)),
        ("Edges", grouped(report.edges_kept)),
        ("EdgesTotal", grouped(report.edges_total)),
        ("EdgesShare", format!("{:.2}\\,\\%", share * 100.0)),
        ("Faithfulness", decimals(report.faithfulness)),
        ("FaithfulnessLow", decimals(low)),
        ("FaithfulnessHigh", decimals(high)),
        ("FaithfulnessPercent", percent(report.faithfulness)),
        ("MetricFull", decimals(Some(report.metric_full))),
        ("MetricEmpty", decimals(Some(report.metric_empty))),
        ("MetricCircuit", decimals(Some(report.metric_circuit))),
        ("AccuracyFull", percent(report.accuracy_full)),
        ("AccuracyCircuit", percent(report.accuracy_circuit)),
        ("Kl", decimals(report.kl_circuit)),
        ("Cpr", decimals(report.cpr)),
        ("Cmd", decimals(report.cmd)),
        (
            "RandomFaithfulness",
            decimals(report.random.as_ref().map(|random| random.mean)),
        ),
    ]
}

/// A number with a minus sign that is right in text and in formulas.
fn signed(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let zero = digits.chars().all(|digit| matches!(digit, '0' | '.'));
    if value < 0.0 && !zero {
        format!("\\ensuremath{{-}}{digits}")
    } else {
        digits
    }
}

fn grouped(number: usize) -> String {
    super::text::thousands(number).replace(',', "{,}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters() {
        assert_eq!(letters("ioi"), "ioi");
        assert_eq!(
            letters("greater_than-smollm2-135m"),
            "greaterThanSmollmTwoOneThreeFiveM"
        );
        assert_eq!(letters("\u{e9}_"), "circuit");
        assert!(
            letters("a{}\\%1 \u{1F600}")
                .chars()
                .all(|letter| letter.is_ascii_alphabetic())
        );
    }

    #[test]
    fn zero_has_no_sign() {
        assert_eq!(signed(-0.001, 2), "0.00");
        assert_eq!(signed(-4.656, 2), "\\ensuremath{-}4.66");
    }
}
