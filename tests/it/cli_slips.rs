//! What users type by mistake: the answer names the mistake that they see, before anything is computed.

use std::path::Path;

use crate::program::{done, refused, secateur, text};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

const QUICK: [&str; 3] = ["residual", "builtin:toy-gpt2", "--prompt=The dogs"];

fn quick(folder: &Path, more: &[&str]) -> std::process::Output {
    secateur(folder, &[&QUICK, more].concat())
}

/// Values that begin with a minus are values, and where they make no sense the answer says what would.
#[test]
fn negative_numbers_are_values() {
    let folder = folder();
    for (command, flag, value, answer) in [
        ("vector", "--strengths", "-1,1", None),
        ("edit", "--strengths", "-1,1", Some("strengths")),
        (
            "attention",
            "--threshold",
            "-1",
            Some("expected more than 0 and at most 1, got -1.0"),
        ),
        (
            "vector",
            "--held-out",
            "-0.5",
            Some("expected at least 0 and less than 1, got -0.5"),
        ),
        ("trace", "--noise", "-3", Some("expected more than 0")),
        ("lens", "--held-out", "-1", Some("got -1.0")),
        ("neurons", "--held-out", "-1", Some("got -1.0")),
    ] {
        let mut line = vec![
            command,
            "builtin:toy-gpt2",
            "--task=Agreement(pairs: 12)",
            flag,
            value,
        ];
        line.extend(match command {
            "lens" => &["--tune"][..],
            "vector" => &["--samples", "0"][..],
            _ => &[],
        });
        let output = secateur(folder.path(), &line);
        let said = text(&output.stderr);
        assert!(!said.contains("unexpected argument"), "{command}: {said}");
        if let Some(answer) = answer {
            refused(&output, 2, &[answer]);
        }
    }
}

#[test]
fn prompts_that_are_all_the_same_leave_none_for_discovery() {
    let folder = folder();
    let row = r#"{"clean": "The dogs near the tree", "corrupt": "The dog near the tree", "answer": [" are"], "wrong": [" is"]}"#;
    for (rows, problem) in [
        (2, "all clean prompts are the same"),
        (1, "the only pair is held out"),
    ] {
        fs_err::write(
            folder.path().join("rows.jsonl"),
            format!("{row}\n").repeat(rows),
        )
        .expect("a file");
        let spec = "RunSpec(format: 1, name: \"c\", models: [\"builtin:toy-llama\"], task: File(\"rows.jsonl\"), metric: LogitDiff, \
                    ablation: Patch, method: Eap(), select: TopN(edges: 20))";
        fs_err::write(folder.path().join("spec.ron"), spec).expect("a spec");
        refused(
            &secateur(folder.path(), &["run", "spec.ron"]),
            3,
            &[problem, "held_out to 0"],
        );
        let vector = [
            "vector",
            "builtin:toy-llama",
            "--task",
            "File(\"rows.jsonl\")",
        ];
        refused(&secateur(folder.path(), &vector), 3, &[problem]);
    }
}

/// What is in the way of a result is said before the result is computed, with what to do.
#[test]
fn blocked_folders_are_named() {
    let folder = folder();
    let folder = folder.path();
    fs_err::write(folder.join("file"), "mine").expect("a file");
    fs_err::create_dir_all(folder.join("taken/r/toy-gpt2/run.json")).expect("a folder");
    std::os::unix::fs::symlink("nothing", folder.join("link")).expect("a link");
    for (out, problem) in [
        ("file", "file is a file"),
        ("file/below", "file is a file"),
        ("link", "link is a link to nothing"),
        ("taken", "run.json is a folder"),
    ] {
        for force in [&[][..], &["--force"]] {
            let line = [&["--name", "r", "--out", out][..], force].concat();
            refused(&quick(folder, &line), 2, &[problem, "--out"]);
        }
    }
    assert_eq!(
        fs_err::read_to_string(folder.join("file")).expect("a file"),
        "mine"
    );
    assert!(!folder.join("nothing").exists());
}

#[test]
fn paths_are_shown_as_they_were_typed() {
    let folder = folder();
    for path in ["./nothere", "././nothere"] {
        let output = secateur(folder.path(), &["inspect", path]);
        refused(
            &output,
            3,
            &["model ./nothere: there is no such file or folder"],
        );
    }
}

/// Results without a circuit are left out of comparisons and figures, and named.
#[test]
fn results_that_are_left_out_are_named() {
    let folder = folder();
    let folder = folder.path();
    let spec = "RunSpec(format: 1, name: \"c\", models: [\"builtin:toy-llama\"], task: Agreement(pairs: 12), metric: LogitDiff, \
                ablation: Patch, method: Eap(), select: TopN(edges: 40), evaluate: (curve: false, random_baselines: 0, bootstrap: \
                0))";
    fs_err::write(folder.join("spec.ron"), spec).expect("a spec");
    done(&secateur(folder, &["run", "spec.ron"]));
    let compare = || secateur(folder, &["compare", "results"]);
    assert_eq!(text(&compare().stderr), "");
    done(&quick(folder, &["--name", "r"]));
    let one = compare();
    assert!(done(&one).contains("toy-llama") && !text(&one.stdout).contains("toy-gpt2"));
    let said = text(&one.stderr);
    assert!(
        said.contains("left out: results/r/toy-gpt2 is a result without a circuit"),
        "{said}"
    );
    done(&quick(folder, &["--name", "s"]));
    let figure = secateur(folder, &["figure", "results", "--out", "figures"]);
    done(&figure);
    let said = text(&figure.stderr);
    assert!(
        said.contains("r/toy-gpt2 and 1 other are results without a circuit"),
        "{said}"
    );
    let quiet = secateur(folder, &["--quiet", "compare", "results"]);
    assert_eq!(text(&quiet.stderr), "");
}
