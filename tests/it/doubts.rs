//! What a reader should know before believing a result: each rule apart, and where its words are seen.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use secateur::discover::Selected;
use secateur::evaluate::{
    Baseline, CircuitRequest, Evaluation, ExampleScores, SplitScores, circuit_doubts, few_doubt,
    figure_doubts, prompt_doubt, selection_doubt,
};
use secateur::metric::Metric;

use crate::program::{done, secateur, text};

/// A circuit that nobody has to doubt: 32 prompts, of which it loses one.
fn sound() -> Evaluation {
    let each = (0..32).map(|example| {
        let more = f64::from(example % 5) * 0.1;
        ExampleScores {
            metric_full: 3.0 + more,
            metric_empty: -1.0 - more,
            metric_circuit: 2.7,
            accuracy_full: 1.0,
            accuracy_circuit: f64::from(u8::from(example > 0)),
        }
    });
    let held_out = SplitScores {
        examples: 32,
        metric_full: 3.2,
        metric_empty: -1.2,
        metric_circuit: 2.7,
        faithfulness: Some(0.89),
        faithfulness_interval: Some([0.85, 0.93]),
        accuracy_full: Some(1.0),
        accuracy_circuit: Some(31.0 / 32.0),
        random: Some(Baseline {
            mean: 0.1,
            max: 0.9,
            values: [vec![0.1; 19], vec![0.9]].concat(),
        }),
        each: each.collect(),
        ..SplitScores::default()
    };
    Evaluation {
        discovery: held_out.clone(),
        held_out,
        edges_kept: 40,
        edges_total: 1000,
        nodes_kept: 10,
        nodes_total: 20,
        near_ties: 0,
    }
}

const SELECTED: Selected = Selected {
    what: "edges",
    available: 1000,
    asked: Some(42),
    chosen: 42,
    left: 40,
    largest: 1.5,
};

