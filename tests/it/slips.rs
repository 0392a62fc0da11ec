//! What prompts say that their writer may not mean is told wherever the result is.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use serde_json::{Value, json};

use crate::program::{done, refused, secateur, text};

/// A folder with a model of 87 tokens, and rows for it.
fn folder(rows: &[Value]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases/tok-plain");
    fs_err::create_dir(folder.path().join("model")).unwrap();
    for file in fs_err::read_dir(case).unwrap() {
        let file = file.unwrap();
        fs_err::copy(
            file.path(),
            folder.path().join("model").join(file.file_name()),
        )
        .unwrap();
    }
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    fs_err::write(
        folder.path().join("rows.jsonl"),
        "\u{feff}".to_owned() + &lines.join("\r\n"),
    )
    .unwrap();
    folder
}

/// The warnings of a circuit found on rows, as the terminal, the record and the report have them.
fn warnings(rows: &[Value], more: &str) -> Vec<String> {
    let folder = folder(rows);
    let spec = format!(
        "\u{feff}RunSpec(format: 1, name: \"a\", models: [\"model\"], task: File(\"rows.jsonl\"), metric: LogitDiff, \
         ablation: Patch, method: Eap(), select: TopN(edges: 20), {more} \
         evaluate: (held_out: 0.0, curve: false, random_baselines: 0, bootstrap: 0), outputs: [])"
    );
    fs_err::write(folder.path().join("a.ron"), spec).unwrap();
    let output = secateur(folder.path(), &["run", "a.ron"]);
    done(&output);
    let read = |file: &str| -> Value {
        let found = fs_err::read_dir(folder.path().join("results/a")).unwrap();
        let inner = found
            .map(|entry| entry.unwrap().path())
            .find(|path| path.is_dir())
            .unwrap();
        serde_json::from_slice(&fs_err::read(inner.join(file)).unwrap()).unwrap()
    };
    let report = read("report.json");
    let list = report["warnings"]
        .as_array()
        .or_else(|| report["held_out"]["warnings"].as_array())
        .unwrap();
    let list: Vec<String> = list
        .iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect();
    let (record, stderr) = (read("run.json").to_string(), text(&output.stderr));
    for warning in &list {
        let start = &warning[..warning.len().min(30)];
        assert!(stderr.contains(start), "{warning}: {stderr}");
        let json = json!(warning).to_string();
        assert!(
            record.contains(json.trim_matches('"')),
            "{warning}: {record}"
        );
    }
    list
}

fn row(clean: &str, corrupt: &str, answer: &str, wrong: &str) -> Value {
    json!({"clean": clean, "corrupt": corrupt, "answer": [answer], "wrong": [wrong]})
}

fn has(warnings: &[String], part: &str) -> bool {
    warnings.iter().any(|it| it.contains(part))
}

#[test]
fn two_tokens_in_front_and_spaces_at_the_end_are_told() {
    let good = row(
        "The cats gave milk to",
        "The dogs gave milk to",
        " Mary",
        " John",
    );
    let plain = warnings(std::slice::from_ref(&good), "");
    assert!(
        !has(&plain, "twice") && !has(&plain, "end in a space"),
        "{plain:?}"
    );
    let twice = row(
        "<s>The cats gave milk to",
        "<s>The dogs gave milk to",
        " Mary",
        " John",
    );
    let found = warnings(&[good.clone(), twice.clone()], "");
    assert!(
        has(
            &found,
            "1 of 2 prompts begin with the beginning-of-sequence token \"<s>\" twice"
        ),
        "{found:?}"
    );
    let never = warnings(&[twice], "prepend_bos: Never,");
    assert!(!has(&never, "twice"), "{never:?}");
    let spaced = row(
        "The cats gave milk to ",
        "The dogs gave milk to ",
        "cat",
        "The",
    );
    let found = warnings(&[good, spaced], "");
    assert!(has(&found, "1 of 2 prompts end in a space"), "{found:?}");
}

/// The model is asked which form is likelier: one of these two prompts has an answer that it would rather give with a space.
#[test]
fn answers_without_their_space_are_told_where_the_model_wants_one() {
    let prompts = ["The cats gave milk to", "The dogs gave milk to"];
    let found: Vec<bool> = ["cat", "ca", "The", "Th"]
        .map(|answer| {
            let wrong = if answer == "cat" { "The" } else { "cat" };
            let found = warnings(&[row(prompts[0], prompts[1], answer, wrong)], "");
            has(&found, &format!("(\" {answer}\" for \"{answer}\")"))
        })
        .to_vec();
    assert!(found.contains(&true) && found.contains(&false), "{found:?}");
}

#[test]
fn a_word_that_only_the_tokenizer_knows_is_refused_by_name() {
    let folder = folder(&[row("The <x> cat", "The <x> dog", " Mary", " John")]);
    let path = folder.path().join("model/tokenizer_config.json");
    fs_err::write(path, r#"{"additional_special_tokens": ["<x>"]}"#).unwrap();
    let spec = "RunSpec(format: 1, name: \"a\", models: [\"model\"], task: File(\"rows.jsonl\"), metric: LogitDiff, \
                ablation: Patch, method: Eap(), select: TopN(edges: 20))";
    fs_err::write(folder.path().join("a.ron"), spec).unwrap();
    let output = secateur(folder.path(), &["run", "a.ron"]);
    refused(
        &output,
        3,
        &["row 1", "\"<x>\" (token 87)", "the model does not"],
    );
    fs_err::write(
        folder.path().join("rows.jsonl"),
        r#"{"clean": "a", "clean": "b"}"#,
    )
    .unwrap();
    let output = secateur(folder.path(), &["run", "a.ron"]);
    refused(&output, 3, &["row 1", "\"clean\" is there twice"]);
}

/// A job whose tokenizer cannot be used does not keep the others from theirs.
#[test]
fn a_broken_tokenizer_is_an_error_of_its_job() {
    let folder = folder(&[row(
        "The cats gave milk to",
        "The dogs gave milk to",
        " Mary",
        " John",
    )]);
    let whole = fs_err::read_to_string(folder.path().join("model/tokenizer.json")).unwrap();
    let mut models = vec!["\"model\"".to_owned()];
    let mut file: Value = serde_json::from_str(&whole).unwrap();
    for (name, cut) in [
        ("none", json!({"type": "FixedLength", "length": 0})),
        (
            "endless",
            json!({"type": "Split", "pattern": {"Regex": "(.+)+$\u{1}"}, "behavior": "Isolated", "invert": false}),
        ),
    ] {
        fs_err::create_dir(folder.path().join(name)).unwrap();
        for part in ["config.json", "model.safetensors"] {
            fs_err::copy(
                folder.path().join("model").join(part),
                folder.path().join(name).join(part),
            )
            .unwrap();
        }
        file["pre_tokenizer"] = cut;
        fs_err::write(
            folder.path().join(name).join("tokenizer.json"),
            file.to_string(),
        )
        .unwrap();
        models.push(format!("{name:?}"));
    }
    let spec = format!(
        "RunSpec(format: 1, name: \"a\", models: [{}], task: File(\"rows.jsonl\"), metric: LogitDiff, ablation: Patch, \
         method: Eap(), select: TopN(edges: 20), evaluate: (held_out: 0.0, bootstrap: 0, random_baselines: 0))",
        models.join(", ")
    );
    fs_err::write(folder.path().join("a.ron"), spec).unwrap();
    let output = secateur(folder.path(), &["run", "a.ron"]);
    refused(&output, 3, &["FixedLength"]);
    let stderr = text(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(
        folder.path().join("results/a/model/run.json").exists(),
        "{stderr}"
    );
}
