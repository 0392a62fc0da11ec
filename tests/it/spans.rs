//! Circuits whose positions are told apart by token spans: against plain runs in which every edge is kept or ablated
//! position by position.

use secateur::engine::{Ablation, Evaluator, mean};
use secateur::graph::{ComputationGraph, Dangling, EdgeMask};
use secateur::metric::Metric;
use secateur::task::{Example, Span};

use crate::engine::{Setup, assert_close, cases, setup, with_evaluator};
use crate::oracle;
use crate::program::{done, refused, secateur};
use crate::twin::Twin;

const NAMES: [&str; 3] = ["first", "S+1", "END"];

const ABLATIONS: [Ablation; 4] = [
    Ablation::Patch,
    Ablation::Zero,
    Ablation::Mean,
    Ablation::MeanPositional,
];

/// The spans of an example: their order and lengths vary, and one comes twice in some.
fn spanned(example: &Example, index: usize) -> Example {
    let length = example.clean.len();
    let order = [[0, 1, 2], [1, 0, 2], [0, 2, 0], [2, 1, 0]][index % 4];
    let lengths = [1, (length - 1) / 2, length - 1 - (length - 1) / 2];
    let spans = order.iter().zip(lengths).filter(|(_, tokens)| *tokens > 0);
    Example {
        spans: spans
            .map(|(&name, tokens)| Span {
                name: NAMES[name].into(),
                tokens,
            })
            .collect(),
        ..example.clone()
    }
}

/// The span's number of each token.
fn numbers(example: &Example) -> Vec<usize> {
    let number = |span: &Span| {
        NAMES
            .iter()
            .position(|name| *name == span.name)
            .expect("a name")
    };
    let spans = example.spans.iter();
    spans
        .flat_map(|span| std::iter::repeat_n(number(span), span.tokens))
        .collect()
}

/// The same model with merged positions, and with positions told apart.
fn both(case: &crate::engine::Case, examples: usize) -> (Setup, Setup) {
    let merged = setup(case, examples);
    let examples = merged.examples.iter().enumerate();
    let names = NAMES.iter().map(ToString::to_string).collect();
    let split = Setup {
        weights: merged.weights.clone(),
        graph: merged.graph.clone().split_by(names).expect("a graph"),
        examples: examples
            .map(|(index, example)| spanned(example, index))
            .collect(),
    };
    (merged, split)
}

/// How much of each merged edge is kept at each position of an example.
fn kept_at(
    merged: &ComputationGraph,
    split: &ComputationGraph,
    example: &Example,
    kept: impl Fn(usize) -> f64,
) -> Vec<f64> {
    let numbers = numbers(example);
    let mut weights = Vec::new();
    for edge in 0..merged.edge_count() {
        let (writer, reader) = merged.ends(edge);
        for span in &numbers {
            let own = split
                .edge(writer * NAMES.len() + span, reader)
                .expect("an edge");
            weights.push(kept(own));
        }
    }
    weights
}

const METRIC: Metric = Metric::LogitDiff;

fn twin(setup: &Setup, ablation: Ablation) -> Twin<'_> {
    Twin::new(
        &setup.weights,
        &setup.graph,
        &setup.examples,
        METRIC,
        ablation,
    )
}

/// The metric of a circuit per example, by plain runs.
fn plain((merged, split): (&Setup, &Setup), twin: &Twin<'_>, mask: &EdgeMask) -> Vec<f64> {
    let weights = oracle::kept_weights(&split.graph, mask);
    let examples = split.examples.iter().enumerate();
    examples
        .map(|(index, example)| {
            let kept = kept_at(&merged.graph, &split.graph, example, |edge| weights[edge]);
            twin.value(index, &kept, 1.0)
        })
        .collect()
}

#[test]
fn ablated_runs_equal_plain_runs_position_by_position() {
    for case in cases() {
        let (merged, split) = both(&case, 5);
        for ablation in ABLATIONS {
            let twin = twin(&merged, ablation);
            let shares = [0.03, 0.3, 0.6, 0.9].iter().enumerate();
            let masks: Vec<EdgeMask> = shares
                .map(|(seed, &share)| oracle::random_mask(&split.graph, share, seed as u64))
                .chain([EdgeMask::full(&split.graph), EdgeMask::empty(&split.graph)])
                .collect();
            with_evaluator(&split, METRIC, ablation, |evaluator| {
                let found = evaluator.measure(&masks).expect("values");
                for (mask, found) in masks.iter().zip(found) {
                    let what = format!("{}, {ablation:?}, {}", case.name, mask.len());
                    assert_close(&found, &plain((&merged, &split), &twin, mask), 1e-9, &what);
                }
                let mut circuit = EdgeMask::full(&split.graph);
                for step in 0..3_u64 {
                    let what = format!("{}, {ablation:?}, step {step}", case.name);
                    let base = evaluator.rebase(&circuit).expect("a rebase");
                    assert_close(
                        &base,
                        &plain((&merged, &split), &twin, &circuit),
                        1e-9,
                        &what,
                    );
                    let near: Vec<EdgeMask> = [0.3, 0.98]
                        .iter()
                        .enumerate()
                        .map(|(seed, &keep)| {
                            let mut mask = circuit.clone();
                            let seed = 100 * step + seed as u64;
                            mask.intersect(&oracle::random_mask(&split.graph, keep, seed));
                            mask
                        })
                        .collect();
                    let found = evaluator.measure_near(&near, true).expect("values");
                    for (mask, found) in near.iter().zip(&found) {
                        assert_close(found, &plain((&merged, &split), &twin, mask), 1e-9, &what);
                    }
                    circuit.intersect(&oracle::random_mask(&split.graph, 0.7, 1000 + step));
                }
            });
        }
    }
}

