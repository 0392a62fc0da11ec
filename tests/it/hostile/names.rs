//! Names that hide what they are, and text that a terminal or a spreadsheet would act on.

use crate::program::{done, refused, secateur, text};

use super::{refused_cleanly, write, write_spec};

#[test]
fn names_that_cannot_be_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in [
        "a\u{202e}b",
        "a\u{200b}",
        "\u{feff}a",
        "a\u{2066}b",
        "a\u{1b}[2J",
        "a\nb",
        "../a",
        "a/b",
        "a\\b",
        "NUL",
        "com1.txt",
        "a\u{e0041}",
    ] {
        write_spec(folder, "a.ron", name, "");
        let output = secateur(folder, &["run", "a.ron"]);
        refused_cleanly(&output, 2, &["name: expected a name"]);
        let hidden = |letter: char| secateur::is_hidden(letter) && letter != '\n';
        assert!(!text(&output.stderr).contains(hidden), "{name:?}");
    }
}

#[test]
fn a_circuits_name_does_not_lead_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let gallery = format!(
        "{}/circuits/gallery/results/eap-ig",
        env!("CARGO_MANIFEST_DIR")
    );
    fs_err::create_dir(folder.join("r")).unwrap();
    fs_err::copy(
        format!("{gallery}/report.json"),
        folder.join("r/report.json"),
    )
    .unwrap();
    let circuit = fs_err::read_to_string(format!("{gallery}/circuit.ron")).unwrap();
    write(
        folder,
        "r/circuit.ron",
        circuit.replace("name: \"eap-ig\"", "name: \"x/../../../evil\""),
    );
    let output = secateur(folder, &["figure", "r", "--out", "f"]);
    refused_cleanly(&output, 3, &["expected a name without /"]);
}

#[test]
fn messages_and_tables_show_no_hidden_characters() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let output = secateur(folder, &["inspect", "a\u{1b}[31m\u{202e}\u{9b}2J"]);
    refused_cleanly(&output, 3, &["a\\u{1b}[31m\\u{202e}\\u{9b}2J"]);
    // A circuit file's own words, in the terminal and in every drawing.
    let gallery = format!(
        "{}/circuits/gallery/results/eap-ig",
        env!("CARGO_MANIFEST_DIR")
    );
    let circuit = fs_err::read_to_string(format!("{gallery}/circuit.ron")).unwrap();
    let hostile = "x\\u{1b}[2J\\u{202e}\\u{200b}<script>$\\\\input{/etc/passwd}";
    fs_err::create_dir(folder.join("r")).unwrap();
    fs_err::copy(
        format!("{gallery}/report.json"),
        folder.join("r/report.json"),
    )
    .unwrap();
    write(
        folder,
        "r/circuit.ron",
        circuit
            .replace("name: \"eap-ig\"", &format!("name: \"{hostile}\""))
            .replace("name: \"toy-llama\"", &format!("name: \"{hostile}\"")),
    );
    let hidden = |letter: char| secateur::is_hidden(letter) && letter != '\n';
    let out = done(&secateur(folder, &["show", "r/circuit.ron"]));
    assert!(!out.contains(hidden), "{out:?}");
    for format in ["svg", "html", "dot", "tikz"] {
        let out = done(&secateur(
            folder,
            &["render", "r/circuit.ron", "--format", format],
        ));
        assert!(!out.contains(hidden), "{format}");
        let tags = out.contains("\u{fffd}<script>") || out.contains("\u{fffd}\u{fffd}<script");
        let commands = format == "tikz" && out.contains("\\input{");
        assert!(!tags && !commands, "{format}");
    }
    let out = done(&secateur(folder, &["compare", "r", "--out", "c"]));
    assert!(!out.contains(hidden), "{out:?}");
    for file in ["compare.txt", "compare.md", "compare.tex", "compare.html"] {
        let out = fs_err::read_to_string(folder.join("c").join(file)).unwrap();
        assert!(!out.contains(hidden), "{file}");
    }
}

#[test]
fn messages_quote_no_whole_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_spec(folder, "a.ron", "a", "");
    let row = format!(
        "{{\"clean\": [1], \"corrupt\": [2], \"answer\": [{:?}]}}\n",
        "x".repeat(100_000)
    );
    write(folder, "rows.jsonl", row);
    let output = secateur(folder, &["run", "a.ron"]);
    refused_cleanly(&output, 3, &["rows.jsonl", "[..]"]);
    assert!(output.stderr.len() < 5000);
}

#[test]
fn text_in_tables_is_no_formula() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, written) in [
        ("=1+1", "\"'=1+1\","),
        ("+a", "\"'+a\","),
        ("-a", "\"'-a\","),
        ("@a", "\"'@a\","),
        ("a=1", "a=1,"),
    ] {
        write_spec(folder, "a.ron", name, "outputs: [Csv]");
        refused(&secateur(folder, &["run", "a.ron", "--out", "out"]), 0, &[]);
        done(&secateur(
            folder,
            &["compare", &format!("out/{name}"), "--out", "c"],
        ));
        let table = fs_err::read_to_string(folder.join("c/compare.csv")).unwrap();
        let row = table.lines().nth(1).unwrap();
        assert!(row.starts_with(written), "{row}");
        // Scores are numbers, negative ones too.
        let edges =
            fs_err::read_to_string(folder.join(format!("out/{name}/toy-gpt2/edges.csv"))).unwrap();
        assert!(edges.contains(",-0.") && !edges.contains('\''), "{edges}");
    }
}
