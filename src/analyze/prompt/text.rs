//! What a model says next to a prompt: text for people, a table for other programs.

use super::{LensRow, NextToken, PromptReport, TokenText};
use crate::analyze::lens::LensPrediction;
use crate::report::csv::{field, number};
use crate::report::table::table;
use crate::report::text::{Text, clip, short, thousands};

/// Most likely tokens that a row of a lens shows.
const LIKELY: usize = 4;
/// Characters of a token that it shows.
const WIDEST: usize = 16;

/// The result as text.
pub fn prompt_text(report: &PromptReport) -> String {
    let mut out = Text::default();
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    let mut prompt = |what: &str, tokens: &[TokenText]| {
        if !tokens.is_empty() {
            let texts: Vec<String> = tokens
                .iter()
                .map(|token| format!("{:?}", token.text))
                .collect();
            out.line(format_args!(
                "{what}, {} tokens: {}",
                tokens.len(),
                texts.join(" ")
            ));
        }
    };
    prompt("prompt", &report.tokens);
    prompt("compared with", &report.tokens_compare);
    if !report.ablated.is_empty() {
        out.line(format_args!("replaced: {}", report.ablated.join(", ")));
    }
    for edited in &report.edited {
        out.line(format_args!("edited: {edited}"));
    }
    if !report.lens.is_empty() {
        out.0 += &lens_table(&report.lens);
        out.line(format_args!(""));
    }
    let columns = columns(report);
    let header: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let rows: Vec<Vec<String>> = report
        .next
        .iter()
        .map(|next| {
            let figures = columns[2..].iter().map(|(_, figure)| figure(next));
            let figures = figures.map(|figure| figure.map_or_else(String::new, short));
            let token = [format!("{:?}", next.token.text), next.token.id.to_string()];
            token.into_iter().chain(figures).collect()
        })
        .collect();
    out.0 += &table(&header, &rows, 1);
    if let Some(kl) = report.kl {
        out.line(format_args!(
            "KL from the model with nothing changed: {} nats",
            short(kl)
        ));
    }
    if let Some(kl) = report.kl_compare {
        out.line(format_args!(
            "KL between the two prompts: {} nats",
            short(kl)
        ));
    }
    if let Some(written) = &report.written {
        out.line(format_args!("continued: {written:?}"));
    }
    out.0
}

/// What a lens shows at each place, a row each, with the most likely tokens.
fn lens_table(places: &[LensRow]) -> String {
    let tuned = places.iter().any(|it| it.tuned_lens.is_some());
    let mut header = vec!["place", "logit lens"];
    if tuned {
        header.push("tuned lens");
    }
    header.extend(["KL", "probability", "rank"]);
    if tuned {
        header.extend(["tuned: KL", "probability", "rank"]);
    }
    let likely = |seen: &LensPrediction| {
        let likely = seen.top.iter().take(LIKELY);
        let likely =
            likely.map(|it| format!("{:?} {}", clip(&it.text, WIDEST), short(it.probability)));
        likely.collect::<Vec<_>>().join(", ")
    };
    let rows = places.iter().map(|it| {
        let seen = || std::iter::once(&it.logit_lens).chain(&it.tuned_lens);
        let mut row = vec![it.place.clone()];
        row.extend(seen().map(likely));
        row.extend(seen().flat_map(|seen| {
            [
                short(seen.kl),
                short(seen.probability),
                thousands(seen.rank),
            ]
        }));
        row
    });
    table(&header, &rows.collect::<Vec<_>>(), 2 + usize::from(tuned))
}

/// Names of the columns with what they show of a token; the first two are the token itself.
type Column = (&'static str, fn(&NextToken) -> Option<f64>);

fn columns(report: &PromptReport) -> Vec<Column> {
    let mut columns: Vec<Column> = vec![
        ("next token", |_| None),
        ("id", |_| None),
        ("probability", |next| Some(next.probability)),
    ];
    if report.kl.is_some() {
        columns.push(("nothing changed", |next| next.before));
        columns.push(("change", |next| Some(next.probability - next.before?)));
    }
    if report.kl_compare.is_some() {
        columns.push(("other prompt", |next| next.compare));
    }
    columns
}

/// The next tokens as rows.
pub fn prompt_csv(report: &PromptReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "token,id,probability,nothing_changed,other_prompt"
    ));
    for next in &report.next {
        let figure = |figure: Option<f64>| figure.map_or_else(Default::default, number);
        out.line(format_args!(
            "{},{},{},{},{}",
            field(&next.token.text),
            next.token.id,
            number(next.probability),
            figure(next.before),
            figure(next.compare)
        ));
    }
    out.0
}
