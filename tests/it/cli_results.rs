//! What stands in a folder of results: the answer to one question, whole, and never taken for that to another.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::determinism::files;
use crate::program::{done, refused, secateur, text};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(folder: &Path, name: &str, contents: &str) {
    let path = folder.join(name);
    fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs_err::write(path, contents).expect("a file");
}

/// A spec of a small circuit with some of its values.
fn circuit(pairs: usize, method: &str) -> String {
    format!(
        "RunSpec(format: 1, name: \"c\", models: [\"builtin:toy-llama\"], task: Ioi(pairs: {pairs}, seed: 0),\n\
         metric: LogitDiff, ablation: Patch, method: {method}, select: TopN(edges: 20),\n\
         evaluate: (random_baselines: 2, bootstrap: 40))\n"
    )
}

const ROW: &str = r#"{"clean": "The dogs near the tree", "corrupt": "The dog near the tree", "answer": [" are"], "wrong": [" is"]}"#;
const ROW2: &str = r#"{"clean": "The cats near the house", "corrupt": "The cat near the house", "answer": [" are"], "wrong": [" is"]}"#;

fn rows(count: usize) -> String {
    format!("{ROW}\n{ROW2}\n").repeat(count)
}

/// Kinds of analyses that answer quickly, each with another question under the same name.
#[test]
fn answers_to_other_questions_stay_whatever_their_kind() {
    let folder = folder();
    let folder = folder.path();
    let ioi = |seed: usize| format!("Ioi(pairs: 8, seed: {seed})");
    for (command, first, second, key) in [
        (
            "lens",
            ["--task", &ioi(0)],
            ["--task", &ioi(1)],
            "task.Ioi.seed is 0 there and 1 here",
        ),
        (
            "attention",
            ["--task", &ioi(0)],
            ["--task", "Agreement(pairs: 8)"],
            "task is {\"Ioi\"",
        ),
        (
            "residual",
            ["--task", &ioi(0)],
            ["--prompt", "The dogs"],
            "task is {\"Ioi\"",
        ),
        (
            "trace",
            ["--task", &ioi(0)],
            ["--task", "Ioi(pairs: 9)"],
            "task.Ioi.pairs is 8 there and 9 here",
        ),
        (
            "edit",
            ["--task", &ioi(0)],
            ["--task", &ioi(3)],
            "task.Ioi.seed",
        ),
    ] {
        let run = |more: &[&str]| {
            let first = [command, "builtin:toy-llama", "--name", command];
            secateur(folder, &[&first[..], more].concat())
        };
        done(&run(&first));
        let results = folder.join("results").join(command);
        let before = files(&results);
        assert!(before.len() > 3, "{command}");
        let parts = [
            "holds the answer to another question",
            key,
            "hint: give another --name",
            "--force",
        ];
        refused(&run(&second), 2, &parts);
        assert!(files(&results) == before, "{command}");
        // The same question is no obstacle, and what is asked for by force replaces the other.
        done(&run(&first));
        assert!(files(&results) == before, "{command}");
        done(&run(&[&second[..], &["--force"]].concat()));
        assert!(files(&results) != before, "{command}");
    }
}

