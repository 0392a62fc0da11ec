//! The prompts that a circuit is judged on, one by one.

use super::escape::html;
use super::page::{Grid, paragraph};
use crate::evaluate::ExampleScores;
use crate::report::text::{short, thousands};

/// A page shows this many prompts at most.
const MOST_PROMPTS: usize = 1_000;
/// Characters of a prompt that are shown at most.
const LONGEST: usize = 2_000;

/// A prompt as its reader would see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptText {
    /// The clean prompt.
    pub clean: String,
    /// What it is answered with when right.
    pub answer: String,
}

/// The table of prompts.
pub(crate) fn table(prompts: &[PromptText], figures: &[ExampleScores]) -> String {
    let verdict = |accuracy: f64| match accuracy {
        right if right >= 1.0 => "<span class=\"right\">right</span>".to_owned(),
        wrong if wrong <= 0.0 => "<span class=\"wrong\">wrong</span>".to_owned(),
        part => format!("<span>{:.0} % right</span>", 100.0 * part),
    };
    let shown = prompts.iter().zip(figures).take(MOST_PROMPTS);
    let rows = shown.enumerate().map(|(index, (prompt, figures))| {
        let text: String = prompt.clean.chars().take(LONGEST).collect();
        let answer: String = prompt.answer.chars().take(LONGEST).collect();
        vec![
            format!("<span class=\"prompt\">{}</span>", html(&text)),
            format!("<span class=\"prompt\">{}</span>", html(&answer)),
            verdict(figures.accuracy_full),
            verdict(figures.accuracy_circuit),
            (index + 1).to_string(),
            short(figures.metric_full),
            short(figures.metric_circuit),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let note = if figures.len() > rows.len() {
        paragraph(&format!(
            "The first {} of {} prompts.",
            thousands(rows.len()),
            thousands(figures.len())
        ))
    } else {
        String::new()
    };
    let grid = Grid {
        caption: "Prompts with the metric of the full model and of the circuit; headings sort",
        headings: &[
            "prompt",
            "answer",
            "full model",
            "circuit",
            "number",
            "metric, full model",
            "metric, circuit",
        ],
        rows,
        numbers: 4..usize::MAX,
    };
    note + &grid.html()
}