#[test]
fn dropping_dangling_parts_changes_nothing_that_reaches_the_logits() {
    for case in cases() {
        let (_, split) = both(&case, 3);
        for seed in 0..4 {
            let mask = oracle::random_mask(&split.graph, 0.1, seed);
            let graph = &split.graph;
            assert_eq!(
                graph.reaching_logits(&mask),
                graph.reaching_logits_by_search(&mask),
                "{}",
                case.name
            );
            let pruned = graph.drop_dangling(&mask, Dangling::NoPathToLogits);
            assert!(pruned.len() < mask.len(), "{}: nothing dangles", case.name);
            with_evaluator(&split, Metric::LogitDiff, Ablation::Zero, |evaluator| {
                let found = evaluator.measure(&[mask, pruned]).expect("values");
                assert_close(&found[1], &found[0], 1e-12, case.name);
            });
        }
    }
}

#[test]
fn attribution_is_the_derivative_along_each_edge_at_each_span() {
    for case in cases() {
        let (merged, split) = both(&case, 4);
        let edges = split.graph.edge_count();
        for ablation in [Ablation::Patch, Ablation::Zero] {
            let twin = twin(&merged, ablation);
            let (scores, integrated) = with_evaluator(&split, METRIC, ablation, |evaluator| {
                let integrated = evaluator.attribution(&[0.0, 0.5]).expect("scores");
                (evaluator.attribution(&[1.0]).expect("scores"), integrated)
            });
            let step = 1e-4;
            for edge in (0..edges).step_by(59) {
                let at = |keep: f64| {
                    let examples = split.examples.iter().enumerate();
                    let values = examples.map(|(index, example)| {
                        let weight = |other: usize| if other == edge { keep } else { 1.0 };
                        let kept = kept_at(&merged.graph, &split.graph, example, weight);
                        twin.value(index, &kept, 1.0)
                    });
                    mean(&values.collect::<Vec<f64>>())
                };
                let slope = (at(1.0 + step) - at(1.0 - step)) / (2.0 * step);
                let what = format!(
                    "{}, {ablation:?}, {}",
                    case.name,
                    split.graph.edge_name(edge)
                );
                assert_close(&[scores[edge]], &[slope], 2e-6, &what);
            }
            // The spans of an edge share what the edge has where positions are merged.
            let whole = with_evaluator(&merged, METRIC, ablation, |evaluator| {
                evaluator.attribution(&[0.0, 0.5]).expect("scores")
            });
            let mut summed = vec![0.0; merged.graph.edge_count()];
            for (edge, score) in integrated.iter().enumerate() {
                let (writer, reader) = split.graph.ends(edge);
                let own = merged.graph.edge(writer / NAMES.len(), reader);
                summed[own.expect("an edge")] += score;
            }
            assert_close(&summed, &whole, 1e-9, case.name);
        }
    }
}

