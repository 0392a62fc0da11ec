//! Vectors and sparse autoencoders as a user runs them.

mod saes;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use safetensors::SafeTensors;

use crate::program::{done, refused, secateur, text};

const TASK: &str = "GreaterThan(pairs: 24, seed: 1)";

/// A vector in `results/vector-greaterthan/toy-llama`.
fn with_vector() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::write(
        folder.path().join("text.txt"),
        "The dogs near the tree are red. ".repeat(20),
    )
    .expect("a file");
    let arguments = [
        "vector",
        "builtin:toy-llama",
        "--task",
        TASK,
        "--text",
        "text.txt",
        "--name",
        "vector-greaterthan",
    ];
    let more = ["--contains", "9", "--samples", "3", "--tokens", "4"];
    let output = secateur(folder.path(), &[&arguments[..], &more].concat());
    let spec = text(&output.stderr);
    let spec = spec
        .lines()
        .find_map(|line| line.strip_prefix("as a spec file: "));
    let spec = spec.expect("a spec").to_owned();
    let report = done(&output);
    for part in [
        "vector-greaterthan on toy-llama: GreaterThan(",
        "with the vector added",
        "with a random vector",
        "adding it recovers",
        "ablating it leaves",
        "perplexity of",
        "samples that contain it",
        "as it is",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    (folder, spec)
}

#[test]
fn vectors_are_found_from_the_command_line_and_in_batches() {
    let (folder, spec) = with_vector();
    let results = folder.path().join("results/vector-greaterthan/toy-llama");
    let bytes = |file: &str| fs_err::read(results.join(file)).expect("a file");
    for file in ["report.txt", "samples.txt", "sweep.csv", "run.json"] {
        assert!(results.join(file).is_file(), "{file}");
    }
    let svg = text(&bytes("sweep.svg"));
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"));
    let report: serde_json::Value = serde_json::from_slice(&bytes("report.json")).expect("JSON");
    let metric = |of: &str| report[of]["metric"]["mean"].as_f64().expect("a metric");
    assert!(metric("added") > metric("before") + 2.0);
    let random = report["added_random"].as_array().expect("random vectors");
    assert_eq!(random.len(), 20);
    assert!(random.iter().all(|it| it.as_f64() < Some(metric("added"))));

    // The spec that it printed gives the same bytes on one thread, and is then done already.
    fs_err::write(folder.path().join("same.ron"), &spec).expect("a file");
    let before = ["report.json", "vector.safetensors", "samples.txt"].map(bytes);
    done(&secateur(
        folder.path(),
        &["run", "same.ron", "--force", "--threads", "1"],
    ));
    assert_eq!(
        ["report.json", "vector.safetensors", "samples.txt"].map(bytes),
        before
    );
    assert!(done(&secateur(folder.path(), &["run", "same.ron"])).contains("already done"));
    // A text that changed is another input.
    fs_err::write(
        folder.path().join("text.txt"),
        "The cats are red. ".repeat(20),
    )
    .expect("a file");
    assert!(!done(&secateur(folder.path(), &["run", "same.ron"])).contains("already done"));
}

fn logits(folder: &Path, arguments: &[&str]) -> Vec<f32> {
    let first = [
        "logits",
        "--tokens",
        "tokens.jsonl",
        "--out",
        "out.safetensors",
    ];
    done(&secateur(folder, &[&first[..], arguments].concat()));
    let bytes = fs_err::read(folder.join("out.safetensors")).expect("a file");
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
    let data = tensors.tensor("logits").expect("logits").data();
    data.chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
        .collect()
}

