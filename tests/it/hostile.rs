//! Files, names and arguments of somebody who means harm, or whose disk did: a clear refusal, and the rest goes on.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod names;
mod numbers;
mod paths;
mod pictures;

use std::path::Path;
use std::process::Output;

use crate::program::{refused, secateur, text};

/// A spec that runs in a second on a built-in model, with its rows.
fn write_spec(folder: &Path, file: &str, name: &str, rest: &str) {
    let rows = (0..16).map(|row| {
        let (first, second, third) = (row % 5 + 1, row % 7 + 6, row % 3 + 13);
        format!(
            "{{\"clean\":[{first},{second},{third},{first}],\"corrupt\":[{third},{second},{third},{first}],\
             \"answer\":[{second}],\"wrong\":[{third}]}}\n"
        )
    });
    write(folder, "rows.jsonl", rows.collect::<String>());
    let text = format!(
        "RunSpec(format: 1, name: {name:?}, models: [\"builtin:toy-gpt2\"], task: Tokens(\"rows.jsonl\"),\n\
         metric: LogitDiff, ablation: Patch, method: Eap(), select: TopN(edges: 20),\n\
         evaluate: (curve: false, random_baselines: 2, bootstrap: 40), {rest})\n"
    );
    write(folder, file, text);
}

fn write(folder: &Path, name: &str, contents: impl AsRef<[u8]>) {
    fs_err::write(folder.join(name), contents).unwrap();
}

/// Refused with a code and words, without a panic and not by a signal.
/// A name for each format: a drawing never takes the place of one in another format.
fn out(format: &str) -> String {
    format!("out-{format}")
}

fn refused_cleanly(output: &Output, code: i32, parts: &[&str]) {
    refused(output, code, parts);
    assert!(!text(&output.stderr).contains("panicked"));
}

#[test]
fn deep_nesting_is_refused_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let deep = |open: &str| open.repeat(100_000);
    for (name, arguments) in [
        ("a.ron", &["run", "a.ron"][..]),
        ("circuit.ron", &["show", "circuit.ron"]),
        ("circuit.json", &["show", "circuit.json"]),
        (
            "records.jsonl",
            &["render", "records.jsonl", "--format", "svg"],
        ),
        (
            "plot.svg",
            &["render", "plot.svg", "--format", "png", "--out", "plot.png"],
        ),
        (
            "tokens.jsonl",
            &[
                "logits",
                "builtin:toy-gpt2",
                "--tokens",
                "tokens.jsonl",
                "--out",
                "o",
            ],
        ),
        ("config.json", &["inspect", "."]),
    ] {
        for start in [
            "",
            "(format: 1, name: ",
            "(analysis: ",
            "{\"cfg\": ",
            "{\"work\": ",
            "<svg xmlns=\"http://www.w3.org/2000/svg\">",
        ] {
            for open in ["(", "[", "{\"a\":", "<g>", "Some("] {
                write(folder, name, format!("{start}{}", deep(open)));
                let output = secateur(folder, arguments);
                let code = if name == "a.ron" { 2 } else { 3 };
                refused_cleanly(&output, code, &[]);
            }
        }
    }
}

#[test]
fn a_hostile_job_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_spec(folder, "b.ron", "good", "");
    fs_err::create_dir(folder.join("bad")).unwrap();
    // Neither its shape nor its tensors hold together.
    let config = r#"{"model_type": "llama", "hidden_size": 24, "vocab_size": 8, "num_hidden_layers": 1, "num_attention_heads": 5,
        "num_key_value_heads": 2, "intermediate_size": 8, "rms_norm_eps": 1e-6, "hidden_act": "silu"}"#;
    write(&folder.join("bad"), "config.json", config);
    write(
        &folder.join("bad"),
        "model.safetensors",
        [2, 0, 0, 0, 0, 0, 0, 0, b'{', b'}'],
    );
    write_spec(folder, "a.ron", "first", "");
    let text = fs_err::read_to_string(folder.join("a.ron")).unwrap();
    write(folder, "a.ron", text.replace("builtin:toy-gpt2", "bad"));
    let output = secateur(folder, &["run", "a.ron", "b.ron", "--out", "out"]);
    refused_cleanly(&output, 3, &[]);
    assert!(folder.join("out/good/toy-gpt2/run.json").is_file());
}