/// The other kinds of analyses, as specs of one name.
#[test]
fn answers_of_specs_to_other_questions_stay_whatever_their_kind() {
    let folder = folder();
    let folder = folder.path();
    let relation = |place: &str| {
        let names = [
            "Mary", "Tom", "James", "Anna", "Paul", "Emily", "Jack", "Kate",
        ];
        let samples = names.map(|it| format!("{{\"subject\": \"{it}\", \"object\": \"{it}\"}}"));
        format!(
            "{{\"name\": \"recipient\", \"prompt_templates\": [\"Then, John and {{}} went to the {place}. John gave a ring \
             to\"], \"samples\": [{}]}}",
            samples.join(", ")
        )
    };
    write(folder, "store.json", &relation("store"));
    write(folder, "park.json", &relation("park"));
    let train = "tokens: 1024, context: 24, text: Sampled(tokens: 2000, seed: 0)";
    for (name, task, analysis, (from, to), key) in [
        ("neurons", true, "Neurons(top: 2)".to_owned(), ("top: 2", "top: 3"), "analysis.Neurons.top is 2 there and 3 here"),
        ("vector", true, "Vector(tokens: 0, samples: 0)".into(), ("tokens: 0", "tokens: 1"), "analysis.Vector.tokens is 0"),
        (
            "patchscope",
            true,
            "Patchscope(prompt: Text(\"Today the dogs near the tree\"), placeholder: \"tree\", expected: Answer, tokens: 2)".into(),
            ("expected: Answer", "expected: Next"),
            "analysis.Patchscope.expected is",
        ),
        (
            "relation",
            false,
            "Relation(data: \"store.json\", shots: 0)".into(),
            ("store", "park"),
            "analysis.Relation.data is \"store.json\" there and \"park.json\" here",
        ),
        (
            "sae",
            false,
            format!("Sae(layer: 0, features: 8, kind: TopK(k: 2), {train})"),
            ("k: 2", "k: 3"),
            "analysis.Sae.kind.TopK.k is 2 there and 3 here",
        ),
        (
            "feature-circuit",
            true,
            format!("FeatureCircuit(dictionaries: [Train(layer: 0, features: 8, kind: TopK(k: 2), {train})], keep: Top(4))"),
            ("Top(4)", "Top(5)"),
            "analysis.FeatureCircuit.keep",
        ),
        ("prompt", false, "Prompt(prompt: \"The dogs\")".into(), ("dogs", "cats"), "analysis.Prompt.prompt is \"The dogs\""),
    ] {
        let task = if task { "task: Agreement(pairs: 8), " } else { "" };
        let spec = format!("(format: 1, name: \"{name}\", models: [\"builtin:toy-llama\"], {task}analysis: {analysis})");
        let run = |spec: &str, more: &[&str]| {
            write(folder, "s.ron", spec);
            secateur(folder, &[&["run", "s.ron"], more].concat())
        };
        let other = spec.replace(from, to);
        assert_ne!(spec, other, "{name}");
        done(&run(&spec, &[]));
        let results = folder.join("results").join(name);
        let before = files(&results);
        assert!(!before.is_empty(), "{name}");
        refused(&run(&other, &[]), 2, &["holds the answer to another question", key, "--force"]);
        assert!(files(&results) == before, "{name}");
        done(&run(&spec, &[]));
        assert!(files(&results) == before, "{name}");
        done(&run(&other, &["--force"]));
        assert!(files(&results) != before, "{name}");
    }
}

#[test]
fn one_changed_value_of_a_circuit_is_another_question() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "c.ron", &circuit(8, "Eap()"));
    done(&secateur(folder, &["run", "c.ron"]));
    let before = files(&folder.join("results"));
    write(folder, "c.ron", &circuit(8, "EapIg(steps: 2)"));
    let parts = [
        "method is {\"Eap\":",
        "there and {\"EapIg\":{\"steps\":2",
        "here",
    ];
    refused(&secateur(folder, &["run", "c.ron"]), 2, &parts);
    assert!(files(&folder.join("results")) == before);

    // One such job does not stop the others.
    write(
        folder,
        "d.ron",
        &circuit(8, "Eap()").replace("\"c\"", "\"d\""),
    );
    let both = secateur(folder, &["run", "c.ron", "d.ron"]);
    assert_eq!(both.status.code(), Some(2));
    assert!(folder.join("results/d/toy-llama/run.json").is_file());
    // Neither does what a run left that died while it wrote: the list of what it writes, and no record.
    let place = folder.join("results/c/toy-llama");
    fs_err::remove_file(place.join("run.json")).expect("a record");
    let names = files(&place)
        .into_iter()
        .map(|(name, _)| name.display().to_string());
    let names: Vec<String> = names.collect();
    let names = serde_json::to_string(&names).expect("JSON");
    fs_err::write(place.join(".secateur-files"), names).expect("a list");
    let output = secateur(folder, &["run", "c.ron"]);
    assert!(done(&output).contains("done"), "{}", text(&output.stderr));
}

