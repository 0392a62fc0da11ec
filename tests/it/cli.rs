//! The program's wiring: arguments, streams, exit codes. What the parts do is tested at the library.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use crate::program::{done, refused, secateur, text};

/// Writes a spec that runs in a second on a built-in model, and its data; any weights will do.
fn write_spec(folder: &Path, name: &str, rest: &str) {
    let rows = (0..16).map(|row| {
        let (first, second, third) = (row % 5 + 1, row % 7 + 6, row % 3 + 13);
        format!(
            "{{\"clean\":[{first},{second},{third},{first}],\"corrupt\":[{third},{second},{third},{first}],\
             \"answer\":[{second}],\"wrong\":[{third}]}}\n"
        )
    });
    write(folder, "rows.jsonl", &rows.collect::<String>());
    let text = format!(
        "RunSpec(format: 1, name: {name:?}, models: [\"builtin:toy-gpt2\"],\n\
         task: Tokens(\"rows.jsonl\"), metric: LogitDiff, ablation: Patch,\n\
         evaluate: (random_baselines: 2, bootstrap: 40), {rest})\n"
    );
    write(folder, &format!("{name}.ron"), &text);
}

fn write(folder: &Path, name: &str, contents: &str) {
    fs_err::write(folder.join(name), contents).unwrap();
}

#[test]
fn help_and_version_are_data() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [["--help"], ["--version"]] {
        let output = secateur(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(!output.stdout.is_empty() && output.stderr.is_empty());
    }
    let output = secateur(folder.path(), &["run", "--help"]);
    for flag in [
        "--out",
        "--jobs",
        "--threads",
        "--force",
        "--strict",
        "--quiet",
    ] {
        assert!(text(&output.stdout).contains(flag), "{flag}");
    }
}

#[test]
fn bench_times_every_work_and_compares_it_with_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    write_spec(folder.path(), "a", "method: Eap()");
    let works = [
        "forward", "vjp", "eap", "eap-ig", "evaluate", "exact", "acdc",
    ];
    let mut arguments = vec![
        "bench",
        "builtin:toy-llama",
        "--rows",
        "rows.jsonl",
        "--work",
    ];
    let all = works.join(",");
    arguments.extend([
        &all,
        "--repeat",
        "2",
        "--tau",
        "0.5",
        "--json",
        "--roofline",
        "--per-head",
    ]);
    let output = secateur(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    let lines: Vec<serde_json::Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), works.len());
    for (line, work) in lines.iter().zip(works) {
        assert_eq!(line["work"], work);
        let seconds = line["seconds"].as_array().unwrap();
        assert!(seconds.len() == 2 && seconds.iter().all(|it| it.as_f64().unwrap() > 0.0));
        let number = |key: &str| line[key].as_f64().unwrap_or_default();
        assert!(number("operations") > 0.0, "{work}");
        let share = number("operations") / number("median") / number("matrix_rate");
        assert!(
            (number("share_of_matrix_rate") - share).abs() < 1e-12 * share,
            "{work}"
        );
    }
    assert_eq!(lines[4]["circuits"], 10);
    assert_eq!(lines[5]["circuits"], lines[5]["graph_edges"]);
    assert!(lines[6]["edges"].as_u64() < lines[6]["graph_edges"].as_u64());
}

#[test]
fn bench_refuses_rows_and_thresholds_that_mean_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let row = "{\"clean\": [1, 2, 3], \"corrupt\": [1, 4, 3], \"answer\": [2]}\n";
    fs_err::write(folder.path().join("rows.jsonl"), row).unwrap();
    let bench = |rest: &[&str]| {
        let start = [
            "bench",
            "builtin:toy-llama",
            "--rows",
            "rows.jsonl",
            "--repeat",
            "1",
        ];
        secateur(folder.path(), &[&start, rest].concat())
    };
    let refused = bench(&["--work", "acdc"]);
    assert_eq!(refused.status.code(), Some(3));
    let message = text(&refused.stderr);
    assert!(
        message.contains("row 1") && message.contains("add `wrong`"),
        "{message}"
    );
    assert_eq!(bench(&["--work", "forward"]).status.code(), Some(0));
    for tau in ["NaN", "inf", "much"] {
        let refused = bench(&["--work", "acdc", "--tau", tau]);
        assert_eq!(refused.status.code(), Some(2), "{tau}");
        assert!(text(&refused.stderr).contains("not a finite number"));
    }
}

