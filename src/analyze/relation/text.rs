//! The result of an analysis of a relation: text for people, layers and subjects as tables, a plot over layers.

use super::{LayerScores, RelationReport};
use crate::evaluate::Share;
use crate::report::csv::{field, number};
use crate::report::effect::{percent, shares};
use crate::report::plots::heat_map::{Colours, HeatCell, HeatMap};
use crate::report::plots::plot::{Plot, PlotPoint, Series};
use crate::report::table::table;
use crate::report::text::{Text, one_line, short};

/// The result as text; `about` says of what.
pub fn relation_text(report: &RelationReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    let shown = match report.shown.len() {
        0 => "no examples in front".to_owned(),
        _ => format!("in front: {}", report.shown.join(", ")),
    };
    out.line(format_args!("\"{}\" {shown}", one_line(&report.template)));
    out.line(format_args!(
        "the model answers correctly for {} of {} discovery subjects ({} to fit the map, {} to select) and {} of {} held-out ones; all results \
         are on the latter",
        report.known_discovery.count,
        report.known_discovery.of,
        report.trained_on,
        report.chosen_on,
        report.known.count,
        report.known.of
    ));
    out.line(format_args!(""));
    let faithful = &report.faithful;
    let by = &faithful.baselines;
    let mut rows = vec![
        shared(
            &format!(
                "W s, layer {}, beta {}",
                faithful.layer,
                short(faithful.beta)
            ),
            &faithful.held_out,
        ),
        shared("  of another subject", &by.other_subject),
        spread("  random maps", &by.random_maps),
        shared("  s + mean (o - s)", &by.translation),
        shared("  s as it is (logit lens)", &by.logit_lens),
        shared("  the most common answer", &by.most_common),
    ];
    for (what, asked) in [
        ("  the prompt without a subject", &by.without_subject),
        ("  the prompt without examples", &by.zero_shot),
    ] {
        rows.extend(asked.iter().map(|share| shared(what, share)));
    }
    out.0 += &table(
        &["predicts what the model predicts", "share", "of"],
        &rows,
        1,
    );
    if let Some(causal) = &report.causal {
        let by = &causal.baselines;
        rows = vec![
            shared(
                &format!("W^+ (o' - o), layer {}, rank {}", causal.layer, causal.rank),
                &causal.held_out,
            ),
            spread("  random changes of that norm", &by.random),
            shared("  o' - o", &by.translation),
            shared("  s' instead of s", &by.replaced),
        ];
        out.line(format_args!(""));
        out.0 += &table(
            &["makes it predict the other object", "share", "of"],
            &rows,
            1,
        );
        out.line(format_args!(
            "the change has {} of the subject's norm on average",
            percent(causal.relative_norm)
        ));
    }
    out.line(format_args!(""));
    let subjects = report.subjects.iter().map(|it| {
        let text = |text: &Option<String>| one_line(text.as_deref().unwrap_or("").trim());
        vec![
            one_line(&it.subject),
            one_line(it.said.trim()),
            one_line(it.decoded.trim()),
            text(&it.other),
            text(&it.wanted),
            text(&it.edited),
        ]
    });
    let header = [
        "subject",
        "said",
        "W s",
        "other subject",
        "said of it",
        "made to say",
    ];
    out.0 += &table(&header, &subjects.collect::<Vec<_>>(), header.len());
    out.0
}

fn shared(what: &str, share: &Share) -> Vec<String> {
    let text = shares(share.share, share.interval);
    vec![what.to_owned(), text, share.of.to_string()]
}

fn spread(what: &str, found: &[f64]) -> Vec<String> {
    let least = found.iter().copied().fold(f64::INFINITY, f64::min);
    let most = found.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = found.iter().sum::<f64>() / found.len() as f64;
    let text = if found.is_empty() {
        String::new()
    } else {
        format!(
            "{} ({} to {} of {})",
            percent(mean),
            percent(least),
            percent(most),
            found.len()
        )
    };
    vec![what.to_owned(), text, String::new()]
}