/// A vector is used by other commands, in specs, and several add up; what cannot be added is refused by name.
#[test]
fn vectors_are_added_to_models() {
    let (folder, _) = with_vector();
    let folder = folder.path();
    fs_err::write(folder.join("tokens.jsonl"), "[3, 7, 12, 9]\n[5, 6]\n").expect("a file");
    let file = "results/vector-greaterthan/toy-llama/vector.safetensors";
    let model = "builtin:toy-llama";
    let plain = logits(folder, &[model]);
    let added = |vectors: &[&str]| {
        let flags: Vec<&str> = vectors.iter().flat_map(|it| ["--add", it]).collect();
        logits(folder, &[&[model][..], &flags].concat())
    };
    let at = |place: &str| format!("{file}@{place}");
    let once = added(&[&at("1:2")]);
    assert_ne!(once, plain);
    assert_eq!(logits(folder, &[&format!("{model} + {file}@1:2")]), once);
    let difference = |one: &[f32], other: &[f32]| {
        let pairs = one.iter().zip(other);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(difference(&added(&[&at("1:1.5"), &at("1:0.5")]), &once) < 1e-4);
    assert!(difference(&added(&[&at("1:2"), &at("1:-2")]), &plain) < 1e-4);
    // Weights that are widened when they are used give the same bits.
    assert_eq!(
        logits(folder, &[model, "--add", &at("1:2"), "--memory", "0.02"]),
        once
    );

    // A spec with the vector is another job.
    let spec = format!(
        "(format: 1, name: \"n\", models: [{model:?}, \"{model} + {file}@1:2\"], task: {TASK}, analysis: Neurons(top: 2))"
    );
    fs_err::write(folder.join("n.ron"), spec).expect("a file");
    done(&secateur(folder, &["run", "n.ron"]));
    let hash = |name: &str| {
        let path = folder.join(format!("results/n/{name}/report.json"));
        let bytes = fs_err::read(path).expect("a report");
        let report: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        report["provenance"]["model_hash"].clone()
    };
    assert_ne!(
        hash("toy-llama"),
        hash("toy-llama-with-vector-greaterthan-toy-llama-vector-1-2")
    );

    let run = |add: &str| secateur(folder, &["run", "n.ron", "--add", add]);
    refused(
        &run("nowhere.safetensors@1"),
        2,
        &["no such file", "hint: a vector is added"],
    );
    refused(&run(&at("9")), 2, &["a layer from 0 to 2"]);
    refused(
        &run(&at("1:many")),
        2,
        &["expected a number after the colon"],
    );
    refused(&run("text.txt@1"), 3, &["not a whole safetensors file"]);
    let other = folder.join("results/n/toy-llama/report.json");
    refused(
        &run(&format!("{}@1", other.display())),
        3,
        &["not a whole safetensors file"],
    );
    let header = br#"{"vector":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    let narrow = [&length[..], header, &[0; 12]].concat();
    fs_err::write(folder.join("narrow.safetensors"), narrow).expect("a file");
    refused(
        &run("narrow.safetensors@1"),
        3,
        &["vector is F32 [3]; this model adds F32 [64]"],
    );
    let own = secateur(folder, &["run", "n.ron", "--force", "--add", &at("1")]);
    done(&own);
    assert!(!text(&own.stderr).contains("was found in another model"));
}

/// What a vector of another model is said to be, where the widths are equal and it can be added.
#[test]
fn vectors_of_other_models_are_named() {
    let (folder, _) = with_vector();
    let folder = folder.path();
    let file = "results/vector-greaterthan/toy-llama/vector.safetensors@1";
    let other = "was found in another model (toy-llama)";
    fs_err::write(folder.join("tokens.jsonl"), "[3, 7, 12, 9]\n[5, 6]\n").expect("a file");
    let arguments = ["logits", "builtin:toy-gpt2", "--tokens", "tokens.jsonl"];
    let added = ["--out", "x", "--add", file];
    let logits = secateur(folder, &[&arguments[..], &added].concat());
    done(&logits);
    assert!(text(&logits.stderr).contains(other));

    let spec = r#"(format: 1, name: "c", models: ["builtin:toy-gpt2"], task: Ioi(pairs: 16), metric: LogitDiff,
        ablation: Patch, method: Eap(), select: TopN(edges: 20), outputs: [])"#;
    fs_err::write(folder.join("c.ron"), spec).expect("a file");
    done(&secateur(folder, &["run", "c.ron"]));
    let circuit = "results/c/toy-gpt2/circuit.ron";
    let with = format!("builtin:toy-gpt2 + {file}");
    let arguments = ["eval", circuit, "--spec", "c.ron", "--model", &with];
    let evaluated = secateur(folder, &arguments);
    done(&evaluated);
    assert!(text(&evaluated.stderr).contains(other));
}

