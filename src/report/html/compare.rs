//! A comparison of results as a page.

use super::escape::html;
use super::page::{Grid, Page, PageSection, picture, warnings};
use crate::report::Comparison;
use crate::report::compare::warnings as compare_warnings;
use crate::report::text::{Text, clip, short, text_width, thousands, xml};

/// The page: a table whose headings sort, and faithfulness side by side.
pub fn compare_html(rows: &[Comparison]) -> String {
    let figure = |value: Option<f64>| value.map_or_else(|| "\u{2013}".into(), short);
    let cells = rows.iter().map(|row| {
        let interval = row.interval;
        vec![
            html(&row.name),
            html(&row.model),
            html(&row.method),
            thousands(row.edges_kept),
            thousands(row.edges_total),
            figure(row.faithfulness),
            figure(interval.map(|[low, _]| low)),
            figure(interval.map(|[_, high]| high)),
            figure(row.accuracy),
            figure(row.accuracy_interval.map(|[low, _]| low)),
            figure(row.accuracy_interval.map(|[_, high]| high)),
            figure(row.random),
        ]
    });
    let grid = Grid {
        caption: "Results on held-out prompts; headings sort",
        headings: &[
            "task",
            "model",
            "method",
            "edges",
            "edges of the graph",
            "faithfulness",
            "95 % from",
            "95 % to",
            "accuracy",
            "95 % from",
            "95 % to",
            "random",
        ],
        rows: cells.collect(),
        numbers: 3..usize::MAX,
    };
    let told: Vec<String> = compare_warnings(rows);
    Page {
        title: "Comparison",
        subtitle: "Faithfulness of circuits across tasks, models and methods",
        sections: vec![
            PageSection::new("results", "Results", warnings(&told) + &grid.html()),
            PageSection::new("faithfulness", "Faithfulness", picture(&bars(rows))),
        ],
        provenance: vec![(
            "where it comes from",
            "report.json and circuit.ron of each result".into(),
        )],
        script: None,
    }
    .html()
}

const ROW: f64 = 20.0;
const SCALE: f64 = 360.0;

/// A bar with its interval for each result, and a mark at what random circuits reach.
fn bars(rows: &[Comparison]) -> String {
    let names: Vec<String> = rows
        .iter()
        .map(|row| {
            clip(
                &format!("{} · {} · {}", row.name, row.model, row.method),
                80,
            )
        })
        .collect();
    let left = names
        .iter()
        .map(|name| text_width(name, 11.0))
        .fold(0.0, f64::max)
        + 16.0;
    // From 0 to 1.2; what is beyond ends at the edge.
    let place = |value: f64| left + SCALE * (value / 1.2).clamp(0.0, 1.0);
    let (width, height) = (left + SCALE + 70.0, ROW * rows.len() as f64 + 40.0);
    let mut out = Text::default();
    out.line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"Faithfulness of each result\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" fill=\"#222222\">"
    ));
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let x = place(tick);
        out.line(format_args!(
            "<line x1=\"{x:.1}\" y1=\"8\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#DDDDDD\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick}</text>",
            height - 26.0,
            height - 10.0
        ));
    }
    for (index, (row, name)) in rows.iter().zip(&names).enumerate() {
        let y = 8.0 + ROW * index as f64;
        let middle = y + ROW / 2.0;
        out.line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            middle + 4.0,
            xml(name)
        ));
        let Some(value) = row.faithfulness else {
            continue;
        };
        out.line(format_args!(
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#0072B2\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            y + 4.0,
            place(value) - left,
            ROW - 8.0,
            left + SCALE + 8.0,
            middle + 4.0,
            short(value)
        ));
        if let Some([low, high]) = row.interval {
            out.line(format_args!(
                "<path d=\"M {:.1} {middle:.1} H {:.1}\" stroke=\"#222222\" stroke-width=\"1.5\"/>",
                place(low),
                place(high)
            ));
        }
        if let Some(random) = row.random {
            out.line(format_args!(
                "<path d=\"M {:.1} {:.1} v {:.1}\" stroke=\"#D55E00\" stroke-width=\"2\"><title>random circuits: {}</title></path>",
                place(random),
                y + 2.0,
                ROW - 4.0,
                short(random)
            ));
        }
    }
    out.line(format_args!("</svg>"));
    out.0
}