#[test]
fn names_that_commands_make_up_tell_questions_apart() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "a/rows.jsonl", &rows(4));
    write(folder, "b/rows.jsonl", &rows(5));
    let asked = [
        &["--task", "File(\"a/rows.jsonl\")"][..],
        &["--task", "File(\"b/rows.jsonl\")"],
        &["--task", "Ioi(pairs: 8, seed: 0)"],
        &["--task", "Ioi(pairs: 8, seed: 1)"],
        &["--task", "Ioi(pairs: 9)"],
        &["--task", "Ioi(pairs: 9)", "--top", "3"],
        &["--prompt", "The dogs"],
        &["--prompt", "The cats"],
    ];
    for question in asked {
        done(&secateur(
            folder,
            &[&["lens", "builtin:toy-llama"], question].concat(),
        ));
    }
    // Defaults that are written out, and another layout, are the same question.
    let same = [
        "lens",
        "builtin:toy-llama",
        "--top=10",
        "--task",
        "Ioi( pairs:8,seed:0 )",
    ];
    let output = secateur(folder, &same);
    done(&output);
    assert!(
        text(&output.stderr).contains("already done"),
        "{}",
        text(&output.stderr)
    );
    let names = fs_err::read_dir(folder.join("results")).expect("results");
    let names = names.map(|it| {
        it.expect("a folder")
            .file_name()
            .into_string()
            .expect("a name")
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names.len(), asked.len(), "{names:?}");
    let beginning = |it: &String| it.rsplit_once('-').expect("a hash").0.to_owned();
    let kinds: Vec<String> = names.iter().map(beginning).collect();
    assert_eq!(
        kinds,
        [
            "lens-ioi",
            "lens-ioi",
            "lens-ioi",
            "lens-ioi",
            "lens-rows",
            "lens-rows",
            "lens-texts",
            "lens-texts"
        ]
    );
}

#[test]
fn a_stale_result_is_computed_again_with_a_word_and_another_file_of_its_name_is_not() {
    let folder = folder();
    let folder = folder.path();
    let spec = "(format: 1, name: \"x\", models: [\"builtin:toy-llama\"], task: File(\"rows.jsonl\"), analysis: Lens())";
    for (place, count) in [("a", 4), ("b", 5)] {
        write(folder, &format!("{place}/x.ron"), spec);
        write(folder, &format!("{place}/rows.jsonl"), &rows(count));
    }
    done(&secateur(folder, &["run", "a/x.ron"]));
    let before = files(&folder.join("results"));
    // The same words, about other prompts.
    refused(
        &secateur(folder, &["run", "b/x.ron"]),
        2,
        &["a/rows.jsonl, and this is about", "b/rows.jsonl"],
    );
    assert!(files(&folder.join("results")) == before);
    write(folder, "a/rows.jsonl", &rows(6));
    let output = secateur(folder, &["run", "a/x.ron"]);
    done(&output);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("computed again: ") && stderr.contains("a/rows.jsonl changed since"),
        "{stderr}"
    );
    assert!(files(&folder.join("results")) != before);

    // A result of another build of the same version is not taken for this one's.
    let record = folder.join("results/x/toy-llama/run.json");
    let good = files(&folder.join("results"));
    let text_of = || fs_err::read_to_string(&record).expect("a record");
    let sources = secateur::SOURCES;
    assert!(
        text_of().contains(&format!("\"sources\": \"{sources}\"")),
        "{}",
        text_of()
    );
    fs_err::write(&record, text_of().replace(sources, "0123456789abcdef")).expect("a record");
    let output = secateur(folder, &["run", "a/x.ron"]);
    assert!(done(&output).contains(" done "), "{}", text(&output.stdout));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("another build of secateur 0.1.0 computed the result there"),
        "{stderr}"
    );
    assert!(files(&folder.join("results")) == good);
    // Nor a file that somebody changed.
    write(folder, "results/x/toy-llama/report.txt", "nothing");
    let output = secateur(folder, &["run", "a/x.ron"]);
    assert!(
        text(&output.stderr).contains("report.txt is not as it was written"),
        "{}",
        text(&output.stderr)
    );
    assert!(files(&folder.join("results")) == good);
}

