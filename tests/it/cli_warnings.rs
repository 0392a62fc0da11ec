//! What a model's files say and the program does not do is said by every command that loads the model, and stays with the
//! results; a model that cannot be used fails its own job only.

use std::path::Path;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::program::{done, refused, secateur, text};

const WARNING: &str = "logits_scaling is 5.0";

const ROWS: &str = r#"{"clean": [5, 6, 7], "corrupt": [5, 8, 7], "answer": [9], "wrong": [10]}
{"clean": [5, 6, 8], "corrupt": [5, 8, 8], "answer": [9], "wrong": [10]}
{"clean": [5, 6, 9], "corrupt": [5, 8, 9], "answer": [9], "wrong": [10]}
{"clean": [5, 6, 11], "corrupt": [5, 8, 11], "answer": [9], "wrong": [10]}
"#;

fn spec(name: &str, model: &str) -> String {
    format!(
        r#"(format: 1, name: "{name}", models: ["{model}"], task: Tokens("rows.jsonl"), metric: LogitDiff, ablation: Patch,
        method: Eap(), select: TopN(edges: 5), evaluate: (curve: false, random_baselines: 2, bootstrap: 40))"#
    )
}

/// A small Llama under `name`, its config.json changed.
fn model(folder: &Path, name: &str, change: &Value) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families/smollm");
    let folder = folder.join(name);
    fs_err::create_dir_all(&folder).expect("a folder");
    let config = fs_err::read(fixture.join("config.json")).expect("the fixture");
    let mut config: Map<String, Value> = serde_json::from_slice(&config).expect("an object");
    config.extend(change.as_object().expect("an object").clone());
    let config = Value::Object(config).to_string();
    fs_err::write(folder.join("config.json"), config).expect("written");
    for file in ["model.safetensors", "golden.safetensors"] {
        fs_err::copy(fixture.join(file), folder.join(file)).expect("copied");
    }
}

#[test]
fn every_command_says_what_was_ignored() {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path();
    model(at, "m", &json!({ "logits_scaling": 5.0 }));
    fs_err::write(at.join("rows.jsonl"), ROWS).expect("written");
    fs_err::write(at.join("tokens.jsonl"), "[5, 6]\n").expect("written");
    fs_err::write(at.join("spec.ron"), spec("circuit", "m")).expect("written");
    for arguments in [
        vec!["inspect", "m"],
        vec![
            "logits",
            "m",
            "--tokens",
            "tokens.jsonl",
            "--out",
            "l.safetensors",
        ],
        vec!["parity", "m", "--golden", "m/golden.safetensors"],
        vec!["run", "spec.ron", "--out", "results"],
    ] {
        let output = secateur(at, &arguments);
        done(&output);
        let said = text(&output.stderr);
        assert!(said.contains(WARNING), "{arguments:?}: {said}");
    }
    let result = at.join("results/circuit/m");
    for file in ["report.json", "run.json"] {
        let kept = fs_err::read_to_string(result.join(file)).expect("the result");
        assert!(kept.contains(WARNING), "{file}: {kept}");
    }
    let output = secateur(
        at,
        &[
            "eval",
            "results/circuit/m/circuit.ron",
            "--spec",
            "spec.ron",
        ],
    );
    done(&output);
    assert!(text(&output.stderr).contains(WARNING));
}

/// `repl` needs a tokenizer, so its model is a built-in one with a key that is not read.
#[test]
fn repl_says_what_was_ignored() {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path();
    fs_err::create_dir(at.join("m")).expect("a folder");
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("circuits/models/toy-llama");
    for file in ["model.safetensors", "tokenizer.json"] {
        fs_err::copy(built_in.join(file), at.join("m").join(file)).expect("copied");
    }
    let config = fs_err::read(built_in.join("config.json")).expect("a configuration");
    let mut config: Map<String, Value> = serde_json::from_slice(&config).expect("an object");
    config.insert("logits_scaling".into(), 5.0.into());
    fs_err::write(at.join("m/config.json"), Value::Object(config).to_string()).expect("written");
    for (model, told) in [("m", 1), ("builtin:toy-llama", 0)] {
        // Nothing to read: it ends at once.
        let output = secateur(at, &["repl", model]);
        done(&output);
        let said = text(&output.stderr);
        assert_eq!(said.matches(WARNING).count(), told, "{model}: {said}");
    }
}

#[test]
fn a_model_of_absurd_width_fails_its_own_job_only() {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path();
    let rope = json!({
        "rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    });
    let width = 1_000_000_000_000_u64;
    model(
        at,
        "wide",
        &json!({ "head_dim": width, "rope_parameters": rope }),
    );
    model(at, "plain", &json!({}));
    fs_err::write(at.join("rows.jsonl"), ROWS).expect("written");
    fs_err::write(at.join("1.ron"), spec("first", "wide")).expect("written");
    fs_err::write(at.join("2.ron"), spec("second", "plain")).expect("written");
    let output = secateur(at, &["run", "1.ron", "2.ron", "--out", "results"]);
    refused(&output, 3, &["the width of a head is 1000000000000"]);
    assert!(at.join("results/second/plain/run.json").exists());
}
