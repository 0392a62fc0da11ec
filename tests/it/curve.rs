//! The curve of a ranking and its areas: against MIB's, and its intervals.
//!
//! `mib.json` holds the numbers of MIB-circuit-track's evaluation on the golden prompts; `made_by` says how.

use std::path::Path;

use secateur::engine::{Ablation, AblationValues, ModelEvaluator, Transformer, mean};
use secateur::evaluate::{CurvePoint, EvaluationPlan, SplitScores, bootstrap, evaluate};
use secateur::events::Silent;
use secateur::graph::{Circuit, Dangling, EdgeMask, Granularity, KeyValue};
use secateur::metric::Metric;
use secateur::model::load_model;
use secateur::task::Example;
use serde_json::Value;

use crate::synthetic::graph_of;

const TOLERANCE: f64 = 1e-9;

fn fixture(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-gpt2");
    let text = fs_err::read_to_string(folder.join(name)).expect("the fixture");
    serde_json::from_str(&text).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().expect("a list").iter();
    values
        .map(|value| value.as_f64().expect("a number"))
        .collect()
}

fn examples(prompts: &Value) -> Vec<Example> {
    let ids = |value: &Value| numbers(value).iter().map(|&id| id as u32).collect();
    let id = |value: &Value| vec![value.as_u64().expect("an id") as u32];
    let prompts = prompts.as_array().expect("prompts").iter();
    prompts
        .map(|prompt| {
            let clean: Vec<u32> = ids(&prompt["clean"]);
            Example {
                at: vec![clean.len() - 1],
                clean,
                corrupt: ids(&prompt["corrupt"]),
                answer: id(&prompt["answer"]),
                wrong: id(&prompt["wrong"]),
                teacher_forced: false,
                spans: Vec::new(),
                text: None,
            }
        })
        .collect()
}