/// All doubts about a circuit that was to reach 0.85.
fn doubts(evaluation: &Evaluation, change: impl FnOnce(&mut CircuitRequest<'_>)) -> Vec<String> {
    let mut asked = CircuitRequest {
        metric: Metric::LogitDiff,
        target: Some(0.85),
        target_reached: true,
        selected: &[SELECTED],
        whole: false,
    };
    change(&mut asked);
    let mut doubts = circuit_doubts(evaluation, &asked);
    doubts.extend(figure_doubts(evaluation, &evaluation.held_out));
    doubts
}

/// The one doubt about a circuit that is sound but for a change.
fn only(change: impl FnOnce(&mut Evaluation)) -> String {
    let mut evaluation = sound();
    change(&mut evaluation);
    evaluation.discovery = evaluation.held_out.clone();
    let found = doubts(&evaluation, |_| {});
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn a_sound_circuit_has_none() {
    assert_eq!(doubts(&sound(), |_| {}), Vec::<String>::new());
    assert_eq!(prompt_doubt(32, 30), None);
    assert_eq!(selection_doubt(&SELECTED), None);
}

#[test]
fn held_out_prompts_below_the_target_are_told_with_their_interval() {
    let found = doubts(&sound(), |asked| asked.target = Some(0.9));
    let wanted = "held-out faithfulness 0.890 [0.850, 0.930] is below the target 0.9";
    assert_eq!(found, [wanted]);
    let found = doubts(&sound(), |asked| {
        (asked.target, asked.target_reached) = (Some(0.95), false);
    });
    let wanted = "the target 0.95 is not reached on the discovery prompts: faithfulness is 0.890";
    assert_eq!(found, [wanted]);
}

#[test]
fn a_collapse_of_accuracy_is_told_where_it_is_beyond_noise() {
    let lose = |evaluation: &mut Evaluation, losing: usize| {
        let figures = &mut evaluation.held_out;
        for (example, each) in figures.each.iter_mut().enumerate() {
            each.accuracy_circuit = f64::from(u8::from(example >= losing));
        }
        let count = figures.each.len();
        figures.accuracy_circuit = Some((count - losing) as f64 / count as f64);
    };
    let found = only(|it| lose(it, 18));
    assert_eq!(
        found,
        "accuracy falls from 100% of the full model to 44% of the circuit"
    );
    // Twelve in a hundred are no collapse, and two of six may be chance.
    let mut evaluation = sound();
    lose(&mut evaluation, 4);
    assert!(doubts(&evaluation, |_| {}).is_empty());
    evaluation.held_out.each.truncate(6);
    lose(&mut evaluation, 2);
    assert!(doubts(&evaluation, |_| {}).is_empty());
}

#[test]
fn selections_that_went_otherwise_are_told() {
    let found = |selected: Selected| selection_doubt(&selected).unwrap();
    let with = |asked, chosen, left| {
        found(Selected {
            asked,
            chosen,
            left,
            ..SELECTED
        })
    };
    assert!(with(Some(1), 1, 0).starts_with("none of the 1 edges selected is on a path"));
    assert!(with(Some(20), 20, 12).starts_with("of the 20 edges selected 12 are kept"));
    assert_eq!(
        with(Some(5000), 1000, 1000),
        "5000 edges are asked for, and there are 1000"
    );
    assert_eq!(
        with(Some(900), 700, 700),
        "900 edges are asked for, and 700 can be reached"
    );
    assert!(with(Some(0), 0, 0).starts_with("the share selected is less than one of the 1000"));
    let threshold = with(None, 0, 0);
    assert!(threshold.contains("no score reaches the threshold") && threshold.ends_with("1.500"));
    assert!(with(None, 7, 0).starts_with("none of the 7 edges selected"));
    let empty = only(|it| {
        it.edges_kept = 0;
    });
    assert_eq!(empty, "no edge is left: the circuit is empty");
    let whole = doubts(&sound(), |asked| asked.whole = true);
    assert!(whole.len() == 1 && whole[0].contains("neither `select` nor `target`"));
}

#[test]
fn a_full_model_that_does_not_do_the_task_is_told() {
    let found = only(|it| it.held_out.accuracy_full = Some(0.25));
    assert!(
        found.starts_with("the full model answers only 25%"),
        "{found}"
    );
    let found = only(|it| {
        it.held_out.metric_full = -0.5;
        it.held_out.accuracy_full = Some(0.25);
    });
    assert!(
        found.contains("prefers the wrong answers: its metric is -0.500"),
        "{found}"
    );
    let found = only(|it| it.held_out.metric_empty = 4.0);
    assert!(found.contains("below that of the empty circuit"), "{found}");
}

#[test]
fn a_range_within_noise_is_told_and_a_share_of_it_is_not() {
    let found = only(|it| {
        let figures = &mut it.held_out;
        for (example, each) in figures.each.iter_mut().enumerate() {
            each.metric_empty = if example % 2 == 0 { 0.2 } else { 6.0 };
        }
        figures.metric_empty = 3.1;
        figures.faithfulness = Some(17.0);
    });
    assert!(found.contains("less than two standard errors"), "{found}");
}

#[test]
fn faithfulness_that_is_no_share_is_told() {
    let found = only(|it| it.held_out.faithfulness = Some(1.3));
    assert!(
        found.starts_with("faithfulness 1.300 is outside [0, 1.05]"),
        "{found}"
    );
    let mut evaluation = sound();
    evaluation.held_out.faithfulness = Some(-0.2);
    let found = doubts(&evaluation, |asked| asked.target = None);
    assert!(
        found.len() == 1 && found[0].contains("worse than no edge"),
        "{found:?}"
    );
    evaluation.held_out.faithfulness = None;
    let found = doubts(&evaluation, |asked| asked.target = None);
    assert!(
        found.len() == 1 && found[0].contains("faithfulness is undefined"),
        "{found:?}"
    );
}

#[test]
fn random_circuits_that_do_as_well_are_told() {
    let found = only(|it| {
        let random = it.held_out.random.as_mut().unwrap();
        random.values = [vec![0.1; 17], vec![0.95; 3]].concat();
    });
    assert!(found.contains("do as well: 3 of 20"), "{found}");
}

#[test]
fn prompts_that_are_few_or_the_same_are_told() {
    assert!(
        prompt_doubt(32, 3)
            .unwrap()
            .contains("of the 32 evaluated prompts only 3 differ")
    );
    for (examples, part) in [
        (1, "no intervals"),
        (5, "too few for intervals"),
        (9, "rough"),
    ] {
        assert!(few_doubt(examples).unwrap().contains(part), "{examples}");
    }
    assert_eq!(few_doubt(10), None);
    assert!(only(|it| it.held_out.examples = 8).contains("8 prompts are evaluated"));
    let found = only(|it| it.held_out.faithfulness_interval = Some([0.89, 0.89]));
    assert!(found.contains("no width"), "{found}");
}

fn write(folder: &Path, name: &str, keys: &str) {
    let text = format!(
        "RunSpec(format: 1, name: {name:?}, models: [\"builtin:toy-gpt2\"], metric: LogitDiff, ablation: Patch, {keys})"
    );
    fs_err::write(folder.join(format!("{name}.ron")), text).unwrap();
}

/// The warnings in a result's report.
fn warnings(folder: &Path, name: &str) -> Vec<String> {
    let path = folder.join(format!("results/{name}/toy-gpt2/report.json"));
    let report: serde_json::Value = serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap();
    serde_json::from_value(report["warnings"].clone()).unwrap()
}

#[test]
fn an_empty_circuit_is_told_wherever_the_result_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(
        folder,
        "empty",
        "task: Ioi(pairs: 32), method: Eap(), select: TopN(edges: 1)",
    );
    let ran = secateur(folder, &["run", "empty.ron"]);
    let table = done(&ran);
    let part = "none of the 1 edges selected is on a path";
    assert!(text(&ran.stderr).contains(&format!("warning: empty on toy-gpt2: {part}")));
    assert!(table.contains(part), "{table}");
    let told = warnings(folder, "empty");
    assert_eq!(told.len(), 1, "{told:?}");
    let page = fs_err::read_to_string(folder.join("results/empty/toy-gpt2/report.html")).unwrap();
    assert!(page.contains(part));
    let compared = done(&secateur(folder, &["compare", "results", "--out", "c"]));
    assert!(compared.contains(part));
    for name in ["txt", "csv", "md", "tex", "html"] {
        let table = fs_err::read_to_string(folder.join(format!("c/compare.{name}"))).unwrap();
        assert!(table.contains(part), "{name}");
    }
    let circuit = "results/empty/toy-gpt2/circuit.ron";
    let judged = secateur(folder, &["eval", circuit, "--spec", "empty.ron"]);
    done(&judged);
    assert!(text(&judged.stderr).contains("no edge is left"));
}

#[test]
fn a_target_that_only_the_discovery_prompts_reach_has_a_status_and_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Few prompts to find a circuit on, many to judge it.
    let keys = "task: Agreement(pairs: 60), method: Eap(), target: (faithfulness: 0.8), evaluate: (held_out: 0.9)";
    write(folder, "below", keys);
    let ran = secateur(folder, &["run", "below.ron"]);
    let table = done(&ran);
    assert!(table.contains("below target"), "{table}");
    let told = warnings(folder, "below");
    let part = "is below the target 0.8";
    assert!(told.iter().any(|it| it.contains(part)), "{told:?}");
    assert!(text(&ran.stderr).contains(part) && table.contains(part));
    let strict = secateur(folder, &["run", "below.ron", "--strict"]);
    assert_eq!(strict.status.code(), Some(4), "{}", text(&strict.stderr));
    let json = secateur(folder, &["run", "below.ron", "--json"]);
    let jobs: serde_json::Value = serde_json::from_str(&done(&json)).unwrap();
    assert_eq!(jobs[0]["status"], "below target");
    assert_eq!(jobs[0]["found"]["below_target"], true);
}