#[test]
fn mistakes_about_vectors_and_autoencoders_have_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let vector = |more: &[&str]| {
        let first = ["vector", "builtin:toy-llama", "--task", "Ioi(pairs: 8)"];
        secateur(folder.path(), &[&first[..], more].concat())
    };
    refused(
        &vector(&["--strengths", "2,1"]),
        2,
        &["--strengths: ", "ascending"],
    );
    refused(
        &vector(&["--metric", "Kl"]),
        2,
        &["metric", "compares with the unchanged model"],
    );
    refused(
        &vector(&["--text", "none.txt"]),
        2,
        &["--text: ", "no such file"],
    );
    refused(
        &vector(&["--from", "Heads(count: 0)"]),
        2,
        &["--from (Heads.count): "],
    );
    refused(&vector(&["--layers", "7"]), 2, &["there is no layer 7"]);
    refused(
        &vector(&["--from", "Means(positions: 30)"]),
        2,
        &["in the shortest prompt"],
    );
    let sae = |more: &[&str]| {
        let first = [
            "sae",
            "builtin:toy-llama",
            "--layer",
            "1",
            "--features",
            "16",
        ];
        secateur(folder.path(), &[&first[..], more].concat())
    };
    refused(
        &sae(&["--kind", "TopK(k: 17)"]),
        2,
        &["--kind (TopK.k): ", "expected 1 to 16"],
    );
    refused(
        &sae(&["--kind", "Relu(l1: -1.0)"]),
        2,
        &["--kind (Relu.l1): "],
    );
    refused(
        &sae(&["--layer", "3"]),
        2,
        &["cannot be used multiple times"],
    );
    refused(
        &sae(&["--text", "none.txt"]),
        2,
        &["--text (Files): ", "no such file"],
    );
    refused(
        &sae(&["--context", "65", "--kind", "TopK(k: 4)"]),
        2,
        &["reads at most 64"],
    );
    // Only autoencoders need no task; in-context prompts need examples.
    let spec = |rest: &str| {
        let text = format!("(format: 1, name: \"x\", models: [\"builtin:toy-llama\"], {rest})");
        fs_err::write(folder.path().join("x.ron"), text).expect("a file");
        secateur(folder.path(), &["run", "x.ron"])
    };
    refused(&spec("analysis: Vector()"), 2, &["task", "missing"]);
    let shots =
        "task: InContext(function: Antonym, pairs: 8, shots: 0), metric: Nll, analysis: Vector()";
    refused(
        &spec(shots),
        2,
        &["task.InContext.shots", "expected at least 2"],
    );
    // A circuit needs pairs of one length.
    fs_err::write(
        folder.path().join("rows.jsonl"),
        "{\"clean\": [1, 2, 3], \"corrupt\": [4, 5], \"answer\": [6], \"wrong\": [7]}\n".repeat(4),
    )
    .expect("a file");
    let rows = "task: Tokens(\"rows.jsonl\"), ";
    refused(
        &spec(&format!("{rows}analysis: Neurons()")),
        3,
        &["clean has 3 tokens and corrupt 2"],
    );
    done(&spec(&format!(
        "{rows}held_out: 0.0, analysis: Vector(samples: 1)"
    )));
}

const SAE: [&str; 14] = [
    "sae",
    "builtin:toy-llama",
    "--name",
    "sae-1",
    "--layer",
    "1",
    "--features",
    "128",
    "--kind",
    "TopK(k: 8)",
    "--tokens",
    "160000",
    "--context",
    "24",
];

