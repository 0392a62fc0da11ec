//! Paths that are not UTF-8, on the command line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};

use super::write_spec;

/// Runs the program with arguments of bytes.
fn run(folder: &Path, arguments: &[&[u8]]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(folder)
        .args(arguments.iter().map(|it| OsStr::from_bytes(it)))
        .output()
        .expect("the program runs")
}

#[track_caller]
fn works(folder: &Path, arguments: &[&[u8]]) -> String {
    let output = run(folder, arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn any_bytes_name_models_specs_data_and_results() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let name = |bytes: &'static [u8]| folder.join(OsStr::from_bytes(bytes));
    let toy = format!("{}/circuits/models/toy-gpt2", env!("CARGO_MANIFEST_DIR"));
    fs_err::create_dir(name(b"m\xff")).unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs_err::copy(format!("{toy}/{file}"), name(b"m\xff").join(file)).unwrap();
    }
    works(folder, &[b"inspect", b"m\xff"]);
    fs_err::write(name(b"t\xfe.jsonl"), "[1, 2, 3]\n").unwrap();
    works(
        folder,
        &[
            b"logits",
            b"m\xff",
            b"--tokens",
            b"t\xfe.jsonl",
            b"--out",
            b"l\xfd.safetensors",
        ],
    );
    assert!(name(b"l\xfd.safetensors").is_file());
    // A spec of such a name, its results, and a comparison.
    write_spec(folder, "a.ron", "a", "");
    fs_err::rename(folder.join("a.ron"), name(b"s\xfc.ron")).unwrap();
    works(
        folder,
        &[b"run", b"s\xfc.ron", b"--out", b"o\xfb", b"--json"],
    );
    let result = name(b"o\xfb").join("a/toy-gpt2");
    let record = fs_err::read_to_string(result.join("run.json")).unwrap();
    assert!(
        record.contains("s\\\\xfc.ron") && record.contains("o\\\\xfb"),
        "{record}"
    );
    works(folder, &[b"compare", b"o\xfb", b"--out", b"c\xfa"]);
    works(
        folder,
        &[
            b"eval",
            b"o\xfb/a/toy-gpt2/circuit.ron",
            b"--spec",
            b"s\xfc.ron",
            b"--model",
            b"m\xff",
        ],
    );
    // Models and files of questions that are written on the command line.
    fs_err::copy(folder.join("rows.jsonl"), name(b"r\xf9.jsonl")).unwrap();
    works(
        folder,
        &[
            b"vector",
            b"m\xff",
            b"--task",
            b"Tokens(\"r\xf9.jsonl\")",
            b"--name",
            b"v",
            b"--samples",
            b"0",
            b"--out",
            b"v\xf8",
        ],
    );
    let found = name(b"v\xf8").join("v/m-xff");
    let report = fs_err::read_to_string(found.join("report.json")).unwrap();
    assert!(report.contains("xf9.jsonl"), "{report}");
    let vector = [b"v\xf8/v/m-xff/vector.safetensors@0:1"];
    works(
        folder,
        &[
            b"logits",
            b"m\xff",
            b"--add",
            vector[0],
            b"--tokens",
            b"t\xfe.jsonl",
            b"--out",
            b"with",
        ],
    );
    works(
        folder,
        &[
            b"lens",
            b"m\xff",
            b"--task",
            b"Tokens(\"r\xf9.jsonl\")",
            b"--out",
            b"v\xf8",
            b"--quiet",
        ],
    );
}
