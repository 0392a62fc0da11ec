//! The result of a lens: text for people, tables, and plots over layers.

use super::{Attribution, LensReport, LensScores, SiteScores, TunedLensScores};
use crate::evaluate::Effect;
use crate::report::csv::{field, number};
use crate::report::effect::{fields, shares, with_interval};
use crate::report::plots::plot::{Plot, PlotPoint, Series};
use crate::report::table::table;
use crate::report::text::{Text, short, thousands};

/// Parts that the text names.
const PARTS: usize = 20;

/// The result as text; `about` says of what.
pub fn lens_text(report: &LensReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    out.line(format_args!(
        "means over {} prompts at the scored position, with 95% intervals; tracked: {}",
        thousands(report.prompts),
        report.tracked
    ));
    out.line(format_args!(""));
    let tuned = report.places.iter().any(|it| it.tuned_lens.is_some());
    let compared = report
        .places
        .iter()
        .any(|it| it.other_prompt_probability.is_some());
    let mut header = vec![
        "place",
        "KL",
        "probability",
        "1/rank",
        "median rank",
        "top-1",
    ];
    if compared {
        header.push("another's");
    }
    if tuned {
        header.extend(["tuned: KL", "probability", "median rank"]);
    }
    let rows: Vec<Vec<String>> = report
        .places
        .iter()
        .map(|place| place_row(place, tuned))
        .collect();
    out.0 += &table(&header, &rows, 1);
    if compared {
        out.line(format_args!(
            "another's: probability of what another prompt follows"
        ));
    }
    if let Some(figures) = &report.tuned {
        tuned_text(&mut out, figures);
    }
    if let Some(attribution) = &report.attribution {
        attribution_text(&mut out, attribution);
    }
    out.0
}

fn place_row(place: &SiteScores, tuned: bool) -> Vec<String> {
    let seen = &place.logit_lens;
    let mut row = vec![
        place.place.clone(),
        with_interval(&seen.kl),
        with_interval(&seen.probability),
        with_interval(&seen.reciprocal_rank),
        rank(seen.median_rank),
        shares(seen.top1.share, seen.top1.interval),
    ];
    row.extend(place.other_prompt_probability.map(short));
    if let Some(seen) = place.tuned_lens.as_ref().filter(|_| tuned) {
        row.extend([
            with_interval(&seen.kl),
            with_interval(&seen.probability),
            rank(seen.median_rank),
        ]);
    }
    row
}

fn rank(median: f64) -> String {
    let text = thousands(median as usize);
    if median.fract() > 0.0 {
        return format!("{text}.5");
    }
    text
}

fn tuned_text(out: &mut Text, figures: &TunedLensScores) {
    out.line(format_args!(""));
    let fitted = if figures.fitted > 0 {
        format!(
            "fitted on {} positions of text, ",
            thousands(figures.fitted)
        )
    } else {
        String::new()
    };
    out.line(format_args!(
        "the tuned lens, {fitted}evaluated on {} held-out ones in {} contexts: KL in nats per position",
        thousands(figures.judged),
        thousands(figures.contexts)
    ));
    let trained = figures.places.iter().any(|it| it.trained.is_some());
    let mut header = vec!["place", "logit lens", "fitted", "improvement"];
    if trained {
        header.insert(3, "trained");
    }
    let rows = figures.places.iter().map(|place| {
        let mut row = vec![
            place.place.clone(),
            with_interval(&place.logit_lens),
            with_interval(&place.fitted),
        ];
        if trained {
            row.push(
                place
                    .trained
                    .as_ref()
                    .map_or_else(String::new, with_interval),
            );
        }
        row.push(with_interval(&place.improvement));
        row
    });
    out.0 += &table(&header, &rows.collect::<Vec<_>>(), 1);
}

fn attribution_text(out: &mut Text, attribution: &Attribution) {
    out.line(format_args!(""));
    out.line(format_args!(
        "{} is {}, the sum of what the parts add to it (off by {} at most); the final norm's scale, {}, is that of the full \
         run",
        attribution.of,
        with_interval(&attribution.logit),
        short(attribution.rounding),
        with_interval(&attribution.scale)
    ));
    if (attribution.output.mean - attribution.logit.mean).abs() > 1e-3 {
        out.line(format_args!(
            "after the soft cap it is {}",
            with_interval(&attribution.output)
        ));
    }
    let constants = attribution.norm_bias + attribution.unembedding_bias;
    if constants.abs() > 0.0 {
        out.line(format_args!(
            "of it {} are of the final norm's bias and {} of the unembedding's",
            short(attribution.norm_bias),
            short(attribution.unembedding_bias)
        ));
    }
    let mut order: Vec<usize> = (0..attribution.parts.len()).collect();
    let size = |part: usize| attribution.parts[part].contribution.mean.abs();
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
    let rows = order.iter().take(PARTS).map(|&part| {
        let part = &attribution.parts[part];
        vec![
            part.part.clone(),
            with_interval(&part.contribution),
            part.random.map_or_else(String::new, short),
        ]
    });
    out.0 += &table(
        &["part", "adds", "to random differences"],
        &rows.collect::<Vec<_>>(),
        1,
    );
    let more = attribution.parts.len().saturating_sub(PARTS);
    if more > 0 {
        out.line(format_args!("and {} more", thousands(more)));
    }
}

