//! Rows of MIB's data sets: `prompt` with one or more `.._counterfactual`, each with a prompt of its own.
//!
//! The answers are what MIB's circuit track scores: of IOI the indirect object against the subject, of questions
//! with choices the label of the right choice against that of the counterfactual, of arithmetic the two results.

use serde_json::{Map, Value};

use super::Row;

const ENDING: &str = "_counterfactual";

/// The counterfactuals that MIB's circuit track uses, where a row has several.
const PREFERRED: [&str; 3] = [
    "s2_io_flip_counterfactual",
    "symbol_counterfactual",
    "random_counterfactual",
];

/// Whether an object is such a row.
pub(super) fn is_row(object: &Map<String, Value>) -> bool {
    object.contains_key("prompt")
}

/// The row in our own form; keys that are not read do not matter.
pub(super) fn row(object: &Map<String, Value>) -> Result<Row, String> {
    let (name, counterfactual) = counterfactual(object)?;
    let corrupt = counterfactual
        .get("prompt")
        .ok_or_else(|| format!("`{name}` has no `prompt`"))?;
    let metadata = |key: &str| Some(object.get("metadata")?.get(key)?.as_str()?.to_owned());
    let (answer, wrong) = match (metadata("indirect_object"), metadata("subject")) {
        (Some(indirect_object), Some(subject)) => {
            (format!(" {indirect_object}"), format!(" {subject}"))
        }
        _ => (answer("", object)?, answer(name, counterfactual)?),
    };
    Ok(super::row(
        object["prompt"].clone(),
        corrupt.clone(),
        vec![answer.into()],
        vec![wrong.into()],
    ))
}

/// The counterfactual to use, with its key.
fn counterfactual(object: &Map<String, Value>) -> Result<(&str, &Map<String, Value>), String> {
    let objects = || {
        let named = object.iter().filter(|(key, _)| key.ends_with(ENDING));
        named.filter_map(|(key, value)| Some((key.as_str(), value.as_object()?)))
    };
    let preferred = PREFERRED
        .iter()
        .find_map(|wanted| objects().find(|(key, _)| key == wanted));
    if let Some(found) = preferred {
        return Ok(found);
    }
    let mut others = objects();
    match (others.next(), others.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(format!(
            "`prompt` without a counterfactual; a row of MIB has one such as `{}`",
            PREFERRED[0]
        )),
        (Some(_), Some(_)) => Err(format!(
            "several counterfactuals, and none of them is {}; keep one",
            PREFERRED.map(|key| format!("`{key}`")).join(", ")
        )),
    }
}

/// The label of the right choice, or the result.
fn answer(place: &str, object: &Map<String, Value>) -> Result<String, String> {
    let of = |key: &str| {
        if place.is_empty() {
            format!("`{key}`")
        } else {
            format!("`{place}.{key}`")
        }
    };
    match object.get("label") {
        Some(Value::String(label)) => return Ok(label.clone()),
        Some(Value::Number(label)) => return Ok(label.to_string()),
        Some(other) => return Err(format!("{} is {other}, not an answer", of("label"))),
        None => {}
    }
    let index = object
        .get("answerKey")
        .and_then(Value::as_u64)
        .ok_or_else(|| {
            format!(
                "neither {} nor {} says the answer",
                of("label"),
                of("answerKey")
            )
        })?;
    let labels = object
        .get("choices")
        .and_then(|choices| choices.get("label").or(Some(choices)))
        .and_then(Value::as_array)
        .ok_or_else(|| format!("{} has no list of labels", of("choices")))?;
    let label = usize::try_from(index)
        .ok()
        .and_then(|index| labels.get(index));
    let label = label.and_then(Value::as_str);
    label.map(str::to_owned).ok_or_else(|| {
        format!(
            "{} is {index}, but {} has {} labels",
            of("answerKey"),
            of("choices"),
            labels.len()
        )
    })
}
