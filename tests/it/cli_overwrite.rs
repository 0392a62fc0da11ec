//! Commands without jobs write where they are told to, and never over what is not theirs.

use std::path::Path;

use crate::determinism::files;
use crate::program::{done, refused, secateur, text};

const GALLERY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/circuits/gallery/results");

/// A folder with a circuit, its roles, a plot, and rows of tokens.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (from, to) in [
        ("ioi-20/circuit.ron", "circuit.ron"),
        ("attention-ioi/roles.json", "roles.json"),
        ("lens/lens.svg", "plot.svg"),
    ] {
        fs_err::copy(format!("{GALLERY}/{from}"), folder.path().join(to)).expect("a file");
    }
    write(folder.path(), "t.jsonl", "[1, 2, 3]\n");
    folder
}

fn write(folder: &Path, name: &str, contents: &str) {
    fs_err::write(folder.join(name), contents).expect("a file");
}

/// Holds that a command is refused with these words and changes nothing, then that `--force` lets it write.
fn needs_force(folder: &Path, command: &[&str], parts: &[&str]) {
    let before = files(folder);
    let output = secateur(folder, command);
    refused(&output, 2, parts);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("hint: give another --out, or --force"),
        "{stderr}"
    );
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    assert!(files(folder) == before, "{command:?}");
    done(&secateur(folder, &[command, &["--force"]].concat()));
    assert!(files(folder) != before, "{command:?}");
}

const FORMATS: [&str; 6] = ["svg", "dot", "html", "pdf", "png", "tikz"];

#[test]
fn a_drawing_takes_the_place_of_a_drawing_of_its_format_only() {
    let folder = folder();
    let folder = folder.path();
    let render = |format: &str, out: &str, more: &[&str]| {
        let first = ["render", "circuit.ron", "--format", format, "--out", out];
        secateur(folder, &[&first[..], more].concat())
    };
    for format in FORMATS {
        done(&render(format, format, &[]));
        let first = fs_err::read(folder.join(format)).expect("a drawing");
        done(&render(format, format, &["--theme", "print"]));
        let second = fs_err::read(folder.join(format)).expect("a drawing");
        assert!(format == "html" || first != second, "{format}");
        // A file with nothing in it, as `mktemp` makes it, holds nothing to lose.
        write(folder, "empty", "");
        done(&render(format, "empty", &[]));
    }
    for format in FORMATS {
        for other in FORMATS.iter().filter(|it| **it != format) {
            refused(&render(format, other, &[]), 2, &["that secateur wrote"]);
        }
    }
    done(&render("svg", "outlined.svg", &["--outlines"]));
    done(&render("svg", "outlined.svg", &["--theme", "dark"]));
    done(&render("svg", "outlined.svg", &["--outlines"]));
}

#[test]
fn files_of_others_are_replaced_with_force_only() {
    let folder = folder();
    let folder = folder.path();
    // The same beginnings, from other programs.
    for (format, contents) in [
        (
            "svg",
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>",
        ),
        ("dot", "digraph circuit { a -> b }"),
        (
            "html",
            "<!DOCTYPE html>\n<html lang=\"en\"><body>notes</body></html>",
        ),
        ("pdf", "%PDF-1.7\nstartxref\n9\n%%EOF"),
        ("png", "\u{89}PNG"),
        ("tikz", "\\begin{tikzpicture}\\end{tikzpicture}"),
    ] {
        write(folder, "mine", contents);
        needs_force(
            folder,
            &["render", "circuit.ron", "--format", format, "--out", "mine"],
            &["mine is there already, and is not ", "that secateur wrote"],
        );
    }
}

#[test]
fn what_a_command_reads_is_replaced_with_force_only() {
    let folder = folder();
    let folder = folder.path();
    let circuit = ["render", "circuit.ron", "--format", "svg", "--out"];
    let plot = [
        "render", "plot.svg", "--format", "svg", "--theme", "dark", "--out",
    ];
    let reads = "is a file that this command reads";
    for (command, out) in [
        (&circuit[..], "circuit.ron"),
        (
            &[&circuit[..5], &["roles.json", "--roles"]].concat()[..],
            "roles.json",
        ),
        (&plot[..], "plot.svg"),
        (&plot[..], "./plot.svg"),
    ] {
        let copy = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files(folder) {
            fs_err::write(copy.path().join(name), bytes).expect("a file");
        }
        needs_force(copy.path(), &[command, &[out]].concat(), &[reads]);
    }
    // A plot would pass for a drawing of ours; its own name is a link in both ways.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("plot.svg", folder.join("link.svg")).expect("a link");
        fs_err::hard_link(folder.join("plot.svg"), folder.join("hard.svg")).expect("a link");
        for name in ["link.svg", "hard.svg"] {
            let output = secateur(folder, &[&plot[..], &[name]].concat());
            refused(&output, 2, &[&format!("{name} {reads} (as plot.svg)")]);
        }
        done(&secateur(
            folder,
            &[&plot[..], &["link.svg", "--force"]].concat(),
        ));
        assert!(fs_err::symlink_metadata(folder.join("link.svg")).is_ok_and(|it| it.is_symlink()));
    }
}

