//! The result of scoring heads by their attention: text for people, a table, and heat maps.

use super::{AttentionReport, DrawnHead, HeadScores, Score};
use crate::report::Roles;
use crate::report::csv::number;
use crate::report::effect::fields;
use crate::report::html::{Section, heat_map_page};
use crate::report::plots::heat_map::{Colours, HeatCell, HeatMap, several};
use crate::report::table::table;
use crate::report::text::{Text, short, thousands, visible};

/// Heads of a kind that the text names.
const HEADS: usize = 8;

/// The kinds of scores, with what they are named in tables.
type Kind = (&'static str, fn(&HeadScores) -> Option<Score>);

const KINDS: [Kind; 6] = [
    ("previous token", |it| Some(it.previous_token)),
    ("duplicate token", |it| Some(it.duplicate_token)),
    ("induction", |it| Some(it.induction)),
    ("name moving", |it| it.name_moving),
    ("copying", |it| Some(it.copying)),
    ("copying eigenvalues", |it| it.copying_eigenvalues),
];

/// The result as text; `about` says of what.
pub fn attention_text(report: &AttentionReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    let moving = match report.prompts {
        0 => String::new(),
        prompts => format!(
            "; name moving on {} prompts whose answer stands in them",
            thousands(prompts)
        ),
    };
    out.line(format_args!(
        "attention on {} sequences of {} random tokens, each repeated once{moving}",
        report.sequences, report.length
    ));
    out.line(format_args!(
        "in brackets what uniform attention gives; copying: share of tokens among the {} most likely ones when the head \
         writes for the stream after the first block, in brackets by chance; copying eigenvalues: sum of the eigenvalues of the \
         map from token to logits, as a share of their sizes",
        report.top
    ));
    out.line(format_args!(""));
    for (name, of) in KINDS {
        let mut heads: Vec<(&HeadScores, Score)> = report
            .heads
            .iter()
            .filter_map(|head| Some((head, of(head)?)))
            .collect();
        heads.sort_by(|(_, a), (_, b)| b.score.mean.total_cmp(&a.score.mean));
        let heads: Vec<String> = heads
            .iter()
            .take(HEADS)
            .map(|(head, score)| format!("{} {}", head.head, short(score.score.mean)))
            .collect();
        if !heads.is_empty() {
            out.line(format_args!("most {name}: {}", heads.join(", ")));
        }
    }
    out.line(format_args!(""));
    out.line(format_args!(
        "all heads, those with the largest score of attention first; a role from {} on",
        short(report.threshold)
    ));
    let header: Vec<&str> = ["head", "roles"]
        .into_iter()
        .chain(KINDS.map(|(name, _)| name))
        .collect();
    let rows: Vec<Vec<String>> = report.heads.iter().map(row).collect();
    out.0 += &table(&header, &rows, 2);
    out.0
}

fn row(head: &HeadScores) -> Vec<String> {
    let roles: Vec<&str> = head.roles.iter().map(|role| role.label()).collect();
    let scores = KINDS.map(|(_, of)| {
        of(head).map_or_else(String::new, |score| {
            format!("{} ({})", short(score.score.mean), short(score.uniform))
        })
    });
    let mut row = vec![head.head.clone(), roles.join(", ")];
    row.extend(scores);
    row
}

/// All heads as rows, with intervals.
pub fn attention_csv(report: &AttentionReport) -> String {
    let mut out = Text::default();
    let columns = KINDS.map(|(name, _)| {
        let name = name.replace(' ', "_");
        format!("{name},{name}_low,{name}_high,{name}_uniform")
    });
    out.line(format_args!("head,roles,{}", columns.join(",")));
    for head in &report.heads {
        let roles: Vec<&str> = head.roles.iter().map(|role| role.label()).collect();
        let scores = KINDS.map(|(_, of)| {
            of(head).map_or_else(
                || ",,,".to_owned(),
                |score| format!("{},{}", fields(&score.score), number(score.uniform)),
            )
        });
        out.line(format_args!(
            "{},{},{}",
            head.head,
            roles.join(" + "),
            scores.join(",")
        ));
    }
    out.0
}

/// The attention of the heads drawn, one below the other, as SVG.
pub fn attention_svg(report: &AttentionReport, title: &str) -> Option<String> {
    let maps: Vec<HeatMap> = report
        .drawn
        .iter()
        .map(|it| pattern(report, it, &format!("{title}: {}", it.head)))
        .collect();
    (!maps.is_empty()).then(|| several(&maps))
}

/// One HTML file with the scores of all heads and the attention of those drawn, and the report's text.
pub fn attention_html(report: &AttentionReport, title: &str, text: &str) -> String {
    let mut sections = Vec::new();
    for (name, of) in KINDS {
        if report.heads.iter().any(|head| of(head).is_some()) {
            sections.push(Section {
                heading: name.to_owned(),
                picture: scores(report, name, of).svg(),
            });
        }
    }
    for drawn in &report.drawn {
        sections.push(Section {
            heading: format!("attention of {}", drawn.head),
            picture: pattern(report, drawn, &drawn.head).svg(),
        });
    }
    heat_map_page(title, text, &sections)
}

/// A score of all heads in layers.
fn scores(report: &AttentionReport, name: &str, of: fn(&HeadScores) -> Option<Score>) -> HeatMap {
    let layers = report
        .heads
        .iter()
        .map(|it| it.layer + 1)
        .max()
        .unwrap_or(0);
    let heads = report.heads.len() / layers.max(1);
    let mut cells = vec![HeatCell::default(); report.heads.len()];
    for head in &report.heads {
        let number = head
            .head
            .rsplit('h')
            .next()
            .and_then(|it| it.parse::<usize>().ok());
        if let (Some(number), Some(score)) = (number, of(head)) {
            cells[(layers - 1 - head.layer) * heads + number] = HeatCell {
                value: Some(score.score.mean),
                label: String::new(),
                tooltip: vec![
                    format!("{}: {}", head.head, short(score.score.mean)),
                    format!("uniform: {}", short(score.uniform)),
                ],
            };
        }
    }
    let negative = report.heads.iter().filter_map(of);
    let negative = negative.map(|it| it.score.mean).any(|mean| mean < 0.0);
    HeatMap {
        title: name.to_owned(),
        row_axis: "layer".into(),
        column_axis: "head".into(),
        rows: (0..layers).rev().map(|layer| layer.to_string()).collect(),
        columns: (0..heads).map(|head| format!("h{head}")).collect(),
        cells,
        colours: if negative {
            Colours::Diverging
        } else {
            Colours::Sequential(Some([0.0, 1.0]))
        },
        legend: "score".into(),
    }
}

fn pattern(report: &AttentionReport, drawn: &DrawnHead, title: &str) -> HeatMap {
    let tokens: Vec<String> = report.tokens.iter().map(|token| visible(token)).collect();
    let rows = drawn.attention.iter().zip(&tokens);
    let cells = rows.flat_map(|(row, query)| {
        row.iter().zip(&tokens).map(move |(&value, key)| HeatCell {
            value: Some(value),
            label: String::new(),
            tooltip: vec![format!("from {query} to {key}: {}", short(value))],
        })
    });
    HeatMap {
        title: title.to_owned(),
        row_axis: "from".into(),
        column_axis: "to".into(),
        cells: cells.collect(),
        rows: tokens.clone(),
        columns: tokens.clone(),
        colours: Colours::Sequential(Some([0.0, 1.0])),
        legend: "attention".into(),
    }
}

/// The roles of the heads that have any, for drawings.
pub fn roles_of(report: &AttentionReport, model: &str, model_hash: &str) -> Roles {
    let heads = report.heads.iter().filter(|it| !it.roles.is_empty());
    let roles = heads.map(|it| {
        let roles = it.roles.iter().map(|role| role.label().to_owned());
        (it.head.clone(), roles.collect())
    });
    Roles::new(roles.collect(), model, model_hash)
}