/// The figures of a golden ranking on its prompts, and what `work` says of the evaluator.
fn golden<R>(
    set: &str,
    scores: &str,
    work: impl FnOnce(&mut ModelEvaluator<'_, f64>, &Circuit) -> R,
) -> (SplitScores, R) {
    let golden = fixture("golden.json");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-gpt2");
    let model = load_model(".", &folder).expect("the model");
    let weights = model.weights.cast::<f64>();
    let granularity = Granularity {
        kv: KeyValue::PerHead,
        ..Granularity::default()
    };
    let graph = graph_of(model.config(), &granularity);
    let set = &golden["sets"][set];
    let examples = examples(&set["prompts"]);
    let mut ours = vec![0.0; graph.edge_count()];
    let names = golden["edges"].as_array().expect("edges").iter();
    for (name, score) in names.zip(numbers(&set["scores"][scores])) {
        let edge = graph
            .find_edge(name.as_str().expect("a name"))
            .expect("an edge");
        ours[edge] = score;
    }
    let circuit = Circuit {
        kept: EdgeMask::full(&graph),
        scores: Some(ours),
    };
    let transformer = Transformer::new(&weights, &graph);
    let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
    let ablated = AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
    let mut evaluator = ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
        .expect("an evaluator");
    let plan = EvaluationPlan {
        metric,
        curve: true,
        random_baselines: 0,
        bootstrap: 100,
        dangling: Dangling::NoPathEitherWay,
    };
    let figures = evaluate(&mut evaluator, &graph, &circuit, &plan, &Silent).expect("figures");
    let said = work(&mut evaluator, &circuit);
    (figures, said)
}

#[test]
fn curves_and_areas_are_mibs() {
    let mib = fixture("mib.json");
    let cases = mib["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 6);
    for case in cases {
        let (set, scores) = (&case["set"], &case["scores"]);
        let (set, scores) = (
            set.as_str().expect("a set"),
            scores.as_str().expect("a name"),
        );
        let (figures, ()) = golden(set, scores, |_, _| ());
        for (ranking, curve) in [
            ("absolute", &figures.curve),
            ("signed", &figures.curve_signed),
        ] {
            let curve = curve.as_ref().expect("a curve");
            let found = |of: fn(&CurvePoint) -> f64| curve.iter().map(of).collect::<Vec<_>>();
            let edges = found(|point| point.edges as f64);
            assert_eq!(edges, numbers(&case[ranking]["edges"]), "{set}, {scores}");
            let faithfulness = found(|point| point.faithfulness.expect("a number"));
            let wanted = numbers(&case[ranking]["faithfulness"]);
            for (found, wanted) in faithfulness.iter().zip(&wanted) {
                assert!(
                    (found - wanted).abs() < TOLERANCE,
                    "{set}, {scores}: {found}, not {wanted}"
                );
            }
        }
        for (found, wanted) in [
            (figures.cmd, &case["absolute"]["area_from_1"]),
            (figures.cpr, &case["signed"]["area_under"]),
        ] {
            let (found, wanted) = (found.expect("an area"), wanted.as_f64().expect("a number"));
            assert!(
                (found - wanted).abs() < TOLERANCE,
                "{set}, {scores}: {found}, not {wanted}"
            );
        }
    }
}

#[test]
fn every_size_has_accuracy_divergence_and_interval() {
    let (figures, values) = golden("A", "eap", |evaluator, circuit| {
        let metrics = [Metric::Accuracy, Metric::Kl, Metric::LogitDiff];
        evaluator
            .measure_metrics(std::slice::from_ref(&circuit.kept), &metrics)
            .expect("values")
    });
    for curve in [&figures.curve, &figures.curve_signed] {
        let curve = curve.as_ref().expect("a curve");
        for point in curve {
            let [low, high] = point.interval.expect("an interval");
            let value = point.faithfulness.expect("a number");
            assert!(low <= value && value <= high, "{low} {value} {high}");
            assert!((0.0..=1.0).contains(&point.accuracy) && point.kl >= 0.0);
        }
        let (first, last) = (&curve[0], &curve[9]);
        assert!((last.accuracy - mean(&values[0][0])).abs() < TOLERANCE);
        assert!(last.kl < TOLERANCE && mean(&values[1][0]).abs() < TOLERANCE);
        assert!(first.kl > 0.1, "the corrupt run is far: {}", first.kl);
        let [low, high] = last.interval.expect("an interval");
        assert!((low - 1.0).abs() < TOLERANCE && (high - 1.0).abs() < TOLERANCE);
        let [low, high] = curve[6].interval.expect("an interval");
        assert!(high - low > 0.01, "examples differ: {low} {high}");
    }
    for (area, interval) in [
        (figures.cpr, figures.cpr_interval),
        (figures.cmd, figures.cmd_interval),
    ] {
        let (area, [low, high]) = (area.expect("an area"), interval.expect("an interval"));
        assert!(low < area && area < high, "{low} {area} {high}");
    }
}

/// The divergence of a size is that of its circuit, and its interval comes from the resamples of all sizes.
#[test]
fn sizes_share_their_resamples() {
    let (figures, (values, edges)) = golden("B", "exact", |evaluator, circuit| {
        let graph = secateur::Evaluator::graph(evaluator).clone();
        let order = secateur::graph::ranking(circuit.scores.as_ref().expect("scores"), true);
        let first = EdgeMask::from_edges(&graph, order[..95].iter().copied());
        let kept = graph.drop_dangling(&first, secateur::graph::Dangling::NoPathEitherWay);
        let circuits = [kept, EdgeMask::full(&graph), EdgeMask::empty(&graph)];
        let metrics = [Metric::LogitDiff, Metric::Kl];
        let values = evaluator
            .measure_metrics(&circuits, &metrics)
            .expect("values");
        (values, circuits[0].len())
    });
    let point = figures.curve.expect("a curve")[7];
    assert_eq!(point.edges, edges);
    assert!((point.kl + mean(&values[1][0])).abs() < TOLERANCE);
    let wanted = bootstrap(&values[0][0], &values[0][1], &values[0][2], 100, 0);
    let (found, wanted) = (point.interval.expect("found"), wanted.expect("wanted"));
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < TOLERANCE, "{found}, not {wanted}");
    }
}