/// The figures by site as rows.
pub fn lens_csv(report: &LensReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "place,blocks,lens,kl,kl_low,kl_high,probability,probability_low,probability_high,reciprocal_rank,\
         reciprocal_rank_low,reciprocal_rank_high,median_rank,top1,top1_low,top1_high,other_prompt_probability"
    ));
    for place in &report.places {
        let others = place
            .other_prompt_probability
            .map_or_else(String::new, number);
        let mut line = |lens: &str, seen: &LensScores, others: &str| {
            out.line(format_args!(
                "{},{},{lens},{},{},{},{},{},{},{},{others}",
                place.place,
                number(place.blocks),
                fields(&seen.kl),
                fields(&seen.probability),
                fields(&seen.reciprocal_rank),
                number(seen.median_rank),
                number(seen.top1.share),
                number(seen.top1.interval[0]),
                number(seen.top1.interval[1])
            ));
        };
        line("logit", &place.logit_lens, &others);
        if let Some(seen) = &place.tuned_lens {
            line("tuned", seen, "");
        }
    }
    out.0
}

/// The figures of a tuned lens by site as rows.
pub fn tuned_csv(figures: &TunedLensScores) -> String {
    let mut out = Text::default();
    let columns = ["logit_lens", "fitted", "trained", "improvement"];
    let columns = columns.map(|name| format!("{name},{name}_low,{name}_high"));
    out.line(format_args!("place,blocks,{}", columns.join(",")));
    for place in &figures.places {
        out.line(format_args!(
            "{},{},{},{},{},{}",
            place.place,
            number(place.blocks),
            fields(&place.logit_lens),
            fields(&place.fitted),
            place.trained.as_ref().map_or_else(|| ",,".into(), fields),
            fields(&place.improvement)
        ));
    }
    out.0
}

/// What every part adds, and what the biases after the stream add, as rows whose contributions sum to the logit before any
/// soft cap.
pub fn attribution_csv(attribution: &Attribution) -> String {
    let mut out = Text::default();
    out.line(format_args!("part,layer,head,contribution,low,high,random"));
    let whole = |number: Option<usize>| number.map_or_else(String::new, |it| it.to_string());
    for part in &attribution.parts {
        out.line(format_args!(
            "{},{},{},{},{}",
            field(&part.part),
            whole(part.layer),
            whole(part.head),
            fields(&part.contribution),
            part.random.map_or_else(String::new, number)
        ));
    }
    for (name, constant) in [
        ("norm_bias", attribution.norm_bias),
        ("unembedding_bias", attribution.unembedding_bias),
    ] {
        if constant.abs() > 0.0 {
            out.line(format_args!("{name},,,{},,,", number(constant)));
        }
    }
    out.0
}

/// The KL divergence of the output over sites as SVG.
pub fn lens_kl_svg(report: &LensReport, title: &str) -> String {
    over_places(
        report,
        title,
        "KL divergence of the output, nats",
        false,
        |seen| seen.kl,
    )
}

/// The probability of what is tracked over sites as SVG.
pub fn lens_probability_svg(report: &LensReport, title: &str) -> String {
    let label = format!("probability of {}", report.tracked);
    over_places(report, title, &label, true, |seen| seen.probability)
}

fn over_places(
    report: &LensReport,
    title: &str,
    label: &str,
    with_others: bool,
    of: impl Fn(&LensScores) -> Effect,
) -> String {
    let point = |place: &SiteScores, effect: Effect| PlotPoint {
        x: place.blocks,
        y: effect.mean,
        interval: effect.interval,
    };
    let places = || report.places.iter();
    let mut series = vec![Series {
        name: "logit lens".into(),
        points: places().map(|it| point(it, of(&it.logit_lens))).collect(),
    }];
    let tuned = places().filter_map(|it| Some(point(it, of(it.tuned_lens.as_ref()?))));
    let tuned: Vec<PlotPoint> = tuned.collect();
    if !tuned.is_empty() {
        series.push(Series {
            name: "tuned lens".into(),
            points: tuned,
        });
    }
    let others = places().filter_map(|it| {
        let mean = it.other_prompt_probability?;
        Some(point(
            it,
            Effect {
                mean,
                interval: None,
            },
        ))
    });
    let others: Vec<PlotPoint> = others.collect();
    if with_others && !others.is_empty() {
        series.push(Series {
            name: "of another prompt".into(),
            points: others,
        });
    }
    let plot = Plot {
        title: title.to_owned(),
        x_label: "blocks run before the lens".into(),
        y_label: label.to_owned(),
        reference: None,
        series,
    };
    plot.svg()
}