/// Records of a whole file of prompts and of a part of it make a plot.
#[test]
fn records_of_bench_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    write_spec(folder.path(), "a", "method: Eap()");
    let rows = fs_err::read_to_string(folder.path().join("rows.jsonl")).unwrap();
    let half: Vec<&str> = rows.lines().take(rows.lines().count() / 2).collect();
    fs_err::write(folder.path().join("half.jsonl"), half.join("\n")).unwrap();
    let mut records = String::new();
    for rows in ["rows.jsonl", "half.jsonl"] {
        let output = secateur(
            folder.path(),
            &["bench", "builtin:toy-llama", "--rows", rows, "--json"],
        );
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        records.push_str(&text(&output.stdout));
    }
    fs_err::write(folder.path().join("growth.jsonl"), records).unwrap();
    let render = |arguments: &[&str]| {
        let all = [&["render", "growth.jsonl"][..], arguments].concat();
        secateur(folder.path(), &all)
    };
    let dark = render(&["--format", "svg", "--theme", "dark"]);
    assert_eq!(dark.status.code(), Some(0), "{}", text(&dark.stderr));
    assert!(text(&dark.stdout).contains("By examples"));
    let pdf = render(&["--format", "pdf"]);
    assert!(pdf.stdout.starts_with(b"%PDF"));
    let refused = render(&["--format", "svg", "--roles", "r.json"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn wrong_arguments_give_2_and_leave_standard_output_empty() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["prune"][..],
        &["run"],
        &["run", "gone.ron"],
        &["run", "x.ron", "--jobs", "0"],
        &["render", "c.ron", "--format", "bmp"],
        &["eval", "c.ron"],
        &["compare", "gone"],
    ] {
        let output = secateur(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(text(&output.stderr).contains("error:"), "{arguments:?}");
    }
}

#[test]
fn all_bad_specs_are_reported_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    write_spec(folder.path(), "a", "method: EapIg(steps: 0)");
    write_spec(folder.path(), "b", "method: EapIg(step: 1)");
    let output = secateur(folder.path(), &["run", "."]);
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert!(
        errors.contains("a.ron:3:63: method.EapIg.steps: expected 1 to 1000, got 0"),
        "{errors}"
    );
    assert!(errors.contains("b.ron:3:"), "{errors}");
    assert!(!errors.contains('\u{1b}'), "no colour outside a terminal");
    assert!(!folder.path().join("results").exists());
}