/// Layers as rows; what is undefined is empty.
pub fn relation_csv(report: &RelationReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "layer,beta,faithful_discovery,faithful_log_probability,faithful,faithful_low,faithful_high,rank,causal_discovery,causal_log_probability,causal,causal_low,causal_high"
    ));
    for it in &report.layers {
        let share = |share: Option<Share>| share.map_or_else(String::new, |it| number(it.share));
        let ends = |share: Option<Share>| {
            share.map_or_else(|| ",".to_owned(), |it| it.interval.map(number).join(","))
        };
        let rank = it.rank.map_or_else(String::new, |rank| rank.to_string());
        out.line(format_args!(
            "{},{},{},{},{},{},{rank},{},{},{},{}",
            it.layer,
            number(it.beta),
            number(it.faithful_discovery.share),
            number(it.faithful_log_probability),
            number(it.faithful.share),
            ends(Some(it.faithful)),
            share(it.causal_discovery),
            it.causal_log_probability.map_or_else(String::new, number),
            share(it.causal),
            ends(it.causal)
        ));
    }
    out.0
}

/// The held-out subjects that the model answers correctly as rows.
pub fn subjects_csv(report: &RelationReport) -> String {
    let mut out = Text::default();
    out.line(format_args!("subject,said,decoded,other,wanted,edited"));
    for it in &report.subjects {
        let text = |text: &Option<String>| field(text.as_deref().unwrap_or(""));
        out.line(format_args!(
            "{},{},{},{},{},{}",
            field(&it.subject),
            field(&it.said),
            field(&it.decoded),
            text(&it.other),
            text(&it.wanted),
            text(&it.edited)
        ));
    }
    out.0
}

/// Causality of the discovery subjects that choose, by layer and rank, as SVG; nothing where no object was exchanged.
pub fn ranks_svg(report: &RelationReport, title: &str) -> Option<String> {
    report.causal.as_ref()?;
    let tried = Tried {
        axis: "rank of the inverse",
        names: report.ranks.iter().map(ToString::to_string).collect(),
        shares: |layer| &layer.causal_by_rank,
        figure: "causality",
    };
    Some(tried.svg(report, title))
}

/// Faithfulness of the discovery subjects that choose, by layer and factor, as SVG.
pub fn betas_svg(report: &RelationReport, title: &str) -> String {
    let tried = Tried {
        axis: "beta",
        names: report.betas.iter().map(ToString::to_string).collect(),
        shares: |layer| &layer.faithful_by_beta,
        figure: "faithfulness",
    };
    tried.svg(report, title)
}

/// What was tried in every layer.
struct Tried {
    axis: &'static str,
    /// What was tried, the smallest first.
    names: Vec<String>,
    /// The share of the discovery subjects that choose, of each.
    shares: fn(&LayerScores) -> &[f64],
    figure: &'static str,
}

impl Tried {
    fn svg(&self, report: &RelationReport, title: &str) -> String {
        let cell = |place: usize, layer: &LayerScores| {
            let share = (self.shares)(layer).get(place).copied();
            HeatCell {
                value: share,
                label: String::new(),
                tooltip: vec![
                    format!("layer {}, {} {}", layer.layer, self.axis, self.names[place]),
                    percent(share.unwrap_or(0.0)),
                ],
            }
        };
        // The largest on top.
        let places = (0..self.names.len()).rev();
        let layers = report.layers.iter();
        let map = HeatMap {
            title: format!("{title}: {} on the selection subjects", self.figure),
            row_axis: self.axis.into(),
            column_axis: "layer after which subjects are taken".into(),
            rows: self.names.iter().rev().cloned().collect(),
            columns: layers.clone().map(|it| it.layer.to_string()).collect(),
            cells: places
                .flat_map(|place| layers.clone().map(move |layer| cell(place, layer)))
                .collect(),
            colours: Colours::Sequential(Some([0.0, 1.0])),
            legend: self.figure.into(),
        };
        map.svg()
    }
}

/// Faithfulness and causality of held-out subjects over layers as SVG.
pub fn relation_svg(report: &RelationReport, title: &str) -> String {
    let series = |name: &str, of: fn(&LayerScores) -> Option<Share>| Series {
        name: name.to_owned(),
        points: report
            .layers
            .iter()
            .filter_map(|it| {
                let share = of(it)?;
                Some(PlotPoint {
                    x: it.layer as f64,
                    y: share.share,
                    interval: Some(share.interval),
                })
            })
            .collect(),
    };
    let mut all = vec![series("faithfulness", |it| Some(it.faithful))];
    if report.causal.is_some() {
        all.push(series("causality", |it| it.causal));
    }
    let plot = Plot {
        title: title.to_owned(),
        x_label: "layer after which subjects are taken".into(),
        y_label: "share of held-out subjects".into(),
        reference: Some((
            "the most common answer".into(),
            report.faithful.baselines.most_common.share,
        )),
        series: all,
    };
    plot.svg()
}
