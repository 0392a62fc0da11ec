//! The result of an analysis of a vector: text for people, the sweep as a table and a plot, samples, and the vector itself.

use serde_json::json;

use super::{FoundVector, MetricAndAccuracy, Sample, SweepPoint, VectorReport};
use crate::error::Result;
use crate::evaluate::{Effect, Share};
use crate::report::csv::number;
use crate::report::effect::{percent, share_with_interval, shares, with_interval};
use crate::report::plots::plot::{Plot, PlotPoint, Series};
use crate::report::table::table;
use crate::report::tensor_file::tensor_file;
use crate::report::text::{Text, clip, one_line, short, thousands};

/// Heads that the text names.
const HEADS: usize = 20;
/// Samples that the text shows.
const SAMPLES: usize = 4;
/// Characters of a sample that the text shows.
const SAMPLE: usize = 100;

/// The result as text; `about` says of what.
pub fn vector_text(report: &VectorReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    let back = match report.positions_back {
        None => String::new(),
        Some(0) => ", from the scored position".into(),
        Some(back) => format!(", from {back} positions before the one read"),
    };
    out.line(format_args!(
        "the vector has norm {} (the stream there {}); it is added after layer {}, times {}{back}",
        short(report.norm),
        short(report.stream_norm),
        report.layer,
        short(report.strength)
    ));
    out.line(format_args!(
        "layer and strength are chosen on {} discovery pairs; all results are on held-out prompts",
        report.examples_discovery
    ));
    heads_line(&mut out, report);
    out.line(format_args!(""));
    let added = format!("{} prompts without the behaviour", report.examples_added_to);
    let mut rows = vec![
        rated(&format!("{} clean prompts", report.examples), &report.clean),
        rated(&added, &report.before),
        rated("  with the vector added", &report.added),
    ];
    rows.extend(baseline("  with a random vector", &report.added_random));
    rows.extend(baseline(
        "  with one of shuffled labels",
        &report.added_shuffled,
    ));
    rows.push(rated("clean, the direction ablated", &report.projected_out));
    rows.extend(baseline(
        "clean, a random one ablated",
        &report.projected_out_random,
    ));
    out.0 += &table(&["prompts", "metric", "accuracy"], &rows, 1);
    out.line(format_args!(""));
    if let Some(recovered) = &report.recovered {
        out.line(format_args!(
            "adding it recovers {} of the behaviour",
            share_with_interval(recovered)
        ));
    }
    if let Some(left) = &report.left {
        let random = left.random.map_or_else(String::new, |share| {
            format!(" (a random direction: {})", percent(share))
        });
        out.line(format_args!(
            "ablating it leaves {} of the behaviour{random}",
            percent(left.share)
        ));
    }
    if let Some(text) = &report.text {
        out.line(format_args!(
            "perplexity of {} tokens of unrelated text: {} as it is, {} with the vector added everywhere (random: {}), {} \
             with the direction ablated (random: {})",
            thousands(text.tokens),
            short(text.before),
            short(text.added),
            short(text.added_random),
            short(text.projected_out),
            short(text.projected_out_random)
        ));
    }
    if let Some([before, added, clean, out_of]) = report.contains {
        let said = |it: Share| shares(it.share, it.interval);
        out.line(format_args!(
            "samples that contain it: {} without the behaviour, {} with the vector; {} of clean prompts, {} with the direction \
             ablated",
            said(before),
            said(added),
            said(clean),
            said(out_of)
        ));
    }
    for sample in report.samples.iter().take(SAMPLES) {
        out.line(format_args!(""));
        shown(&mut out, sample, "added", SAMPLE);
    }
    out.0
}

/// Which heads the vector is the sum of.
fn heads_line(out: &mut Text, report: &VectorReport) {
    if report.heads.is_empty() {
        return;
    }
    let heads = report.heads.iter().take(HEADS);
    let heads = heads.map(|it| format!("{} ({})", it.head, short(it.effect)));
    let more = report.heads.len().saturating_sub(HEADS);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    out.line(format_args!(
        "sum of {} heads: {}{more}",
        report.heads.len(),
        heads.collect::<Vec<_>>().join(" ")
    ));
}

/// All samples of generated text.
pub fn samples_text(report: &VectorReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "prompts without the behaviour, as they are and with the vector added"
    ));
    for sample in &report.samples {
        out.line(format_args!(""));
        shown(&mut out, sample, "added", usize::MAX);
    }
    out.line(format_args!(""));
    out.line(format_args!(
        "clean prompts, as they are and with the direction taken out"
    ));
    for sample in &report.samples_clean {
        out.line(format_args!(""));
        shown(&mut out, sample, "taken out", usize::MAX);
    }
    out.0
}

