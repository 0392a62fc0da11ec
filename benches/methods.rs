//! Every method on the built-in models, on the same prompts each time.

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use secateur::discover::{Acdc, Select};
use secateur::engine::AblationValues;
use secateur::evaluate::{curve_circuits, random_connected};
use secateur::events::Silent;
use secateur::graph::{Dangling, Granularity, NeuronNodes, Prune, ranking};
use secateur::model::{LoadedModel, PrependBos, builtin_models};
use secateur::score::{CleanCorrupted, Eap, EapIg, EapIgActivations, Exact};
use secateur::task::{Ioi, IoiCorruption, LoadRequest};
use secateur::{
    Ablation, ComputationGraph, EdgeMask, Evaluator, Example, Method, Metric, ModelEvaluator,
    Search, Target, TaskSource, Transformer, discover, load_model,
};

/// Clean/corrupt pairs.
const PAIRS: usize = 32;
/// Random circuits that are measured, and the edges of each; of a ranking's circuits there are ten too.
const CIRCUITS: u64 = 10;
const EDGES: usize = 40;

pub(crate) fn benches(criterion: &mut Criterion) {
    for name in builtin_models() {
        let model = load_model(&format!("builtin:{name}"), Path::new(".")).expect("built in");
        let examples = examples(&model);
        let graph =
            ComputationGraph::new(model.config(), &Granularity::default(), &NeuronNodes::new())
                .expect("the default granularity fits every model");
        let transformer = Transformer::new(&model.weights, &graph);
        let mut group = criterion.benchmark_group(name);
        runs(&mut group, &transformer, &examples);
        let ablated =
            AblationValues::new(&transformer, &examples, Ablation::Patch, &Silent).expect("values");
        let mut evaluator = evaluator(&transformer, &examples, &ablated);
        scores(&mut group, &mut evaluator);
        circuits(&mut group, &mut evaluator);
        group.sample_size(10);
        searches(&mut group, &mut evaluator);
        group.finish();
    }
}

fn examples(model: &LoadedModel) -> Vec<Example> {
    let task = TaskSource::Ioi(Ioi {
        pairs: PAIRS,
        seed: 0,
        corruption: IoiCorruption::IndirectObject,
    });
    let request = LoadRequest {
        prompts: secateur::task::Prompts::Pairs,
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        base: Path::new("."),
        observer: &Silent,
    };
    task.load(&request)
        .expect("the built-in models know the task")
        .examples
}

fn evaluator<'a>(
    transformer: &'a Transformer<'a, f32>,
    examples: &[Example],
    ablated: &AblationValues<f32>,
) -> ModelEvaluator<'a, f32> {
    let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
    ModelEvaluator::new(transformer, examples, metric, ablation, ablated)
        .expect("the examples fit the model")
}

/// The model itself, and what every method does first.
fn runs(
    group: &mut BenchmarkGroup<'_, WallTime>,
    transformer: &Transformer<'_, f32>,
    examples: &[Example],
) {
    let prompts: Vec<Vec<u32>> = examples.iter().map(|it| it.clean.clone()).collect();
    group.bench_function("forward, last logits", |bencher| {
        bencher.iter(|| black_box(transformer.last_logits(&prompts)));
    });
    let prompts: Vec<&[u32]> = prompts.iter().map(|prompt| &prompt[..]).collect();
    group.bench_function("forward, all logits", |bencher| {
        bencher.iter(|| black_box(transformer.all_logits(&prompts)));
    });
    group.bench_function("clean and corrupt runs", |bencher| {
        bencher.iter(|| {
            let ablated = AblationValues::new(transformer, examples, Ablation::Patch, &Silent)
                .expect("values");
            evaluator(transformer, examples, &ablated);
        });
    });
}

fn scores(group: &mut BenchmarkGroup<'_, WallTime>, evaluator: &mut ModelEvaluator<'_, f32>) {
    group.bench_function("EAP", |bencher| {
        bencher.iter(|| black_box(Eap {}.score(evaluator)));
    });
    group.bench_function("EAP-IG, 5 steps", |bencher| {
        bencher.iter(|| black_box(EapIg { steps: 5 }.score(evaluator)));
    });
    group.bench_function("EAP-IG over activations, 5 steps", |bencher| {
        bencher.iter(|| black_box(EapIgActivations { steps: 5 }.score(evaluator)));
    });
    group.bench_function("clean-corrupted", |bencher| {
        bencher.iter(|| black_box(CleanCorrupted {}.score(evaluator)));
    });
    group.bench_function("exact", |bencher| {
        bencher.iter(|| black_box(Exact {}.score(evaluator, &Silent)));
    });
}

fn circuits(group: &mut BenchmarkGroup<'_, WallTime>, evaluator: &mut ModelEvaluator<'_, f32>) {
    let graph = evaluator.graph().clone();
    let random: Vec<EdgeMask> = (0..CIRCUITS)
        .map(|seed| random_connected(&graph, EDGES, Dangling::NoPathEitherWay, seed))
        .collect();
    group.bench_function("ten random circuits", |bencher| {
        bencher.iter(|| black_box(evaluator.measure(&random)));
    });
    let scores = EapIg { steps: 5 }.score(evaluator).expect("scores");
    let ranked = curve_circuits(&graph, &ranking(&scores, true));
    group.bench_function("circuits of MIB's ten sizes", |bencher| {
        bencher.iter(|| black_box(evaluator.measure(&ranked)));
    });
}

fn searches(group: &mut BenchmarkGroup<'_, WallTime>, evaluator: &mut ModelEvaluator<'_, f32>) {
    let full = EdgeMask::full(evaluator.graph());
    for tau in [0.1, 0.001] {
        group.bench_function(format!("ACDC, tau {tau}"), |bencher| {
            bencher.iter(|| black_box(Acdc::new(tau).edges(evaluator, &full, &Silent)));
        });
    }
    let search = Search {
        method: Method::EapIg(EapIg { steps: 5 }),
        select: None,
        target: Some(Target { faithfulness: 0.9 }),
        prune: Prune::Edges,
        dangling: Dangling::NoPathEitherWay,
    };
    group.bench_function("smallest circuit of faithfulness 0.9", |bencher| {
        bencher.iter(|| black_box(discover(evaluator, &search, &Silent)));
    });
    let search = Search {
        select: Some(Select::Greedy { edges: EDGES }),
        target: None,
        ..search
    };
    group.bench_function("EAP-IG and greedy selection", |bencher| {
        bencher.iter(|| black_box(discover(evaluator, &search, &Silent)));
    });
}