#[test]
fn logits_replace_logits_only_and_are_not_computed_first() {
    let folder = folder();
    let folder = folder.path();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/circuits/models/toy-gpt2");
    fs_err::create_dir(folder.join("m")).expect("a folder");
    for entry in fs_err::read_dir(model).expect("a model") {
        let entry = entry.expect("a file");
        fs_err::copy(entry.path(), folder.join("m").join(entry.file_name())).expect("a file");
    }
    let logits = |out: &str| {
        secateur(
            folder,
            &["logits", "m", "--tokens", "t.jsonl", "--out", out],
        )
    };
    done(&logits("l.safetensors"));
    done(&logits("l.safetensors"));
    let weights = fs_err::read_dir(folder.join("m"))
        .expect("a model")
        .map(|it| it.expect("a file").file_name().into_string().expect("text"));
    for name in weights {
        refused(
            &logits(&format!("m/{name}")),
            2,
            &["not a file of logits that secateur wrote"],
        );
    }
    refused(
        &logits("t.jsonl"),
        2,
        &["is a file that this command reads"],
    );
    // Refused before the rows are read.
    write(folder, "t.jsonl", "[x]\n");
    refused(&logits("circuit.ron"), 2, &["not a file of logits"]);
    refused(&logits("new.safetensors"), 3, &["t.jsonl:1"]);
}

#[test]
fn results_and_tables_of_others_stay_when_results_are_drawn_and_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let spec = "RunSpec(format: 1, name: \"c\", models: [\"builtin:toy-llama\"], task: Ioi(pairs: 8, seed: 0),\n\
         metric: LogitDiff, ablation: Patch, method: Eap(), select: TopN(edges: 20),\n\
         evaluate: (random_baselines: 2, bootstrap: 40, curve: true), outputs: [Svg])\n";
    write(folder, "c.ron", spec);
    done(&secateur(folder, &["run", "c.ron"]));
    let result = "results/c/toy-llama";
    let figure = |out: &str| {
        secateur(
            folder,
            &["figure", "results", "--format", "svg", "--out", out],
        )
    };
    let compare = |out: &str| secateur(folder, &["compare", "results", "--out", out]);
    let before = files(&folder.join("results"));
    for out in ["new", result, "results"] {
        for _ in 0..2 {
            done(&figure(out));
            done(&compare(out));
        }
    }
    for (name, bytes) in &before {
        assert!(
            &fs_err::read(folder.join("results").join(name)).expect("a file") == bytes,
            "{name:?}"
        );
    }
    // A drawing that is part of the result, over which another drawing of it would go.
    let own = format!("{result}/circuit.svg");
    needs_force(
        folder,
        &[
            "render",
            &format!("{result}/circuit.ron"),
            "--format",
            "svg",
            "--theme",
            "dark",
            "--out",
            &own,
        ],
        &["circuit.svg is a file of the result in "],
    );
    done(&secateur(folder, &["run", "c.ron"]));
    // One of many files that is not ours, and none is written.
    for (command, name) in [
        (&["figure", "results", "--format", "svg"][..], "numbers.tex"),
        (&["figure", "results", "--format", "svg"], "curve.svg"),
        (&["compare", "results"], "compare.csv"),
        (&["compare", "results"], "compare.html"),
        (&["compare", "results"], "compare.tex"),
        (&["compare", "results"], "compare.md"),
        (&["compare", "results"], "compare.txt"),
    ] {
        let out = folder.join("mine");
        fs_err::create_dir(&out).expect("a folder");
        write(&out, name, "task,model,mine\n");
        needs_force(
            folder,
            &[command, &["--out", "mine"]].concat(),
            &[&format!("{name} is there already, and is not ")],
        );
        fs_err::remove_dir_all(&out).expect("a folder");
    }
}
