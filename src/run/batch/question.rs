//! Whether a folder holds the answer to the question that a job asks: the answer to another one is never replaced unasked,
//! and that to the same one is when what it was computed from has changed.

use std::path::Path;

use fs_err as fs;
use serde_json::Value;

use super::commit::Before;
use super::plan::Job;
use super::record::{Inputs, RECORD_FILE, RunRecord, Summary};
use crate::analyze::sae::checkpoint as sae_checkpoint;
use crate::error::{Error, Result};
use crate::paths::{place, written};
use crate::run::circuit::unfinished::UNFINISHED_FILE;
use crate::spec::{Spec, model_key};

/// Keys that are named, of those that differ.
const NAMED: usize = 5;
/// Letters of a value that are shown.
const SHOWN: usize = 60;

/// Where a job finds what it reads.
pub(crate) struct Places {
    pub(crate) model: String,
    pub(crate) data: Vec<String>,
}

impl Places {
    pub(crate) fn of(job: &Job) -> Self {
        let base = job.spec.base();
        let place = |file: std::path::PathBuf| {
            let path = place(base, file);
            written(fs::canonicalize(&path).unwrap_or(path))
        };
        Self {
            model: written(model_key(&job.model, base)),
            data: job.spec.spec.data_files().into_iter().map(place).collect(),
        }
    }
}

/// Refuses to replace the answer to another question: of another spec, or about another model or other files of the same
/// names.
///
/// # Errors
/// When the answer is one; the error names what differs.
pub(crate) fn refuse_other_question(
    job: &Job,
    record: &RunRecord,
    inputs: &Inputs,
    places: &Places,
) -> Result<()> {
    let held = &record.circumstances;
    let kind = match (&record.summary, &job.spec.spec) {
        (Summary::Circuit(_), Spec::Analysis(_)) => {
            Some("it holds a circuit, and this is an analysis")
        }
        (Summary::Analysis(_), Spec::Circuit(_)) => {
            Some("it holds an analysis, and this is a circuit")
        }
        _ => None,
    };
    let differs = if let Some(kind) = kind {
        kind.to_owned()
    } else if record.inputs.spec != inputs.spec {
        differences(&record.spec, &job.spec.spec.question())
    } else if (&record.inputs.model, &record.inputs.tokenizer) != (&inputs.model, &inputs.tokenizer)
        && held.model_place != places.model
    {
        format!(
            "it is about the model {}, and this is about {}",
            held.model_place, places.model
        )
    } else if record.inputs.data_file != inputs.data_file && held.data_places != places.data {
        format!(
            "it is about {}, and this is about {}",
            held.data_places.join(", "),
            places.data.join(", ")
        )
    } else {
        return Ok(());
    };
    Err(Error::Usage(format!(
        "{} holds the answer to another question than this {:?}: {differs}\nhint: give another --name or name, another \
         --out, or --force to replace it",
        job.folder.display(),
        job.spec.spec.name()
    )))
}

/// Refuses a place where a folder of results cannot be, before anything is computed for it.
///
/// # Errors
/// When a file, a link to nothing, or a folder in the place of a file is in the way; the error names it.
pub(crate) fn refuse_blocked(folder: &Path) -> Result<()> {
    let there = folder.ancestors().find_map(|place| {
        let entry = fs::symlink_metadata(place).ok()?;
        Some((place, entry.is_symlink()))
    });
    let problem = match there {
        Some((place, true)) if !place.exists() => {
            format!("{} is a link to nothing", place.display())
        }
        Some((place, _)) if !place.is_dir() => format!("{} is a file", place.display()),
        _ if folder.join(RECORD_FILE).is_dir() => {
            format!("{} is a folder", folder.join(RECORD_FILE).display())
        }
        _ => return Ok(()),
    };
    Err(Error::Usage(format!(
        "{problem}, so no result can be written to {}\nhint: remove it, or give another --out",
        folder.display()
    )))
}

