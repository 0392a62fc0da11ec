//! The result of an analysis of edits: text for people, tables, and the success over layers.

use super::{EditReport, EditSweepPoint, SwapResult, SwapScores, after_layers};
use crate::report::csv::number;
use crate::report::effect::{percent, share_with_interval, with_interval};
use crate::report::plots::plot::{Plot, PlotPoint, Series};
use crate::report::table::table;
use crate::report::text::{Text, clip, one_line, short, thousands};

/// Prompts that the report shows.
const ITEMS: usize = 12;
/// Characters of a prompt that it shows.
const PROMPT: usize = 48;

/// The result as text; `about` says of what.
pub fn edit_text(report: &EditReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    out.line(format_args!(
        "{}, strength {}: the change has {} of the stream's norm",
        after_layers(&report.layers),
        short(report.strength),
        share_with_interval(&report.size)
    ));
    let chosen = if report.layers.len() > 1 {
        "the strength is"
    } else {
        "layer and strength are"
    };
    out.line(format_args!(
        "{chosen} chosen on {} discovery prompts; all results are on {} held-out ones",
        report.examples_discovery, report.examples
    ));
    out.line(format_args!(""));
    let mut rows = vec![
        outcome("unchanged", &report.before),
        outcome("changed", &report.after),
    ];
    rows.extend(random(&report.random));
    out.0 += &table(
        &[
            "prompts",
            "predict replacement",
            "log p of it",
            "log p of their own",
        ],
        &rows,
        1,
    );
    out.line(format_args!(""));
    let along = report.kl_random.as_ref().map_or_else(String::new, |kl| {
        format!(" (along a random direction {})", with_interval(kl))
    });
    out.line(format_args!(
        "KL(unchanged || changed) {} nats{along}",
        with_interval(&report.kl)
    ));
    if let Some(other) = &report.other_prompts {
        out.line(format_args!(
            "other prompts' tokens swapped in {} prompts: KL {} nats, {} keep their top token (along a random \
             direction: {}, {})",
            other.examples,
            with_interval(&other.kl),
            share_with_interval(&other.kept),
            with_interval(&other.kl_random),
            share_with_interval(&other.kept_random)
        ));
    }
    if let Some(text) = &report.text {
        out.line(format_args!(
            "perplexity of {} tokens of text: {}; {} with tokens swapped at every position ({} pairs), {} along a random \
             direction",
            thousands(text.tokens),
            short(text.before),
            short(text.after),
            text.pairs,
            short(text.random)
        ));
    }
    if !report.items.is_empty() {
        out.line(format_args!(""));
        let rows: Vec<Vec<String>> = report.items.iter().take(ITEMS).map(item).collect();
        out.0 += &table(
            &[
                "prompt",
                "goes",
                "comes",
                "says",
                "then says",
                "p goes",
                "p comes",
                "rank",
                "KL",
            ],
            &rows,
            5,
        );
        if report.items.len() > ITEMS {
            let more = report.items.len() - ITEMS;
            out.line(format_args!("{more} more are in report.json"));
        }
    }
    out.0
}

fn item(item: &SwapResult) -> Vec<String> {
    let prompt: Vec<char> = one_line(&item.prompt).chars().collect();
    let from = prompt.len().saturating_sub(PROMPT);
    let first = |top: &[(String, f64)]| {
        let token = top.first().map_or("", |(token, _)| token.as_str());
        format!("{:?}", clip(token, 16))
    };
    let change = |[before, after]: [f64; 2]| format!("{} -> {}", short(before), short(after));
    vec![
        prompt[from..].iter().collect(),
        clip(item.original.token.trim(), 16),
        clip(item.replacement.token.trim(), 16),
        first(&item.top_before),
        first(&item.top_after),
        change(item.original.probability),
        change(item.replacement.probability),
        format!(
            "{} -> {}",
            item.replacement.rank[0], item.replacement.rank[1]
        ),
        short(item.kl),
    ]
}

fn outcome(name: &str, outcome: &SwapScores) -> Vec<String> {
    vec![
        name.to_owned(),
        share_with_interval(&outcome.success),
        with_interval(&outcome.replacement),
        with_interval(&outcome.original),
    ]
}

/// The mean of the random directions with their range.
fn random(outcomes: &[SwapScores]) -> Option<Vec<String>> {
    let count = outcomes.len();
    let row = |of: fn(&SwapScores) -> f64, write: fn(f64) -> String| {
        let values: Vec<f64> = outcomes.iter().map(of).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = values.iter().sum::<f64>() / count as f64;
        format!("{} ({} to {})", write(mean), write(least), write(most))
    };
    (count > 0).then(|| {
        vec![
            format!("along {count} random directions"),
            row(|it| it.success.mean, percent),
            row(|it| it.replacement.mean, short),
            row(|it| it.original.mean, short),
        ]
    })
}

/// The sweep as rows.
pub fn edit_csv(report: &EditReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "layers,strength,discovery,success,low,high,log_probability_replacement,log_probability_original,size"
    ));
    for point in &report.sweep {
        let [low, high] = point
            .success
            .interval
            .map_or_else(Default::default, |it| it.map(number));
        let layers: Vec<String> = point.layers.iter().map(ToString::to_string).collect();
        out.line(format_args!(
            "{},{},{},{},{low},{high},{},{},{}",
            layers.join(" "),
            number(point.strength),
            number(point.discovery),
            number(point.success.mean),
            number(point.replacement),
            number(point.original),
            number(point.size)
        ));
    }
    out.0
}

/// Success on held-out prompts as SVG: over layers, a line for each strength, or over strengths where several layers are
/// changed at once.
pub fn edit_svg(report: &EditReport, title: &str) -> String {
    let together = report.layers.len() > 1;
    let mut strengths: Vec<f64> = Vec::new();
    for point in &report.sweep {
        if !strengths.contains(&point.strength) {
            strengths.push(point.strength);
        }
    }
    let line = |name: String, x: fn(&EditSweepPoint) -> f64, of: Option<f64>| {
        let here = |point: &&EditSweepPoint| {
            of.is_none_or(|strength| point.strength.total_cmp(&strength).is_eq())
        };
        let points = report.sweep.iter().filter(here).map(|point| PlotPoint {
            x: x(point),
            y: point.success.mean,
            interval: point.success.interval,
        });
        Series {
            name,
            points: points.collect(),
        }
    };
    let layer = |point: &EditSweepPoint| point.layers.first().copied().unwrap_or(0) as f64;
    let series = if together {
        vec![line(
            after_layers(&report.layers),
            |point| point.strength,
            None,
        )]
    } else {
        let lines = strengths.iter();
        lines
            .map(|&it| line(format!("times {}", short(it)), layer, Some(it)))
            .collect()
    };
    let plot = Plot {
        title: title.to_owned(),
        x_label: if together {
            "strength".into()
        } else {
            "the stream is changed after layer".into()
        },
        y_label: "share that predicts the replacement".into(),
        reference: Some(("no change".into(), report.before.success.mean)),
        series,
    };
    plot.svg()
}
