//! Metrics on a model: sets of different sizes, and answers of several tokens by teacher forcing.

use std::collections::BTreeMap;
use std::path::Path;

use secateur::engine::{Ablation, Evaluator, Transformer, mean};
use secateur::events::Silent;
use secateur::graph::EdgeMask;
use secateur::metric::Metric;
use secateur::model::{PrependBos, load_model};
use secateur::run::find_circuit;
use secateur::spec::{Spec, read_specs};
use secateur::task::{Example, LoadRequest};

use crate::engine::{Setup, assert_close, with_evaluator};
use crate::oracle::{self, gpt2, llama};
use crate::synthetic::graph_of;
use crate::twin::Twin;

/// Examples whose answers are of one to four tokens, after prompts of several lengths.
fn forced_examples(count: usize, seed: u64) -> Vec<Example> {
    let plain = oracle::random_examples(&gpt2(false), count, seed).into_iter();
    plain
        .enumerate()
        .map(|(index, mut example)| {
            let answer: Vec<u32> = (0..=index % 4)
                .map(|token| (7 * token + index) as u32 % 23)
                .collect();
            let last = example.clean.len() - 1;
            example.at = (last..last + answer.len()).collect();
            example.clean.extend(&answer[..answer.len() - 1]);
            example.corrupt.extend(&answer[..answer.len() - 1]);
            example.wrong.clear();
            example.answer = answer;
            example.teacher_forced = true;
            example
        })
        .collect()
}

fn setups(examples: &[Example]) -> Vec<Setup> {
    [gpt2(false), llama()]
        .iter()
        .map(|config| Setup {
            weights: oracle::random_weights(config, 7),
            graph: graph_of(config, &secateur::graph::Granularity::default()),
            examples: examples.to_vec(),
        })
        .collect()
}

#[test]
fn teacher_forced_answers_equal_the_plain_twin() {
    for setup in setups(&forced_examples(6, 3)) {
        for ablation in [Ablation::Patch, Ablation::Mean] {
            for metric in [
                Metric::Nll,
                Metric::Accuracy,
                Metric::Mrr,
                Metric::Kl,
                Metric::L2,
            ] {
                let (weights, graph) = (&setup.weights, &setup.graph);
                let twin = Twin::new(weights, graph, &setup.examples, metric, ablation);
                let masks = [0.2, 0.7, 0.95]
                    .map(|share| oracle::random_mask(graph, share, 5))
                    .into_iter()
                    .chain([EdgeMask::full(graph), EdgeMask::empty(graph)])
                    .collect::<Vec<_>>();
                let found = with_evaluator(&setup, metric, ablation, |evaluator| {
                    evaluator.measure(&masks).expect("values")
                });
                for (mask, found) in masks.iter().zip(found) {
                    let what = format!("{ablation:?}, {metric:?}, {}", mask.len());
                    assert_close(&found, &twin.circuit(mask), 1e-9, &what);
                }
            }
        }
    }
}

#[test]
fn attribution_of_teacher_forced_answers_is_the_derivative() {
    for setup in setups(&forced_examples(4, 9)) {
        let (weights, graph) = (&setup.weights, &setup.graph);
        let (metric, ablation) = (Metric::Nll, Ablation::Patch);
        let twin = Twin::new(weights, graph, &setup.examples, metric, ablation);
        let scores = with_evaluator(&setup, metric, ablation, |evaluator| {
            evaluator.attribution(&[1.0]).expect("scores")
        });
        for edge in (0..graph.edge_count()).step_by(31) {
            let at = |keep: f64| {
                let mut kept = vec![1.0; graph.edge_count()];
                kept[edge] = keep;
                mean(&twin.values(&kept))
            };
            let slope = (at(1.0 + 1e-4) - at(1.0 - 1e-4)) / 2e-4;
            assert_close(&[scores[edge]], &[slope], 2e-6, &graph.edge_name(edge));
        }
    }
}

