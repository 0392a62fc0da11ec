//! Neurons by two sets of prompts as a user asks for them.

use crate::program::{secateur, text};

/// Prompts of plural subjects and of singular ones: other numbers, other lengths.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, lines: &[&str]| {
        fs_err::write(folder.path().join(name), lines.join("\n")).expect("a file");
    };
    let plural = [
        "The dogs near the tree",
        "The dogs",
        "Today the dogs near the trees",
        "The boats",
    ];
    let singular = [
        "The dog near the tree",
        "The dog",
        "Today the dog near the trees",
        "The boat",
        "The boat near the dogs",
    ];
    write("plural.txt", &plural);
    write("singular.txt", &singular);
    let object = |prompt: &&str| {
        format!("{{\"prompt\": {prompt:?}, \"answer\": [\" are\"], \"wrong\": [\" is\"]}}")
    };
    let rows: Vec<String> = plural.iter().map(object).collect();
    write(
        "plural.jsonl",
        &rows.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    folder
}

const SETS: [&str; 5] = [
    "neurons",
    "builtin:toy-llama",
    "--behaviour",
    "plural.txt",
    "--other",
];

#[test]
fn two_files_of_prompts_are_enough() {
    let folder = folder();
    let folder = folder.path();
    let answers = [
        "singular.txt",
        "--answer",
        " are",
        "--wrong",
        " is",
        "--top",
        "6",
        "--name",
        "neurons-plural",
    ];
    let output = secateur(folder, &[&SETS[..], &answers].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let (shown, messages) = (text(&output.stdout), text(&output.stderr));
    for part in [
        "neurons-plural on toy-llama: plural.txt and singular.txt, LogitDiff",
        "on behaviour, ",
        "on other prompts (2 and 3 held-out prompts, 2 and 2 for discovery)",
        "effect on others",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let results = folder.join("results/neurons-plural/toy-llama");
    let bytes = |file: &str| fs_err::read(results.join(file)).expect("a file");
    let report: serde_json::Value = serde_json::from_slice(&bytes("report.json")).expect("JSON");
    assert_eq!(report["compared"], "sets");
    let metric = |key: &str| report[key].as_f64().expect("a metric");
    assert!(
        metric("metric_clean") > metric("metric_corrupt") + 1.0,
        "{shown}"
    );
    assert!(report["neurons"][0]["effect_other"]["mean"].is_f64());

    // The spec that it printed, with rows that have their answers, is the same question.
    let spec = messages
        .lines()
        .find_map(|line| line.strip_prefix("as a spec file: "))
        .expect("a spec");
    let rows = spec.replace("plural.txt", "plural.jsonl");
    fs_err::write(folder.join("rows.ron"), &rows).expect("a file");
    let before = bytes("neurons.csv");
    let output = secateur(folder, &["run", "rows.ron", "--force", "--threads", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(bytes("neurons.csv"), before);
    // A file that changed is another input.
    assert!(text(&secateur(folder, &["run", "rows.ron"]).stdout).contains("already done"));
    fs_err::write(folder.join("singular.txt"), "The dog\nThe boat\nThe tree\n").expect("a file");
    assert!(!text(&secateur(folder, &["run", "rows.ron"]).stdout).contains("already done"));

    // Without answers the prompts are texts.
    let texts = [
        "singular.txt",
        "--pool",
        "Mean",
        "--top",
        "4",
        "--name",
        "texts",
    ];
    let output = secateur(folder, &[&SETS[..], &texts].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = fs_err::read(folder.join("results/texts/toy-llama/report.json")).expect("a file");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(report["compared"], "texts");
    assert!(report["metric_clean"].as_f64() < Some(0.0));
}

#[test]
fn mistakes_in_sets_are_named() {
    let folder = folder();
    let folder = folder.path();
    fs_err::write(folder.join("short.txt"), "The\n").expect("a file");
    fs_err::write(folder.join("bad.jsonl"), "{\"clean\": \"The\"}\n[1]\n").expect("a file");
    let nll = ["--metric", "Nll"];
    for (arguments, code, parts) in [
        (
            &[&SETS[..], &["singular.txt", "--metric", "LogitDiff"]].concat()[..],
            3,
            &["plural.txt, row 1", "has no answers", "use metric: Nll"][..],
        ),
        (
            &[
                "neurons",
                "builtin:toy-llama",
                "--behaviour",
                "plural.jsonl",
                "--other",
                "singular.txt",
            ],
            3,
            &[
                "plural.jsonl, prompt 1",
                "it has answers and singular.txt, prompt 1 has none",
            ],
        ),
        (
            &[&SETS[..], &["short.txt"], &nll].concat(),
            3,
            &["short.txt", "row 1", "a single token"],
        ),
        (
            &[&SETS[..], &["bad.jsonl"], &nll].concat(),
            3,
            &["row 1: unknown key `clean`", "row 2: not a JSON object"],
        ),
        (
            &[&SETS[..], &["nothing.txt"]].concat(),
            2,
            &["--other: ", "no such file"],
        ),
        (
            &[&SETS[..], &["singular.txt", "--answer", " fly away"]].concat(),
            3,
            &["`answer` has \" fly away\""],
        ),
        (
            &[&SETS[..], &["singular.txt", "--task", "Ioi(pairs: 8)"]].concat(),
            2,
            &["cannot be used with"],
        ),
        (&SETS[..4], 2, &["--other"]),
        (&SETS[..2], 2, &["--task"]),
    ] {
        let output = secateur(folder, arguments);
        let messages = text(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {messages}"
        );
        for part in parts {
            assert!(messages.contains(part), "{arguments:?}, {part}: {messages}");
        }
    }
    // Both a task and sets, in a spec.
    fs_err::write(
        folder.join("both.ron"),
        "(format: 1, name: \"n\", models: [\"builtin:toy-llama\"], task: Ioi(pairs: 8), analysis: Neurons(sets: \
         (behaviour: \"plural.txt\", other: \"singular.txt\", wrong: [\" is\"])))",
    )
    .expect("a file");
    let output = secateur(folder, &["run", "both.ron"]);
    let messages = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    for part in ["leave one of them out", "wrong answers without right ones"] {
        assert!(messages.contains(part), "{part}: {messages}");
    }
}

/// Two sets of the same kind of prompts: there is no behaviour that shares could be taken of.
#[test]
fn shares_of_a_behaviour_that_is_none_come_with_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let prompts = |animals: [&str; 4]| {
        let both = animals.map(|it| format!("The {it} near the tree\nThe {it}s near the tree\n"));
        both.concat()
    };
    let sets = [
        ("a.txt", ["dog", "cat", "bird", "doctor"]),
        ("b.txt", ["boy", "girl", "king", "teacher"]),
    ];
    for (name, animals) in sets {
        fs_err::write(folder.join(name), prompts(animals)).expect("a file");
    }
    let mut shown = Vec::new();
    // Whichever has the larger mean.
    for [behaviour, other] in [["a.txt", "b.txt"], ["b.txt", "a.txt"]] {
        let arguments = [
            "neurons",
            "builtin:toy-llama",
            "--behaviour",
            behaviour,
            "--other",
            other,
        ];
        let answers = [
            "--answer", " are", "--wrong", " is", "--top", "6", "--name", behaviour,
        ];
        let output = secateur(folder, &[&arguments[..], &answers].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        shown.push(text(&output.stderr));
    }
    let noise = "less than two standard errors of";
    let told = shown
        .iter()
        .filter(|it| it.contains(noise) || it.contains("is not above"));
    assert_eq!(told.count(), 2, "{shown:?}");
    assert!(shown.iter().any(|it| it.contains(noise)), "{shown:?}");
}
