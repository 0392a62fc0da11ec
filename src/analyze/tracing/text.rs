//! The result of causal tracing: text for people, a table, and heat maps of layers and sites.

use super::{Role, TraceCell, TracePart, TracingReport};
use crate::report::csv::number;
use crate::report::effect::with_interval;
use crate::report::plots::heat_map::{Colours, HeatCell, HeatMap};
use crate::report::table::table;
use crate::report::text::{Text, one_line, short};

/// The result as text; `about` says of what.
pub fn tracing_text(report: &TracingReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    out.line(format_args!(
        "{} prompts that the model answers ({} more it does not); noise of standard deviation {} on the subject's embeddings",
        report.examples_discovery + report.examples,
        report.examples_unknown,
        short(report.sigma)
    ));
    out.line(format_args!(
        "probability of the answer: {} without noise, {} with it",
        with_interval(&report.clean),
        with_interval(&report.noised)
    ));
    out.line(format_args!(""));
    out.line(format_args!(
        "sites with the largest effect on {} discovery prompts, with their effect on {} held-out ones:",
        report.examples_discovery, report.examples
    ));
    let rows = report.peaks.iter().map(|peak| {
        vec![
            peak.part.name().to_owned(),
            peak.role.name().to_owned(),
            peak.layer.to_string(),
            with_interval(&peak.effect),
            peak.random.as_ref().map_or_else(String::new, with_interval),
        ]
    });
    out.0 += &table(
        &["restored", "at", "layer", "effect", "random direction"],
        &rows.collect::<Vec<_>>(),
        2,
    );
    out.line(format_args!(""));
    out.line(format_args!(
        "mean effect of restoring the stream, over all prompts that have the site:"
    ));
    let mut header = vec!["layer"];
    let present: Vec<Role> = Role::ALL
        .into_iter()
        .filter(|&role| cell(report, TracePart::Stream, role, report.layers[0]).is_some())
        .collect();
    header.extend(present.iter().map(|role| role.name()));
    let rows = report.layers.iter().map(|&layer| {
        let effects = present.iter().map(|&role| {
            let cell = cell(report, TracePart::Stream, role, layer);
            cell.map_or_else(String::new, |cell| short(cell.effect.mean))
        });
        std::iter::once(layer.to_string()).chain(effects).collect()
    });
    out.0 += &table(&header, &rows.collect::<Vec<_>>(), 0);
    out.0
}

fn cell(report: &TracingReport, part: TracePart, role: Role, layer: usize) -> Option<&TraceCell> {
    let mut cells = report.cells.iter();
    cells.find(|it| it.part == part && it.role == role && it.layer == layer)
}

/// All mean effects as rows.
pub fn tracing_csv(report: &TracingReport) -> String {
    let mut out = Text::default();
    out.line(format_args!("part,layer,place,examples,effect,low,high"));
    for cell in &report.cells {
        let [low, high] = cell
            .effect
            .interval
            .map_or_else(Default::default, |it| it.map(number));
        out.line(format_args!(
            "{},{},{},{},{},{low},{high}",
            cell.part.name(),
            cell.layer,
            cell.role.name(),
            cell.examples,
            number(cell.effect.mean)
        ));
    }
    out.0
}

/// The mean effects of a part as SVG; none where that part was not restored.
pub fn tracing_svg(report: &TracingReport, part: TracePart, title: &str) -> Option<String> {
    let roles: Vec<Role> = Role::ALL
        .into_iter()
        .filter(|&role| cell(report, part, role, report.layers[0]).is_some())
        .collect();
    let cells: Vec<HeatCell> = roles
        .iter()
        .flat_map(|&role| report.layers.iter().map(move |&layer| (role, layer)))
        .map(|(role, layer)| {
            let cell = cell(report, part, role, layer);
            HeatCell {
                value: cell.map(|it| it.effect.mean),
                label: String::new(),
                tooltip: vec![
                    format!("{} after layer {layer}", role.name()),
                    cell.map_or_else(String::new, |it| {
                        format!("{} ({} prompts)", with_interval(&it.effect), it.examples)
                    }),
                ],
            }
        })
        .collect();
    let middle = match part {
        TracePart::Stream => "layer",
        TracePart::Attention | TracePart::Mlp => "middle of the restored layers",
    };
    let map = HeatMap {
        title: format!("{title}: {} restored", part.name()),
        row_axis: String::new(),
        column_axis: middle.into(),
        rows: roles.iter().map(|role| role.name().to_owned()).collect(),
        columns: report.layers.iter().map(ToString::to_string).collect(),
        cells,
        colours: Colours::Diverging,
        legend: "mean effect (probability)".into(),
    };
    (!roles.is_empty()).then(|| map.svg())
}

/// The effects of the stream on the first prompt as SVG.
pub fn traced_prompt_svg(report: &TracingReport) -> Option<String> {
    let item = report.items.first()?;
    let mark = |(index, token): (usize, &String)| {
        let star = if index < item.subject { "*" } else { "" };
        format!("{}{star}", one_line(token))
    };
    let rows: Vec<String> = item.tokens.iter().enumerate().map(mark).collect();
    let cells = (0..rows.len()).flat_map(|position| {
        let layers = item.effects.iter().zip(&report.layers);
        layers.map(move |(effects, layer)| HeatCell {
            value: effects.get(position).copied(),
            label: String::new(),
            tooltip: vec![
                format!("{:?} after layer {layer}", item.tokens[position]),
                short(effects[position]),
            ],
        })
    });
    let map = HeatMap {
        title: format!(
            "probability of the answer: {} without noise, {} with it on *",
            short(item.clean),
            short(item.noised)
        ),
        row_axis: String::new(),
        column_axis: "layer".into(),
        columns: report.layers.iter().map(ToString::to_string).collect(),
        cells: cells.collect(),
        rows,
        colours: Colours::Diverging,
        legend: "effect (probability)".into(),
    };
    Some(map.svg())
}