#[test]
fn unusable_files_give_3() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "rows.jsonl", "[1, 2]\n[1, x]\n");
    let output = secateur(
        folder.path(),
        &[
            "logits",
            "builtin:toy-gpt2",
            "--tokens",
            "rows.jsonl",
            "--out",
            "l.safetensors",
        ],
    );
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("rows.jsonl:2"));
    let output = secateur(folder.path(), &["render", "gone.ron", "--format", "dot"]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn built_in_models_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let output = secateur(folder.path(), &["models"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("builtin:toy-gpt2\nbuiltin:toy-llama\n"));
}

#[test]
fn completions_name_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let output = secateur(folder.path(), &["completions", "bash"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("inspect"));
}

// The tests below need models, tasks and the pipeline.

#[test]
fn inspect_prints_the_shape_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let output = secateur(folder.path(), &["inspect", "builtin:toy-llama", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shape: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in [
        "family",
        "n_layers",
        "n_heads",
        "n_kv_heads",
        "d_model",
        "d_head",
        "d_mlp",
        "d_vocab",
        "parameters",
        "edges",
        "edges_per_head",
        "memory_bytes",
    ] {
        assert!(!shape[key].is_null(), "{key}");
    }
}

#[test]
fn logits_are_a_tensor_of_rows_by_vocabulary() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "rows.jsonl", "[1, 2, 3]\n\n[4, 5]\n");
    let output = secateur(
        folder.path(),
        &[
            "logits",
            "builtin:toy-gpt2",
            "--tokens",
            "rows.jsonl",
            "--out",
            "l.safetensors",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let bytes = fs_err::read(folder.path().join("l.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let logits = file.tensor("logits").unwrap();
    assert_eq!(logits.shape()[0], 2);
    assert_eq!(logits.dtype(), safetensors::Dtype::F32);
}

#[test]
fn a_run_writes_its_files_is_skipped_the_next_time_and_can_be_forced() {
    let folder = tempfile::tempdir().unwrap();
    let rest = "method: EapIg(steps: 3), select: TopN(share: 0.2)";
    write_spec(folder.path(), "a", rest);
    let output = secateur(folder.path(), &["run", "a.ron"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).starts_with("spec"),
        "the table goes to standard output"
    );
    let result = folder.path().join("results/a/toy-gpt2");
    let read = |name: &str| fs_err::read(result.join(name)).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&read("run.json")).unwrap();
    let mut names: Vec<String> = record["files"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    names.push("run.json".into());
    names.sort();
    let mut found: Vec<String> = fs_err::read_dir(&result)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(names, found);

    let before = (read("run.json"), read("circuit.ron"), read("report.json"));
    let output = secateur(folder.path(), &["run", "a.ron"]);
    assert!(text(&output.stdout).contains("already done"));
    assert_eq!(before.0, read("run.json"));

    // A file that changed, a record that is not ours, and --force all run the job again, to the same bytes.
    write(&result, "circuit.ron", "changed");
    write(
        &result,
        ".report.json.secateur-part",
        "left by a killed run",
    );
    assert!(!text(&secateur(folder.path(), &["run", "a.ron"]).stdout).contains("already"));
    assert!(!result.join(".report.json.secateur-part").exists());
    write(&result, "run.json", "{\"a\": 1}");
    assert!(!text(&secateur(folder.path(), &["run", "a.ron"]).stdout).contains("already"));
    let output = secateur(
        folder.path(),
        &["run", "a.ron", "--force", "--threads", "1"],
    );
    assert!(!text(&output.stdout).contains("already"));
    assert_eq!(
        (before.1, before.2),
        (read("circuit.ron"), read("report.json"))
    );
}

#[test]
fn a_graph_that_eap_ig_cannot_hold_is_written_without_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let rest = "method: Eap(), granularity: (position_embedding: Writer)";
    write_spec(folder.path(), "a", rest);
    let output = secateur(folder.path(), &["run", "a.ron"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("circuit.json is left out"));
    let result = folder.path().join("results/a/toy-gpt2");
    assert!(result.join("circuit.ron").is_file() && !result.join("circuit.json").exists());
}

#[test]
fn a_bad_spec_does_not_stop_the_others_but_gives_2() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "bad.ron", "RunSpec(");
    write_spec(folder.path(), "good", "method: Acdc(tau: 0.05)");
    let output = secateur(
        folder.path(),
        &["run", "bad.ron", "good.ron", "--jobs", "2"],
    );
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let trace = folder.path().join("results/good/toy-gpt2/trace.jsonl");
    assert!(trace.is_file());
}

#[test]
fn a_target_out_of_reach_gives_4_with_results() {
    let folder = tempfile::tempdir().unwrap();
    let rest = "method: Acdc(tau: 1000.0), target: (faithfulness: 0.9)";
    write_spec(folder.path(), "a", rest);
    for _ in 0..2 {
        let output = secateur(folder.path(), &["run", "a.ron", "--quiet"]);
        assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
    assert!(
        folder
            .path()
            .join("results/a/toy-gpt2/circuit.ron")
            .is_file()
    );
}

#[test]
fn a_circuit_can_be_evaluated_drawn_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    write_spec(
        folder.path(),
        "a",
        "method: Exact(), select: TopN(share: 0.3)",
    );
    assert_eq!(
        secateur(folder.path(), &["run", "a.ron"]).status.code(),
        Some(0)
    );
    let circuit = "results/a/toy-gpt2/circuit.ron";
    for circuit in [circuit, "results/a/toy-gpt2/circuit.json"] {
        let output = secateur(
            folder.path(),
            &["eval", circuit, "--spec", "a.ron", "--json"],
        );
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["faithfulness"].is_number(), "{circuit}");
        let ranked = circuit.ends_with("json");
        assert_eq!(
            report["cpr"].is_number(),
            ranked,
            "a part of the scores is no ranking"
        );
    }
    let other = [
        "eval",
        circuit,
        "--spec",
        "a.ron",
        "--model",
        "builtin:toy-llama",
    ];
    let output = secateur(folder.path(), &other);
    assert_eq!(
        output.status.code(),
        Some(3),
        "another shape: {}",
        text(&output.stderr)
    );
    for circuit in [circuit, "results/a/toy-gpt2/circuit.json"] {
        let output = secateur(folder.path(), &["render", circuit, "--format", "dot"]);
        assert!(text(&output.stdout).contains("digraph"), "{circuit}");
        let output = secateur(folder.path(), &["render", circuit, "--format", "html"]);
        assert!(
            text(&output.stdout).starts_with("<!DOCTYPE html>"),
            "{circuit}"
        );
    }
    let page =
        fs_err::read_to_string(folder.path().join("results/a/toy-gpt2/report.html")).unwrap();
    for part in [
        "id=\"size\"",
        "id=\"prompts\"",
        "id=\"curve\"",
        "\"head\":\"a",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    let output = secateur(folder.path(), &["compare", "results", "--out", "tables"]);
    assert!(text(&output.stdout).contains("toy-gpt2"));
    assert!(folder.path().join("tables/compare.csv").is_file());
    assert!(folder.path().join("tables/compare.html").is_file());
    check_figures(folder.path(), circuit);
}

/// A circuit printed, and a folder of results drawn for a paper.
fn check_figures(folder: &Path, circuit: &str) {
    let output = secateur(folder, &["show", circuit, "--depth", "2"]);
    let tree = text(&output.stdout);
    assert!(tree.contains("\nlogits") && tree.contains("└─ "), "{tree}");
    assert!(!tree.contains('\u{1b}'), "{tree}");
    let output = secateur(folder, &["show", circuit, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["node"], "logits");
    let arguments = [
        "figure",
        "results",
        "--out",
        "paper",
        "--reference",
        circuit,
    ];
    let output = secateur(folder, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for line in text(&output.stdout).lines() {
        assert!(folder.join(line).is_file(), "{line}");
    }
    for name in [
        "circuit-a.pdf",
        "heads-a.pdf",
        "curve.pdf",
        "scores.pdf",
        "roc.pdf",
    ] {
        let bytes = fs_err::read(folder.join("paper").join(name)).unwrap();
        assert!(bytes.starts_with(b"%PDF-"), "{name}");
    }
    let numbers = fs_err::read_to_string(folder.join("paper/numbers.tex")).unwrap();
    assert!(numbers.contains("\\newcommand{\\aEdges}{"), "{numbers}");
    let wrong = [
        &["render", circuit, "--format", "svg", "--width", "100"][..],
        &["render", circuit, "--format", "pdf", "--outlines"],
    ];
    for arguments in wrong {
        assert_eq!(
            secateur(folder, arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

#[test]
fn neurons_are_analysed_from_the_command_line_and_in_batches() {
    let folder = tempfile::tempdir().unwrap();
    let task = "Ioi(pairs: 24, seed: 1)";
    let arguments = [
        "neurons",
        "builtin:toy-llama",
        "--task",
        task,
        "--top",
        "4",
        "--name",
        "neurons-ioi",
    ];
    let output = secateur(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = text(&output.stdout);
    for part in [
        "neurons-ioi on toy-llama: Ioi(",
        "verdict",
        "most active at",
        "scaled:",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let results = folder.path().join("results/neurons-ioi/toy-llama");
    for file in [
        "report.json",
        "report.txt",
        "report.html",
        "neurons.csv",
        "doses.svg",
        "run.json",
    ] {
        assert!(results.join(file).is_file(), "{file}");
    }
    let bytes = |file: &str| fs_err::read(results.join(file)).unwrap();
    let svg = text(&bytes("doses.svg"));
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"));

    // The spec that it printed gives the same bytes, and is then done already.
    let stderr = text(&output.stderr);
    let spec = stderr
        .lines()
        .find_map(|line| line.strip_prefix("as a spec file: "))
        .unwrap();
    write(folder.path(), "same.ron", spec);
    let before = bytes("report.json");
    let again = secateur(
        folder.path(),
        &["run", "same.ron", "--force", "--threads", "1"],
    );
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert_eq!(bytes("report.json"), before);
    let skipped = secateur(folder.path(), &["run", "same.ron"]);
    assert!(text(&skipped.stdout).contains("already done"));

    // One batch of both kinds; neither kind replaces the other's result.
    write_spec(folder.path(), "a", "method: Eap()");
    let both = secateur(folder.path(), &["run", "a.ron", "same.ron"]);
    let tables = text(&both.stdout);
    assert!(
        tables.contains("faithfulness") && tables.contains("found"),
        "{tables}"
    );
    write_spec(folder.path(), "neurons-ioi", "method: Eap()");
    let spec = fs_err::read_to_string(folder.path().join("neurons-ioi.ron")).unwrap();
    write(
        folder.path(),
        "circuit.spec.ron",
        &spec.replace("toy-gpt2", "toy-llama"),
    );
    let clash = secateur(folder.path(), &["run", "circuit.spec.ron"]);
    assert_eq!(clash.status.code(), Some(2));
    assert!(
        text(&clash.stderr).contains("it holds an analysis, and this is a circuit"),
        "{}",
        text(&clash.stderr)
    );
    assert_eq!(bytes("report.json"), before);
}

#[test]
fn mistakes_about_neurons_have_their_place_and_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let first = ["neurons", "builtin:toy-llama", "--task", "Ioi(pairs: 8)"];
        let output = secateur(folder.path(), &[&first, more].concat());
        (output.status.code(), text(&output.stderr))
    };
    for (more, code, parts) in [
        (
            &["--top", "0"][..],
            2,
            &["--top: ", "expected 1 to 1000"][..],
        ),
        (
            &["--metric", "Kl"],
            2,
            &["metric", "no gradient on the clean run"],
        ),
        (
            &["--ablation", "Patch"],
            2,
            &["--ablation: ", "hint: use ablation: Mean"],
        ),
        (
            &["--pool", "Median"],
            2,
            &[
                "invalid value 'Median' for '--pool <POOL>'",
                "`Scored`, `Max`, or `Mean`",
            ],
        ),
        (
            &["--memory", "0.01"],
            2,
            &["are too little", "hint: --memory"],
        ),
    ] {
        let (found, stderr) = run(more);
        assert_eq!(found, Some(code), "{more:?}: {stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{more:?}: {stderr}");
        }
    }
    let results = crate::determinism::files(&folder.path().join("results"));
    assert!(results.is_empty(), "{} files", results.len());
    // A circuit is not evaluated on an analysis.
    write(
        folder.path(),
        "n.ron",
        "(format: 1, name: \"n\", models: [\"builtin:toy-llama\"], task: Ioi(pairs: 8), analysis: Neurons())",
    );
    let output = secateur(folder.path(), &["eval", "circuit.ron", "--spec", "n.ron"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("is an analysis"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn known_features_are_recovered_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["superposition", "--rounds", "12", "--json"];
    let found = done(&secateur(folder.path(), &arguments));
    let json: serde_json::Value = serde_json::from_str(&found).expect("JSON");
    let kinds = json["recovered"].as_array().expect("kinds");
    assert_eq!(kinds.len(), 5);
    for kind in kinds {
        let [mean, random] = ["mean_max_cosine", "random"].map(|key| kind[key].as_f64());
        assert!(mean > random.map(|it| it + 0.1), "{kind}");
    }
    assert_eq!(done(&secateur(folder.path(), &arguments)), found);
    let table = done(&secateur(folder.path(), &arguments[..3]));
    assert!(
        table.contains("mean max cosine") && table.contains("JumpRelu"),
        "{table}"
    );
    let none = ["superposition", "--active", "41"];
    refused(&secateur(folder.path(), &none), 2, &["41 of 40 features"]);
}
