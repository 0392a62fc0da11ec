//! The same bytes whatever the memory; too little is refused.

use std::path::Path;

use secateur::discover::Acdc;
use secateur::engine::{AblationValues, ModelEvaluator, Optimal, Resample, Transformer};
use secateur::events::Silent;
use secateur::graph::{EdgeMask, Granularity};
use secateur::model::{PrependBos, load_model, load_model_within};
use secateur::run::find_circuit;
use secateur::score::{EapIg, EapIgActivations};
use secateur::spec::check_spec;
use secateur::task::{Ioi, LoadRequest, TaskSource};
use secateur::{Ablation, Error, Metric};

use crate::oracle::random_mask;
use crate::synthetic::graph_of;

fn task(pairs: usize) -> TaskSource {
    TaskSource::Ioi(Ioi {
        pairs,
        seed: 3,
        ..Ioi::default()
    })
}

/// Values, scores and decisions as bits, from runs of as many examples at a time as there is room for.
fn results(name: &str, ablation: Ablation, metric: Metric, room: Option<usize>) -> Vec<u64> {
    // Weights are on demand too.
    let memory = room.map(|_| 0);
    let model = load_model_within(name, Path::new("."), memory).expect("a model");
    let request = LoadRequest {
        prompts: secateur::task::Prompts::Pairs,
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        base: Path::new("."),
        observer: &Silent,
    };
    let mut examples = task(40).load(&request).expect("examples").examples;
    if let Ablation::Resample(resample) = ablation {
        let donors = secateur::engine::Donors::new(&examples, resample);
        examples.retain(|example| donors.of(example).is_some());
    }
    let graph = graph_of(model.config(), &Granularity::default());
    let transformer = Transformer::new(&model.weights, &graph).within(room);
    let ablated = AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
    let mut evaluator = ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
        .expect("an evaluator");
    let masks: Vec<EdgeMask> = (0..5)
        .map(|seed| random_mask(&graph, 0.2 * seed as f64, seed))
        .chain([EdgeMask::full(&graph), EdgeMask::empty(&graph)])
        .collect();
    let mut bits = Vec::new();
    let mut add = |values: Vec<f64>| bits.extend(values.into_iter().map(f64::to_bits));
    if metric != Metric::Accuracy {
        add(EapIg { steps: 3 }.score(&mut evaluator).expect("scores"));
        let activations = EapIgActivations { steps: 2 };
        add(activations.score(&mut evaluator).expect("scores"));
    }
    let several = [metric, Metric::Kl, Metric::Accuracy];
    let values = evaluator.measure_metrics(&masks, &several).expect("values");
    values.into_iter().flatten().for_each(&mut add);
    let full = EdgeMask::full(&graph);
    let found = Acdc::new(0.02)
        .edges(&mut evaluator, &full, &Silent)
        .expect("a circuit");
    add(found.decisions.iter().map(|step| step.change).collect());
    bits
}

#[test]
fn memory_does_not_change_a_bit() {
    let optimal = Optimal {
        steps: 3,
        learning_rate: 0.1,
        seed: 1,
    };
    for (name, ablation, metric) in [
        ("builtin:toy-gpt2", Ablation::Patch, Metric::LogitDiff),
        ("builtin:toy-llama", Ablation::Patch, Metric::Kl),
        (
            "builtin:toy-llama",
            Ablation::MeanPositional,
            Metric::ProbDiff,
        ),
        ("builtin:toy-gpt2", Ablation::Optimal(optimal), Metric::Nll),
        (
            "builtin:toy-llama",
            Ablation::Resample(Resample { seed: 2 }),
            Metric::L2,
        ),
    ] {
        let all = results(name, ablation, metric, None);
        // One example at a time, a few, and two blocks.
        for room in [0, 6_000_000, 40_000_000] {
            let some = results(name, ablation, metric, Some(room));
            assert!(all == some, "{name}, {ablation:?}, {metric:?}, {room}");
        }
    }
}

#[test]
fn too_little_memory_is_refused_with_the_least_that_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.ron");
    let text = "RunSpec(format: 1, name: \"t\", models: [\"builtin:toy-llama\"], task: Ioi(pairs: 8, seed: 0), \
                metric: LogitDiff, ablation: Patch, method: EapIg(steps: 5), select: TopN(share: 0.05))";
    let spec = check_spec(text.as_bytes(), &path).expect("a spec");
    let mut model = load_model("builtin:toy-llama", Path::new(".")).expect("a model");
    let request = LoadRequest {
        prompts: secateur::task::Prompts::Pairs,
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        base: Path::new("."),
        observer: &Silent,
    };
    let dataset = spec.task.load(&request).expect("examples");
    model.memory = Some(1_000_000);
    let Err(Error::Usage(refusal)) = find_circuit(&spec, &model, &dataset, &Silent) else {
        panic!("1 MB was enough");
    };
    let (_, least) = refusal.split_once("at least ").expect("the least");
    let least: f64 = least.split(' ').next().unwrap().parse().unwrap();
    model.memory = Some((least * 1e9) as usize);
    assert!(
        find_circuit(&spec, &model, &dataset, &Silent).is_ok(),
        "{refusal}"
    );
    model.memory = None;
    assert!(find_circuit(&spec, &model, &dataset, &Silent).is_ok());
}