/// Refuses a folder with files of which nothing says what question they answer: a result whose `run.json` was lost or changed,
/// or files of somebody else.
///
/// # Errors
/// When there is such a file; the error names it.
pub(crate) fn refuse_unknown_files(folder: &Path, before: &Before) -> Result<()> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .filter_map(|entry| Some(written(entry.ok()?.file_name())))
        .filter(|name| {
            !(name.starts_with('.')
                || before.is_leftover(name)
                || sae_checkpoint::is_one(name)
                || name == UNFINISHED_FILE)
        })
        .collect();
    names.sort_unstable();
    let Some(first) = names.first() else {
        return Ok(());
    };
    let record = folder.join(RECORD_FILE);
    let why = if names.iter().any(|name| name == RECORD_FILE) {
        format!("{} is not a record of secateur", record.display())
    } else {
        format!("there is no {RECORD_FILE}")
    };
    Err(Error::Usage(format!(
        "{} holds {first}{}, and {why}, so nobody knows what question they answer\nhint: give another --name or name, another \
         --out, or --force to replace them",
        folder.display(),
        match names.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        },
    )))
}

/// Why the answer to the same question is computed again.
pub(crate) fn why_again(record: &RunRecord, inputs: &Inputs, folder: &Path) -> String {
    let (old, new) = (&record.inputs, inputs);
    let data = record.circumstances.data_places.join(", ");
    let reasons = [
        (old.version != new.version || old.result_format != new.result_format).then(|| {
            format!(
                "secateur {} computed the result there, and this is {}",
                old.version, new.version
            )
        }),
        (old.version == new.version && old.sources != new.sources).then(|| {
            format!(
                "another build of secateur {} computed the result there",
                old.version
            )
        }),
        (old.model != new.model).then(|| "the model has changed since".to_owned()),
        (old.tokenizer != new.tokenizer)
            .then(|| "the tokenizer of the model has changed since".to_owned()),
        (old.data_file != new.data_file).then(|| format!("{data} changed since")),
        (old.outputs != new.outputs).then(|| "other outputs are asked for".to_owned()),
    ];
    let mut reasons: Vec<String> = reasons.into_iter().flatten().collect();
    if let Some(file) = record.changed_file(folder) {
        reasons.push(format!("{file} is not as it was written"));
    }
    if reasons.is_empty() {
        // Such as a model of another name in the same folder.
        reasons.push("what it was computed from has changed".to_owned());
    }
    reasons.join("; ")
}

/// The keys in which two specs differ, with both values.
fn differences(there: &Value, here: &Value) -> String {
    if there.is_null() {
        return "its spec is another one".to_owned();
    }
    let mut found = Vec::new();
    compare("", there, here, &mut found);
    if found.is_empty() {
        // The list of a file counts by its contents.
        return "a list of edges that its spec names has changed".to_owned();
    }
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    if more > 0 {
        found.push(format!("{more} more"));
    }
    found.join(", ")
}

fn compare(key: &str, there: &Value, here: &Value, found: &mut Vec<String>) {
    match (there, here) {
        (Value::Object(old), Value::Object(new)) => {
            // Two variants of an enum are two values, not keys of one.
            if !old.keys().any(|it| new.contains_key(it)) {
                return found.push(difference(key, Some(there), Some(here)));
            }
            let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let inner = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                match (old.get(name), new.get(name)) {
                    (Some(old), Some(new)) => compare(&inner, old, new, found),
                    (old, new) => found.push(difference(&inner, old, new)),
                }
            }
        }
        _ if there == here => {}
        _ => found.push(difference(key, Some(there), Some(here))),
    }
}

fn difference(key: &str, there: Option<&Value>, here: Option<&Value>) -> String {
    format!("{key} is {} there and {} here", shown(there), shown(here))
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "left out".to_owned();
    };
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_name_keys_and_both_values() {
        let spec = |seed: u64, metric: &str| json!({"task": {"Ioi": {"pairs": 8, "seed": seed}}, "metric": metric, "target": null});
        assert_eq!(
            differences(&spec(0, "LogitDiff"), &spec(1, "Kl")),
            "metric is \"LogitDiff\" there and \"Kl\" here, task.Ioi.seed is 0 there and 1 here"
        );
        let mut other = spec(0, "LogitDiff");
        other["task"] = json!({"File": "rows.jsonl"});
        let text = differences(&spec(0, "LogitDiff"), &other);
        assert!(
            text.starts_with("task is {\"Ioi\"") && text.contains("{\"File\":\"rows.jsonl\"}"),
            "{text}"
        );
        let mut other = spec(0, "LogitDiff");
        other["text"] = json!("x".repeat(500));
        let text = differences(&spec(0, "LogitDiff"), &other);
        assert!(
            text.starts_with("text is left out there and \"xxx") && text.ends_with("... here"),
            "{text}"
        );
        assert!(text.len() < 120, "{text}");
    }
}
