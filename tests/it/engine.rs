//! The engine against its plain twin, in f64.

mod cases;
mod company;

use std::collections::BTreeMap;

use secateur::engine::{Ablation, Evaluator, mean};
use secateur::graph::{ComputationGraph, Dangling, EdgeMask, Granularity, NeuronNodes};
use secateur::metric::Metric;
use secateur::model::Weights;
use secateur::task::Example;

pub(crate) use self::cases::{Case, Setup, assert_close, cases, setup, with_evaluator};
use crate::oracle::{self, llama};
use crate::twin::Twin;

const ABLATIONS: [Ablation; 4] = [
    Ablation::Patch,
    Ablation::Zero,
    Ablation::Mean,
    Ablation::MeanPositional,
];
const METRICS: [Metric; 7] = [
    Metric::LogitDiff,
    Metric::ProbDiff,
    Metric::Kl,
    Metric::Accuracy,
    Metric::Nll,
    Metric::Mrr,
    Metric::L2,
];

#[test]
fn ablated_runs_equal_the_plain_twin() {
    for case in cases() {
        let setup = setup(&case, 5);
        for ablation in ABLATIONS {
            let patch = ablation == Ablation::Patch;
            for &metric in &METRICS[..if patch { METRICS.len() } else { 4 }] {
                let twin = Twin::new(
                    &setup.weights,
                    &setup.graph,
                    &setup.examples,
                    metric,
                    ablation,
                );
                let masks: Vec<EdgeMask> = [0.03, 0.2, 0.5, 0.8, 0.97]
                    .iter()
                    .enumerate()
                    .map(|(seed, &share)| oracle::random_mask(&setup.graph, share, seed as u64))
                    .chain([EdgeMask::full(&setup.graph), EdgeMask::empty(&setup.graph)])
                    .collect();
                let found = with_evaluator(&setup, metric, ablation, |evaluator| {
                    evaluator.measure(&masks).expect("values")
                });
                for (mask, found) in masks.iter().zip(found) {
                    let what = format!("{}, {ablation:?}, {metric:?}, {}", case.name, mask.len());
                    assert_close(&found, &twin.circuit(mask), 1e-9, &what);
                }
            }
        }
    }
}

#[test]
fn incremental_runs_equal_the_plain_twin_for_any_circuit_and_order() {
    for case in cases() {
        let setup = setup(&case, 4);
        for ablation in ABLATIONS {
            let metric = Metric::LogitDiff;
            let twin = Twin::new(
                &setup.weights,
                &setup.graph,
                &setup.examples,
                metric,
                ablation,
            );
            with_evaluator(&setup, metric, ablation, |evaluator| {
                let mut circuit = EdgeMask::full(&setup.graph);
                for step in 0..6u64 {
                    let what = format!("{}, {ablation:?}, step {step}", case.name);
                    let base = evaluator.rebase(&circuit).expect("a rebase");
                    assert_close(&base, &twin.circuit(&circuit), 1e-9, &what);
                    let near: Vec<EdgeMask> = (0..4)
                        .map(|seed| {
                            let mut mask = circuit.clone();
                            let keep = if seed == 0 { 0.2 } else { 0.98 };
                            mask.intersect(&oracle::random_mask(
                                &setup.graph,
                                keep,
                                100 * step + seed,
                            ));
                            mask
                        })
                        .collect();
                    let found = evaluator.measure_near(&near, true).expect("values");
                    for (mask, found) in near.iter().zip(&found) {
                        assert_close(found, &twin.circuit(mask), 1e-9, &what);
                    }
                    circuit.intersect(&oracle::random_mask(&setup.graph, 0.75, 1000 + step));
                }
            });
        }
    }
}