#[test]
fn so_have_circuits_of_features() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let spec = |faithfulness: f64| {
        let text = format!(
            "(format: 1, name: \"features\", models: [\"builtin:toy-llama\"], task: Agreement(pairs: 40), held_out: 0.9, \
             random_baselines: 2, bootstrap: 40, analysis: FeatureCircuit(dictionaries: [Train(layer: 1, features: 16, \
             kind: TopK(k: 2), tokens: 1024, context: 24, text: Sampled(tokens: 2000, seed: 0))], \
             keep: Faithfulness({faithfulness}), edges: 5))"
        );
        fs_err::write(folder.join("f.ron"), text).unwrap();
    };
    let run = |more: &[&str]| secateur(folder, &[&["run", "f.ron"], more].concat());
    let result = folder.join("results/features/toy-llama");
    spec(0.95);
    let ran = run(&[]);
    let table = done(&ran);
    assert!(table.contains("below target"), "{table}");
    let report = fs_err::read(result.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["target_reached"], true);
    assert_eq!(report["below_target"], true);
    let part = "is below the target 0.95";
    assert!(report["warnings"].to_string().contains(part));
    let words = fs_err::read_to_string(result.join("report.txt")).unwrap();
    assert!(words.contains(part), "{words}");
    assert!(text(&ran.stderr).contains(part) && table.contains(part));
    // Once computed, and once read again.
    for more in [&["--strict"][..], &["--strict", "--force"]] {
        let strict = run(more);
        assert_eq!(strict.status.code(), Some(4), "{}", text(&strict.stderr));
    }
    let json: serde_json::Value = serde_json::from_str(&done(&run(&["--json"]))).unwrap();
    assert_eq!(json[0]["status"], "below target");
    // What both splits reach is done.
    spec(0.5);
    let table = done(&run(&["--strict", "--force"]));
    assert!(!table.contains("below target"), "{table}");
}

