//! What `--memory` counts beside runs: the rows, before they are made, and the run of a prompt.

use std::path::Path;
use std::time::{Duration, Instant};

use secateur::events::Silent;
use secateur::model::{PrependBos, load_model};
use secateur::task::{Agreement, GreaterThan, Induction, Ioi, LoadRequest, Prompts, TaskSource};

use crate::program::{done, refused, secateur, text};

/// Longest that a refusal may take: the rows themselves would take far longer.
const AT_ONCE: Duration = Duration::from_secs(10);

fn write(folder: &Path, name: &str, contents: &str) {
    fs_err::write(folder.join(name), contents).expect("a file");
}

#[test]
fn rows_are_refused_before_they_are_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let circuit = "metric: LogitDiff, ablation: Patch, method: Eap(), select: TopN(edges: 20)";
    let million = "task: Ioi(pairs: 1000000, seed: 0)";
    let row = "{\"clean\": \"The dogs near the tree\", \"corrupt\": \"The dog near the tree\", \"answer\": [\" are\"]}\n";
    write(folder, "rows.jsonl", &row.repeat(20_000));
    write(
        folder,
        "prompts.txt",
        &"The dogs near the tree\n".repeat(50_000),
    );
    write(folder, "few.txt", "The dog\nThe cat\n");
    let file = "task: File(\"rows.jsonl\")";
    let sets =
        "analysis: Neurons(sets: (behaviour: \"prompts.txt\", other: \"few.txt\")), metric: Nll";
    for (question, named) in [
        (format!("{million}, {circuit}"), "Ioi(pairs: 1000000"),
        (format!("{million}, analysis: Lens()"), "Ioi(pairs: 1000000"),
        (format!("{million}, analysis: Edit()"), "Ioi(pairs: 1000000"),
        (
            format!("{million}, analysis: Vector()"),
            "Ioi(pairs: 1000000",
        ),
        (format!("{file}, {circuit}"), "rows.jsonl"),
        (format!("{file}, analysis: Attention()"), "rows.jsonl"),
        (sets.to_owned(), "prompts.txt and few.txt"),
    ] {
        let spec = format!("(format: 1, name: \"x\", models: [\"builtin:toy-llama\"], {question})");
        write(folder, "x.ron", &spec);
        let start = Instant::now();
        let output = secateur(folder, &["run", "x.ron", "--memory", "0.05"]);
        let parts = [
            "0.05 GB of memory are too little",
            "the rows of",
            named,
            "fewer rows",
        ];
        refused(&output, 2, &parts);
        assert!(
            start.elapsed() < AT_ONCE,
            "{question}: {:?}",
            start.elapsed()
        );
    }
}

/// The first rows tell what all will take.
#[test]
fn rows_take_what_was_expected() {
    let model = load_model("builtin:toy-llama", Path::new(".")).expect("a built-in model");
    let request = LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        prompts: Prompts::Pairs,
        base: Path::new("."),
        observer: &Silent,
    };
    let pairs = 400;
    for task in [
        TaskSource::Ioi(Ioi {
            pairs,
            ..Ioi::default()
        }),
        TaskSource::Agreement(Agreement { pairs, seed: 3 }),
        TaskSource::GreaterThan(GreaterThan { pairs, seed: 0 }),
        TaskSource::Induction(Induction {
            pairs,
            seed: 0,
            length: 12,
        }),
    ] {
        let expected = task.expected_bytes(&request).expect("rows");
        let rows = task.load(&request).expect("rows").examples;
        // What the lists and texts hold, without what is around them.
        let least: usize = rows
            .iter()
            .map(|it| {
                let texts = it
                    .text
                    .as_ref()
                    .map_or(0, |text| text.clean.len() + text.corrupt.len());
                4 * (it.clean.len() + it.corrupt.len() + it.answer.len() + it.wrong.len()) + texts
            })
            .sum();
        assert!(expected > least, "{expected} {least}");
        assert!(expected < 2000 * pairs, "{expected}");
    }
}

/// The peak of a job with many rows stays within what it was given.
#[test]
fn many_rows_stay_within_the_memory_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let spec = "(format: 1, name: \"x\", models: [\"builtin:toy-llama\"], task: Agreement(pairs: 700), analysis: Lens(attribution: false), \
                bootstrap: 40)";
    write(folder, "x.ron", spec);
    done(&secateur(folder, &["run", "x.ron", "--memory", "0.04"]));
    let record = fs_err::read(folder.join("results/x/toy-llama/run.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    let peak = record["circumstances"]["peak_anonymous_bytes"].as_u64();
    assert!(peak.expect("a peak") < 40_000_000, "{record}");
}

#[test]
fn a_prompt_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let spec = |prompt: &str| {
        format!(
            "(format: 1, name: \"x\", models: [\"builtin:toy-llama\"], analysis: Prompt(prompt: \"{prompt}\"))"
        )
    };
    write(folder, "short.ron", &spec("The dog"));
    write(
        folder,
        "long.ron",
        &spec(&("The dog".to_owned() + &" near the dog".repeat(15))),
    );
    let within =
        |name: &str, memory: &str| secateur(folder, &["run", name, "--memory", memory, "--force"]);
    // The least that will do is named, and does.
    let output = within("long.ron", "0.001");
    refused(&output, 2, &["at least", "or shorter or fewer prompts"]);
    let message = text(&output.stderr);
    let least = message
        .split("--memory ")
        .nth(1)
        .and_then(|it| it.split(',').next());
    done(&within("long.ron", least.expect("a number")));
    done(&within("short.ron", least.expect("a number")));
    // So does the prompt line by line.
    let lines = format!(
        "prompt {}\ntop 3\nquit\n",
        ("The dog".to_owned() + &" near the dog".repeat(15))
    );
    write(folder, "lines", &lines);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_secateur"))
        .args(["repl", "builtin:toy-llama", "--memory", "0.001"])
        .current_dir(folder)
        .stdin(
            fs_err::File::open(folder.join("lines"))
                .expect("a file")
                .into_file(),
        )
        .output()
        .expect("the program");
    let said = text(&output.stderr) + &text(&output.stdout);
    assert!(said.contains("at least"), "{said}");
}
