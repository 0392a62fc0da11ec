//! The result of an analysis of neurons: text for people, a table for other programs, dose-response curves.

use super::{Context, Contrast, NeuronReport};
use crate::evaluate::Effect;
use crate::report::csv::{field, number};
use crate::report::effect::{percent, with_interval};
use crate::report::plots::plot::{Plot, PlotPoint, Series};
use crate::report::table::table;
use crate::report::text::{Text, clip, short, thousands};

/// Characters of a context that the text shows.
const CONTEXT: usize = 60;
/// Column of the effect on other prompts, where there is one.
const OTHER: usize = 5;

/// The result as text; `about` says of what.
pub fn neurons_text(report: &NeuronReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    let prompts = match report.compared {
        Contrast::Pairs => format!(
            "{} held-out pairs, {} for discovery",
            report.examples, report.examples_discovery
        ),
        Contrast::Sets | Contrast::Texts => format!(
            "{} and {} held-out prompts, {} and {} for discovery",
            report.examples,
            report.examples_other,
            report.examples_discovery,
            report.examples_other_discovery
        ),
    };
    let [clean, corrupt] = report.compared.kinds();
    out.line(format_args!(
        "metric {} on {clean}, {} on {corrupt} prompts ({prompts})",
        short(report.metric_clean),
        short(report.metric_corrupt),
    ));
    out.line(format_args!(
        "{} of {} neurons are correlated with the behaviour (corrected p < 0.05)",
        thousands(report.neurons_correlated),
        thousands(report.neurons_screened)
    ));
    out.line(format_args!(""));
    let rows: Vec<Vec<String>> = report
        .neurons
        .iter()
        .map(|neuron| {
            let mut row = vec![
                neuron.neuron.clone(),
                neuron.verdict.words().to_owned(),
                with_interval(&neuron.effect),
                neuron
                    .p_effect
                    .map_or_else(|| "-".into(), |p| format!("{p:.0e}")),
                with_interval(&neuron.effect_zero),
                short(neuron.attribution),
                short(neuron.association.correlation),
                format!("{:.0e}", neuron.association.p_corrected),
                short(neuron.association.auroc),
                neuron.contexts.first().map_or_else(String::new, shown),
            ];
            if let Some(other) = &neuron.effect_other {
                row.insert(OTHER, with_interval(other));
            }
            row
        })
        .collect();
    let mut header = vec![
        "neuron",
        "verdict",
        "effect",
        "p",
        "effect of zero",
        "attribution",
        "correlation",
        "p corrected",
        "AUROC",
        "most active at",
    ];
    if report.compared != Contrast::Pairs {
        header.insert(OTHER, "effect on others");
    }
    out.0 += &table(&header, &rows, 2);
    out.line(format_args!(""));
    group_lines(&mut out, report);
    for dose in &report.doses {
        let points = dose
            .points
            .iter()
            .map(|point| format!("{} x {}", short(point.metric.mean), short(point.factor)));
        out.line(format_args!(
            "{} scaled: {} ({})",
            dose.neuron,
            points.collect::<Vec<_>>().join(", "),
            match dose.trend {
                crate::analyze::neurons::Trend::Rising => "rising",
                crate::analyze::neurons::Trend::Falling => "falling",
                crate::analyze::neurons::Trend::Mixed => "mixed",
            }
        ));
    }
    out.0
}

/// What a group takes away.
fn group_lines(out: &mut Text, report: &NeuronReport) {
    match &report.group {
        Some(group) => {
            out.line(format_args!(
                "without {} neurons {} of {} are left{}: {}",
                group.neurons.len(),
                group.remaining.map_or_else(|| "an unknown share".into(), percent),
                report.whole(),
                group.remaining_interval.map_or_else(String::new, |[low, high]| {
                    format!(" [{}, {}]", percent(low), percent(high))
                }),
                group.neurons.join(" ")
            ));
            if !group.random.is_empty() {
                let mean = group.random.iter().sum::<f64>() / group.random.len() as f64;
                out.line(format_args!(
                    "without as many random neurons of the same layers: {} (mean of {})",
                    percent(mean),
                    group.random.len()
                ));
            }
        }
        None => match report.remaining_without_all {
            Some(share) => out.line(format_args!(
                "no group of the neurons measured was found that removes the behaviour; without all of them, those that hinder included, {} are left",
                percent(share)
            )),
            None => out.line(format_args!(
                "no group was looked for: {}",
                match report.compared {
                    Contrast::Texts => {
                        "replacing together the neurons that seemed needed does not lower the difference between the two sets"
                    }
                    Contrast::Pairs | Contrast::Sets => "the model does not show the behaviour",
                }
            )),
        },
    }
}

/// The end of a context, with the token in brackets.
fn shown(context: &Context) -> String {
    let before: Vec<char> = context.before.chars().collect();
    let from = before.len().saturating_sub(CONTEXT);
    let before: String = before[from..].iter().collect();
    clip(&format!("{before}[{}]", context.token), CONTEXT + 40)
}

/// The neurons measured as rows.
pub fn neurons_csv(report: &NeuronReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "neuron,verdict,effect,effect_low,effect_high,effect_zero,effect_zero_low,effect_zero_high,effect_other,\
         effect_other_low,effect_other_high,effect_discovery,attribution,mean_activation,rate_clean,rate_corrupt,difference,auroc,correlation,p,p_corrected,p_effect"
    ));
    for neuron in &report.neurons {
        let bounds = |effect: &Effect| {
            let [low, high] = effect
                .interval
                .map_or_else(Default::default, |it| it.map(number));
            format!("{},{low},{high}", number(effect.mean))
        };
        let numbers = [
            neuron.effect_discovery,
            neuron.attribution,
            neuron.mean_activation,
            neuron.association.rate_clean,
            neuron.association.rate_corrupt,
            neuron.association.difference,
            neuron.association.auroc,
            neuron.association.correlation,
            neuron.association.p,
            neuron.association.p_corrected,
        ];
        out.line(format_args!(
            "{},{},{},{},{},{},{}",
            neuron.neuron,
            field(neuron.verdict.words()),
            bounds(&neuron.effect),
            bounds(&neuron.effect_zero),
            neuron
                .effect_other
                .as_ref()
                .map_or_else(|| ",,".into(), bounds),
            numbers.map(number).join(","),
            neuron.p_effect.map_or_else(String::new, number)
        ));
    }
    out.0
}

/// The dose-response curves as SVG; nothing where there are none.
pub fn doses_svg(report: &NeuronReport, title: &str, metric: &str) -> Option<String> {
    if report.doses.is_empty() {
        return None;
    }
    let series = report.doses.iter().map(|dose| Series {
        name: dose.neuron.clone(),
        points: dose
            .points
            .iter()
            .map(|point| PlotPoint {
                x: point.factor,
                y: point.metric.mean,
                interval: point.metric.interval,
            })
            .collect(),
    });
    let plot = Plot {
        title: title.to_owned(),
        x_label: "factor of the neuron's activation".into(),
        y_label: metric.to_owned(),
        reference: Some((
            format!("{} prompts", report.compared.kinds()[1]),
            report.metric_corrupt,
        )),
        series: series.collect(),
    };
    Some(plot.svg())
}
