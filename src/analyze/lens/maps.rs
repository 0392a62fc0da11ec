//! Heat maps of a lens: layers and tokens of a prompt, and what heads and MLPs add to a logit.

use super::{Attribution, ComponentScores, DrawnPrompt, LensPrediction, LensReport};
use crate::report::html::{Section, heat_map_page};
use crate::report::plots::heat_map::{Colours, HeatCell, HeatMap};
use crate::report::text::{clip, short, visible};

/// Characters of a prompt in a heading.
const HEADING: usize = 100;

/// A number of what is seen.
#[derive(Clone, Copy)]
enum Shown {
    Likely,
    Rank,
    Kl,
}

/// A prompt through the logit lens: the most likely token at each layer and position.
pub fn lens_svg(drawn: &DrawnPrompt, title: &str) -> String {
    map(drawn, &drawn.logit_lens, Shown::Likely, title).svg()
}

/// The same through the tuned lens, where there is one.
pub fn tuned_lens_svg(drawn: &DrawnPrompt, title: &str) -> Option<String> {
    let seen = &drawn.tuned_lens;
    (!seen.is_empty()).then(|| map(drawn, seen, Shown::Likely, title).svg())
}

/// One HTML file with all heat maps of a lens, and the report's text.
pub fn lens_html(report: &LensReport, title: &str, text: &str) -> String {
    let mut sections = Vec::new();
    for drawn in &report.drawn {
        let prompt = clip(&drawn.tokens.concat(), HEADING);
        let mut lenses = vec![("logit lens", &drawn.logit_lens)];
        if !drawn.tuned_lens.is_empty() {
            lenses.push(("tuned lens", &drawn.tuned_lens));
        }
        for (lens, seen) in lenses {
            for (shown, what) in [
                (Shown::Likely, "most likely token".to_owned()),
                (Shown::Rank, format!("rank of {}", tracked(drawn))),
                (Shown::Kl, "KL divergence of the output".to_owned()),
            ] {
                sections.push(Section {
                    heading: prompt.clone(),
                    picture: map(drawn, seen, shown, &format!("{lens}: {what}")).svg(),
                });
            }
        }
    }
    if let Some(attribution) = &report.attribution {
        sections.push(Section {
            heading: "Direct logit attribution".into(),
            picture: attribution_svg(attribution, &attribution.of),
        });
    }
    heat_map_page(title, text, &sections)
}

fn map(drawn: &DrawnPrompt, seen: &[Vec<LensPrediction>], shown: Shown, title: &str) -> HeatMap {
    let rows = || drawn.places.iter().zip(seen).rev();
    let cells = rows().flat_map(|(place, seen)| {
        let positions = seen.iter().zip(&drawn.tokens);
        positions.map(|(seen, token)| cell(drawn, (place, token), seen, shown))
    });
    let (colours, legend) = match shown {
        Shown::Likely => (Colours::Sequential(Some([0.0, 1.0])), "probability"),
        Shown::Rank => (Colours::Sequential(None), "power of ten of the rank"),
        Shown::Kl => (Colours::Sequential(None), "KL divergence, nats"),
    };
    HeatMap {
        title: title.to_owned(),
        row_axis: "place of the stream".into(),
        column_axis: "token".into(),
        rows: rows().map(|(place, _)| place.clone()).collect(),
        columns: drawn.tokens.iter().map(|token| visible(token)).collect(),
        cells: cells.collect(),
        colours,
        legend: legend.into(),
    }
}

fn cell(
    drawn: &DrawnPrompt,
    (place, token): (&str, &str),
    seen: &LensPrediction,
    shown: Shown,
) -> HeatCell {
    let mut tooltip = vec![format!("{place}, at {}", visible(token))];
    for (index, likely) in seen.top.iter().enumerate() {
        let probability = short(likely.probability);
        tooltip.push(format!(
            "{}. {} {probability}",
            index + 1,
            visible(&likely.text)
        ));
    }
    tooltip.push(format!(
        "{}: rank {}, probability {}",
        tracked(drawn),
        seen.rank,
        short(seen.probability)
    ));
    tooltip.push(format!(
        "KL divergence of the output: {} nats",
        short(seen.kl)
    ));
    let likely = seen.top.first();
    let (value, label) = match shown {
        Shown::Likely => (
            likely.map(|it| it.probability),
            likely.map_or_else(String::new, |it| visible(&it.text)),
        ),
        Shown::Rank => (Some((seen.rank as f64).log10()), seen.rank.to_string()),
        Shown::Kl => (Some(seen.kl), short(seen.kl)),
    };
    HeatCell {
        value,
        label,
        tooltip,
    }
}

/// What is tracked in a prompt, in a few characters.
fn tracked(drawn: &DrawnPrompt) -> String {
    match &drawn.tracked[..] {
        [] => "the model's prediction".into(),
        [one] => visible(one),
        [one, ..] => format!("{} and {} more", visible(one), drawn.tracked.len() - 1),
    }
}

/// What heads and MLPs add to a logit, in layers and columns.
pub fn attribution_svg(attribution: &Attribution, title: &str) -> String {
    let parts = || attribution.parts.iter();
    let layers = parts()
        .filter_map(|it| it.layer)
        .max()
        .map_or(0, |it| it + 1);
    let heads = parts()
        .filter_map(|it| it.head)
        .max()
        .map_or(0, |it| it + 1);
    let is_mlp = |part: &ComponentScores| part.layer.is_some() && part.part.starts_with('m');
    let is_bias =
        |part: &ComponentScores| part.layer.is_some() && part.head.is_none() && !is_mlp(part);
    let (has_bias, has_mlp) = (parts().any(is_bias), parts().any(is_mlp));
    let mut columns: Vec<String> = (0..heads).map(|head| format!("h{head}")).collect();
    columns.extend(has_bias.then(|| "bias".to_owned()));
    columns.extend(has_mlp.then(|| "MLP".to_owned()));
    let mut cells = vec![HeatCell::default(); layers * columns.len()];
    for part in parts() {
        let Some(layer) = part.layer else { continue };
        let column = match part.head {
            Some(head) => head,
            None if is_mlp(part) => columns.len() - 1,
            None => heads,
        };
        let effect = &part.contribution;
        let mut tooltip = vec![format!("{}: {}", part.part, short(effect.mean))];
        tooltip.extend(
            effect
                .interval
                .map(|[low, high]| format!("{} to {}", short(low), short(high))),
        );
        cells[(layers - 1 - layer) * columns.len() + column] = HeatCell {
            value: Some(effect.mean),
            label: String::new(),
            tooltip,
        };
    }
    let map = HeatMap {
        title: title.to_owned(),
        row_axis: "layer".into(),
        column_axis: "head or MLP".into(),
        rows: (0..layers).rev().map(|layer| layer.to_string()).collect(),
        columns,
        cells,
        colours: Colours::Diverging,
        legend: format!("adds to {}", attribution.of),
    };
    map.svg()
}
