//! What neurons and features of autoencoders are active on, as `report.json` describes them: one panel each, tokens
//! coloured by activation.

use serde::Deserialize;

use super::escape::html;
use crate::report::text::{Text, short};

/// Panels of a page at most.
const MOST: usize = 500;
/// Characters of the text before a token that are shown.
const BEFORE: usize = 160;

/// The keys of a report that describe units; those of other reports are ignored.
#[derive(Deserialize)]
struct Described {
    /// Features of an autoencoder.
    #[serde(default)]
    described: Vec<Unit>,
    /// Neurons.
    #[serde(default)]
    neurons: Vec<Unit>,
}

#[derive(Deserialize)]
struct Unit {
    feature: Option<usize>,
    neuron: Option<String>,
    density: Option<f64>,
    mean: Option<f64>,
    #[serde(default)]
    contexts: Vec<Context>,
}

#[derive(Deserialize)]
struct Context {
    activation: f64,
    before: String,
    token: String,
}

/// The panels with a field that searches them; none where the report describes nothing.
pub(crate) fn dashboards(report: &str) -> Option<String> {
    let described: Described = serde_json::from_str(report).ok()?;
    let units = described.described.iter().chain(&described.neurons);
    let units: Vec<&Unit> = units.filter(|unit| !unit.contexts.is_empty()).collect();
    if units.is_empty() {
        return None;
    }
    let mut out = Text::default();
    out.line(format_args!(
        "<p><label>Search numbers and texts <input type=\"search\" id=\"filter\" autocomplete=\"off\"></label> <output id=\"filtered\" aria-live=\"polite\"></output></p>"
    ));
    for unit in units.iter().take(MOST) {
        unit.panel(&mut out);
    }
    Some(out.0)
}

impl Unit {
    fn panel(&self, out: &mut Text) {
        let name = match (self.feature, &self.neuron) {
            (Some(feature), _) => format!("feature {feature}"),
            (None, Some(neuron)) => neuron.clone(),
            (None, None) => return,
        };
        out.line(format_args!(
            "<article class=\"unit\"><h3>{}</h3>",
            html(&name)
        ));
        if let (Some(density), Some(mean)) = (self.density, self.mean) {
            out.line(format_args!(
                "<p>active on {:.2} % of the rows, {} on average there</p>",
                100.0 * density,
                short(mean)
            ));
        }
        let size = |context: &Context| context.activation.abs();
        let largest = self.contexts.iter().map(size).fold(0.0, f64::max);
        self.bars(out, largest);
        out.line(format_args!("<ol class=\"contexts\">"));
        for context in &self.contexts {
            let before: Vec<char> = context.before.chars().collect();
            let from = before.len().saturating_sub(BEFORE);
            let dots = if from > 0 { "…" } else { "" };
            let before: String = before[from..].iter().collect();
            let share = if largest > 0.0 {
                100.0 * size(context) / largest
            } else {
                0.0
            };
            let side = if context.activation < 0.0 {
                "low"
            } else {
                "high"
            };
            out.line(format_args!(
                "<li><span class=\"activation\">{}</span> <span class=\"prompt\">{dots}{}<mark class=\"{side}\" style=\"--share:{share:.0}%\">{}</mark></span></li>",
                short(context.activation),
                html(&before),
                html(&context.token)
            ));
        }
        out.line(format_args!("</ol></article>"));
    }

    /// The activations of the contexts shown, as bars.
    fn bars(&self, out: &mut Text, largest: f64) {
        if largest <= 0.0 || !largest.is_finite() {
            return;
        }
        let width = 8 * self.contexts.len();
        let bars = self.contexts.iter().enumerate().map(|(index, context)| {
            let height = 24.0 * context.activation.abs() / largest;
            format!(
                "<rect x=\"{}\" y=\"{:.1}\" width=\"6\" height=\"{height:.1}\"/>",
                8 * index,
                24.0 - height
            )
        });
        let bars: String = bars.collect();
        out.line(format_args!(
            "<svg class=\"bars\" role=\"img\" aria-label=\"Activations of the contexts below\" width=\"{width}\" height=\"24\" viewBox=\"0 0 {width} 24\">{bars}</svg>"
        ));
    }
}