#[test]
fn a_run_without_reason_for_doubt_has_no_warning() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let keys = "task: Ioi(pairs: 64), method: EapIg(steps: 5), select: TopN(edges: 60)";
    write(folder, "clean", keys);
    let ran = secateur(folder, &["run", "clean.ron", "--strict"]);
    let table = done(&ran);
    assert_eq!(warnings(folder, "clean"), Vec::<String>::new());
    assert!(!text(&ran.stderr).contains("warning") && !table.contains("warning"));
    let compared = done(&secateur(folder, &["compare", "results"]));
    assert!(!compared.contains("warning"));
}

#[test]
fn files_of_other_tools_without_scores_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(
        folder,
        "a",
        "task: Ioi(pairs: 32), method: Eap(), select: TopN(edges: 40)",
    );
    done(&secateur(folder, &["run", "a.ron"]));
    let path = folder.join("results/a/toy-gpt2/circuit.json");
    let mut file: serde_json::Value = serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap();
    let mut changed = |name: &str, score: Option<f64>| {
        for edge in file["edges"].as_object_mut().unwrap().values_mut() {
            let edge = edge.as_object_mut().unwrap();
            match score {
                Some(score) => edge.insert("score".into(), score.into()),
                None => edge.remove("score"),
            };
        }
        fs_err::write(folder.join(name), file.to_string()).unwrap();
    };
    changed("zero.json", Some(0.0));
    changed("without.json", None);
    for (name, part) in [
        ("zero.json", "every score is 0"),
        ("without.json", "there are no scores"),
    ] {
        let commands: [&[&str]; 3] = [
            &["render", name, "--format", "svg"],
            &["show", name],
            &["eval", name, "--spec", "a.ron"],
        ];
        for command in commands {
            let output = secateur(folder, command);
            done(&output);
            let told = text(&output.stderr);
            assert_eq!(told.matches(part).count(), 1, "{command:?}: {told}");
        }
        let judged = secateur(folder, &["eval", name, "--spec", "a.ron", "--json"]);
        let report: serde_json::Value = serde_json::from_str(&done(&judged)).unwrap();
        assert!(report["curve"].is_null() && report["warnings"].to_string().contains(part));
    }
}

#[test]
fn analyses_that_few_prompts_judge_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let questions = [
        ("vector", "Vector(from: Means(positions: 1), tokens: 0)"),
        ("edit", "Edit()"),
        ("trace", "Tracing()"),
        (
            "patchscope",
            "Patchscope(prompt: Text(\"Today the dogs near the tree\"), placeholder: \"tree\", expected: Answer, tokens: 3)",
        ),
        ("neurons", "Neurons(top: 5)"),
    ];
    for (name, question) in questions {
        let task = if name == "patchscope" {
            "Agreement"
        } else {
            "Ioi"
        };
        let spec = format!(
            "(format: 1, name: {name:?}, models: [\"builtin:toy-gpt2\"], task: {task}(pairs: 8), analysis: {question})"
        );
        fs_err::write(folder.join(format!("{name}.ron")), spec).unwrap();
        let ran = secateur(folder, &["run", &format!("{name}.ron")]);
        let table = done(&ran);
        let part = if name == "neurons" {
            "fewer than 10 held-out prompts of a kind: whether neurons are causal is not decided"
        } else {
            "only 4 prompts are evaluated: too few for intervals"
        };
        let told = warnings(folder, name);
        assert!(told.iter().any(|it| it == part), "{name}: {told:?}");
        assert!(text(&ran.stderr).contains(part) && table.contains(part));
        let report = folder.join(format!("results/{name}/toy-gpt2/report.txt"));
        assert!(fs_err::read_to_string(report).unwrap().contains(part));
    }
}
