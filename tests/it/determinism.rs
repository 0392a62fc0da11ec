//! The same bits whatever the number of threads, the batch, or the other examples.

use std::path::{Path, PathBuf};
use std::process::Command;

use secateur::discover::Acdc;
use secateur::engine::{
    Ablation, AblationValues, Donors, Evaluator, ModelEvaluator, Optimal, Resample, Transformer,
};
use secateur::events::Silent;
use secateur::graph::{EdgeMask, Granularity};
use secateur::metric::Metric;
use secateur::model::{LoadedModel, PrependBos, load_model};
use secateur::score::EapIg;
use secateur::task::{Example, Ioi, LoadRequest, TaskSource};

use crate::oracle::random_mask;
use crate::synthetic::graph_of;

fn toy() -> (LoadedModel, Vec<Example>) {
    let model = load_model("builtin:toy-llama", Path::new(".")).expect("the toy");
    let task = TaskSource::Ioi(Ioi {
        pairs: 40,
        seed: 3,
        ..Ioi::default()
    });
    let request = LoadRequest {
        prompts: secateur::task::Prompts::Pairs,
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        base: Path::new("."),
        observer: &Silent,
    };
    let examples = task.load(&request).expect("examples").examples;
    (model, examples)
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn all_bits(values: &[Vec<f64>]) -> Vec<Vec<u64>> {
    values.iter().map(|values| bits(values)).collect()
}

fn with_evaluator<R>(
    model: &LoadedModel,
    examples: &[Example],
    metric: Metric,
    ablation: Ablation,
    work: impl FnOnce(&mut ModelEvaluator<'_, f32>) -> R,
) -> R {
    let graph = graph_of(model.config(), &Granularity::default());
    let transformer = Transformer::new(&model.weights, &graph);
    let mut examples = examples.to_vec();
    if let Ablation::Resample(resample) = ablation {
        // It needs another prompt of the same length.
        let donors = Donors::new(&examples, resample);
        examples.retain(|example| donors.of(example).is_some());
        assert!(examples.len() > 32, "{}", examples.len());
    }
    let examples = &examples[..];
    let ablated = AblationValues::new(&transformer, examples, ablation, &Silent).expect("values");
    let mut evaluator = ModelEvaluator::new(&transformer, examples, metric, ablation, &ablated)
        .expect("an evaluator");
    work(&mut evaluator)
}

const SETTINGS: [(Ablation, Metric); 5] = [
    (Ablation::Patch, Metric::LogitDiff),
    (Ablation::Zero, Metric::ProbDiff),
    (Ablation::MeanPositional, Metric::Kl),
    (Ablation::Resample(Resample { seed: 2 }), Metric::L2),
    (
        Ablation::Optimal(Optimal {
            steps: 4,
            learning_rate: 0.1,
            seed: 1,
        }),
        Metric::Nll,
    ),
];

fn masks(model: &LoadedModel) -> Vec<EdgeMask> {
    let graph = graph_of(model.config(), &Granularity::default());
    (0..9)
        .map(|seed| random_mask(&graph, 0.1 + 0.1 * seed as f64, seed))
        .chain([EdgeMask::full(&graph), EdgeMask::empty(&graph)])
        .collect()
}

#[test]
fn threads_do_not_change_a_bit() {
    let (model, examples) = toy();
    let masks = masks(&model);
    for (ablation, metric) in SETTINGS {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool");
            pool.install(|| {
                with_evaluator(&model, &examples, metric, ablation, |evaluator| {
                    let scores = EapIg::default().score(evaluator).expect("scores");
                    let values = evaluator.measure(&masks).expect("values");
                    let full = EdgeMask::full(evaluator.graph());
                    let found = Acdc::new(0.02)
                        .edges(evaluator, &full, &Silent)
                        .expect("a result");
                    let decisions: Vec<_> = found
                        .decisions
                        .iter()
                        .map(|step| (step.edge, step.change.to_bits(), step.kept, step.tested))
                        .collect();
                    (bits(&scores), all_bits(&values), decisions, found.kept)
                })
            })
        };
        let one = run(1);
        for threads in [2, 3] {
            let more = run(threads);
            let what = format!("{ablation:?}, {metric:?}, {threads} threads");
            assert!(one.0 == more.0, "attribution: {what}");
            assert!(one.1 == more.1, "circuits: {what}");
            assert!(one.2 == more.2, "decisions: {what}");
            assert!(one.3 == more.3, "ACDC's circuit: {what}");
        }
    }
}

#[test]
fn circuits_measured_one_by_one_have_the_bits_of_circuits_measured_together() {
    let (model, examples) = toy();
    let masks = masks(&model);
    for (ablation, metric) in SETTINGS {
        with_evaluator(&model, &examples, metric, ablation, |evaluator| {
            let together = evaluator.measure(&masks).expect("values");
            for (index, mask) in masks.iter().enumerate() {
                let alone = evaluator
                    .measure(std::slice::from_ref(mask))
                    .expect("values");
                assert_eq!(
                    bits(&alone[0]),
                    bits(&together[index]),
                    "{ablation:?}, {metric:?}, circuit {index}"
                );
            }
            let base = random_mask(evaluator.graph(), 0.7, 77);
            evaluator.rebase(&base).expect("values");
            let near: Vec<EdgeMask> = (0..12)
                .map(|seed| {
                    let mut mask = random_mask(evaluator.graph(), 0.9, seed);
                    mask.intersect(&base);
                    mask
                })
                .collect();
            let together = evaluator.measure_near(&near, false).expect("values");
            for (index, mask) in near.iter().enumerate() {
                let alone = evaluator
                    .measure_near(std::slice::from_ref(mask), false)
                    .expect("values");
                assert_eq!(
                    bits(&alone[0]),
                    bits(&together[index]),
                    "{ablation:?}, {metric:?}, near circuit {index}"
                );
            }
        });
    }
}

/// A row's bits do not depend on the other rows, so neither does an example's on the other examples.
#[test]
fn an_example_has_the_same_bits_in_any_company() {
    let (model, examples) = toy();
    let masks = masks(&model);
    for (ablation, metric) in [
        (Ablation::Patch, Metric::LogitDiff),
        (Ablation::Zero, Metric::Kl),
    ] {
        let measure = |examples: &[Example]| {
            with_evaluator(&model, examples, metric, ablation, |evaluator| {
                evaluator.measure(&masks).expect("values")
            })
        };
        let all = measure(&examples);
        for range in [0..1, 5..8, 16..40] {
            for (few, all) in measure(&examples[range.clone()]).iter().zip(&all) {
                assert_eq!(
                    bits(few),
                    bits(&all[range.clone()]),
                    "{ablation:?}, {metric:?}, examples {range:?}"
                );
            }
        }
    }
}

/// All files below a folder with their bytes, but for `run.json`, which may differ between runs.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs_err::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name != "run.json") {
                let name = path.strip_prefix(folder).expect("below").to_owned();
                found.push((name, fs_err::read(path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn two_runs_write_the_same_bytes_whatever_the_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = |name: &str, rest: &str| {
        let text = format!(
            "RunSpec(format: 1, name: {name:?}, models: [\"builtin:toy-llama\"], task: Ioi(pairs: 24),\n\
             metric: LogitDiff, ablation: Patch, evaluate: (random_baselines: 3, bootstrap: 50),\n\
             outputs: [Dot, Svg, Json, Csv], {rest})\n"
        );
        fs_err::write(folder.path().join(format!("{name}.ron")), text).expect("a spec");
    };
    spec("acdc", "method: Acdc(tau: 0.05)");
    spec(
        "target",
        "method: EapIg(steps: 5), target: (faithfulness: 0.8)",
    );
    let run = |out: &str, arguments: [&str; 4]| {
        let output = Command::new(env!("CARGO_BIN_EXE_secateur"))
            .current_dir(folder.path())
            .args(["run", "acdc.ron", "target.ron", "--out", out])
            .args(arguments)
            .output()
            .expect("the program runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        files(&folder.path().join(out))
    };
    let one = run("one", ["--threads", "1", "--jobs", "1"]);
    let two = run("two", ["--threads", "2", "--jobs", "2"]);
    assert!(one.len() >= 10, "{} files", one.len());
    for ((name, one), (other, two)) in one.iter().zip(&two) {
        assert_eq!(name, other);
        assert!(one == two, "{} differs", name.display());
    }
    assert_eq!(one.len(), two.len());
}
