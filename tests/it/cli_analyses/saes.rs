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
        "--name",
        "sae-toy-llama",
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
        &["--layer: a dictionary that is loaded is not trained"],
    );
    refused(
        &load(folder, "used", &["--task", TASK, "--metric", "Kl"]),
        2,
        &["metric", "no gradient"],
    );
    refused(
        &load(folder, "used", &["--task", TASK, "--changes", "Scale(1e9)"]),
        2,
        &["--changes: "],
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
            &[&SAE[..10], &["--context", "24"], &first, more].concat(),
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

/// Of a file no more is read than training and its held-out share need; of a dictionary that is loaded, all.
#[test]
fn text_files_are_read_as_far_as_they_are_needed() {
    let line =
        "The dogs near the tree are red. The war lasted from the year 1732 to the year 1740. ";
    let train = |end: &[u8], tokens: &str, more: &[&str]| {
        let folder = tempfile::tempdir().expect("a folder");
        let bytes = [line.repeat(40_000).as_bytes(), end].concat();
        fs_err::write(folder.path().join("a.txt"), bytes).expect("a file");
        let kind = ["--kind", "TopK(k: 8)", "--text", "a.txt"];
        let first = [&SAE[..8], &kind, &["--tokens", tokens, "--context", "24"]].concat();
        let output = secateur(folder.path(), &[&first[..], more].concat());
        (folder, output)
    };
    let results = [
        train(b"\xff", "20000", &[]),
        train(b"And on it goes.", "20000", &["--memory", "0.08"]),
        train(b"", "20000", &["--threads", "1"]),
    ]
    .map(|(folder, output)| {
        done(&output);
        let results = folder.path().join(TRAINED);
        let bytes = |file: &str| fs_err::read(results.join(file)).expect("a file");
        let files = ["report.json", "sae_weights.safetensors"].map(bytes);
        (files, folder)
    });
    let [(first, folder), rest @ ..] = &results;
    assert!(rest.iter().all(|(files, _)| files == first));
    // A tenth of what was read: less than three pieces of it.
    let rows = json(&folder.path().join(TRAINED))["rows"].as_u64();
    assert!(rows > Some(2000) && rows < Some(5000), "{rows:?}");
    let broken = ["a.txt", "not UTF-8"];
    refused(&train(b"\xff", "1000000", &[]).1, 3, &broken);
    let load = ["--load", TRAINED, "--text", "a.txt", "--context", "24"];
    let load = secateur(folder.path(), &[&SAE[..2], &load].concat());
    refused(&load, 3, &broken);
}

#[test]
fn what_text_lacks_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let line = "The zebras near the tree are red. ";
    fs_err::write(folder.join("a.txt"), line.repeat(200)).expect("a file");
    fs_err::write(folder.join("empty.txt"), "").expect("a file");
    let train = |more: &[&str]| {
        let first = [&SAE[..8], &["--tokens", "2000", "--context", "24"]].concat();
        secateur(folder, &[&first[..], more].concat())
    };
    let empty = "empty.txt: shorter than two contexts of 24 tokens";
    refused(&train(&["--text", "empty.txt"]), 3, &[empty]);
    // Two of eight: " zebras", and " The", which this tokenizer knows without the space only.
    let unknown = "a.txt: 25.0 % of its tokens stand for words that this tokenizer does not know";
    let report = done(&train(&["--text", "a.txt", "--batch", "128"]));
    assert!(report.contains(unknown), "{report}");
    let prompt = ["--sampled", "1200", "--prompt", "zebras", "--force"];
    refused(&train(&prompt), 3, &["number 1", "\"zebras\""]);
    let kind = ["--kind", "TopK(k: 4)", "--learning-rate", "100"];
    let kind = [
        &kind[..],
        &["--batch", "128", "--sampled", "1200", "--force"],
    ]
    .concat();
    let report = done(&train(&kind));
    assert!(
        report.contains("training diverged; lower learning_rate"),
        "{report}"
    );
}

/// What `cfg.json` says of contexts and skipped positions holds unless something else is asked for.
#[test]
fn the_files_of_a_dictionary_say_how_text_is_cut() {
    let folder = with_dictionary();
    let folder = folder.path();
    let used = |more: &[&str]| {
        let first = [
            "--load",
            TRAINED,
            "--sampled=2400",
            "--force",
            "--name=sae-toy-llama",
        ];
        let report = done(&secateur(folder, &[&SAE[..2], &first, more].concat()));
        let rows = json(&folder.join("results/sae-toy-llama/toy-llama"))["rows"].as_u64();
        (report, rows)
    };
    let (report, rows) = used(&[]);
    assert!(
        report.contains("contexts of 24 without the first 1"),
        "{report}"
    );
    assert_eq!(rows, Some(100 * 23));
    let (_, rows) = used(&["--context", "12", "--skip-first", "2"]);
    assert_eq!(rows, Some(200 * 10));
    let config = folder.join(TRAINED).join("cfg.json");
    let text = fs_err::read_to_string(&config).expect("a file");
    // More than the model reads.
    let text = text.replace("\"context_size\": 24", "\"context_size\": 1024");
    fs_err::write(&config, text).expect("a file");
    let (report, _) = used(&[]);
    assert!(
        report.contains("contexts of 64 without the first 1"),
        "{report}"
    );
}
