//! Patchscopes, edits and causal tracing as a user runs them.

use std::path::Path;

use crate::program::{done, refused, secateur, text};

/// Runs a command twice, the second time as the spec that it prints, on one thread; gives its output and its report.
fn twice(
    folder: &Path,
    arguments: &[&str],
    (name, files): (&str, &[&str]),
) -> (String, serde_json::Value) {
    let output = secateur(folder, arguments);
    let report = done(&output);
    let stderr = text(&output.stderr);
    let spec = stderr
        .lines()
        .find_map(|line| line.strip_prefix("as a spec file: "));
    fs_err::write(folder.join("same.ron"), spec.expect("a spec")).expect("a file");
    let results = folder.join("results").join(name).join("toy-llama");
    let bytes = |file: &&str| fs_err::read(results.join(file)).expect("a file");
    let before: Vec<Vec<u8>> = files.iter().map(bytes).collect();
    for (file, bytes) in files.iter().zip(&before) {
        let text = text(bytes);
        let svg = text.starts_with("<svg");
        assert!(!svg || text.trim_end().ends_with("</svg>"), "{file}");
    }
    let again = ["run", "same.ron", "--force", "--threads", "1"];
    done(&secateur(folder, &again));
    assert_eq!(files.iter().map(bytes).collect::<Vec<_>>(), before);
    assert!(done(&secateur(folder, &["run", "same.ron"])).contains("already done"));
    let json = bytes(&"report.json");
    (report, serde_json::from_slice(&json).expect("JSON"))
}

const AGREEMENT: &str = "Agreement(pairs: 32, seed: 1)";

#[test]
fn patchscopes_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "patchscope",
        "builtin:toy-llama",
        "--task",
        AGREEMENT,
        "--prompt",
        "Text(\"Today the dogs near the tree\")",
        "--placeholder",
        "tree",
        "--expected",
        "Answer",
        "--text",
        "The boats",
        "--tokens",
        "2",
        "--name",
        "patchscope",
    ];
    let files = [
        "report.json",
        "report.txt",
        "decoded.txt",
        "grid.csv",
        "grid.svg",
        "precision.svg",
        "surprisal.svg",
    ];
    let (text, report) = twice(folder.path(), &arguments, ("patchscope", &files));
    for part in ["logit lens", "patched into", "The boats", "held-out"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The subject brings its number with it, and others' do not.
    let precision = |of: &str| report["overall"][of]["precision"]["mean"].as_f64();
    assert!(precision("patched") > Some(0.8), "{}", report["overall"]);
    assert!(precision("patched") > precision("shuffled"));

    let maps = "The dogs near the tree are red. The cats near the house were old. ".repeat(9);
    fs_err::write(folder.path().join("maps.txt"), maps).expect("a file");
    let ridge = [
        &arguments[..14],
        &["--mapping", "Ridge(text: \"maps.txt\")", "--name", "ridge"],
    ]
    .concat();
    let (text, _) = twice(folder.path(), &ridge, ("ridge", &files[..2]));
    assert!(text.contains("mapped lens"), "{text}");

    let fit = [
        "lens",
        "builtin:toy-llama",
        "--prompt",
        "The dogs",
        "--tune",
    ];
    let small = ["--sampled", "900", "--context", "9", "--name", "fit"];
    done(&secateur(folder.path(), &[fit.as_slice(), &small].concat()));
    let lens = "Lens(\"results/fit/toy-llama/tuned_lens.safetensors\")";
    let tuned = [&arguments[..14], &["--mapping", lens, "--name", "tuned"]].concat();
    let (text, _) = twice(folder.path(), &tuned, ("tuned", &files[..2]));
    assert!(
        text.contains("tuned lens") && !text.contains("warning"),
        "{text}"
    );
}

#[test]
fn edits_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = "The dogs near the tree are red. ".repeat(20);
    fs_err::write(folder.path().join("text.txt"), line).expect("a file");
    let arguments = [
        "edit",
        "builtin:toy-llama",
        "--task",
        "Ioi(pairs: 32, seed: 1)",
        "--scale",
        "Stream",
        "--text",
        "text.txt",
    ];
    let named = [&arguments[..], &["--name", "edit-ioi"]].concat();
    let files = ["report.json", "report.txt", "sweep.csv", "sweep.svg"];
    let (text, report) = twice(folder.path(), &named, ("edit-ioi", &files));
    for part in [
        "along 20 random directions",
        "perplexity of",
        "other prompts",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let together = ["--layers", "0,1,2", "--all-at-once", "--name", "together"];
    let (at_once, _) = twice(
        folder.path(),
        &[&arguments[..], &together].concat(),
        ("together", &files),
    );
    assert!(
        at_once.contains("after layers 0 to 2, strength"),
        "{at_once}"
    );
    let success = |of: &serde_json::Value| of["success"]["mean"].as_f64();
    assert!(success(&report["after"]) > Some(0.9), "{text}");
    assert!(success(&report["before"]) < Some(0.1), "{text}");
    let random = report["random"].as_array().expect("random directions");
    assert!(
        random
            .iter()
            .all(|it| success(it) < success(&report["after"]))
    );
}