/// A result whose record is lost, and files of somebody else.
#[test]
fn files_of_which_nothing_says_what_they_answer_stay() {
    let folder = folder();
    let folder = folder.path();
    let place = folder.join("results/c/toy-llama");
    write(folder, "c.ron", &circuit(8, "Eap()"));
    write(folder, "d.ron", &circuit(10, "Eap()"));
    done(&secateur(folder, &["run", "c.ron"]));
    let finished = files(&place);
    let restore = || {
        for (name, bytes) in &finished {
            fs_err::write(place.join(name), bytes).expect("a file");
        }
    };
    let record = place.join("run.json");
    let lose: [(&str, &dyn Fn()); 3] = [
        ("there is no run.json", &|| {
            fs_err::remove_file(&record).expect("removed");
        }),
        ("run.json is not a record", &|| {
            fs_err::write(&record, "").expect("written");
        }),
        ("run.json is not a record", &|| {
            fs_err::write(&record, "{\"a\": 1}").expect("written");
        }),
    ];
    for (why, lose) in lose {
        lose();
        let before = files(&place);
        let parts = ["holds circuit.dot and", why, "--force"];
        refused(&secateur(folder, &["run", "d.ron"]), 2, &parts);
        assert!(files(&place) == before);
        restore();
    }
    fs_err::remove_file(&record).expect("removed");
    done(&secateur(folder, &["run", "d.ron", "--force"]));
    // Nor are files of somebody else replaced.
    write(folder, "mine/c/toy-llama/report.html", "mine");
    let output = secateur(folder, &["run", "d.ron", "--out", "mine"]);
    refused(&output, 2, &["holds report.html", "there is no run.json"]);
    let mine = fs_err::read_to_string(folder.join("mine/c/toy-llama/report.html"));
    assert_eq!(mine.expect("a file"), "mine");
}

/// Held out means held out from the search, not from this evaluation.
#[test]
fn prompts_that_the_search_saw_are_told_when_they_judge() {
    let folder = folder();
    let folder = folder.path();
    let spec = |pairs: usize, more: &str| {
        circuit(pairs, "Eap()").replace("evaluate: (", &format!("evaluate: ({more}"))
    };
    write(folder, "c.ron", &spec(12, ""));
    write(folder, "split.ron", &spec(12, "held_out: 0.75, "));
    write(folder, "more.ron", &spec(16, ""));
    done(&secateur(folder, &["run", "c.ron"]));
    for (spec, told) in [
        ("c.ron", None),
        ("split.ron", Some("split in another way")),
        ("more.ron", Some("found on other data")),
    ] {
        let arguments = ["eval", "results/c/toy-llama/circuit.ron", "--spec", spec];
        let output = secateur(folder, &arguments);
        done(&output);
        let said = text(&output.stderr);
        match told {
            Some(told) => assert!(said.contains(told), "{spec}: {said}"),
            None => assert!(!said.contains("the circuit was found"), "{spec}: {said}"),
        }
    }
}

#[test]
fn an_edited_tokenizer_is_another_input() {
    let folder = folder();
    let folder = folder.path();
    let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("circuits/models/toy-llama");
    for model in ["m", "other/m"] {
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            let bytes = fs_err::read(toy.join(name)).expect("a built-in model");
            let path = folder.join(model).join(name);
            fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs_err::write(path, bytes).expect("a file");
        }
    }
    let spec = |model: &str| {
        format!(
            "(format: 1, name: \"x\", models: [\"{model}\"], task: Agreement(pairs: 8), analysis: Lens())"
        )
    };
    write(folder, "x.ron", &spec("m"));
    write(folder, "y.ron", &spec("other/m"));
    done(&secateur(folder, &["run", "x.ron"]));
    let again = secateur(folder, &["run", "x.ron"]);
    assert!(
        done(&again).contains("already done"),
        "{}",
        text(&again.stdout)
    );
    // The files beside tokenizer.json count as well, whether they say anything or not.
    for (name, contents) in [
        ("m/tokenizer.json", None),
        ("m/tokenizer_config.json", Some("{}")),
        ("m/added_tokens.json", Some("{}")),
        ("m/special_tokens_map.json", Some("{}")),
    ] {
        let contents = contents.map_or_else(
            || fs_err::read_to_string(folder.join(name)).expect("a file") + "\n",
            str::to_owned,
        );
        write(folder, name, &contents);
        let output = secateur(folder, &["run", "x.ron"]);
        done(&output);
        let stderr = text(&output.stderr);
        assert!(
            stderr.contains("the tokenizer of the model has changed since"),
            "{name}: {stderr}"
        );
    }
    // The same weights with another tokenizer, elsewhere, are another model.
    let output = secateur(folder, &["run", "y.ron"]);
    refused(&output, 2, &["it is about the model", "other/m"]);
}

