//! The result of looking at the residual stream: text for people, tables, plots and a heat map.

use super::{ResidualReport, WriterScores};
use crate::evaluate::Effect;
use crate::report::csv::{field, number};
use crate::report::effect::{fields, with_interval};
use crate::report::html::{Section, heat_map_page};
use crate::report::plots::heat_map::{Colours, HeatCell, HeatMap};
use crate::report::plots::plot::{Plot, PlotPoint, Series};
use crate::report::table::table;
use crate::report::text::{Text, short, thousands};

/// Parts that the text names for a direction.
const PARTS: usize = 15;

/// The result as text; `about` says of what.
pub fn residual_text(report: &ResidualReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    out.line(format_args!(
        "means over {} prompts, {} positions in all, with 95 % intervals",
        thousands(report.prompts),
        thousands(report.positions)
    ));
    out.line(format_args!(""));
    let rows = report
        .places
        .iter()
        .map(|it| vec![it.place.clone(), with_interval(&it.norm)]);
    out.0 += &table(
        &["place", "norm of the stream"],
        &rows.collect::<Vec<_>>(),
        1,
    );
    out.line(format_args!(""));
    let optional =
        |effect: &Option<Effect>| effect.as_ref().map_or_else(String::new, with_interval);
    let rows = report.writers.iter().map(|it| {
        vec![
            it.writer.clone(),
            with_interval(&it.norm),
            optional(&it.share),
            optional(&it.cosine),
        ]
    });
    let header = [
        "writer",
        "norm",
        "share of the stream",
        "cosine with the stream",
    ];
    out.0 += &table(&header, &rows.collect::<Vec<_>>(), 1);
    for direction in &report.directions {
        out.line(format_args!(""));
        out.line(format_args!("written into {}:", direction.direction));
        let rows = direction.parts.iter().take(PARTS).map(|it| {
            vec![
                it.part.clone(),
                with_interval(&it.along),
                with_interval(&it.cosine),
                it.random.map_or_else(String::new, short),
            ]
        });
        let header = ["part", "along it", "cosine", "along random ones"];
        out.0 += &table(&header, &rows.collect::<Vec<_>>(), 1);
        let more = direction.parts.len().saturating_sub(PARTS);
        if more > 0 {
            out.line(format_args!("and {} more", thousands(more)));
        }
    }
    out.0
}

/// The stream and its writers as rows.
pub fn residual_csv(report: &ResidualReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "what,norm,norm_low,norm_high,share,share_low,share_high,cosine,cosine_low,cosine_high"
    ));
    for place in &report.places {
        out.line(format_args!(
            "stream at {},{},,,,,,",
            place.place,
            fields(&place.norm)
        ));
    }
    let optional = |effect: &Option<Effect>| effect.as_ref().map_or_else(|| ",,".into(), fields);
    for it in &report.writers {
        out.line(format_args!(
            "{},{},{},{}",
            it.writer,
            fields(&it.norm),
            optional(&it.share),
            optional(&it.cosine)
        ));
    }
    out.0
}

/// What every part writes into directions, as rows.
pub fn directions_csv(report: &ResidualReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "direction,part,along,along_low,along_high,cosine,cosine_low,cosine_high,random"
    ));
    for direction in &report.directions {
        for it in &direction.parts {
            out.line(format_args!(
                "{},{},{},{},{}",
                field(&direction.direction),
                it.part,
                fields(&it.along),
                fields(&it.cosine),
                it.random.map_or_else(String::new, number)
            ));
        }
    }
    out.0
}

fn point(x: f64, effect: &Effect) -> PlotPoint {
    PlotPoint {
        x,
        y: effect.mean,
        interval: effect.interval,
    }
}

/// The norm of the stream over layers as SVG.
pub fn residual_norm_svg(report: &ResidualReport, title: &str) -> String {
    let points = report.places.iter().map(|it| point(it.blocks, &it.norm));
    let plot = Plot {
        title: title.to_owned(),
        x_label: "blocks run".into(),
        y_label: "norm of the stream".into(),
        reference: None,
        series: vec![Series {
            name: "stream".into(),
            points: points.collect(),
        }],
    };
    plot.svg()
}

/// What attentions and MLPs write over layers, as a share of the stream, as SVG.
pub fn residual_writes_svg(report: &ResidualReport, title: &str) -> String {
    let of_kind = |kind: &str| -> Vec<PlotPoint> {
        let writers = report
            .writers
            .iter()
            .filter(|it| it.writer.starts_with(kind));
        let points = writers
            .filter_map(|it: &WriterScores| Some(point(it.layer? as f64, it.share.as_ref()?)));
        points.collect()
    };
    let series = ["attention", "MLP"].map(|kind| Series {
        name: kind.to_owned(),
        points: of_kind(kind),
    });
    let plot = Plot {
        title: title.to_owned(),
        x_label: "layer".into(),
        y_label: "norm written, as a share of the stream's".into(),
        reference: None,
        series: series
            .into_iter()
            .filter(|it| !it.points.is_empty())
            .collect(),
    };
    plot.svg()
}

/// The cosines between what is written, as SVG.
pub fn cosines_svg(report: &ResidualReport, title: &str) -> String {
    cosines(report, title).svg()
}

/// One HTML file with the cosines and the report's text.
pub fn residual_html(report: &ResidualReport, title: &str, text: &str) -> String {
    let picture = cosines(report, "cosines of what is written").svg();
    let heading = "Cosines between writers".into();
    heat_map_page(title, text, &[Section { heading, picture }])
}

fn cosines(report: &ResidualReport, title: &str) -> HeatMap {
    let names: Vec<String> = report.writers.iter().map(|it| it.writer.clone()).collect();
    let rows = report.cosines.iter().zip(&names);
    let cells = rows.flat_map(|(row, one)| {
        row.iter().zip(&names).map(move |(&value, other)| HeatCell {
            value: Some(value),
            label: String::new(),
            tooltip: vec![format!("{one} and {other}: {}", short(value))],
        })
    });
    HeatMap {
        title: title.to_owned(),
        row_axis: "writer".into(),
        column_axis: "writer".into(),
        cells: cells.collect(),
        rows: names.clone(),
        columns: names.clone(),
        colours: Colours::Diverging,
        legend: "mean cosine".into(),
    }
}
