//! Sparse autoencoders loaded and used, as a user runs them.

use std::path::Path;
use std::process::Output;

use super::{SAE, TASK, done, refused, secateur, text};

const TRAINED: &str = "results/sae-1/toy-llama";

/// A folder with a trained dictionary.
fn with_dictionary() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [&SAE[..], &["--sampled", "2400"]].concat();
    done(&secateur(folder.path(), &arguments));
    folder
}

fn load(folder: &Path, out: &str, more: &[&str]) -> Output {
    let first = [
        "sae",
        "builtin:toy-llama",
        "--load",
        TRAINED,
        "--sampled",
        "2400",
        "--context",
        "24",
        "--out",
        out,
    ];
    secateur(folder, &[&first[..], more].concat())
}

/// A task and a prompt.
const ASKED: [&str; 6] = [
    "--task",
    TASK,
    "--top",
    "6",
    "--prompt",
    "The war lasted from the year 1732 to the year 17",
];

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs_err::read(path.join("report.json")).expect("a report"))
        .expect("JSON")
}

/// Trained, then loaded from its folder: the same figures. Prompts in features, and features on a task beside random ones.
#[test]
fn dictionaries_are_loaded_and_used() {
    let folder = with_dictionary();
    let folder = folder.path();
    let report = done(&load(folder, "used", &ASKED));
    for part in [
        "loaded, trained on toy-llama",
        "token  ",
        "features are active on 12 discovery pairs",
        "random, mean size",
        "times its mean activation added",
        "  added    ",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let used = folder.join("used/sae-toy-llama/toy-llama");
    let found = json(&used);
    // All of the text is measured, not a tenth of it.
    assert_eq!(found["rows"], 2300);
    assert!(found["variance_explained"].as_f64() > Some(0.7), "{found}");
    assert!((found["l0"].as_f64().expect("a number") - 8.0).abs() < 0.5);
    let token = &found["decomposed"][0]["tokens"][5];
    assert!(
        token["active"].as_u64() <= Some(8) && token["error"].as_f64() < Some(1.0),
        "{token}"
    );
    let effects = &found["effects"];
    assert_eq!(effects["features"].as_array().map(Vec::len), Some(6));
    assert_eq!(effects["random"].as_array().map(Vec::len), Some(20));
    let size = |kind: usize| effects["mean_size"][kind][0].as_f64().expect("a mean");
    assert!(size(0) > 1.5 * size(1), "{effects}");
    let first = &effects["features"][0]["effects"][0]["held_out"]["interval"];
    assert!(first.as_array().is_some_and(|it| it.len() == 2), "{first}");
    for (file, least) in [
        ("prompts.csv", 20),
        ("effects.csv", 26 * 4 + 1),
        ("samples.txt", 3),
    ] {
        let lines = text(&fs_err::read(used.join(file)).expect("a file"))
            .lines()
            .count();
        assert!(lines >= least, "{file}: {lines}");
    }
    let svg = text(&fs_err::read(used.join("effects.svg")).expect("a plot"));
    assert!(svg.starts_with("<svg") && !svg.contains("NaN"));
    assert!(!used.join("cfg.json").exists() && !used.join("training.svg").exists());
}

#[test]
fn what_is_used_is_an_input_and_memory_is_not() {
    let folder = with_dictionary();
    let folder = folder.path();
    done(&load(folder, "used", &ASKED));
    let used = folder.join("used/sae-toy-llama/toy-llama");
    let found = json(&used);
    // Little memory and one thread change no byte.
    done(&load(
        folder,
        "small",
        &[&ASKED[..], &["--memory", "0.06", "--threads", "1"]].concat(),
    ));
    let small = folder.join("small/sae-toy-llama/toy-llama");
    for file in ["report.json", "effects.csv", "prompts.csv", "samples.txt"] {
        let [one, other] =
            [&used, &small].map(|path| fs_err::read(path.join(file)).expect("a file"));
        assert!(one == other, "{file}");
    }
    // Another dictionary is another input.
    let weights = folder.join(TRAINED).join("sae_weights.safetensors");
    let again = done(&load(folder, "used", &ASKED));
    assert!(again.contains("sae-toy-llama"), "{again}");
    let mut bytes = fs_err::read(&weights).expect("weights");
    let last = bytes.len() - 1;
    bytes[last] ^= 0x80;
    fs_err::write(&weights, bytes).expect("weights");
    done(&load(folder, "used", &ASKED));
    assert_ne!(json(&used)["loaded"]["hash"], found["loaded"]["hash"]);
}

#[test]
fn dictionaries_that_cannot_be_used_are_refused() {
    let folder = with_dictionary();
    let folder = folder.path();
    refused(
        &load(folder, "used", &["--memory", "0.001"]),
        2,
        &["GB of memory are too little"],
    );
    let other = [
        "sae",
        "builtin:toy-gpt2",
        "--load",
        TRAINED,
        "--sampled",
        "600",
        "--context",
        "24",
    ];
    let width = |model: &str| {
        let shape = done(&secateur(folder, &["inspect", model, "--json"]));
        let shape: serde_json::Value = serde_json::from_str(&shape).expect("JSON");
        shape["config"]["d_model"].clone()
    };
    if width("builtin:toy-gpt2") == width("builtin:toy-llama") {
        done(&secateur(folder, &other));
    } else {
        refused(&secateur(folder, &other), 3, &["belongs to another model"]);
    }
    refused(
        &load(folder, "used", &["--layer", "1"]),
        2,
        &["cannot be used with"],
    );
    refused(
        &load(folder, "used", &["--task", TASK, "--metric", "Kl"]),
        2,
        &["metric", "no gradient"],
    );
    refused(
        &load(
            folder,
            "used",
            &["--task", TASK, "--changes", "[Scale(1e9)]"],
        ),
        2,
        &["analysis.Sae.effects.changes"],
    );
    let spec = |rest: &str| {
        let text = format!(
            "(format: 1, name: \"x\", models: [\"builtin:toy-llama\"], analysis: Sae(text: Sampled(tokens: 600, seed: 0), {rest}))"
        );
        fs_err::write(folder.join("x.ron"), text).expect("a file");
        secateur(folder, &["run", "x.ron"])
    };
    refused(
        &spec("load: \"nowhere\""),
        2,
        &["analysis.Sae.load", "no such file"],
    );
    refused(
        &spec("features: 8"),
        2,
        &[
            "analysis.Sae.layer: missing",
            "analysis.Sae.tokens: missing",
        ],
    );
    refused(
        &spec(&format!("load: {TRAINED:?}, layer: 1, kind: TopK(k: 3)")),
        2,
        &[
            "analysis.Sae.layer: a dictionary that is loaded",
            "analysis.Sae.kind: a dictionary",
        ],
    );
    refused(
        &spec(&format!("load: {TRAINED:?}, context: 24, prompts: [\"\"]")),
        3,
        &["analysis.Sae.prompts, number 1", "0 tokens"],
    );
}

/// Training within little memory ends with the same bytes, and its record says where the time went.
#[test]
fn training_does_not_depend_on_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let train = |out: &str, more: &[&str]| {
        let first = ["--sampled", "1200", "--tokens", "40000", "--out", out];
        let output = secateur(
            folder,
            &[&SAE[..8], &["--context", "24"], &first, more].concat(),
        );
        done(&output);
        folder.join(out).join("sae-1/toy-llama")
    };
    let (large, small) = (train("large", &[]), train("small", &["--memory", "0.07"]));
    for file in ["report.json", "sae_weights.safetensors", "features.csv"] {
        let [one, other] =
            [&large, &small].map(|path| fs_err::read(path.join(file)).expect("a file"));
        assert!(one == other, "{file}");
    }
    let record = fs_err::read(large.join("run.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    let circumstances = &record["circumstances"];
    let seconds = circumstances["seconds"].as_object().expect("parts");
    for part in [
        "text",
        "training: forward",
        "training: gradient",
        "training: Adam",
        "figures",
    ] {
        assert!(seconds[part].as_f64() > Some(0.0), "{part}: {seconds:?}");
    }
    let total: f64 = seconds.values().filter_map(serde_json::Value::as_f64).sum();
    assert!(Some(total) <= circumstances["wall_seconds"].as_f64());
}