#[test]
fn comparisons_show_what_was_found_or_say_that_nobody_knows() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "c.ron", &circuit(8, "Eap()"));
    done(&secateur(folder, &["run", "c.ron"]));
    let compare = || secateur(folder, &["compare", "results"]);
    let output = compare();
    assert!(!done(&output).contains("no record"));
    assert_eq!(text(&output.stderr), "");
    let result = folder.join("results/c/toy-llama");
    let report = fs_err::read_to_string(result.join("report.json")).expect("a report");
    fs_err::write(
        result.join("report.json"),
        report.replacen("\"faithfulness\": ", "\"faithfulness\": 1", 1),
    )
    .expect("a file");
    for command in [
        &["compare", "results"][..],
        &["figure", "results", "--out", "paper"],
    ] {
        refused(
            &secateur(folder, command),
            3,
            &["report.json is not as run.json says", "run the spec again"],
        );
    }
    fs_err::write(result.join("report.json"), &report).expect("a file");
    done(&compare());
    // Copied files of a result, without its record.
    fs_err::rename(result.join("run.json"), folder.join("kept.json")).expect("a record");
    let output = compare();
    assert!(
        done(&output).contains("c (no record)"),
        "{}",
        text(&output.stdout)
    );
    assert!(
        text(&output.stderr).contains("has no run.json"),
        "{}",
        text(&output.stderr)
    );
    // Half of one result and half of another.
    write(&result, ".secateur-files", "[\"report.json\"]");
    refused(&compare(), 3, &["a run ended while it wrote this result"]);
}

/// Two processes that write one folder end with the result of one, and neither fails.
#[test]
fn two_writers_of_one_folder_take_turns() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "c.ron", &circuit(24, "Exact()"));
    done(&secateur(folder, &["run", "c.ron", "--out", "alone"]));
    for more in [&[][..], &["--force"]] {
        let start = || {
            Command::new(env!("CARGO_BIN_EXE_secateur"))
                .current_dir(folder)
                .args([&["run", "c.ron", "--out", "both"], more].concat())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program starts")
        };
        let children = [start(), start(), start()];
        let outputs = children.map(|child| child.wait_with_output().expect("an end"));
        let waited = outputs.iter().filter(|output| {
            done(output);
            let stderr = text(&output.stderr);
            stderr.contains("is being written by process ")
                && stderr.contains("waiting until it is done")
        });
        assert!(waited.count() >= 1);
        assert!(files(&folder.join("both")) == files(&folder.join("alone")));
    }
}

#[test]
fn leftovers_of_the_dead_go_and_those_of_the_living_stay() {
    let folder = folder();
    let folder = folder.path();
    let result = folder.join("results/c/toy-llama");
    write(&result, ".1-0-0.secateur-part", "half");
    write(&result, ".secateur-files", "[\"old.csv\", \"../out\"]");
    write(&result, "old.csv", "of a result that was being replaced");
    write(folder, "results/c/out", "of somebody else");
    write(folder, "c.ron", &circuit(8, "Eap()"));
    done(&secateur(folder, &["run", "c.ron"]));
    for gone in [
        ".1-0-0.secateur-part",
        ".secateur-files",
        ".secateur-lock",
        "old.csv",
    ] {
        assert!(!result.join(gone).exists(), "{gone}");
    }
    assert!(folder.join("results/c/out").exists());
    // A finished job is tidied too; a file that a process is writing is not touched.
    write(&result, ".2-0-0.secateur-part", "half");
    write(&result, ".3-0-0.secateur-part", "half");
    write(&result, ".secateur-lock", "process 1 on a machine");
    let living = std::fs::File::options()
        .write(true)
        .open(result.join(".3-0-0.secateur-part"))
        .expect("a file");
    living.lock().expect("a lock");
    assert!(done(&secateur(folder, &["run", "c.ron"])).contains("already done"));
    assert!(
        !result.join(".2-0-0.secateur-part").exists() && !result.join(".secateur-lock").exists()
    );
    assert!(result.join(".3-0-0.secateur-part").exists());
}

