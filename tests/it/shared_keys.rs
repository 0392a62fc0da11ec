//! The keys that specs of analyses share: each is read by an analysis or refused with its place, and none that is not read is
//! printed.

use std::path::Path;

use secateur::analyze::Shared;
use secateur::spec::{Spec, check_any_spec, read_specs, ron_line, spec_files};

use crate::program::{refused, secateur};

/// A question of every kind, with what else its spec needs and the keys that it reads.
const QUESTIONS: [(&str, &str, &str, &[&str]); 17] = [
    ("Attention", "", "", &["bootstrap"]),
    (
        "Edit",
        TASK,
        "",
        &["held_out", "bootstrap", "random_baselines"],
    ),
    ("FeatureCircuit", TASK, DICTIONARY, ALL),
    ("Lens", TASK, "", &["bootstrap", "random_baselines"]),
    ("Lens", TASK, "attribution: false", &["bootstrap"]),
    (
        "Lens",
        TASK,
        "tuned: Fitted(text: Sampled(tokens: 600, seed: 0))",
        &["held_out", "bootstrap", "random_baselines"],
    ),
    ("Neurons", TASK, "", ALL),
    ("Patchscope", TASK, "", &["held_out", "bootstrap"]),
    ("Patchscope", "", "texts: [\"a\"]", &[]),
    ("Prompt", "", "prompt: \"a\"", &[]),
    (
        "Relation",
        "",
        "data: \"relation.json\"",
        &["held_out", "random_baselines"],
    ),
    ("Residual", TASK, "", &["bootstrap"]),
    (
        "Residual",
        TASK,
        "directions: [Token(\" are\")]",
        &["bootstrap", "random_baselines"],
    ),
    ("Sae", TASK, SAE, ALL),
    ("Sae", "", SAE, &["held_out"]),
    (
        "Tracing",
        TASK,
        "",
        &["held_out", "bootstrap", "random_baselines"],
    ),
    ("Vector", TASK, "", ALL),
];
const TASK: &str = "task: Ioi(pairs: 8, seed: 0), ";
const DICTIONARY: &str = "dictionaries: [Train(layer: 0, features: 8, kind: TopK(k: 2), tokens: 1024, text: Sampled(tokens: 2000, seed: 0))]";
const SAE: &str =
    "layer: 0, features: 8, kind: TopK(k: 2), tokens: 1024, text: Sampled(tokens: 2000, seed: 0)";
const ALL: &[&str] = &["metric", "held_out", "bootstrap", "random_baselines"];

/// What each key is set to.
fn value(key: &str) -> &'static str {
    match key {
        "metric" => "LogitDiff",
        "held_out" => "0.25",
        "bootstrap" => "47",
        "random_baselines" => "3",
        "precision" => "F32",
        "prepend_bos" => "Auto",
        other => panic!("an unknown key: {other}"),
    }
}

fn spec((kind, task, keys): (&str, &str, &str), line: &str) -> String {
    format!(
        "(format: 1, name: \"a\", models: [\"builtin:toy-gpt2\"], {task}\n{line}\nanalysis: {kind}({keys}))"
    )
}

#[test]
fn every_key_is_read_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::write(folder.path().join("relation.json"), "{}").expect("a file");
    let file = folder.path().join("spec.ron");
    for (kind, task, keys, reads) in QUESTIONS {
        for key in Shared::ALL.map(Shared::key) {
            let read = reads.contains(&key) || matches!(key, "precision" | "prepend_bos");
            let line = format!("  {key}: {},", value(key));
            let text = spec((kind, task, keys), &line);
            let checked = check_any_spec(text.as_bytes(), &file);
            if read {
                checked.unwrap_or_else(|error| panic!("{text}: {error}"));
                continue;
            }
            let said = checked.expect_err(&text).to_string();
            let place = format!("spec.ron:2:3: {key}: {kind} ");
            assert!(said.contains(&place), "{said}");
            assert!(
                said.contains(&format!("`{key}`")) && said.contains("; remove it"),
                "{said}"
            );
            assert!(!said.trim_end().contains('\n'), "one mistake: {said}");
        }
    }
}

#[test]
fn a_spec_is_written_without_keys_that_it_does_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::write(folder.path().join("relation.json"), "{}").expect("a file");
    let file = folder.path().join("spec.ron");
    for (kind, task, keys, reads) in QUESTIONS {
        let text = spec((kind, task, keys), "");
        let read = |text: &str| match check_any_spec(text.as_bytes(), &file) {
            Ok(Spec::Analysis(spec)) => spec,
            other => panic!("{text}: {other:?}"),
        };
        let plain = read(&text);
        let printed = ron_line(&*plain);
        for key in ALL {
            let there = printed.contains(&format!("{key}:"));
            assert_eq!(there, reads.contains(key), "{key}: {printed}");
        }
        let again = read(&printed);
        assert_eq!(again, plain);
        assert_eq!(again.hash(), plain.hash());
        for key in reads.iter().filter(|key| **key != "metric") {
            let line = format!("{key}: {},", value(key));
            let set = read(&spec((kind, task, keys), &line));
            assert_ne!(set.hash(), plain.hash(), "{key} of {kind}");
            assert_eq!(read(&ron_line(&*set)), set);
        }
    }
}

#[test]
fn the_specs_of_the_repository_set_no_key_that_is_not_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = spec_files(&[root.join("circuits")]).expect("specs");
    let set = read_specs(&files);
    assert!(files.len() > 30, "{} specs", files.len());
    for error in set.errors {
        // Models that are fetched apart may not be there.
        let said = error.to_string();
        assert!(!said.contains("remove it"), "{said}");
    }
}

#[test]
fn flags_that_would_not_be_read_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| secateur(folder.path(), arguments);
    for command in ["edit", "trace"] {
        let ioi = "Ioi(pairs: 8, seed: 0)";
        let output = run(&[
            command,
            "builtin:toy-gpt2",
            "--task",
            ioi,
            "--metric",
            "Nll",
        ]);
        refused(&output, 2, &["--metric"]);
    }
    let lens = [
        "lens",
        "builtin:toy-gpt2",
        "--prompt",
        "The war",
        "--held-out",
        "0.2",
    ];
    refused(&run(&lens), 2, &["--held-out: ", "tuned: Fitted(..)"]);
    let scope = [
        "patchscope",
        "builtin:toy-gpt2",
        "--text",
        "The war",
        "--held-out",
        "0.2",
    ];
    refused(&run(&scope), 2, &["--held-out: ", "a task"]);
}