/// Killed in the middle of training, it goes on from the last round and ends with the same bytes.
#[test]
fn a_killed_training_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let started = |out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
        command
            .current_dir(folder)
            .args(SAE)
            .args(["--sampled", "2400", "--out", out]);
        command
    };
    let report = done(&started("whole").output().expect("the program runs"));
    for part in ["variance explained", "recovered", "most active at", "dead"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let mut child = started("killed")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let checkpoint = folder.join("killed/sae-1/toy-llama/checkpoint.safetensors");
    let begin = Instant::now();
    while !checkpoint.is_file() {
        assert!(begin.elapsed() < Duration::from_mins(5), "no checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    assert!(!folder.join("killed/sae-1/toy-llama/run.json").exists());
    let broken = {
        // Half a checkpoint is none.
        let bytes = fs_err::read(&checkpoint).expect("a checkpoint");
        let other = folder.join("broken/sae-1/toy-llama");
        fs_err::create_dir_all(&other).expect("a folder");
        fs_err::write(
            other.join("checkpoint.safetensors"),
            &bytes[..bytes.len() / 2],
        )
        .expect("a file");
        "broken"
    };
    for out in ["killed", broken] {
        done(&started(out).output().expect("the program runs"));
        for file in [
            "report.json",
            "sae_weights.safetensors",
            "cfg.json",
            "features.csv",
            "training.svg",
        ] {
            let path = |out: &str| folder.join(out).join("sae-1/toy-llama").join(file);
            let [one, other] = ["whole", out].map(|out| fs_err::read(path(out)).expect("a file"));
            assert!(one == other, "{out}: {file}");
        }
        assert!(
            !folder
                .join(out)
                .join("sae-1/toy-llama/checkpoint.safetensors")
                .exists()
        );
    }
    let report = fs_err::read(folder.join("whole/sae-1/toy-llama/report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    assert!(
        report["variance_explained"].as_f64() > Some(0.7),
        "{}",
        report["variance_explained"]
    );
    assert!(
        report["splice"]["recovered"].as_f64() > Some(0.7),
        "{}",
        report["splice"]
    );
    assert!((report["l0"].as_f64().expect("a number") - 8.0).abs() < 0.5);
}

/// Text from files, and a layer's MLP and heads.
#[test]
fn autoencoders_are_trained_on_files_and_on_other_representations() {
    let folder = tempfile::tempdir().expect("a folder");
    let line =
        "The dogs near the tree are red. The war lasted from the year 1732 to the year 1740. ";
    fs_err::write(folder.path().join("a.txt"), line.repeat(30)).expect("a file");
    for of in ["Stream", "Mlp", "Heads"] {
        let arguments = [
            "sae",
            "builtin:toy-gpt2",
            "--layer",
            "0",
            "--features",
            "64",
            "--kind",
            "BatchTopK(k: 4)",
            "--text",
            "a.txt",
            "--tokens",
            "60000",
            "--context",
            "16",
            "--of",
            of,
            "--name",
            of,
            "--learning-rate",
            "0.01",
        ];
        done(&secateur(folder.path(), &arguments));
        let report = folder
            .path()
            .join(format!("results/{of}/toy-gpt2/report.json"));
        let report: serde_json::Value =
            serde_json::from_slice(&fs_err::read(report).expect("a report")).expect("JSON");
        assert!(
            report["variance_explained"].as_f64() > Some(0.5),
            "{of}: {report}"
        );
        let splice = &report["splice"];
        assert!(
            splice["clean"].as_f64() <= splice["zero"].as_f64(),
            "{of}: {splice}"
        );
    }
}

#[test]
fn circuits_of_features_are_found_with_dictionaries_of_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let train = [
        "--name",
        "sae-1",
        "--features",
        "64",
        "--kind",
        "TopK(k: 6)",
        "--context",
        "24",
    ];
    let tokens = ["--sampled", "4000", "--tokens", "30000"];
    done(&secateur(
        folder.path(),
        &[
            &["sae", "builtin:toy-llama", "--layer", "1"][..],
            &train,
            &tokens,
        ]
        .concat(),
    ));
    let own = "Train(layer: 0, of: Mlp, kind: TopK(k: 6), features: 48, text: Sampled(tokens: 3000, seed: 0), tokens: 20000, \
               context: 24)";
    let arguments = [
        "feature-circuit",
        "builtin:toy-llama",
        "--task",
        "Agreement(pairs: 48, seed: 0)",
        "--dictionary",
        "results/sae-1/toy-llama",
        "--dictionary",
        own,
        "--keep",
        "Faithfulness(0.8)",
        "--name",
        "features-agreement",
    ];
    let output = secateur(folder.path(), &arguments);
    let spec = text(&output.stderr);
    let spec = spec
        .lines()
        .find_map(|line| line.strip_prefix("as a spec file: "));
    let spec = spec.expect("a spec").to_owned();
    let report = done(&output);
    for part in [
        "Stream of layer 1",
        "Mlp of layer 0",
        "without its errors",
        "all but the circuit",
        "its errors, random features",
        "most active at",
        "logits",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let results = folder.path().join("results/features-agreement/toy-llama");
    let bytes = |file: &str| fs_err::read(results.join(file)).expect("a file");
    let svg = text(&bytes("features.svg"));
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"));
    assert!(text(&bytes("features.dot")).contains("\"logits\""));
    let report: serde_json::Value = serde_json::from_slice(&bytes("report.json")).expect("JSON");
    let share = |of: &str| report[of]["value"].as_f64().expect("a share");
    assert_eq!(report["target_reached"], true);
    assert!(report["faithfulness_discovery"].as_f64() >= Some(0.8));
    assert!(share("faithfulness") > 0.6, "{report}");
    assert!(share("complement") < share("faithfulness"));
    assert_eq!(report["random"].as_array().expect("random sets").len(), 20);
    let ron = text(&bytes("features.ron"));
    let first = report["nodes"][0]["node"].as_str().expect("a node");
    assert!(ron.contains(&format!("\"{first}\"")), "{ron}");

    // The spec that it printed gives the same bytes on one thread; a dictionary that changed is another input.
    fs_err::write(folder.path().join("same.ron"), &spec).expect("a file");
    let files = [
        "report.json",
        "features.ron",
        "features.svg",
        "nodes.csv",
        "edges.csv",
    ];
    let before = files.map(bytes);
    let one = ["run", "same.ron", "--force", "--threads", "1"];
    done(&secateur(folder.path(), &one));
    assert_eq!(files.map(bytes), before);
    assert!(done(&secateur(folder.path(), &["run", "same.ron"])).contains("already done"));
    let weights = folder
        .path()
        .join("results/sae-1/toy-llama/sae_weights.safetensors");
    let mut changed = fs_err::read(&weights).expect("weights");
    *changed.last_mut().expect("weights") ^= 1;
    fs_err::write(&weights, changed).expect("a file");
    assert!(!done(&secateur(folder.path(), &["run", "same.ron"])).contains("already done"));
    let name = spec
        .split("name: \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let file = format!("results/{}/toy-llama/features.ron", name.expect("a name"));
    features_file_is_drawn(folder.path(), &file);
}

/// A circuit of features as a file: drawn in every format, and refused where it is of no use or damaged.
fn features_file_is_drawn(folder: &Path, file: &str) {
    let render = |more: &[&str]| secateur(folder, &[&["render", file], more].concat());
    for format in ["svg", "dot", "pdf", "png", "tikz"] {
        let output = render(&["--format", format, "--direction", "right"]);
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{format}"
        );
    }
    refused(
        &render(&["--format", "html"]),
        2,
        &["html needs a circuit file"],
    );
    refused(
        &render(&["--format", "svg", "--detail", "nodes"]),
        2,
        &["--detail"],
    );
    refused(
        &secateur(folder, &["show", file]),
        2,
        &["a circuit of features"],
    );
    let whole = fs_err::read_to_string(folder.join(file)).expect("a file");
    for (from, to, what) in [
        ("format: 1", "format: 2", "format 2"),
        (
            "node: \"r1.f",
            "node: \"a1.h",
            "neither a feature nor an error",
        ),
        ("to: \"logits\"", "to: \"r1.f99999\"", "no node of it"),
    ] {
        fs_err::write(folder.join("bad.ron"), whole.replacen(from, to, 1)).expect("a file");
        refused(
            &secateur(folder, &["render", "bad.ron", "--format", "svg"]),
            3,
            &[what],
        );
    }
}

#[test]
fn mistakes_about_circuits_of_features_are_reported_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = r#"(format: 1, name: "x", models: ["builtin:toy-llama"], task: Agreement(pairs: 8), metric: Kl,
        analysis: FeatureCircuit(
            dictionaries: [Load("nowhere"), Train(layer: 0, features: 1, text: Sampled(tokens: 3000, seed: 0), tokens: 2000)],
            method: Acdc(tau: 0.1), keep: Top(0), ablation: MeanPositional, edge_pairs: 0))"#;
    fs_err::write(folder.path().join("bad.ron"), spec).expect("a file");
    refused(
        &secateur(folder.path(), &["run", "bad.ron"]),
        2,
        &[
            "cfg.json",
            "sae_weights.safetensors",
            "`features` of Train(..): expected 2",
            "leave `keep` out",
            "keep.Top: expected 1 to",
            "MeanPositional does not replace features",
            "edge_pairs",
            "Kl has no gradient",
        ],
    );
    let gone = r#"(format: 1, name: "x", models: ["builtin:toy-llama"], task: Agreement(pairs: 8),
        analysis: FeatureCircuit(dictionaries: [Train(layer: 9, features: 16, kind: TopK(k: 2),
            text: Sampled(tokens: 3000, seed: 0), tokens: 2000)]))"#;
    fs_err::write(folder.path().join("gone.ron"), gone).expect("a file");
    let output = secateur(folder.path(), &["run", "gone.ron"]);
    refused(&output, 2, &["there is no layer 9"]);
}