/// The log-likelihood of an answer is the mean of its tokens' log-probabilities, each after those before it.
#[test]
fn a_teacher_forced_likelihood_follows_the_chain_rule() {
    let examples = forced_examples(4, 21);
    for setup in setups(&examples) {
        let transformer = Transformer::new(&setup.weights, &setup.graph);
        let wanted: Vec<f64> = examples
            .iter()
            .map(|example| {
                let log_probs = example.answer.iter().enumerate().map(|(place, &token)| {
                    let mut tokens = example.prompt().to_vec();
                    tokens.extend(&example.answer[..place]);
                    let logits = &transformer.last_logits(&[tokens])[0];
                    let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
                    logits[token as usize] - total.ln()
                });
                log_probs.sum::<f64>() / example.answer.len() as f64
            })
            .collect();
        let found = with_evaluator(&setup, Metric::Nll, Ablation::Patch, |evaluator| {
            let full = EdgeMask::full(&setup.graph);
            evaluator.measure(&[full]).expect("values").remove(0)
        });
        assert_close(&found, &wanted, 1e-9, "log-likelihood");
    }
}

/// Greater-than has sets of many and few tokens, agreement of several.
#[test]
fn sets_of_different_sizes_equal_the_plain_twin() {
    let mut examples = oracle::random_examples(&gpt2(false), 4, 2);
    for (index, example) in examples.iter_mut().enumerate() {
        let cut = 3 * index + 1;
        example.answer = (0..cut as u32).collect();
        example.wrong = (cut as u32..23).collect();
    }
    for setup in setups(&examples) {
        for metric in [
            Metric::LogitDiff,
            Metric::ProbDiff,
            Metric::Nll,
            Metric::Accuracy,
            Metric::Mrr,
        ] {
            let (weights, graph) = (&setup.weights, &setup.graph);
            let twin = Twin::new(weights, graph, &examples, metric, Ablation::Patch);
            let mask = oracle::random_mask(graph, 0.6, 8);
            let (found, scores) = with_evaluator(&setup, metric, Ablation::Patch, |evaluator| {
                let found = evaluator
                    .measure(std::slice::from_ref(&mask))
                    .expect("values");
                (found, evaluator.attribution(&[1.0]).expect("scores"))
            });
            assert_close(
                &found[0],
                &twin.circuit(&mask),
                1e-9,
                &format!("{metric:?}"),
            );
            let edge = graph.edge_count() - 2;
            let at = |keep: f64| {
                let mut kept = vec![1.0; graph.edge_count()];
                kept[edge] = keep;
                mean(&twin.values(&kept))
            };
            let slope = if metric.has_gradient() {
                (at(1.0 + 1e-4) - at(1.0 - 1e-4)) / 2e-4
            } else {
                0.0
            };
            assert_close(&[scores[edge]], &[slope], 2e-6, &format!("{metric:?}"));
        }
    }
}

/// A spec on rows of token ids for `toy-gpt2`: what `find_circuit` says.
fn job(rows: &str, keys: &str) -> Result<BTreeMap<String, f64>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::write(folder.path().join("rows.jsonl"), rows).expect("rows");
    let text = format!(
        "RunSpec(format: 1, name: \"a\", models: [\"builtin:toy-gpt2\"], task: Tokens(\"rows.jsonl\"), {keys})"
    );
    let file = folder.path().join("spec.ron");
    fs_err::write(&file, text).expect("a spec");
    let set = read_specs(&[file]);
    assert!(set.errors.is_empty(), "{:?}", set.errors);
    let Spec::Circuit(spec) = &set.specs[0].spec else {
        panic!("not a circuit's spec");
    };
    let model = load_model("builtin:toy-gpt2", Path::new(".")).expect("a model");
    let dataset = spec
        .task
        .load(&LoadRequest {
            prompts: secateur::task::Prompts::Pairs,
            tokenizer: model.tokenizer.as_ref(),
            config: model.config(),
            prepend_bos: PrependBos::Auto,
            base: folder.path(),
            observer: &Silent,
        })
        .expect("rows that fit");
    let outcome = find_circuit(spec, &model, &dataset, &Silent).map_err(|error| {
        let folder = folder.path().display().to_string();
        error.to_string().replace(&folder, "")
    })?;
    let figures = outcome.evaluation.held_out;
    Ok(BTreeMap::from([
        ("full".into(), figures.metric_full),
        ("empty".into(), figures.metric_empty),
    ]))
}