/// A disk that takes no more leaves the earlier result as it was.
#[cfg(unix)]
#[test]
fn a_full_disk_costs_nothing_that_was_there() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "c.ron", &circuit(8, "Eap()"));
    write(
        folder,
        "d.ron",
        &circuit(8, "Eap()").replace("\"c\"", "\"d\""),
    );
    done(&secateur(folder, &["run", "c.ron"]));
    let before = files(&folder.join("results"));
    // Files of more than so many kilobytes cannot be written, as on a disk that is full.
    let program = env!("CARGO_BIN_EXE_secateur");
    let command = format!("ulimit -f 3; exec {program} run c.ron d.ron --force");
    let output = Command::new("bash")
        .current_dir(folder)
        .args(["-c", &command])
        .output();
    let output = output.expect("a shell");
    refused(
        &output,
        3,
        &[
            "cannot write results/c/toy-llama/",
            "cannot write results/d/toy-llama/",
        ],
    );
    assert!(
        text(&output.stdout).contains("failed"),
        "{}",
        text(&output.stdout)
    );
    let after = files(&folder.join("results"));
    assert!(
        after == before,
        "{:?}",
        after.iter().map(|it| &it.0).collect::<Vec<_>>()
    );
    // A place that cannot be written, or is no folder.
    write(folder, "file", "");
    refused(
        &secateur(folder, &["run", "c.ron", "--out", "file"]),
        2,
        &["file is a file", "file/c/toy-llama"],
    );
}

/// A folder that is named twice is one result.
#[test]
fn results_that_are_named_twice_count_once() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "c.ron", &circuit(8, "Eap()"));
    done(&secateur(folder, &["run", "c.ron", "--out", "o"]));
    let arguments = ["compare", "o/c/toy-llama", "o/../o/c/toy-llama", "o"];
    let shown = done(&secateur(folder, &arguments));
    assert_eq!(
        shown.matches("c     toy-llama  Eap()").count(),
        1,
        "{shown}"
    );
    let arguments = [
        "figure",
        "o/c/toy-llama",
        "o",
        "--layout",
        "paper",
        "--out",
        "f",
    ];
    done(&secateur(folder, &arguments));
}

#[test]
fn noise_that_changes_nothing_is_told_by_trace() {
    let folder = folder();
    let folder = folder.path();
    let spec = |noise: f64| {
        format!(
            "(format: 1, name: \"t{noise}\", models: [\"builtin:toy-llama\"], task: Agreement(pairs: 16), bootstrap: 0, \
             random_baselines: 1, analysis: Tracing(noise: {noise:?}, samples: 2))"
        )
    };
    for (noise, told) in [(0.01, true), (6.0, false)] {
        write(folder, "t.ron", &spec(noise));
        let output = secateur(folder, &["run", "t.ron"]);
        let shown = done(&output) + &text(&output.stderr);
        assert_eq!(shown.contains("recovers means nothing"), told, "{shown}");
    }
}

#[test]
fn a_circuit_that_lost_no_edge_is_told() {
    let folder = folder();
    let folder = folder.path();
    write(
        folder,
        "c.ron",
        &circuit(8, "Acdc(tau: -9.0)").replace("select: TopN(edges: 20),", ""),
    );
    let output = secateur(folder, &["run", "c.ron"]);
    let shown = done(&output) + &text(&output.stderr);
    assert!(
        shown.contains("no edge is removed: this is the full model"),
        "{shown}"
    );
}
