//! What people and scripts see: tables in narrow terminals, JSON, plots in other themes.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{done, refused, secateur, text};

/// A folder with results of a circuit and of an analysis on a built-in model.
fn results() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write =
        |name: &str, contents: &str| fs_err::write(folder.path().join(name), contents).unwrap();
    write(
        "a.ron",
        "RunSpec(format: 1, name: \"a\", models: [\"builtin:toy-llama\"], task: Ioi(pairs: 16, seed: 0),
         metric: LogitDiff, ablation: Patch, method: Eap(), select: TopN(edges: 20),
         evaluate: (random_baselines: 2, bootstrap: 40))",
    );
    write(
        "lens.ron",
        "(format: 1, name: \"lens\", models: [\"builtin:toy-llama\"], task: Ioi(pairs: 16, seed: 0),
         analysis: Lens())",
    );
    done(&secateur(
        folder.path(),
        &["run", "a.ron", "lens.ron", "--quiet"],
    ));
    folder
}

/// Standard output in a terminal of so many columns.
fn in_columns(folder: &Path, columns: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(folder)
        .args(arguments)
        .env("COLUMNS", columns)
        .output()
        .unwrap();
    done(&output)
}

#[test]
fn tables_fit_narrow_terminals_and_are_whole_elsewhere() {
    let folder = results();
    let circuit = "results/a/toy-llama/circuit.ron";
    for arguments in [
        &["run", "a.ron", "lens.ron"][..],
        &["compare", "results/a"],
        &["eval", circuit, "--spec", "a.ron"],
        &["show", circuit],
        &["inspect", "builtin:toy-llama"],
    ] {
        let narrow = in_columns(folder.path(), "50", arguments);
        for line in narrow.lines() {
            assert!(line.chars().count() <= 50, "{arguments:?}: {line}");
        }
        assert!(!narrow.contains('\u{1b}'), "no colour outside a terminal");
        let whole = done(&secateur(folder.path(), arguments));
        assert!(!whole.contains('\u{1b}'));
        // Nothing is left out of narrow tables; bars of trees are shorter.
        if arguments[0] == "show" {
            continue;
        }
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let narrow = words(&narrow);
        for word in words(&whole) {
            assert!(narrow.contains(&word), "{arguments:?}: {word}");
        }
    }
}

#[test]
fn scripts_get_json_of_all_jobs_even_when_quiet() {
    let folder = results();
    let arguments = ["run", "a.ron", "lens.ron", "--json", "--quiet"];
    let output = secateur(folder.path(), &arguments);
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let jobs: serde_json::Value = serde_json::from_str(&done(&output)).unwrap();
    assert_eq!(jobs[0]["spec"], "a");
    assert_eq!(jobs[0]["status"], "already done");
    assert_eq!(jobs[0]["found"]["edges_total"], 190);
    assert_eq!(jobs[0]["folder"], "results/a/toy-llama");
    assert!(jobs[1]["found"]["finding"].is_string());
    let output = secateur(folder.path(), &["compare", "results/a", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&done(&output)).unwrap();
    assert_eq!(rows[0]["name"], "a");
    assert!(rows[0]["faithfulness"].is_f64());
}

#[test]
fn plots_that_jobs_wrote_are_taken_to_other_themes() {
    let folder = results();
    let svgs = fs_err::read_dir(folder.path().join("results/lens/toy-llama")).unwrap();
    let svgs = svgs.map(|entry| entry.unwrap().path());
    let svgs: Vec<PathBuf> = svgs
        .filter(|it| it.extension().is_some_and(|it| it == "svg"))
        .collect();
    assert!(svgs.len() >= 3);
    for svg in svgs {
        let name = svg.to_str().unwrap();
        let render = |theme| {
            let arguments = ["render", name, "--format", "svg", "--theme", theme];
            done(&secateur(folder.path(), &arguments))
        };
        assert_eq!(render("light"), fs_err::read_to_string(&svg).unwrap());
        let dark = render("dark");
        assert!(
            dark.contains("#16181C") && !dark.contains("\"#FFFFFF\""),
            "{name}"
        );
        assert!(render("print").contains("\"#000000\""));
    }
    let arguments = [
        "render",
        "results/a/toy-llama/circuit.svg",
        "--format",
        "svg",
    ];
    refused(
        &secateur(
            folder.path(),
            &[&arguments[..], &["--theme", "dark"]].concat(),
        ),
        2,
        &["circuit.svg is no plot", "circuit.ron"],
    );
}
