//! The result of a patchscope: text for people, tables, line plots over layers, and a heat map of source and target layers.

use super::{DecodedText, DecodingScores, LayerScores, Overall, PatchscopeReport};
use crate::evaluate::Effect;
use crate::report::csv::number;
use crate::report::effect::{percent, share_with_interval, with_interval};
use crate::report::plots::heat_map::{Colours, HeatCell, HeatMap};
use crate::report::plots::plot::{Plot, PlotPoint, Series};
use crate::report::table::table;
use crate::report::text::{Text, clip, one_line, short};

/// Texts that the report shows.
const DECODED: usize = 6;
/// Characters of what is said that it shows.
const SAYS: usize = 90;

/// The result as text; `about` says of what.
pub fn patchscope_text(report: &PatchscopeReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    let place = report.prompt_tokens.get(report.position);
    out.line(format_args!(
        "patched into {:?} at {:?}, position {}",
        one_line(&report.prompt),
        place.map_or("", |token| token.as_str()),
        report.position
    ));
    if let Some(overall) = &report.overall {
        out.line(format_args!(
            "target layers are chosen on {} discovery prompts; all results are on {} held-out ones",
            report.examples_discovery, report.examples
        ));
        out.line(format_args!(""));
        overall_table(&mut out, overall, report.mapped_name());
        out.line(format_args!(""));
        layers_table(&mut out, report);
    }
    for decoded in report.decoded.iter().take(DECODED) {
        out.line(format_args!(""));
        shown(&mut out, decoded, SAYS);
    }
    if report.decoded.len() > DECODED {
        out.line(format_args!(""));
        out.line(format_args!(
            "{} more texts are in decoded.txt",
            report.decoded.len() - DECODED
        ));
    }
    out.0
}

fn overall_table(out: &mut Text, overall: &Overall, mapped_name: &str) {
    let mut rows = Vec::new();
    let mut row = |name: &str, said: Option<&DecodingScores>| {
        rows.extend(said.map(|said| {
            vec![
                name.to_owned(),
                share_with_interval(&said.precision),
                with_interval(&said.surprisal),
            ]
        }));
    };
    row("patchscope, target layers chosen", Some(&overall.patched));
    row(
        "patchscope, target layer = source layer",
        overall.same.as_ref(),
    );
    row("logit lens", Some(&overall.logit_lens));
    row(mapped_name, overall.mapped_lens.as_ref());
    row("representations of other prompts", Some(&overall.shuffled));
    row("the unpatched prompt", Some(&overall.unpatched));
    out.0 += &table(
        &["mean over layers", "precision@1", "surprisal (nats)"],
        &rows,
        1,
    );
    out.line(format_args!(
        "gain over the logit lens: precision {}, surprisal {}",
        share_with_interval(&overall.precision_gain),
        with_interval(&overall.surprisal_gain)
    ));
}

fn layers_table(out: &mut Text, report: &PatchscopeReport) {
    let layers = &report.layers;
    let mapped = layers.iter().any(|it| it.mapped_lens.is_some());
    let mut header = vec!["layer", "put at", "precision@1", "same layer", "logit lens"];
    if mapped {
        header.push(report.mapped_name());
    }
    header.extend(["others'", "surprisal", "logit lens"]);
    let rows = layers.iter().map(|it| {
        let percent = |said: &DecodingScores| percent(said.precision.mean);
        let mut row = vec![
            it.layer.to_string(),
            it.target.to_string(),
            share_with_interval(&it.patched.precision),
            it.same.as_ref().map_or_else(String::new, percent),
            percent(&it.logit_lens),
        ];
        if mapped {
            row.push(it.mapped_lens.as_ref().map_or_else(String::new, percent));
        }
        row.extend([
            percent(&it.shuffled),
            short(it.patched.surprisal.mean),
            short(it.logit_lens.surprisal.mean),
        ]);
        row
    });
    out.0 += &table(&header, &rows.collect::<Vec<_>>(), 0);
}

