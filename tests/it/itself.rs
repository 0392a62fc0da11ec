//! A model does not differ from itself, to the last bit, in single precision: every divergence and distance of the full model's
//! own run is 0.

use std::path::Path;

use secateur::analyze::Edit;
use secateur::analyze::edit::{EditAt, EditScale, EditTask, SwapPrompt, edit};
use secateur::analyze::lens::{Lens, LensPrompt, LensTask, look};
use secateur::engine::{Ablation, AblationValues, ModelEvaluator, Transformer};
use secateur::evaluate::{EvaluationPlan, evaluate};
use secateur::events::Silent;
use secateur::graph::{Circuit, Dangling, EdgeMask, Granularity};
use secateur::metric::Metric;
use secateur::model::{LoadedModel, PrependBos, builtin_models, load_model};
use secateur::task::{Agreement, Example, Ioi, LoadRequest, Prompts, TaskSource};

use crate::synthetic::graph_of;

const METRICS: [Metric; 7] = [
    Metric::LogitDiff,
    Metric::ProbDiff,
    Metric::Kl,
    Metric::Nll,
    Metric::Accuracy,
    Metric::Mrr,
    Metric::L2,
];

fn models() -> impl Iterator<Item = LoadedModel> {
    builtin_models().into_iter().map(|name| {
        load_model(&format!("builtin:{name}"), Path::new(".")).expect("a built-in model")
    })
}

fn examples(model: &LoadedModel, task: &TaskSource) -> Vec<Example> {
    let request = LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        prompts: Prompts::Pairs,
        base: Path::new("."),
        observer: &Silent,
    };
    task.load(&request).expect("examples").examples
}

fn tasks() -> [TaskSource; 2] {
    [
        TaskSource::Ioi(Ioi {
            pairs: 20,
            seed: 1,
            ..Ioi::default()
        }),
        TaskSource::Agreement(Agreement { pairs: 20, seed: 1 }),
    ]
}

/// The bits of 0, not of -0.
fn is_zero(value: f64) -> bool {
    value.to_bits() == 0
}

#[test]
fn the_full_circuit_is_at_no_distance_from_the_full_model() {
    for model in models() {
        let graph = graph_of(model.config(), &Granularity::default());
        let transformer = Transformer::new(&model.weights, &graph);
        let full = EdgeMask::full(&graph);
        for task in tasks() {
            let examples = examples(&model, &task);
            for ablation in [Ablation::Patch, Ablation::Mean] {
                let values = AblationValues::new(&transformer, &examples, ablation, &Silent);
                let values = values.expect("values");
                for metric in METRICS {
                    let what = format!("{}, {metric:?}, {ablation:?}", model.name);
                    let evaluator =
                        ModelEvaluator::new(&transformer, &examples, metric, ablation, &values);
                    let mut evaluator = evaluator.expect("an evaluator");
                    let circuit = Circuit {
                        kept: full.clone(),
                        scores: Some((0..graph.edge_count()).map(|edge| edge as f64).collect()),
                    };
                    let plan = EvaluationPlan {
                        metric,
                        curve: true,
                        random_baselines: 0,
                        bootstrap: 0,
                        dangling: Dangling::NoPathEitherWay,
                    };
                    let figures = evaluate(&mut evaluator, &graph, &circuit, &plan, &Silent);
                    let figures = figures.expect("figures");
                    let kl = figures.kl_circuit.expect("a divergence");
                    assert!(is_zero(kl), "{what}: {kl:e}");
                    if metric.needs_full_model() {
                        assert!(is_zero(figures.metric_full), "{what}");
                        assert!(is_zero(figures.metric_circuit), "{what}");
                    }
                    let same = figures.metric_full.to_bits() == figures.metric_circuit.to_bits();
                    assert!(same, "{what}");
                    let points = figures.curve.expect("a curve");
                    let last = points.last().expect("points");
                    assert_eq!(last.edges, graph.edge_count());
                    assert!(is_zero(last.kl), "{what}: {}", last.kl);
                    assert!(points.iter().all(|point| point.kl >= 0.0), "{what}");
                }
            }
        }
    }
}

#[test]
fn the_last_place_of_a_lens_says_what_the_model_says() {
    for model in models() {
        let graph = graph_of(model.config(), &Granularity::default());
        let transformer = Transformer::new(&model.weights, &graph);
        let prompts = examples(&model, &tasks()[0])
            .into_iter()
            .map(|it| LensPrompt {
                at: it.at[0],
                tokens: it.clean,
                follow: it.answer,
                minus: Vec::new(),
            });
        let prompts: Vec<LensPrompt> = prompts.collect();
        let task = LensTask {
            prompts: &prompts,
            tracked: "the answer",
            bootstrap: 0,
            random_baselines: 0,
            tokenizer: model.tokenizer.as_ref(),
        };
        let found = look(&transformer, &task, &Lens::default(), None, &Silent);
        let places = found.expect("a report").places;
        let last = places.last().expect("places");
        assert!(
            is_zero(last.logit_lens.kl.mean),
            "{}",
            last.logit_lens.kl.mean
        );
        assert!(places[0].logit_lens.kl.mean > 0.1);
    }
}

#[test]
fn streams_do_not_diverge_from_themselves() {
    for model in models() {
        let graph = graph_of(model.config(), &Granularity::default());
        let transformer = Transformer::new(&model.weights, &graph);
        let width = model.config().d_model;
        let number = |place: usize| ((place * 37 % 101) as f32 / 17.0 - 3.0) * 1.7;
        let streams: Vec<f32> = (0..5 * width).map(number).collect();
        let (losses, gradient) = transformer.divergence(&streams, &streams);
        assert!(losses.into_iter().all(is_zero));
        assert!(gradient.iter().all(|value| value.abs() == 0.0));
    }
}

#[test]
fn an_edit_that_changes_nothing_changes_no_bit() {
    for model in models() {
        let graph = graph_of(model.config(), &Granularity::default());
        let transformer = Transformer::new(&model.weights, &graph);
        let examples = examples(&model, &tasks()[0]);
        for (at, scale) in [
            (EditAt::Scored, EditScale::Stream),
            (EditAt::Every, EditScale::Removed),
        ] {
            let items = examples.iter().filter_map(|it| SwapPrompt::new(it, at));
            let same = items.map(|mut item| {
                item.replacement = item.original;
                for place in &mut item.places {
                    place.replacement = place.original;
                }
                item
            });
            let same: Vec<SwapPrompt> = same.collect();
            let text = [examples[0].clean.clone()];
            let task = EditTask {
                discovery: &same[..8],
                held_out: &same[8..],
                bootstrap: 0,
                random_baselines: 1,
                text: &text,
                tokenizer: None,
            };
            let question = Edit {
                at,
                scale,
                ..Edit::default()
            };
            let found = edit(&transformer, &task, &question, &Silent).expect("a report");
            let what = format!("{}, {at:?}", model.name);
            assert_eq!(found.before, found.after, "{what}");
            assert!(is_zero(found.kl.mean), "{what}: {:e}", found.kl.mean);
            assert!(found.items.iter().all(|it| is_zero(it.kl)), "{what}");
            let other = found.other_prompts.expect("other prompts");
            assert!(is_zero(other.kl.mean), "{what}: {:e}", other.kl.mean);
            let text = found.text.expect("text");
            assert_eq!(text.before.to_bits(), text.after.to_bits(), "{what}");
        }
    }
}
