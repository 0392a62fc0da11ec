//! `report.json` names the rows of each split: those that the job found on, and those that it was judged on.

use std::path::Path;

use secateur::events::Silent;
use secateur::model::{PrependBos, load_model};
use secateur::task::{Agreement, LoadRequest, Prompts, TaskSource};

use crate::program::{done, secateur};

const TASK: &str = "Agreement(pairs: 12, seed: 3)";

/// The rows that `report.json` of a result names.
fn rows(folder: &Path, result: &str) -> serde_json::Value {
    let report = folder.join(result).join("report.json");
    let report = fs_err::read(report).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    report["split"].clone()
}

/// Rows as they are written, counted from 0.
fn numbers(text: &serde_json::Value) -> Vec<usize> {
    let text = text.as_str().expect("text");
    let parts = text.split(", ").filter(|part| !part.is_empty());
    parts
        .flat_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.parse::<usize>().expect("a row") - 1;
            number(first)..=number(last)
        })
        .collect()
}

#[test]
fn every_job_that_divides_its_examples_says_how() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let model = load_model("builtin:toy-llama", Path::new(".")).expect("a model");
    let task = TaskSource::Agreement(Agreement { pairs: 12, seed: 3 });
    let request = LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        prompts: Prompts::Pairs,
        base: folder,
        observer: &Silent,
    };
    let dataset = task.load(&request).expect("examples");
    let [discovery, held_out] = dataset.split_rows(0.5);
    let both = dataset.split(0.5);
    let at = |rows: &[usize]| -> Vec<_> {
        let rows = rows.iter();
        rows.map(|&row| dataset.examples[row].clone()).collect()
    };
    assert_eq!((at(&discovery), at(&held_out)), both);
    let mut all = [&discovery[..], &held_out].concat();
    all.sort_unstable();
    assert_eq!(all, (0..12).collect::<Vec<_>>());

    let spec = format!(
        "RunSpec(format: 1, name: \"circuit\", models: [\"builtin:toy-llama\"], task: {TASK}, metric: LogitDiff, ablation: \
         Patch, method: Eap(), select: TopN(edges: 20), outputs: [])"
    );
    fs_err::write(folder.join("spec.ron"), spec).expect("a spec");
    done(&secateur(folder, &["run", "spec.ron"]));
    let on = ["builtin:toy-llama", "--task", TASK];
    for (command, more) in [
        ("neurons", &["--top", "2"][..]),
        ("edit", &["--strengths", "1", "--layers", "0"]),
        (
            "vector",
            &["--layers", "0", "--strengths", "1", "--samples", "0"],
        ),
        ("trace", &["--samples", "2", "--window", "0"]),
    ] {
        let named = ["--name", command, "--quiet"];
        let arguments = [&[command][..], &on, more, &named].concat();
        done(&secateur(folder, &arguments));
    }
    for result in ["circuit", "neurons", "edit", "vector", "trace"] {
        let rows = rows(folder, &format!("results/{result}/toy-llama"));
        assert_eq!(numbers(&rows["discovery"]), discovery, "{result}");
        assert_eq!(numbers(&rows["held_out"]), held_out, "{result}");
    }
    let lens = [
        &["lens"][..],
        &on,
        &[
            "--tune",
            "--sampled",
            "400",
            "--context",
            "20",
            "--name",
            "lens",
            "--quiet",
        ],
    ];
    done(&secateur(folder, &lens.concat()));
    let rows = rows(folder, "results/lens/toy-llama");
    let (fitted, judged) = (&rows["contexts_trained_on"], &rows["contexts_held_out"]);
    let (fitted, judged) = (numbers(fitted), numbers(judged));
    assert!(
        fitted.len() > judged.len() && judged[0] == fitted.len(),
        "{rows}"
    );
}
