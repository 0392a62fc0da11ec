//! `secateur parity`: a model's forward pass against what another implementation computed.

use std::path::Path;

use secateur::input;
use secateur::model::load_model_within;
use secateur::parity::{Difference, Golden, Parity, parity as compare};
use secateur::{Error, Result};
use serde_json::{Value, json};

use crate::args::ParityArgs;
use crate::output;
use secateur::report::table;

/// Exit code where the two do not agree: a target that was not reached.
const DISAGREE: u8 = 4;

/// Bytes of a dump of activations.
const LARGEST_GOLDEN: u64 = 16 << 30;

pub(crate) fn parity(args: &ParityArgs) -> Result<u8> {
    if !(args.tolerance.is_finite() && args.tolerance >= 0.0) {
        let problem = format!(
            "--tolerance is {}; expected a number from 0",
            args.tolerance
        );
        return Err(Error::Usage(problem));
    }
    let golden = Golden::parse(
        &args.golden.display().to_string(),
        &input::read(&args.golden, LARGEST_GOLDEN, "a dump of activations")?,
    )?;
    let memory = args.memory.bytes().map(|bytes| bytes as usize);
    let model = load_model_within(&args.added.to(&args.model), Path::new("."), memory)?;
    output::warnings(&model.warnings);
    let found = compare(&model.weights, &golden, args.tolerance);
    model.check_unchanged()?;
    let found = found?;
    let text = if args.json {
        json_text(&found, args.tolerance)
    } else {
        text(&found)
    };
    output::data(text.as_bytes())?;
    Ok(found.first_bad().map_or(0, |_| DISAGREE))
}

fn text(found: &Parity) -> String {
    let rows: Vec<Vec<String>> = found
        .places
        .iter()
        .map(|place| {
            vec![
                place.place.clone(),
                if place.agrees() { "yes" } else { "NO" }.to_owned(),
                format!("{:.1e}", place.difference),
                format!("{:.1e}", place.allowed),
                place.row.to_string(),
                place.position.to_string(),
                place.coordinate.to_string(),
                format!("{:.6}", place.found),
                format!("{:.6}", place.wanted),
            ]
        })
        .collect();
    let header = [
        "place",
        "agrees",
        "difference",
        "allowed",
        "row",
        "position",
        "coordinate",
        "found",
        "reference",
    ];
    let verdict = match found.first_bad() {
        None => "They agree.".to_owned(),
        Some(bad) => format!(
            "They differ, first at {}: look at {}.",
            bad.place, bad.made_by
        ),
    };
    format!("{}{verdict}\n", table(&header, &rows, 2))
}

fn json_text(found: &Parity, tolerance: f64) -> String {
    let place = |place: &Difference| {
        json!({
            "place": place.place,
            "agrees": place.agrees(),
            "difference": number(place.difference),
            "allowed": place.allowed,
            "row": place.row,
            "position": place.position,
            "coordinate": place.coordinate,
            "found": number(place.found),
            "reference": number(place.wanted),
            "scale": place.scale,
        })
    };
    let bad = found.first_bad();
    let all = json!({
        "agrees": bad.is_none(),
        "first_bad": bad.map(|bad| &bad.place),
        "made_by": bad.map(|bad| &bad.made_by),
        "tolerance": tolerance,
        "places": found.places.iter().map(place).collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}

/// A number, or null where it is none.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}