/// All that was said.
pub fn decoded_text(report: &PatchscopeReport) -> String {
    let mut out = Text::default();
    out.line(format_args!("put into {:?}", one_line(&report.prompt)));
    for decoded in &report.decoded {
        out.line(format_args!(""));
        shown(&mut out, decoded, usize::MAX);
    }
    out.0
}

fn shown(out: &mut Text, decoded: &DecodedText, longest: usize) {
    out.line(format_args!(
        "{:?}, at {:?}; the unpatched prompt continues with {:?}",
        clip(&decoded.text, longest),
        one_line(&decoded.token),
        clip(&decoded.unpatched, longest)
    ));
    for layer in &decoded.layers {
        out.line(format_args!(
            "  {:>3} -> {:<3} {}",
            layer.source,
            layer.target,
            clip(&layer.says, longest)
        ));
    }
}

/// The grid of source and target layers as rows.
pub fn grid_csv(report: &PatchscopeReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "source,target,precision_discovery,precision,surprisal"
    ));
    for point in &report.grid {
        out.line(format_args!(
            "{},{},{},{},{}",
            point.source,
            point.target,
            number(point.precision_discovery),
            number(point.precision),
            number(point.surprisal)
        ));
    }
    out.0
}

/// Precision over source layers as SVG.
pub fn precision_svg(report: &PatchscopeReport, title: &str) -> String {
    over_layers(report, title, "precision@1", |said| said.precision)
}

/// Surprisal over source layers as SVG.
pub fn surprisal_svg(report: &PatchscopeReport, title: &str) -> String {
    over_layers(report, title, "surprisal (nats)", |said| said.surprisal)
}

fn over_layers(
    report: &PatchscopeReport,
    title: &str,
    y_label: &str,
    figure: fn(&DecodingScores) -> Effect,
) -> String {
    let line = |name: &str, of: &dyn Fn(&LayerScores) -> Option<DecodingScores>| Series {
        name: name.to_owned(),
        points: report
            .layers
            .iter()
            .filter_map(|layer| {
                let effect = figure(&of(layer)?);
                Some(PlotPoint {
                    x: layer.layer as f64,
                    y: effect.mean,
                    interval: effect.interval,
                })
            })
            .collect(),
    };
    let series = vec![
        line("patchscope", &|it| Some(it.patched)),
        line("target = source", &|it| it.same),
        line("logit lens", &|it| Some(it.logit_lens)),
        line(report.mapped_name(), &|it| it.mapped_lens),
        line("other prompts", &|it| Some(it.shuffled)),
    ];
    let plot = Plot {
        title: title.to_owned(),
        x_label: "layer that the representation leaves".into(),
        y_label: y_label.to_owned(),
        reference: report
            .overall
            .map(|it| ("unpatched prompt".into(), figure(&it.unpatched).mean)),
        series: series
            .into_iter()
            .filter(|series| !series.points.is_empty())
            .collect(),
    };
    plot.svg()
}

/// Precision on held-out prompts of every source and target layer as SVG.
pub fn grid_svg(report: &PatchscopeReport, title: &str) -> String {
    let mut sources: Vec<usize> = report.grid.iter().map(|it| it.source).collect();
    sources.dedup();
    let targets = report
        .grid
        .iter()
        .take_while(|it| Some(&it.source) == sources.first());
    let targets: Vec<String> = targets.map(|it| it.target.to_string()).collect();
    let cells = report.grid.iter().map(|point| HeatCell {
        value: Some(point.precision),
        label: String::new(),
        tooltip: vec![
            format!("from layer {} to layer {}", point.source, point.target),
            format!("precision@1 {}", percent(point.precision)),
            format!("surprisal {}", short(point.surprisal)),
        ],
    });
    let map = HeatMap {
        title: title.to_owned(),
        row_axis: "source layer".into(),
        column_axis: "target layer".into(),
        rows: sources.iter().map(ToString::to_string).collect(),
        columns: targets,
        cells: cells.collect(),
        colours: Colours::Sequential(Some([0.0, 1.0])),
        legend: "precision@1".into(),
    };
    map.svg()
}