#[test]
fn counts_are_bounded_on_the_command_line_and_in_specs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let huge = u64::MAX.to_string();
    let circuit = format!(
        "{}/circuits/gallery/results/eap-ig/circuit.ron",
        env!("CARGO_MANIFEST_DIR")
    );
    for arguments in [
        &["show", &circuit, "--top", &huge][..],
        &["show", &circuit, "--depth", "100000"],
        &["run", "a.ron", "--threads", "100000"],
        &["run", "a.ron", "--jobs", &huge],
        &["run", "a.ron", "--memory", "1e300"],
        &["run", "a.ron", "--memory=-1"],
        &["run", "a.ron", "--memory", "nan"],
        &[
            "render",
            &circuit,
            "--format",
            "png",
            "--width",
            "4294967295",
            "--out",
            "a.png",
        ],
        &["superposition", "--rounds", &huge],
        &["superposition", "--width", &huge],
    ] {
        refused_cleanly(&secateur(folder, arguments), 2, &[]);
    }
    let task = "Ioi(pairs: 8, seed: 0)";
    let keep = format!("Top({huge})");
    let train =
        format!("Train(layer: 1, features: 8, tokens: 9, text: Sampled(tokens: {huge}, seed: 0))");
    for arguments in [
        &["lens", "--top", &huge][..],
        &["lens", "--tune", "--train", &huge],
        &["trace", "--window", &huge],
        &["edit", "--listed", &huge],
        &["vector", "--samples", &huge],
        &["neurons", "--top", &huge],
        &["feature-circuit", "--dictionary", "d", "--keep", &keep],
        &["feature-circuit", "--dictionary", "d", "--edges", &huge],
        &["feature-circuit", "--dictionary", &train],
    ] {
        let rest = ["builtin:toy-llama", "--task", task];
        let arguments = [&arguments[..1], &rest, &arguments[1..]].concat();
        refused_cleanly(&secateur(folder, &arguments), 2, &[]);
    }
    for (key, rest) in [
        ("select.TopN.edges", "select: TopN(edges: N)"),
        ("select.Greedy.edges", "select: Greedy(edges: N)"),
        (
            "granularity.mlps.Neurons.top",
            "granularity: (mlps: Neurons(layers: [0], top: N))",
        ),
        ("evaluate.bootstrap", "evaluate: (bootstrap: N)"),
        (
            "evaluate.random_baselines",
            "evaluate: (random_baselines: N)",
        ),
        ("task.Ioi.pairs", "task: Ioi(pairs: N, seed: 0)"),
        (
            "task.Induction.length",
            "task: Induction(pairs: 4, seed: 0, length: N)",
        ),
        ("method.EapIg.steps", "method: EapIg(steps: N)"),
    ] {
        let given = |key: &str| rest.starts_with(key);
        let mut keys = vec![
            "format: 1",
            "name: \"a\"",
            "models: [\"builtin:toy-llama\"]",
            "metric: LogitDiff",
            "ablation: Patch",
        ];
        let rest = rest
            .replace('N', &huge)
            .replace(&format!("{huge}eurons"), "Neurons")
            .replace(&format!("Top{huge}"), "TopN");
        keys.push(&rest);
        keys.extend((!given("task")).then_some("task: Ioi(pairs: 8, seed: 0)"));
        keys.extend((!given("method")).then_some("method: Eap()"));
        write(folder, "a.ron", format!("({})", keys.join(", ")));
        let output = secateur(folder, &["run", "a.ron"]);
        refused_cleanly(&output, 2, &[key, &huge, "expected"]);
    }
}