#[test]
fn tracing_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "trace",
        "builtin:toy-llama",
        "--task",
        AGREEMENT,
        "--samples",
        "3",
        "--window",
        "1",
        "--name",
        "trace-agreement",
    ];
    let files = [
        "report.json",
        "report.txt",
        "effects.csv",
        "stream.svg",
        "attention.svg",
        "mlp.svg",
        "first-prompt.svg",
    ];
    let (text, report) = twice(folder.path(), &arguments, ("trace-agreement", &files));
    assert!(text.contains("last of subject"), "{text}");
    let mean = |of: &str| report[of]["mean"].as_f64().expect("a number");
    assert!(mean("clean") > mean("noised") + 0.1, "{text}");
    let peak = report["peaks"][0]["effect"]["mean"]
        .as_f64()
        .expect("a number");
    assert!(peak > 0.5 * (mean("clean") - mean("noised")), "{text}");
}

#[test]
fn mistakes_have_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let patchscope = |more: &[&str]| {
        secateur(
            folder,
            &[&["patchscope", "builtin:toy-llama"], more].concat(),
        )
    };
    refused(&patchscope(&[]), 2, &["task", "prompts of a task, `texts`"]);
    refused(
        &patchscope(&["--text", "The boats"]),
        3,
        &["cat -> cat", "does not know", "prompt: Text"],
    );
    let own = ["--prompt", "Text(\"The dogs\")", "--text", "The boats"];
    let with = |more: &[&str]| patchscope(&[&own[..], more].concat());
    refused(
        &with(&[]),
        3,
        &["none of its tokens is the placeholder \"x\""],
    );
    refused(
        &with(&["--placeholder", "dogs", "--decode-layer", "Layer(9)"]),
        2,
        &["there is no layer 9"],
    );
    refused(
        &with(&["--placeholder", "dogs", "--source-layers", "2,1"]),
        2,
        &["--source-layers: ", "ascending"],
    );
    let through = |mapping: &str| with(&["--placeholder", "dogs", "--mapping", mapping]);
    refused(
        &through("Ridge(text: \"none.txt\")"),
        2,
        &["--mapping (Ridge.text): ", "no such file"],
    );
    refused(
        &through("Lens(\"none.safetensors\")"),
        2,
        &["--mapping: ", "no such file"],
    );
    fs_err::write(folder.join("text.safetensors"), "no tensors").expect("a file");
    refused(
        &through("Lens(\"text.safetensors\")"),
        3,
        &["not a whole safetensors file"],
    );
    refused(
        &with(&[
            "--placeholder",
            "dogs",
            "--task",
            AGREEMENT,
            "--positions-before",
            "7",
        ]),
        3,
        &["row 1", "positions_before is 7"],
    );
    let ask = |command: &str, more: &[&str]| {
        let first = [command, "builtin:toy-llama", "--task", AGREEMENT];
        secateur(folder, &[&first[..], more].concat())
    };
    refused(
        &ask("edit", &["--strengths", "2,1"]),
        2,
        &["--strengths: ", "ascending"],
    );
    refused(
        &ask("edit", &["--layers", "5"]),
        2,
        &["there is no layer 5"],
    );
    refused(
        &ask("trace", &["--samples", "0", "--noise", "0"]),
        2,
        &["--samples: ", "--noise: "],
    );
    let row = |token: u32| {
        format!("{{\"clean\": [1, {token}, 3], \"corrupt\": [1, {token}, 4], \"answer\": [6]}}\n")
    };
    let two = row(2) + &row(5);
    fs_err::write(folder.join("rows.jsonl"), two).expect("a file");
    let rows = |command: &str| {
        let arguments = [
            command,
            "builtin:toy-llama",
            "--task",
            "Tokens(\"rows.jsonl\")",
        ];
        secateur(folder, &arguments)
    };
    refused(&rows("edit"), 3, &["row ", "no `wrong` answer"]);
    refused(&rows("trace"), 3, &["answers none of them"]);
    refused(
        &ask("edit", &["--memory", "0.02"]),
        2,
        &["GB of memory are too little"],
    );
}