/// What was kept of a measured circuit stands for running it again, also when edges go along that no path leads from.
#[test]
fn rebasing_to_a_measured_circuit_gives_the_bits_of_running_it_again() {
    for case in cases() {
        let setup = setup(&case, 4);
        for ablation in [Ablation::Patch, Ablation::Zero] {
            let metric = Metric::LogitDiff;
            with_evaluator(&setup, metric, ablation, |kept| {
                with_evaluator(&setup, metric, ablation, |again| {
                    let graph = &setup.graph;
                    let mut circuit = EdgeMask::full(graph);
                    kept.rebase(&circuit).expect("a rebase");
                    again.rebase(&circuit).expect("a rebase");
                    for step in 0..6 {
                        let near: Vec<EdgeMask> = (0..3)
                            .map(|seed| {
                                let mut mask = circuit.clone();
                                let seed = 10 * step + seed;
                                mask.intersect(&oracle::random_mask(graph, 0.85, seed));
                                mask
                            })
                            .collect();
                        let found = kept.measure_near(&near, true).expect("values");
                        let expected = again.measure_near(&near, false).expect("values");
                        assert_eq!(found, expected, "{}, {ablation:?}, step {step}", case.name);
                        circuit = near[step as usize % 3].clone();
                        if step % 2 == 1 {
                            circuit = graph.drop_dangling(&circuit, Dangling::NoPathToLogits);
                        }
                        assert_eq!(
                            kept.rebase(&circuit).expect("a rebase"),
                            again.rebase(&circuit).expect("a rebase"),
                            "{}, {ablation:?}, step {step}",
                            case.name
                        );
                    }
                });
            });
        }
    }
}

#[test]
fn full_mask_is_clean_and_empty_mask_is_corrupt() {
    for case in cases() {
        let setup = setup(&case, 4);
        with_evaluator(&setup, Metric::LogitDiff, Ablation::Patch, |evaluator| {
            let masks = [EdgeMask::full(&setup.graph), EdgeMask::empty(&setup.graph)];
            let found = evaluator.measure(&masks).expect("values");
            for (index, example) in setup.examples.iter().enumerate() {
                for (tokens, found) in [(&example.clean, &found[0]), (&example.corrupt, &found[1])]
                {
                    let (logits, _) = oracle::full_run(&setup.weights, &setup.graph, tokens);
                    let value: f64 = example
                        .at
                        .iter()
                        .map(|&at| {
                            f64::midpoint(
                                logits[at][example.answer[0] as usize],
                                logits[at][example.answer[1] as usize],
                            ) - logits[at][example.wrong[0] as usize]
                        })
                        .sum::<f64>()
                        / example.at.len() as f64;
                    assert_close(&[found[index]], &[value], 1e-9, case.name);
                }
            }
        });
    }
}

#[test]
fn attribution_is_the_derivative_of_the_metric_along_each_edge() {
    for case in cases() {
        let setup = setup(&case, 3);
        for (ablation, metric) in [
            (Ablation::Patch, Metric::LogitDiff),
            (Ablation::Patch, Metric::ProbDiff),
            (Ablation::Zero, Metric::LogitDiff),
            (Ablation::MeanPositional, Metric::LogitDiff),
            (Ablation::Mean, Metric::ProbDiff),
            (Ablation::Patch, Metric::Nll),
        ] {
            let twin = Twin::new(
                &setup.weights,
                &setup.graph,
                &setup.examples,
                metric,
                ablation,
            );
            let scores = with_evaluator(&setup, metric, ablation, |evaluator| {
                evaluator.attribution(&[1.0]).expect("scores")
            });
            let step = 1e-4;
            for edge in (0..setup.graph.edge_count()).step_by(7) {
                let at = |keep: f64| {
                    let mut kept = vec![1.0; setup.graph.edge_count()];
                    kept[edge] = keep;
                    mean(&twin.values(&kept))
                };
                let slope = (at(1.0 + step) - at(1.0 - step)) / (2.0 * step);
                let name = setup.graph.edge_name(edge);
                let what = format!("{}, {ablation:?}, {metric:?}, {name}", case.name);
                assert_close(&[scores[edge]], &[slope], 2e-6, &what);
            }
        }
    }
}