/// `eval`, `parity` and `bench` run models with vectors, and a model whose name holds a plus is a model.
#[test]
fn all_commands_take_models_with_vectors() {
    let (folder, _) = with_vector();
    let folder = folder.path();
    let file = "results/vector-greaterthan/toy-llama/vector.safetensors";
    let spec = format!(
        "(format: 1, name: \"c\", models: [\"builtin:toy-llama\"], task: {TASK}, metric: LogitDiff, ablation: Patch, \
         method: Eap(), select: TopN(edges: 60), evaluate: (curve: false, random_baselines: 0), outputs: [])"
    );
    fs_err::write(folder.join("c.ron"), spec).expect("a file");
    done(&secateur(folder, &["run", "c.ron"]));
    let circuit = "results/c/toy-llama/circuit.ron";
    let faithfulness = |model: &str| {
        let arguments = [
            "eval", circuit, "--spec", "c.ron", "--model", model, "--json",
        ];
        let report: serde_json::Value =
            serde_json::from_str(&done(&secateur(folder, &arguments))).expect("JSON");
        let found = report["faithfulness"]["value"]
            .as_f64()
            .or(report["faithfulness"].as_f64());
        found.unwrap_or_else(|| panic!("{report}"))
    };
    let plain = faithfulness("builtin:toy-llama");
    let with = faithfulness(&format!("builtin:toy-llama + {file}@1:3"));
    let both = faithfulness(&format!("builtin:toy-llama + {file}@1:3 + {file}@1:-3"));
    assert!((with - plain).abs() > 1e-4, "{with}, {plain}");
    assert!((both - plain).abs() < 1e-3, "{both}, {plain}");
    let missing = [
        "eval",
        circuit,
        "--spec",
        "c.ron",
        "--model",
        "builtin:toy-llama + no.safetensors@1",
    ];
    refused(&secateur(folder, &missing), 3, &["no.safetensors"]);

    // A model of another program, in a folder with a plus in its name; a vector of its width.
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families/gpt2");
    let model = folder.join("mine + yours");
    fs_err::create_dir(&model).expect("a folder");
    for file in ["config.json", "model.safetensors"] {
        fs_err::copy(fixtures.join(file), model.join(file)).expect("a file");
    }
    let golden = fixtures.join("golden.safetensors").display().to_string();
    let vector: Vec<u8> = (0..24)
        .flat_map(|at| (0.5 * at as f32).sin().to_le_bytes())
        .collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![24], &vector);
    let view = [("vector", view.expect("a vector"))];
    let bytes = safetensors::serialize(view, None).expect("a file");
    fs_err::write(folder.join("v + w.safetensors"), &bytes).expect("a file");
    fs_err::write(folder.join("v.safetensors"), &bytes).expect("a file");
    let parity = |model: &str, add: &[&str]| {
        let first = ["parity", model, "--golden", &golden];
        secateur(folder, &[&first[..], add].concat())
    };
    done(&parity("mine + yours", &[]));
    done(&parity("mine + yours", &["--add", "v.safetensors@0:0"]));
    done(&parity(
        "mine + yours + v.safetensors@0:1 + v.safetensors@0:-1",
        &[],
    ));
    for changed in [
        parity("mine + yours", &["--add", "v.safetensors@0:2"]),
        parity("mine + yours + v.safetensors@0:2", &[]),
    ] {
        assert_eq!(changed.status.code(), Some(4), "{}", text(&changed.stderr));
    }
    refused(&parity("mine + ours", &[]), 3, &["mine"]);
    refused(
        &parity("mine + yours", &["--add", "v.safetensors@9"]),
        2,
        &["a layer from 0 to 2"],
    );

    let row = "{\"clean\": [1, 2, 3], \"corrupt\": [1, 5, 3], \"answer\": [6], \"wrong\": [7]}\n";
    fs_err::write(folder.join("rows.jsonl"), row.repeat(4)).expect("a file");
    let bench = |add: &str| {
        let first = [
            "bench",
            "mine + yours",
            "--rows",
            "rows.jsonl",
            "--work",
            "forward,eap",
        ];
        secateur(
            folder,
            &[&first[..], &["--repeat", "1", "--json", "--add", add]].concat(),
        )
    };
    let report = done(&bench("v.safetensors@1:2"));
    assert_eq!(report.lines().count(), 2, "{report}");
    refused(
        &bench("v.safetensors@1:x"),
        2,
        &["expected a number after the colon"],
    );
}
