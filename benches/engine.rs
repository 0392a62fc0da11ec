//! Speed of the engine and of searches, on the built-in models: no download, constant seeds.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use secateur::discover::Acdc;
use secateur::engine::AblationValues;
use secateur::evaluate::random_connected;
use secateur::events::Silent;
use secateur::graph::{Granularity, NeuronNodes};
use secateur::model::{LoadedModel, PrependBos, builtin_models};
use secateur::score::EapIg;
use secateur::task::{Ioi, IoiCorruption, LoadRequest};
use secateur::{
    Ablation, ComputationGraph, EdgeMask, Evaluator, Example, Metric, ModelEvaluator, TaskSource,
    Transformer, load_model,
};

/// Clean/corrupt pairs per benchmark.
const PAIRS: usize = 32;
/// Circuits per batch of ablated runs, and the edges of each.
const CIRCUITS: u64 = 10;
const EDGES: usize = 40;

fn examples(model: &LoadedModel) -> Vec<Example> {
    let task = TaskSource::Ioi(Ioi {
        pairs: PAIRS,
        seed: 0,
        corruption: IoiCorruption::IndirectObject,
    });
    let request = LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        base: Path::new("."),
    };
    task.load(&request)
        .expect("the built-in models know the task")
        .examples
}

fn benches(criterion: &mut Criterion) {
    for name in builtin_models() {
        let model = load_model(&format!("builtin:{name}"), Path::new(".")).expect("built in");
        let examples = examples(&model);
        let graph =
            ComputationGraph::new(model.config(), &Granularity::default(), &NeuronNodes::new())
                .expect("the default granularity fits every model");
        let transformer = Transformer::new(&model.weights, &graph);
        let ablated =
            AblationValues::new(&transformer, &examples, Ablation::Patch, &Silent).expect("values");
        let mut evaluator = ModelEvaluator::new(
            &transformer,
            &examples,
            Metric::LogitDiff,
            Ablation::Patch,
            &ablated,
        )
        .expect("the examples fit the model");
        let prompts: Vec<Vec<u32>> = examples
            .iter()
            .map(|example| example.clean.clone())
            .collect();
        let circuits: Vec<EdgeMask> = (0..CIRCUITS)
            .map(|seed| random_connected(&graph, EDGES, seed))
            .collect();
        let full = EdgeMask::full(&graph);
        let config = model.config();
        let size = format!(
            "{name}, {} layers, d_model {}, {} edges, {PAIRS} pairs",
            config.n_layers,
            config.d_model,
            graph.edge_count()
        );

        let mut group = criterion.benchmark_group(size);
        group.bench_function("forward", |bencher| {
            bencher.iter(|| black_box(transformer.last_logits(&prompts)));
        });
        group.bench_function("forward and VJP (attribution, 1 point)", |bencher| {
            bencher.iter(|| black_box(evaluator.attribution(&[1.0])));
        });
        group.bench_function("10 random circuits", |bencher| {
            bencher.iter(|| black_box(evaluator.measure(&circuits)));
        });
        group.bench_function("EAP-IG, 5 steps", |bencher| {
            bencher.iter(|| black_box(EapIg { steps: 5 }.score(&mut evaluator)));
        });
        group.sample_size(10);
        group.bench_function("ACDC, tau 0.1", |bencher| {
            bencher.iter(|| black_box(Acdc::new(0.1).edges(&mut evaluator, &full, &Silent)));
        });
        group.finish();
    }
}

criterion_group!(engine, benches);
criterion_main!(engine);
