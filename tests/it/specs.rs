//! Run specs: every mistake with its place, and folders of specs.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use proptest::prelude::*;
use secateur::spec::{RunSpec, check_spec, parse_spec, read_specs, ron_line, spec_files};

const VALID: &str = r#"RunSpec(
    format: 1,
    name: "ioi",
    models: ["builtin:toy-gpt2"],
    task: Ioi(pairs: 64, seed: 0),
    metric: LogitDiff,
    ablation: Patch,
    method: EapIg(steps: 5),
    select: TopN(share: 0.02),
    evaluate: (held_out: 0.5, curve: true, random_baselines: 20, bootstrap: 200),
    outputs: [Dot, Svg],
)
"#;

fn check(text: &str) -> secateur::Result<RunSpec> {
    check_spec(text.as_bytes(), Path::new("spec.ron"))
}

/// The valid spec with the first occurrence of each left side replaced.
fn with(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(VALID.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

/// What is wrong with the valid spec after these edits.
fn mistakes(edits: &[(&str, &str)]) -> String {
    let error = check(&with(edits)).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn a_syntax_or_type_error_names_what_was_expected() {
    insta::assert_snapshot!(mistakes(&[("name: \"ioi\",", "name: \"ioi\"")]), @r##"spec.ron:4:5: Expected comma"##);
    insta::assert_snapshot!(mistakes(&[("format: 1", "format: \"one\"")]), @r##"spec.ron:2:12: Expected integer"##);
    insta::assert_snapshot!(mistakes(&[("steps: 5", "stesp: 5")]), @r##"spec.ron:8:19: Unexpected field named `stesp` in `EapIg`, expected `steps` instead"##);
    insta::assert_snapshot!(mistakes(&[("    metric: LogitDiff,\n", "")]), @r##"spec.ron:11:1: missing key `metric` in `RunSpec`"##);
    insta::assert_snapshot!(mistakes(&[("metric: LogitDiff", "metric: LogitDif")]), @r##"spec.ron:6:13: Unexpected variant named `LogitDif` in enum `Metric`, expected one of `LogitDiff`, `ProbDiff`, `Kl`, `Nll`, `Accuracy`, `Mrr`, or `L2` instead"##);
    insta::assert_snapshot!(mistakes(&[("method: EapIg(steps: 5)", "method: Acdc()")]), @r##"spec.ron:8:18: missing key `tau` in `Acdc`"##);
    insta::assert_snapshot!(mistakes(&[("    select", "    selct")]), @r##"spec.ron:9:5: Unexpected field named `selct` in `RunSpec`, expected one of `format`, `name`, `models`, `task`, `metric`, `ablation`, `method`, `granularity`, `select`, `target`, `limit`, `evaluate`, `precision`, `prepend_bos`, or `outputs` instead"##);
    insta::assert_snapshot!(mistakes(&[("[Dot, Svg]", "[Dot, Png]")]), @r##"spec.ron:11:20: Unexpected variant named `Png` in enum `Output`, expected one of `Dot`, `Svg`, `Html`, `Json`, `Csv`, or `Scores` instead"##);
}

#[test]
fn format_and_name() {
    insta::assert_snapshot!(mistakes(&[("format: 1", "format: 2")]), @r##"spec.ron:2:5: format: expected 1, the format this version reads, got 2"##);
    insta::assert_snapshot!(mistakes(&[("\"ioi\"", "\"\"")]), @r##"spec.ron:3:5: name: expected a name, got "": the name is the folder of the results"##);
    insta::assert_snapshot!(mistakes(&[("\"ioi\"", "\"a/b\"")]), @r##"spec.ron:3:5: name: expected a name without / \ : * ? " < > |, control characters and characters that cannot be seen, got "a/b": the name is the folder of the results"##);
    insta::assert_snapshot!(mistakes(&[("\"ioi\"", "\"..\"")]), @r##"spec.ron:3:5: name: expected a name that does not begin with a dot, got "..": the name is the folder of the results"##);
    insta::assert_snapshot!(mistakes(&[("\"ioi\"", "\" ioi\"")]), @r##"spec.ron:3:5: name: expected a name without space around it, got " ioi": the name is the folder of the results"##);
}

#[test]
fn models() {
    insta::assert_snapshot!(mistakes(&[("[\"builtin:toy-gpt2\"]", "[]")]), @r##"spec.ron:4:5: models: expected at least one model, such as "builtin:toy-gpt2""##);
    insta::assert_snapshot!(mistakes(&[("\"builtin:toy-gpt2\"", "\"builtin:toy-gpt3\"")]), @r##"spec.ron:4:14: models[0]: no built-in model "toy-gpt3", expected one of toy-gpt2, toy-llama"##);
    insta::assert_snapshot!(mistakes(&[("\"builtin:toy-gpt2\"", "\"hf:smol\"")]), @r##"spec.ron:4:14: models[0]: expected hf:ORG/NAME, got "hf:smol""##);
    insta::assert_snapshot!(mistakes(&[("\"builtin:toy-gpt2\"", "\"no/such.gguf\"")]), @r##"
    spec.ron:4:14: models[0]: no such file or folder: ./no/such.gguf
    hint: a model is a folder, a .gguf file, builtin:NAME or hf:ORG/NAME
    "##);
    insta::assert_snapshot!(mistakes(&[("\"builtin:toy-gpt2\"", "\"builtin:toy-gpt2\", \"builtin:toy-gpt2\"")]), @r##"spec.ron:4:34: models[1]: "builtin:toy-gpt2" is listed twice"##);
    insta::assert_snapshot!(mistakes(&[("\"builtin:toy-gpt2\"", "\"\"")]), @r##"spec.ron:4:14: models[0]: expected a model, such as "builtin:toy-gpt2""##);
}

#[test]
fn tasks() {
    insta::assert_snapshot!(mistakes(&[("pairs: 64", "pairs: 1")]), @r##"spec.ron:5:15: task.Ioi.pairs: expected 2 to 1000000, got 1"##);
    insta::assert_snapshot!(mistakes(&[("Ioi(pairs: 64, seed: 0)", "Induction(pairs: 2000000)")]), @r##"spec.ron:5:21: task.Induction.pairs: expected 2 to 1000000, got 2000000"##);
    insta::assert_snapshot!(mistakes(&[("Ioi(pairs: 64, seed: 0)", "Induction(pairs: 8, length: 3)")]), @r##"spec.ron:5:31: task.Induction.length: expected 4 (a word, A, B and A again) to 65536, got 3"##);
    insta::assert_snapshot!(mistakes(&[("Ioi(pairs: 64, seed: 0)", "File(\"none.jsonl\")")]), @r##"spec.ron:5:11: task.File: no such file: ./none.jsonl"##);
    insta::assert_snapshot!(mistakes(&[("Ioi(pairs: 64, seed: 0)", "Tokens(\"none.jsonl\")")]), @r##"spec.ron:5:11: task.Tokens: no such file: ./none.jsonl"##);
}

#[test]
fn methods_and_metrics() {
    insta::assert_snapshot!(mistakes(&[("steps: 5", "steps: 0")]), @r##"spec.ron:8:19: method.EapIg.steps: expected 1 to 1000, got 0"##);
    insta::assert_snapshot!(mistakes(&[("steps: 5", "steps: 1001")]), @r##"spec.ron:8:19: method.EapIg.steps: expected 1 to 1000, got 1001"##);
    insta::assert_snapshot!(mistakes(&[("method: EapIg(steps: 5)", "method: Acdc(tau: inf)"), ("    select: TopN(share: 0.02),\n", "")]), @r##"spec.ron:8:18: method.Acdc.tau: expected a finite number, got inf"##);
    insta::assert_snapshot!(mistakes(&[("metric: LogitDiff", "metric: Accuracy")]), @r##"
    spec.ron:6:5: metric: Accuracy has no gradient, which EapIg needs
    hint: use metric: LogitDiff, or method: Exact() or Acdc(..)
    "##);
    insta::assert_snapshot!(mistakes(&[("metric: LogitDiff", "metric: Kl"), ("method: EapIg(steps: 5)", "method: Eap()")]), @r##"
    spec.ron:6:5: metric: the gradient of Kl is zero on the clean run, the only place Eap looks at
    hint: use method: EapIg(steps: 5) or Exact()
    "##);
    insta::assert_snapshot!(mistakes(&[("metric: LogitDiff", "metric: L2"), ("method: EapIg(steps: 5)", "method: Eap()")]), @r##"
    spec.ron:6:5: metric: the gradient of L2 is zero on the clean run, the only place Eap looks at
    hint: use method: EapIg(steps: 5) or Exact()
    "##);
    insta::assert_snapshot!(mistakes(&[("metric: LogitDiff", "metric: Mrr"), ("method: EapIg(steps: 5)", "method: EapIgActivations()")]), @r##"
    spec.ron:6:5: metric: Mrr has no gradient, which EapIgActivations needs
    hint: use metric: LogitDiff, or method: Exact() or Acdc(..)
    "##);
    let neurons = "granularity: (mlps: Neurons(layers: [0], top: 2))";
    insta::assert_snapshot!(mistakes(&[("metric: LogitDiff", "metric: Mrr"), ("method: EapIg(steps: 5)", "method: Exact()"), ("select: TopN(share: 0.02)", neurons)]), @r##"
    spec.ron:6:5: metric: Mrr has no gradient, by which the neurons that become nodes are chosen
    hint: use metric: LogitDiff, or granularity: (mlps: Whole)
    "##);
}

#[test]
fn ablations() {
    insta::assert_snapshot!(mistakes(&[("ablation: Patch", "ablation: Optimal(steps: 0)")]), @r##"spec.ron:7:23: ablation.Optimal.steps: expected 1 to 1000000, got 0"##);
    insta::assert_snapshot!(mistakes(&[("ablation: Patch", "ablation: Optimal(learning_rate: 0.0)")]), @r##"spec.ron:7:23: ablation.Optimal.learning_rate: expected a finite number above 0, got 0.0"##);
    insta::assert_snapshot!(mistakes(&[("ablation: Patch", "ablation: Optimal(steps: 5, learning_rate: NaN)")]), @r##"spec.ron:7:33: ablation.Optimal.learning_rate: expected a finite number above 0, got NaN"##);
    insta::assert_snapshot!(mistakes(&[("ablation: Patch", "ablation: Resample(sed: 1)")]), @r##"spec.ron:7:24: Unexpected field named `sed` in `Resample`, expected `seed` instead"##);
}

#[test]
fn selection_and_target() {
    insta::assert_snapshot!(mistakes(&[("select: TopN(share: 0.02)", "select: TopN()")]), @r##"spec.ron:9:13: select.TopN: expected either `edges: n` or `share: x`"##);
    insta::assert_snapshot!(mistakes(&[("select: TopN(share: 0.02)", "select: TopN(edges: 3, share: 0.1)")]), @r##"spec.ron:9:13: select.TopN: expected either `edges: n` or `share: x`"##);
    insta::assert_snapshot!(mistakes(&[("select: TopN(share: 0.02)", "select: TopN(share: 1.5)")]), @r##"spec.ron:9:18: select.TopN.share: expected more than 0 and at most 1, got 1.5"##);
    insta::assert_snapshot!(mistakes(&[("select: TopN(share: 0.02)", "select: TopN(edges: 0)")]), @r##"spec.ron:9:18: select.TopN.edges: expected at least 1, got 0"##);
    insta::assert_snapshot!(mistakes(&[("select: TopN(share: 0.02)", "select: Greedy(edges: 0)")]), @r##"spec.ron:9:20: select.Greedy.edges: expected at least 1, got 0"##);
    insta::assert_snapshot!(mistakes(&[("select: TopN(share: 0.02)", "select: Threshold(-1.0)")]), @r##"spec.ron:9:13: select.Threshold: expected a finite number of at least 0, got -1.0"##);
    insta::assert_snapshot!(mistakes(&[("method: EapIg(steps: 5)", "method: Acdc(tau: 0.02)")]), @r##"
    spec.ron:9:5: select: with Acdc, tau decides which edges stay
    hint: leave `select` out, or use a method that gives scores
    "##);
    insta::assert_snapshot!(mistakes(&[("select: TopN(share: 0.02)", "select: TopN(share: 0.02),\n    target: (faithfulness: 0.9)")]), @r##"spec.ron:9:5: select: `select` and `target` exclude each other: `target` finds the size itself"##);
    insta::assert_snapshot!(mistakes(&[("select: TopN(share: 0.02)", "target: (faithfulness: 2.0)")]), @r##"spec.ron:9:14: target.faithfulness: expected more than 0 and at most 1.5, got 2.0"##);
}

#[test]
fn evaluation_granularity_and_outputs() {
    insta::assert_snapshot!(mistakes(&[("held_out: 0.5", "held_out: 1.0")]), @r##"spec.ron:10:16: evaluate.held_out: expected at least 0 and less than 1, got 1.0"##);
    insta::assert_snapshot!(mistakes(&[("bootstrap: 200", "bootstrap: 2000000")]), @r##"spec.ron:10:66: evaluate.bootstrap: expected 0 for no intervals, or 40 to 1000000, got 2000000"##);
    insta::assert_snapshot!(mistakes(&[("bootstrap: 200", "bootstrap: 39")]), @r##"spec.ron:10:66: evaluate.bootstrap: expected 0 for no intervals, or 40 to 1000000, got 39"##);
    insta::assert_snapshot!(mistakes(&[("random_baselines: 20", "random_baselines: 20000")]), @r##"spec.ron:10:44: evaluate.random_baselines: expected at most 10000, got 20000"##);
    insta::assert_snapshot!(mistakes(&[("    select: TopN(share: 0.02)", "    granularity: (mlps: Neurons(layers: [], top: 0)),\n    select: TopN(share: 0.02)")]), @r##"
    spec.ron:9:33: granularity.mlps.Neurons.layers: expected at least one layer
    spec.ron:9:45: granularity.mlps.Neurons.top: expected at least 1, got 0
    "##);
    insta::assert_snapshot!(mistakes(&[("    select: TopN(share: 0.02)", "    granularity: (mlps: Neurons(layers: [1, 2, 1], top: 8)),\n    select: TopN(share: 0.02)")]), @r##"spec.ron:9:48: granularity.mlps.Neurons.layers[2]: layer 1 is listed twice"##);
    insta::assert_snapshot!(mistakes(&[("[Dot, Svg]", "[Dot, Svg, Dot]")]), @r##"spec.ron:11:25: outputs[2]: Dot is listed twice"##);
}

#[test]
fn all_impossible_values_are_reported_at_once() {
    insta::assert_snapshot!(mistakes(&[("format: 1", "format: 7"), ("\"builtin:toy-gpt2\"", "\"gone\""), ("pairs: 64", "pairs: 0"), ("share: 0.02", "share: 0.0"), ("0.5", "-0.5")]), @r##"
    spec.ron:2:5: format: expected 1, the format this version reads, got 7
    spec.ron:4:14: models[0]: no such file or folder: ./gone
    hint: a model is a folder, a .gguf file, builtin:NAME or hf:ORG/NAME
    spec.ron:5:15: task.Ioi.pairs: expected 2 to 1000000, got 0
    spec.ron:9:18: select.TopN.share: expected more than 0 and at most 1, got 0.0
    spec.ron:10:16: evaluate.held_out: expected at least 0 and less than 1, got -0.5
    "##);
}
#[test]
fn a_valid_spec_passes_and_survives_its_own_serialisation() {
    let spec = check(VALID).unwrap();
    let again = parse_spec(ron_line(&spec).as_bytes(), Path::new("again.ron")).unwrap();
    assert_eq!(spec, again);
}

#[test]
fn values_that_look_odd_but_have_a_meaning_pass() {
    for edits in [
        [("select: TopN(share: 0.02)", "target: (faithfulness: 1.5)")],
        [("select: TopN(share: 0.02)", "select: Threshold(0.0)")],
        [("held_out: 0.5", "held_out: 0.0")],
        [("metric: LogitDiff", "metric: Kl")],
        [("metric: LogitDiff", "metric: Nll")],
        [("ablation: Patch", "ablation: MeanPositional")],
        [("ablation: Patch", "ablation: Resample(seed: 4)")],
        [("ablation: Patch", "ablation: Resample()")],
        [("ablation: Patch", "ablation: Optimal()")],
        [(
            "ablation: Patch",
            "ablation: Optimal(steps: 20, learning_rate: 0.1, seed: 3)",
        )],
    ] {
        check(&with(&edits)).unwrap();
    }
    let acdc = [
        ("method: EapIg(steps: 5)", "method: Acdc(tau: -0.1)"),
        ("    select: TopN(share: 0.02),\n", ""),
        ("metric: LogitDiff", "metric: Accuracy"),
    ];
    check(&with(&acdc)).unwrap();
}

#[test]
fn the_hash_follows_what_decides_the_result() {
    let hash = |edits: &[(&str, &str)]| check(&with(edits)).unwrap().hash();
    let plain = hash(&[]);
    assert_eq!(
        plain,
        hash(&[("format: 1", "/* one */ format: 1, precision: F32")])
    );
    assert_eq!(plain, hash(&[("[Dot, Svg]", "[]")]));
    assert_eq!(plain, hash(&[("builtin:toy-gpt2", "builtin:toy-llama")]));
    assert_ne!(plain, hash(&[("seed: 0", "seed: 1")]));
    assert_ne!(plain, hash(&[("share: 0.02", "share: 0.03")]));
}

#[test]
fn bytes_that_are_not_text_have_a_place() {
    let error = check_spec(b"RunSpec(\n  name: \"\xff\"", Path::new("spec.ron")).unwrap_err();
    assert_eq!(error.to_string(), "spec.ron:2:10: not UTF-8 text");
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let text = format!("\u{feff}{VALID}");
    assert_eq!(check(&text).unwrap(), check(VALID).unwrap());
}

#[test]
fn folders_are_searched_below_and_files_count_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs_err::create_dir_all(root.join("a/b")).unwrap();
    for name in [
        "z.ron",
        "a/b/y.ron",
        "a/b/circuit.ron",
        "a/x.ron",
        "a/notes.txt",
    ] {
        fs_err::write(root.join(name), VALID).unwrap();
    }
    let files = spec_files(&[root.to_owned(), root.join("a/x.ron")]).unwrap();
    let names: Vec<_> = files
        .iter()
        .map(|file| file.strip_prefix(root).unwrap())
        .collect();
    assert_eq!(names, ["z.ron", "a/x.ron", "a/b/y.ron"].map(Path::new));

    fs_err::create_dir(root.join("empty")).unwrap();
    let error = spec_files(&[root.join("empty")]).unwrap_err();
    assert!(error.to_string().contains("no *.ron file"), "{error}");
    assert_eq!(spec_files(&[root.join("gone")]).unwrap_err().exit_code(), 2);
}

#[test]
fn specs_of_one_name_are_both_refused_and_the_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs_err::write(&path, text).unwrap();
        path
    };
    let files = [
        write("one.ron", VALID.to_owned()),
        write("two.ron", VALID.to_owned()),
        write("bad.ron", "RunSpec(".to_owned()),
        write("good.ron", with(&[("\"ioi\"", "\"other\"")])),
    ];
    let set = read_specs(&files);
    assert_eq!(set.specs.len(), 1);
    assert_eq!(set.specs[0].path, files[3]);
    assert_eq!(set.errors.len(), 3);
    let first = set.errors[0].to_string();
    assert!(first.contains("one.ron:3:5: name:"), "{first}");
    assert!(first.contains("two.ron"), "{first}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(check_spec(&bytes, Path::new("spec.ron")).is_err());
    }

    #[test]
    fn any_part_of_a_spec_is_refused_with_a_place(length in 0..VALID.len() - 2) {
        let Err(secateur::Error::Spec(mistakes)) = check(&VALID[..length]) else {
            return Err(TestCaseError::fail("expected mistakes"));
        };
        prop_assert!(mistakes[0].line >= 1 && mistakes[0].column >= 1);
        prop_assert!(mistakes[0].line <= VALID[..length].matches('\n').count() + 1);
    }

    #[test]
    fn one_changed_character_never_panics(at in 0..VALID.len(), letter in any::<char>()) {
        let mut text = VALID.to_owned();
        text.replace_range(at..=at, &letter.to_string());
        check(&text).map(|_| ()).unwrap_or_default();
    }
}
