//! report.json of every kind of analysis says which rows of the data played which part.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use secateur::events::Silent;
use secateur::model::{PrependBos, load_model};
use secateur::task::{Agreement, LoadRequest, Prompts, TaskSource};

use crate::program::{done, secateur, text};

const NAMES: [&str; 34] = [
    "Mary", "Tom", "James", "Anna", "Paul", "Emily", "Jack", "Kate", "Peter", "Alice", "Mark",
    "Laura", "David", "Sarah", "Daniel", "Jane", "Robert", "Rachel", "Simon", "Susan", "Adam",
    "Amy", "Andrew", "Lisa", "Michael", "Linda", "Chris", "Karen", "George", "Helen", "Henry",
    "Julia", "Kevin", "Maria",
];
const TRAIN: &str = "layer: 0, features: 8, kind: TopK(k: 2), tokens: 1024, context: 24, text: Sampled(tokens: 2000, seed: 0)";

/// The folder of a result, and its report.json.
fn report(folder: &Path, name: &str, keys: &str) -> Value {
    let spec = format!("(format: 1, name: \"{name}\", models: [\"builtin:toy-llama\"], {keys})");
    fs_err::write(folder.join("s.ron"), spec).expect("a spec");
    done(&secateur(folder, &["run", "s.ron"]));
    let path = folder
        .join("results")
        .join(name)
        .join("toy-llama/report.json");
    serde_json::from_slice(&fs_err::read(path).expect("a report")).expect("JSON")
}

/// The rows of a part, counted from 1.
fn rows(report: &Value, part: &str) -> BTreeSet<usize> {
    let text = report["split"][part].as_str().expect(part);
    let ranges = text.split(", ").filter(|it| !it.is_empty());
    let ranges = ranges.map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        from.parse().expect("a row")..=to.parse().expect("a row")
    });
    ranges.flatten().collect()
}

#[test]
fn prompts_of_a_task_are_named_by_their_side() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = load_model("builtin:toy-llama", Path::new(".")).expect("a model");
    let request = LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        prompts: Prompts::Pairs,
        base: Path::new("."),
        observer: &Silent,
    };
    let dataset = TaskSource::Agreement(Agreement { pairs: 12, seed: 0 }).load(&request);
    let dataset = dataset.expect("examples");
    for (name, analysis) in [
        ("sae", format!("Sae({TRAIN})")),
        (
            "patchscope",
            "Patchscope(prompt: Text(\"Today the dogs near the tree\"), placeholder: \"tree\", expected: Answer, tokens: 2)".into(),
        ),
        ("features", format!("FeatureCircuit(dictionaries: [Train({TRAIN})], keep: Top(4))")),
        ("vector", "Vector(tokens: 0, samples: 0)".into()),
    ] {
        for held_out in [0.25, 0.5] {
            let spec = format!("{name}-{held_out}");
            let keys = format!("task: Agreement(pairs: 12, seed: 0), held_out: {held_out}, analysis: {analysis}");
            let report = report(folder.path(), &spec, &keys);
            let wanted = dataset.split_rows(held_out);
            for (part, wanted) in ["discovery", "held_out"].iter().zip(wanted) {
                let wanted: BTreeSet<usize> = wanted.iter().map(|row| row + 1).collect();
                assert_eq!(rows(&report, part), wanted, "{spec}, {part}");
            }
            if name != "sae" {
                assert_eq!(report["examples"], rows(&report, "held_out").len(), "{spec}");
            }
        }
    }
}

#[test]
fn contexts_that_a_dictionary_was_trained_on_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = report(folder.path(), "sae", &format!("analysis: Sae({TRAIN})"));
    let trained = rows(&report, "contexts_trained_on");
    let judged = rows(&report, "contexts_held_out");
    assert!(trained.is_disjoint(&judged), "{trained:?} {judged:?}");
    assert!(!trained.is_empty() && !judged.is_empty());
    let all: Vec<usize> = trained.union(&judged).copied().collect();
    assert_eq!(all, (1..=84).collect::<Vec<_>>());
    // Each context has 23 positions but the first.
    assert_eq!(
        report["rows"].as_u64().map(|it| it as usize / 23),
        Some(judged.len())
    );
}

/// The subjects that judge a relation are those of the rows that it names, and the ones that the model does not know are named.
#[test]
fn samples_of_a_relation_are_named_by_what_they_were_used_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let samples = NAMES.map(|name| {
        // One whose object the model does not say.
        let object = if name == "Lisa" { "Tom" } else { name };
        format!("{{\"subject\": \"{name}\", \"object\": \"{object}\"}}")
    });
    let data = format!(
        "{{\"name\": \"recipient\", \"prompt_templates\": [\"Then, John and {{}} went to the store. John gave a ring to\"], \
         \"samples\": [{}]}}",
        samples.join(", ")
    );
    fs_err::write(folder.join("recipient.json"), data).expect("a file");
    let report = report(
        folder,
        "r",
        "held_out: 0.25, analysis: Relation(data: \"recipient.json\", shots: 0)",
    );
    let parts = ["shown", "trained_on", "chosen_on", "held_out", "unknown"];
    let [shown, trained, chosen, held_out, unknown] = parts.map(|part| rows(&report, part));
    assert!(shown.is_empty() && trained.is_disjoint(&chosen));
    assert!(held_out.is_disjoint(&trained) && held_out.is_disjoint(&chosen));
    assert_eq!(unknown, BTreeSet::from([24]), "Lisa");
    assert_eq!(report["trained_on"], trained.len());
    assert_eq!(report["chosen_on"], chosen.len());
    let used = [&trained, &chosen, &held_out, &unknown];
    let used: BTreeSet<usize> = used.into_iter().flatten().copied().collect();
    assert_eq!(used, (1..=34).collect());
    let table = fs_err::read(folder.join("results/r/toy-llama/subjects.csv")).expect("a table");
    let table = text(&table);
    let judged = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap_or_default());
    let judged: BTreeSet<&str> = judged.collect();
    let named = held_out.difference(&unknown).map(|row| NAMES[row - 1]);
    assert_eq!(judged, named.collect());
}