fn shown(out: &mut Text, sample: &Sample, how: &str, longest: usize) {
    let prompt: Vec<char> = one_line(&sample.prompt).chars().collect();
    let from = prompt.len().saturating_sub(longest);
    let prompt: String = prompt[from..].iter().collect();
    out.line(format_args!("prompt     {prompt}"));
    let line = |text: &str| clip(&one_line(text), longest);
    out.line(format_args!("  as it is {}", line(&sample.before)));
    out.line(format_args!("  {how:<8} {}", line(&sample.after)));
}

fn rated(what: &str, rated: &MetricAndAccuracy) -> Vec<String> {
    vec![
        what.to_owned(),
        with_interval(&rated.metric),
        share_with_interval(&Effect {
            mean: rated.accuracy,
            interval: rated.accuracy_interval,
        }),
    ]
}

fn baseline(what: &str, metrics: &[f64]) -> Option<Vec<String>> {
    let least = metrics.iter().copied().fold(f64::INFINITY, f64::min);
    let most = metrics.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = metrics.iter().sum::<f64>() / metrics.len() as f64;
    (!metrics.is_empty()).then(|| {
        let spread = if metrics.len() > 1 {
            format!(
                " ({} to {} of {})",
                short(least),
                short(most),
                metrics.len()
            )
        } else {
            String::new()
        };
        vec![
            what.to_owned(),
            format!("{}{spread}", short(mean)),
            String::new(),
        ]
    })
}

/// The sweep as rows.
pub fn vector_csv(report: &VectorReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "layer,strength,positions_back,discovery,held_out,low,high"
    ));
    for point in &report.sweep {
        let [low, high] = point
            .held_out
            .interval
            .map_or_else(Default::default, |it| it.map(number));
        out.line(format_args!(
            "{},{},{},{},{},{low},{high}",
            point.layer,
            number(point.strength),
            point.positions_back,
            number(point.discovery),
            number(point.held_out.mean)
        ));
    }
    out.0
}

/// The sweep as SVG: the held-out metric over layers, a line for each strength.
pub fn vector_svg(report: &VectorReport, title: &str, metric: &str) -> String {
    let back = report.positions_back.unwrap_or(0);
    let points = report.sweep.iter().filter(|it| it.positions_back == back);
    let points: Vec<&SweepPoint> = points.collect();
    let mut strengths: Vec<f64> = Vec::new();
    for point in &points {
        if !strengths.contains(&point.strength) {
            strengths.push(point.strength);
        }
    }
    let series = strengths.iter().map(|&strength| Series {
        name: format!("times {strength}"),
        points: points
            .iter()
            .filter(|point| point.strength.total_cmp(&strength).is_eq())
            .map(|point| PlotPoint {
                x: point.layer as f64,
                y: point.held_out.mean,
                interval: point.held_out.interval,
            })
            .collect(),
    });
    let plot = Plot {
        title: title.to_owned(),
        x_label: "layer after which the vector is added".into(),
        y_label: metric.to_owned(),
        reference: Some(("no vector".into(), report.before.metric.mean)),
        series: series.collect(),
    };
    plot.svg()
}

/// Where a vector comes from.
#[derive(Debug, Clone, Copy)]
pub struct VectorStamp<'s> {
    /// The model.
    pub model: &'s str,
    /// Its hash.
    pub model_hash: &'s str,
    /// The spec in one line.
    pub spec: &'s str,
    /// Hash of the data.
    pub data_hash: &'s str,
}

/// The bytes of `vector.safetensors`: a tensor `vector` `[d_model]` in single precision, and in the metadata the `layer`
/// after which it is added, the `strength`, and where it comes from.
///
/// # Errors
/// Never for text; the serialiser's signature allows it.
pub fn vector_safetensors(vector: &FoundVector, stamp: &VectorStamp<'_>) -> Result<Vec<u8>> {
    let metadata = json!({
        "format": "secateur-vector-1",
        "layer": vector.layer.to_string(),
        "strength": vector.strength.to_string(),
        "model": stamp.model,
        "model_hash": stamp.model_hash,
        "spec": stamp.spec,
        "data_hash": stamp.data_hash,
    });
    let values: Vec<f32> = vector.values.iter().map(|value| *value as f32).collect();
    tensor_file(&metadata, &[("vector".into(), vec![values.len()], &values)])
}