#[test]
fn names_of_edges_have_their_span() {
    let (merged, split) = both(&cases()[0], 1);
    let graph = &split.graph;
    assert_eq!(graph.edge_count(), 3 * merged.graph.edge_count());
    for edge in (0..graph.edge_count()).step_by(17) {
        let name = graph.edge_name(edge);
        assert_eq!(
            graph.find_edge(&name).expect("its own name"),
            edge,
            "{name}"
        );
    }
    let error = |name: &str| graph.find_edge(name).expect_err("no such edge").to_string();
    insta::assert_snapshot!(error("input->m0"), @"edge `input->m0`: it has no span; positions are split by spans here, as in `input->m0@first`");
    insta::assert_snapshot!(error("input->m0@S3"), @r#"edge `input->m0@S3`: there is no span "S3"; the spans are first, S+1, END"#);
    let edge = merged
        .graph
        .find_edge("input->m0@END")
        .expect_err("merged")
        .to_string();
    insta::assert_snapshot!(edge, @"edge `input->m0@END`: positions are merged here, so edges have no span");
    let bad = |spans: &[&str]| {
        let spans = spans.iter().map(ToString::to_string).collect();
        merged
            .graph
            .clone()
            .split_by(spans)
            .expect_err("bad spans")
            .to_string()
    };
    insta::assert_snapshot!(bad(&[]), @"positions: Spans needs 1 to 64 spans and there are 0");
    insta::assert_snapshot!(bad(&["S1", "S1"]), @r#"the span "S1" is given twice"#);
    insta::assert_snapshot!(bad(&["S1", "a@b"]), @r#"the span "a@b" has a name that cannot be used: at most 32 letters, digits, spaces and _ + - . '"#);
}

#[test]
fn prompts_must_have_the_spans_of_the_graph() {
    let (merged, split) = both(&cases()[0], 2);
    let fails = |examples: Vec<Example>| {
        let transformer = secateur::engine::Transformer::new(&split.weights, &split.graph);
        let observer = &secateur::events::Silent;
        let ablation = Ablation::Patch;
        let values =
            secateur::engine::AblationValues::new(&transformer, &examples, ablation, observer);
        let values = values.expect("values");
        let metric = Metric::LogitDiff;
        secateur::engine::ModelEvaluator::new(&transformer, &examples, metric, ablation, &values)
            .err()
            .expect("an error")
            .to_string()
    };
    insta::assert_snapshot!(fails(merged.examples.clone()), @"spans: the spans of a prompt have 0 tokens and the prompt has 4; positions: Spans needs the span of every token");
    let mut other = split.examples.clone();
    other[0].spans[0].name = "subject".into();
    insta::assert_snapshot!(fails(other), @r#"spans: a prompt has the span "subject", which the graph has not; its spans are first, S+1, END"#);
}

/// From a spec to a circuit, drawn, shown and evaluated again.
#[test]
fn a_circuit_with_spans_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| {
        fs_err::write(folder.path().join(name), text).expect("a file");
    };
    let spec = |name: &str, task: &str, method: &str| {
        format!(
            r#"(format: 1, name: "{name}", models: ["builtin:toy-llama"], task: {task}, metric: LogitDiff, ablation: Patch,
            granularity: (positions: Spans), method: {method}, outputs: [Dot, Svg, Html, Csv, Scores])"#
        )
    };
    let task = "Ioi(pairs: 32, seed: 1)";
    write(
        "ioi.ron",
        spec("ioi", task, "EapIg(steps: 5), select: TopN(edges: 60)"),
    );
    done(&secateur(folder.path(), &["run", "ioi.ron"]));
    let circuit = "results/ioi/toy-llama/circuit.ron";
    let text = fs_err::read_to_string(folder.path().join(circuit)).expect("a circuit");
    assert!(
        text.contains("positions: Spans") && text.contains("->logits@END"),
        "{text}"
    );
    // The second subject is what differs, so that nothing before it matters.
    assert!(!text.contains("@S1\""), "{text}");
    let shown = done(&secateur(folder.path(), &["show", circuit]));
    assert!(shown.contains("input@S2"), "{shown}");
    let again = done(&secateur(
        folder.path(),
        &["eval", circuit, "--spec", "ioi.ron", "--json"],
    ));
    let report = fs_err::read_to_string(folder.path().join("results/ioi/toy-llama/report.json"));
    let [report, again] = [report.expect("a report"), again].map(|text| {
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        json
    });
    let faithfulness = |json: &serde_json::Value| json["faithfulness"].clone();
    assert!(faithfulness(&report).is_f64(), "{report}");
    assert_eq!(faithfulness(&report), faithfulness(&again));
    for format in ["svg", "pdf", "png", "tikz", "dot", "html"] {
        let output = secateur(folder.path(), &["render", circuit, "--format", format]);
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{format}"
        );
    }

    // ACDC and mean ablation know spans too.
    let acdc = spec("acdc", task, "Acdc(tau: 0.3)").replace("Patch", "Mean");
    write("acdc.ron", acdc);
    done(&secateur(folder.path(), &["run", "acdc.ron"]));

    // Rows without spans, and circuits on them.
    let row = |first: u32| {
        format!(
            "{{\"clean\":[{first},6,7],\"corrupt\":[{first},8,7],\"answer\":[9],\"wrong\":[10]}}\n"
        )
    };
    write("rows.jsonl", (20..28).map(row).collect());
    let rows = r#"Tokens("rows.jsonl")"#;
    write("rows.ron", spec("rows", rows, "Eap()"));
    refused(
        &secateur(folder.path(), &["run", "rows.ron"]),
        3,
        &["row 1", "`spans`"],
    );
    refused(
        &secateur(folder.path(), &["eval", circuit, "--spec", "rows.ron"]),
        3,
        &["spans"],
    );

    // Hostile files.
    for (from, to, what) in [
        ("\"S2\",", "\"S2\", \"S2\",", "given twice"),
        ("positions: Spans", "positions: Merged", "positions: Merged"),
        ("->logits@END", "->logits@NOWHERE", "no span"),
        ("->logits@END", "->logits", "no span"),
    ] {
        write("bad.ron", text.replacen(from, to, 1));
        refused(&secateur(folder.path(), &["show", "bad.ron"]), 3, &[what]);
    }
}
