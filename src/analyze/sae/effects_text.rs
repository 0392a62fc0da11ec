//! What a dictionary makes of prompts and what its features do on a task: sections of the report, tables, a plot, samples.

use super::{DecomposedPrompt, EffectsReport, FeatureEffect};
use crate::evaluate::Effect;
use crate::report::csv::{field, number};
use crate::report::plots::plot::{Plot, PlotPoint, Series};
use crate::report::table::table;
use crate::report::text::{Text, clip, one_line, short, thousands};

/// Tokens of a prompt that the text shows, the last ones.
const TOKENS: usize = 40;
/// Features that the text shows.
const FEATURES: usize = 20;
/// Characters of a sample that the text shows.
const SAMPLE: usize = 100;

/// Prompts in features, a table for each.
pub(super) fn decomposed_section(prompts: &[DecomposedPrompt]) -> String {
    let mut out = Text::default();
    for prompt in prompts {
        out.line(format_args!(""));
        out.line(format_args!("{}", clip(&one_line(&prompt.prompt), SAMPLE)));
        let from = prompt.tokens.len().saturating_sub(TOKENS);
        let rows: Vec<Vec<String>> = prompt.tokens[from..]
            .iter()
            .map(|token| {
                let features = token.features.iter();
                let features =
                    features.map(|it| format!("{} ({})", it.feature, short(it.activation)));
                vec![
                    clip(&one_line(&token.token), 20),
                    short(token.norm),
                    percent(token.error),
                    token.active.to_string(),
                    features.collect::<Vec<_>>().join(" "),
                ]
            })
            .collect();
        out.0 += &table(&["token", "norm", "error", "active", "features"], &rows, 1);
    }
    out.0
}

/// Prompts in features, a row for every feature shown of every token.
pub fn decomposed_csv(prompts: &[DecomposedPrompt]) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "prompt,position,token,norm,error,active,feature,activation"
    ));
    for (index, prompt) in prompts.iter().enumerate() {
        for (position, token) in prompt.tokens.iter().enumerate() {
            for feature in &token.features {
                out.line(format_args!(
                    "{index},{position},{},{},{},{},{},{}",
                    field(&token.token),
                    number(token.norm),
                    number(token.error),
                    token.active,
                    feature.feature,
                    number(feature.activation)
                ));
            }
        }
    }
    out.0
}

/// What features do, as a table with random features beside, and some text.
pub(super) fn effects_section(report: &EffectsReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(""));
    out.line(format_args!(
        "{} features are active on {} discovery pairs{}; those of the largest attribution, measured on {} held-out pairs",
        thousands(report.active),
        report.examples_discovery,
        report.variance_explained.map_or_else(String::new, |share| {
            format!(", where {:.1} % of the variance is explained", 100.0 * share)
        }),
        report.examples
    ));
    out.line(format_args!(
        "metric {} on the clean prompts, {} on the corrupt ones; by how much a change of one feature moves the former:",
        short(report.metric_clean),
        short(report.metric_corrupt)
    ));
    let mut head = vec!["feature", "active on", "clean", "corrupt", "attribution"];
    head.extend(report.changes.iter().map(String::as_str));
    let mut rows: Vec<Vec<String>> = report.features.iter().take(FEATURES).map(row).collect();
    for (name, sizes) in ["mean size", "random, mean size"]
        .into_iter()
        .zip(&report.mean_size)
    {
        let mut row = vec![name.to_owned()];
        row.resize(5, String::new());
        row.extend(sizes.iter().map(|size| short(*size)));
        rows.push(row);
    }
    out.0 += &table(&head, &rows, 1);
    let random = report.random.len();
    out.line(format_args!(
        "{random} random features are of about the densities of these"
    ));
    for written in &report.written {
        out.line(format_args!(""));
        out.line(format_args!(
            "feature {}, {} times its mean activation added",
            written.feature,
            short(written.strength)
        ));
        for sample in &written.samples {
            let prompt: Vec<char> = one_line(&sample.prompt).chars().collect();
            let prompt: String = prompt[prompt.len().saturating_sub(SAMPLE)..]
                .iter()
                .collect();
            out.line(format_args!("prompt     {prompt}"));
            let line = |text: &str| clip(&one_line(text), SAMPLE);
            out.line(format_args!("  as it is {}", line(&sample.before)));
            out.line(format_args!("  added    {}", line(&sample.after)));
        }
    }
    out.0
}

fn row(feature: &FeatureEffect) -> Vec<String> {
    let mut row = vec![
        feature.feature.to_string(),
        format!("{:.2} %", 100.0 * feature.density),
        short(feature.at_read[0]),
        short(feature.at_read[1]),
        short(feature.attribution),
    ];
    let effects = feature.effects.iter();
    row.extend(effects.map(|effect| with_interval(&effect.held_out)));
    row
}

fn with_interval(effect: &Effect) -> String {
    match effect.interval {
        Some([low, high]) => format!("{} [{}, {}]", short(effect.mean), short(low), short(high)),
        None => short(effect.mean),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// What features do, a row for every feature and change.
pub fn effects_csv(report: &EffectsReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "feature,random,density,mean,clean,corrupt,attribution,change,discovery,held_out,low,high"
    ));
    let kinds = [(false, &report.features), (true, &report.random)];
    for (random, features) in kinds {
        for feature in features {
            for (change, effect) in report.changes.iter().zip(&feature.effects) {
                let interval = effect.held_out.interval;
                let [low, high] = interval.map_or_else(Default::default, |it| it.map(number));
                out.line(format_args!(
                    "{},{random},{},{},{},{},{},{},{},{},{low},{high}",
                    feature.feature,
                    number(feature.density),
                    number(feature.mean),
                    number(feature.at_read[0]),
                    number(feature.at_read[1]),
                    number(feature.attribution),
                    field(change),
                    number(effect.discovery),
                    number(effect.held_out.mean)
                ));
            }
        }
    }
    out.0
}

/// The effects of the first change as SVG: features by the rank of their attribution, random ones beside.
pub fn effects_svg(report: &EffectsReport, title: &str, metric: &str) -> String {
    let series = |name: &str, features: &[FeatureEffect]| Series {
        name: name.to_owned(),
        points: features
            .iter()
            .enumerate()
            .filter_map(|(rank, feature)| {
                let effect = feature.effects.first()?.held_out;
                Some(PlotPoint {
                    x: (rank + 1) as f64,
                    y: effect.mean,
                    interval: effect.interval,
                })
            })
            .collect(),
    };
    let change = report.changes.first().map_or("", String::as_str);
    let plot = Plot {
        title: title.to_owned(),
        x_label: "rank of the feature by attribution".into(),
        y_label: format!("change of {metric}, the feature set to {change}"),
        reference: Some(("no change".into(), 0.0)),
        series: vec![
            series("largest attribution", &report.features),
            series("random, of like density", &report.random),
        ],
    };
    plot.svg()
}

/// All samples of text that were written with features.
pub fn written_text(report: &EffectsReport) -> String {
    let mut out = Text::default();
    for written in &report.written {
        out.line(format_args!(
            "feature {}, {} times its mean activation added",
            written.feature,
            short(written.strength)
        ));
        for sample in &written.samples {
            out.line(format_args!("prompt     {}", one_line(&sample.prompt)));
            out.line(format_args!("  as it is {}", one_line(&sample.before)));
            out.line(format_args!("  added    {}", one_line(&sample.after)));
        }
        out.line(format_args!(""));
    }
    out.0
}