/// At a point between corrupt and clean the gradient is that of a run without ablation; the difference is still
/// clean minus corrupt. The twin's derivative there: shift what an edge carries by a part of the difference.
#[test]
fn integrated_gradients_are_derivatives_at_each_point() {
    for case in cases() {
        let setup = setup(&case, 2);
        let metric = if case.config.gated_mlp {
            Metric::Kl
        } else {
            Metric::LogitDiff
        };
        let points = [0.0, 0.2, 0.4, 0.6, 0.8];
        let scores = with_evaluator(&setup, metric, Ablation::Patch, |evaluator| {
            evaluator.attribution(&points).expect("scores")
        });
        let step = 1e-4;
        for edge in (0..setup.graph.edge_count()).step_by(23) {
            let mut slope = 0.0;
            for &point in &points {
                for index in 0..setup.examples.len() {
                    let parts = (&setup.weights, &setup.graph, &setup.examples[..]);
                    slope += shifted_slope(parts, metric, index, edge, point, step);
                }
            }
            slope /= (points.len() * setup.examples.len()) as f64;
            let what = format!("{}, {}", case.name, setup.graph.edge_name(edge));
            assert_close(&[scores[edge]], &[slope], 2e-6, &what);
        }
    }
}

/// The derivative of one example's metric along an edge, token embeddings being at `point`.
pub(crate) fn shifted_slope(
    (weights, graph, examples): (&Weights<f64>, &ComputationGraph, &[Example]),
    metric: Metric,
    index: usize,
    edge: usize,
    point: f64,
    step: f64,
) -> f64 {
    let example = &examples[index];
    let (writer, _) = graph.ends(edge);
    let twin = Twin::new(
        weights,
        graph,
        &examples[index..=index],
        metric,
        Ablation::Patch,
    );
    let clean = oracle::full_run(weights, graph, &example.clean).1;
    let corrupt = oracle::full_run(weights, graph, &example.corrupt).1;
    let between = twin.outputs_between(0, point);
    let at = |amount: f64| {
        // An edge half kept carries (run + ablated) / 2; choose `ablated` so that this is run + amount * difference.
        let mut ablated = between.clone();
        for (row, (clean, corrupt)) in ablated[writer]
            .iter_mut()
            .zip(clean[writer].iter().zip(&corrupt[writer]))
        {
            for (value, (clean, corrupt)) in row.iter_mut().zip(clean.iter().zip(corrupt)) {
                *value += 2.0 * amount * (clean - corrupt);
            }
        }
        let mut kept = vec![1.0; graph.edge_count()];
        kept[edge] = 0.5;
        twin.value_with(0, &kept, point, &ablated)
    };
    (at(step) - at(-step)) / (2.0 * step)
}

#[test]
fn all_neurons_kept_is_the_mlp_kept() {
    let config = llama();
    let whole =
        ComputationGraph::new(&config, &Granularity::default(), &BTreeMap::new()).expect("a graph");
    let split: NeuronNodes = BTreeMap::from([(1, vec![2, 3, 11])]);
    let fine = ComputationGraph::new(&config, &Granularity::default(), &split).expect("a graph");
    let weights = oracle::random_weights(&config, 3);
    let examples = oracle::random_examples(&config, 4, 5);
    for ablation in ABLATIONS {
        for seed in 0..4 {
            let mask = oracle::random_mask(&whole, 0.5, seed);
            let mut fine_mask = EdgeMask::empty(&fine);
            for reader in 0..fine.readers().len() {
                for writer in 0..fine.writers_before(reader) {
                    let node = match fine.writers()[writer] {
                        secateur::graph::Node::Neuron { layer, .. } => {
                            secateur::graph::Node::Mlp { layer }
                        }
                        node => node,
                    };
                    let coarse = whole.writer(node).expect("the same writers");
                    if mask.contains(coarse, reader) {
                        fine_mask.insert(writer, reader);
                    }
                }
            }
            let setup = |graph: &ComputationGraph| Setup {
                weights: weights.clone(),
                graph: graph.clone(),
                examples: examples.clone(),
            };
            let measure = |graph: &ComputationGraph, mask: &EdgeMask| {
                with_evaluator(&setup(graph), Metric::LogitDiff, ablation, |evaluator| {
                    evaluator
                        .measure(std::slice::from_ref(mask))
                        .expect("values")
                        .remove(0)
                })
            };
            // Llama has no output bias, so nothing changes hands when the MLP is split.
            assert_close(
                &measure(&fine, &fine_mask),
                &measure(&whole, &mask),
                1e-9,
                "neurons",
            );
        }
    }
}