const FORCED: &str = "{\"clean\":[5,6,7],\"corrupt\":[5,8,7],\"answer\":[9],\"wrong\":[10]}\n\
                      {\"clean\":[5,6,8],\"corrupt\":[5,8,8],\"answer\":[[9,11]]}\n";

#[test]
fn differences_refuse_answers_of_several_tokens_by_row() {
    for metric in ["LogitDiff", "ProbDiff"] {
        let keys = format!("metric: {metric}, ablation: Patch, method: Exact()");
        let said = job(FORCED, &keys).expect_err("an error");
        let wanted = format!(
            "Tokens(rows.jsonl), row 2: the answer has several tokens, and metric {metric} compares answers of one \
             token each; use metric: Nll, Accuracy, Mrr or Kl"
        );
        assert_eq!(said, wanted);
    }
    for metric in ["Nll", "Accuracy", "Mrr", "Kl", "L2"] {
        let keys = format!("metric: {metric}, ablation: Patch, method: Exact()");
        let figures = job(FORCED, &keys).expect("figures");
        if metric == "Kl" || metric == "L2" {
            assert!(
                figures["full"].abs() < 1e-6 && figures["empty"] < -1e-3,
                "{figures:?}"
            );
        } else {
            assert!(figures["full"].is_finite(), "{figures:?}");
        }
    }
}

#[test]
fn rows_without_a_donor_are_named() {
    let rows = "{\"clean\":[5,6,7],\"corrupt\":[5,8,7],\"answer\":[9]}\n\
                {\"clean\":[5,6,8],\"corrupt\":[5,8,8],\"answer\":[9]}\n\
                {\"clean\":[5,6,8,9],\"corrupt\":[5,8,8,9],\"answer\":[9]}\n";
    let keys =
        "metric: Nll, ablation: Resample(seed: 1), method: Exact(), evaluate: (held_out: 0.0)";
    let said = job(rows, keys).expect_err("an error");
    assert_eq!(
        said,
        "Tokens(rows.jsonl), row 3: ablation Resample needs another prompt of 4 tokens among the discovery examples, \
         and there is none; use more pairs, prompts of equal length, or ablation: Mean"
    );
    let (shorter, _) = rows.trim_end().rsplit_once('\n').expect("rows");
    job(shorter, keys).expect("figures");
}

#[test]
fn jobs_run_under_learned_constants() {
    let row = |index: u32| {
        let (first, second) = (5 + index, 9 + 2 * index);
        format!(
            "{{\"clean\":[{first},6,{second}],\"corrupt\":[{first},8,{second}],\"answer\":[[9,{first}]]}}"
        )
    };
    let rows: Vec<String> = (0..8).map(row).collect();
    let keys =
        |ablation: &str| format!("metric: Nll, ablation: {ablation}, method: EapIg(steps: 2)");
    let of = |ablation: &str| job(&rows.join("\n"), &keys(ablation)).expect("figures");
    let (mean, learned) = (of("Mean"), of("Optimal(steps: 40)"));
    assert!((mean["full"] - learned["full"]).abs() < 1e-6);
    assert!(
        (mean["empty"] - learned["empty"]).abs() > 1e-3,
        "{mean:?}, {learned:?}"
    );
    assert_eq!(learned, of("Optimal(steps: 40)"));
    let split = "Optimal(steps: 5), granularity: (mlps: Neurons(layers: [0], top: 3))";
    assert!(of(split)["empty"].is_finite());
}
