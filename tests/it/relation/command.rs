//! Relations as a user asks for them.

use std::path::Path;
use std::process::Output;

use crate::program::{done, refused, secateur, text};

/// A folder with a relation of names to themselves.
fn with_names() -> tempfile::TempDir {
    let names = "Mary Tom James Anna Paul Emily Jack Kate Peter Alice Mark Laura David Sarah Daniel Jane Robert Rachel Simon \
                 Susan Adam Amy Andrew Lisa Michael Linda Chris Karen George Helen Henry Julia Kevin Maria";
    let samples = names
        .split_whitespace()
        .map(|name| format!("{{\"subject\": \"{name}\", \"object\": \"{name}\"}}"));
    let samples: Vec<String> = samples.collect();
    let data = format!(
        "{{\"name\": \"recipient\", \"prompt_templates\": [\"Then, John and {{}} went to the store. John gave a ring to\"], \
         \"samples\": [{}]}}",
        samples.join(", ")
    );
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::write(folder.path().join("recipient.json"), data).expect("a file");
    folder
}

fn relation(folder: &Path, more: &[&str]) -> Output {
    let first = ["relation", "builtin:toy-llama", "--data", "recipient.json"];
    secateur(folder, &[&first[..], more].concat())
}

/// From the command line, and as the spec that it printed.
#[test]
fn relations_are_decoded_from_the_command_line_and_in_batches() {
    let folder = with_names();
    let relation = |more: &[&str]| relation(folder.path(), more);
    let output = relation(&[
        "--shots",
        "0",
        "--ranks",
        "4,16,64",
        "--name",
        "relation-recipient",
    ]);
    let stderr = text(&output.stderr);
    let report = done(&output);
    for part in [
        "relation-recipient on toy-llama: recipient",
        "predicts what the model predicts",
        "W s, layer",
        "random maps",
        "logit lens",
        "makes it predict the other object",
        "s' instead of s",
        "made to say",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let results = folder.path().join("results/relation-recipient/toy-llama");
    let bytes = |file: &str| fs_err::read(results.join(file)).expect("a file");
    for file in ["report.txt", "subjects.csv", "run.json"] {
        assert!(results.join(file).is_file(), "{file}");
    }
    // A line for each layer but the last, and the header.
    assert_eq!(text(&bytes("layers.csv")).lines().count(), 3);
    for file in ["layers.svg", "betas.svg", "ranks.svg"] {
        let svg = text(&bytes(file));
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{file}"
        );
        assert!(!svg.contains("NaN"), "{file}");
    }
    let json: serde_json::Value = serde_json::from_slice(&bytes("report.json")).expect("JSON");
    let share = |value: &serde_json::Value| value["held_out"]["share"].as_f64().expect("a share");
    // A name that is copied is read off by a linear map, and exchanged by its inverse.
    assert!(share(&json["faithful"]) > 0.5, "{report}");
    assert!(share(&json["causal"]) > 0.5, "{report}");
    let random = json["causal"]["baselines"]["random"]
        .as_array()
        .expect("random changes");
    assert_eq!(random.len(), 20);
    assert!(
        random
            .iter()
            .all(|it| it.as_f64() < Some(share(&json["causal"])))
    );

    // The spec that it printed gives the same bytes on one thread, and is then done already, until the data change.
    let spec = stderr
        .lines()
        .find_map(|line| line.strip_prefix("as a spec file: "));
    fs_err::write(folder.path().join("same.ron"), spec.expect("a spec")).expect("a file");
    let before = ["report.json", "layers.svg", "subjects.csv"].map(bytes);
    let run = |more: &[&str]| {
        done(&secateur(
            folder.path(),
            &[&["run", "same.ron"], more].concat(),
        ))
    };
    run(&["--force", "--threads", "1"]);
    assert_eq!(
        ["report.json", "layers.svg", "subjects.csv"].map(bytes),
        before
    );
    assert!(run(&[]).contains("already done"));
    let changed = fs_err::read_to_string(folder.path().join("recipient.json")).expect("a file");
    fs_err::write(
        folder.path().join("recipient.json"),
        changed.replace("store", "park"),
    )
    .expect("a file");
    assert!(!run(&[]).contains("already done"));
}

#[test]
fn mistakes_about_relations_have_their_place() {
    let folder = with_names();
    let relation = |more: &[&str]| relation(folder.path(), more);
    refused(
        &relation(&["--shots", "0", "--layers", "2"]),
        2,
        &["after layer 2", "counted from 0"],
    );
    refused(
        &relation(&["--shots", "0", "--template", "1"]),
        3,
        &["there is no template 1: it has 1"],
    );
    refused(
        &relation(&["--shots", "16"]),
        3,
        &["16 are shown, 1 are for discovery"],
    );
    let several = relation(&[
        "--betas",
        "0",
        "--ranks",
        "4,2",
        "--train",
        "0",
        "--held-out",
        "0",
    ]);
    let keys = ["betas", "ranks", "train"].map(|key| format!("--{key}: "));
    let keys: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .chain(["--held-out: "])
        .collect();
    refused(&several, 2, &keys);
    let spec = "(format: 1, name: \"x\", models: [\"builtin:toy-llama\"], task: Ioi(pairs: 8), analysis: Relation(data: \
                \"none.json\"))";
    fs_err::write(folder.path().join("x.ron"), spec).expect("a file");
    refused(
        &secateur(folder.path(), &["run", "x.ron"]),
        2,
        &["needs no task", "analysis.Relation.data", "no such file"],
    );
    let unknown = "{\"name\": \"n\", \"prompt_templates\": [\"The {}\"], \"samples\": [{\"subject\": \"dog\", \"object\": \
                   \"red\"}, {\"subject\": \"cat\", \"object\": \"red\"}, {\"subject\": \"car\", \"object\": \"red\"}, \
                   {\"subject\": \"boat\", \"object\": \"red\"}]}";
    fs_err::write(folder.path().join("recipient.json"), unknown).expect("a file");
    refused(
        &relation(&["--shots", "0"]),
        3,
        &[
            "0 of 2 discovery subjects",
            "a model that knows the relation",
        ],
    );
}

/// Prompts of a relation count as memory before they are made.
#[test]
fn relations_of_many_long_prompts_are_refused_within_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples: Vec<String> = (0..20_000)
        .map(|index| format!("{{\"subject\": \"n{index}\", \"object\": \"o{index}\"}}"))
        .collect();
    let template = format!(
        "{}{{}}",
        "Then, John and Mary went to the store. ".repeat(20)
    );
    let data = format!(
        "{{\"name\": \"long\", \"prompt_templates\": [\"{template}\"], \"samples\": [{}]}}",
        samples.join(", ")
    );
    fs_err::write(folder.path().join("recipient.json"), data).expect("a file");
    let output = relation(folder.path(), &["--memory", "0.1", "--shots", "8"]);
    refused(
        &output,
        2,
        &[
            "0.10 GB of memory are too little",
            "recipient.json",
            "--memory",
        ],
    );
}
