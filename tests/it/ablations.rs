//! Ablations that draw on other examples or learn constants.

use std::sync::atomic::{AtomicU64, Ordering};

use secateur::Error;
use secateur::engine::{
    Ablation, AblationValues, Donors, Evaluator, Optimal, Resample, Transformer, mean,
};
use secateur::events::{Event, Observer, Silent};
use secateur::graph::{ComputationGraph, EdgeMask};
use secateur::metric::Metric;

use crate::engine::{Setup, assert_close, cases, with_evaluator};
use crate::oracle;
use crate::synthetic::graph_of;
use crate::twin::Twin;

/// Every case of the engine, on prompts of two lengths.
fn setups(examples: usize) -> impl Iterator<Item = (&'static str, Setup)> {
    cases().into_iter().map(move |case| {
        let graph = secateur::ComputationGraph::new(&case.config, &case.granularity, &case.neurons);
        let setup = Setup {
            weights: oracle::random_weights(&case.config, 7),
            graph: graph.expect("a graph"),
            examples: oracle::paired_examples(&case.config, examples, 13),
        };
        (case.name, setup)
    })
}

#[test]
fn resampled_runs_equal_the_plain_twin() {
    for (name, setup) in setups(6) {
        for seed in [0, 1] {
            let ablation = Ablation::Resample(Resample { seed });
            let metric = Metric::LogitDiff;
            let (weights, graph) = (&setup.weights, &setup.graph);
            let twin = Twin::new(weights, graph, &setup.examples, metric, ablation);
            with_evaluator(&setup, metric, ablation, |evaluator| {
                let mut circuit = EdgeMask::full(graph);
                for step in 0..4 {
                    let what = format!("{name}, seed {seed}, step {step}");
                    let base = evaluator.rebase(&circuit).expect("a rebase");
                    assert_close(&base, &twin.circuit(&circuit), 1e-9, &what);
                    let mut near = circuit.clone();
                    near.intersect(&oracle::random_mask(graph, 0.9, step));
                    let found = evaluator.measure_near(std::slice::from_ref(&near), false);
                    assert_close(
                        &found.expect("values")[0],
                        &twin.circuit(&near),
                        1e-9,
                        &what,
                    );
                    circuit.intersect(&oracle::random_mask(graph, 0.6, 100 + step));
                }
                // Nothing kept is the donor's run.
                let empty = evaluator
                    .measure(&[EdgeMask::empty(graph)])
                    .expect("values");
                let donors = Donors::new(&setup.examples, Resample { seed });
                for (example, found) in setup.examples.iter().zip(&empty[0]) {
                    let donor = donors.of(example).expect("a donor");
                    let (logits, _) = oracle::full_run(weights, graph, &donor.clean);
                    let wanted: f64 = example
                        .at
                        .iter()
                        .map(|&at| {
                            let logit = |token: u32| logits[at][token as usize];
                            f64::midpoint(logit(example.answer[0]), logit(example.answer[1]))
                                - logit(example.wrong[0])
                        })
                        .sum();
                    assert_close(&[*found], &[wanted / example.at.len() as f64], 1e-9, name);
                }
            });
        }
    }
}

#[test]
fn attribution_under_resampling_is_the_derivative() {
    let ablation = Ablation::Resample(Resample { seed: 4 });
    for (name, setup) in setups(4).take(5) {
        let (weights, graph) = (&setup.weights, &setup.graph);
        let metric = Metric::ProbDiff;
        let twin = Twin::new(weights, graph, &setup.examples, metric, ablation);
        let scores = with_evaluator(&setup, metric, ablation, |evaluator| {
            evaluator.attribution(&[1.0]).expect("scores")
        });
        for edge in (0..graph.edge_count()).step_by(29) {
            let at = |keep: f64| {
                let mut kept = vec![1.0; graph.edge_count()];
                kept[edge] = keep;
                mean(&twin.values(&kept))
            };
            let slope = (at(1.0 + 1e-4) - at(1.0 - 1e-4)) / 2e-4;
            let what = format!("{name}, {}", graph.edge_name(edge));
            assert_close(&[scores[edge]], &[slope], 2e-6, &what);
        }
    }
}

#[test]
fn donors_are_other_examples_of_equal_length_drawn_by_seed() {
    let examples = oracle::paired_examples(&oracle::llama(), 16, 5);
    let of_length = |length: usize| {
        examples
            .iter()
            .filter(|other| other.clean.len() == length)
            .count()
    };
    assert!(of_length(5) >= 8 && of_length(8) >= 8);
    let mut drawn = std::collections::HashSet::new();
    let mut differ = 0;
    for seed in 0..40 {
        let donors = Donors::new(&examples, Resample { seed });
        for example in &examples {
            let donor = donors.of(example).expect("a donor");
            assert_eq!(donor.clean.len(), example.clean.len());
            assert_ne!(donor.clean, example.clean);
            drawn.insert((example.clean.clone(), donor.clean.clone()));
            let other = Donors::new(&examples, Resample { seed: seed + 1 });
            differ += usize::from(other.of(example) != Some(donor));
        }
    }
    // All pairs of different examples of a length are drawn sooner or later.
    assert!(drawn.len() >= 2 * 8 * 7, "{}", drawn.len());
    assert!(differ > 400, "{differ}");
    // A held-out example draws from the discovery examples only; one without another of its length has no donor.
    let discovery = &examples[..3];
    let donors = Donors::new(discovery, Resample { seed: 0 });
    for example in &examples {
        match donors.of(example) {
            Some(donor) => assert!(discovery.contains(donor)),
            None => assert_eq!(example.clean.len(), 8),
        }
    }
    let alone = Donors::new(&examples[..1], Resample { seed: 0 });
    assert!(alone.of(&examples[0]).is_none());
    assert!(alone.of(&examples[1]).is_some());
}

fn constants(setup: &Setup, ablation: Ablation) -> Vec<Vec<f64>> {
    let transformer = Transformer::new(&setup.weights, &setup.graph);
    let values = AblationValues::new(&transformer, &setup.examples, ablation, &Silent);
    let values = values.expect("values");
    (0..setup.graph.writers().len())
        .map(|writer| values.constant(&transformer, writer).expect("a constant"))
        .collect()
}

/// All edges but those of one writer.
fn without_writer(graph: &ComputationGraph, writer: usize) -> EdgeMask {
    let edges = 0..graph.edge_count();
    EdgeMask::from_edges(graph, edges.filter(|&edge| graph.ends(edge).0 != writer))
}

#[test]
fn runs_under_learned_constants_equal_the_plain_twin() {
    let optimal = Optimal {
        steps: 30,
        ..Optimal::default()
    };
    let ablation = Ablation::Optimal(optimal);
    for (name, setup) in setups(4) {
        let (weights, graph) = (&setup.weights, &setup.graph);
        let (constants, means) = (
            constants(&setup, ablation),
            constants(&setup, Ablation::Mean),
        );
        let wanted = oracle::means(weights, graph, &setup.examples, false);
        let mut moved = 0;
        for (writer, (constant, mean)) in constants.iter().zip(&means).enumerate() {
            assert_close(mean, &wanted[writer][0], 1e-9, name);
            moved += usize::from(constant != mean);
        }
        assert!(2 * moved > constants.len(), "{name}: {moved}");
        for metric in [Metric::LogitDiff, Metric::Kl] {
            let examples = &setup.examples;
            let twin = Twin::with_constants(weights, graph, examples, metric, &constants);
            let masks = [
                oracle::random_mask(graph, 0.3, 1),
                oracle::random_mask(graph, 0.8, 2),
                EdgeMask::empty(graph),
            ];
            let found = with_evaluator(&setup, metric, ablation, |evaluator| {
                evaluator.measure(&masks).expect("values")
            });
            for (mask, found) in masks.iter().zip(found) {
                assert_close(&found, &twin.circuit(mask), 1e-9, name);
            }
        }
    }
}

/// On one example read at one position, the best constant of a part of the last layer is what it writes there.
#[test]
fn a_learned_constant_finds_the_value_that_does_no_harm() {
    for config in [oracle::gpt2(false), oracle::llama()] {
        let examples = oracle::random_examples(&config, 12, 3).into_iter();
        let example = examples.filter(|example| example.at.len() == 1).nth(1);
        let setup = Setup {
            weights: oracle::random_weights(&config, 7),
            graph: graph_of(&config, &secateur::graph::Granularity::default()),
            examples: vec![example.expect("an example")],
        };
        let (weights, graph) = (&setup.weights, &setup.graph);
        let optimal = Optimal {
            steps: 12_000,
            learning_rate: 0.03,
            seed: 1,
        };
        let learned = constants(&setup, Ablation::Optimal(optimal));
        let means = constants(&setup, Ablation::Mean);
        let harm = |constants: &[Vec<f64>], writer: usize| {
            let examples = &setup.examples;
            let twin = Twin::with_constants(weights, graph, examples, Metric::Kl, constants);
            -twin.mean(&without_writer(graph, writer))
        };
        let last = config.n_layers - 1;
        let at = setup.examples[0].at[0];
        let (_, outputs) = oracle::full_run(weights, graph, &setup.examples[0].clean);
        let mut found = 0;
        for (writer, node) in graph.writers().iter().enumerate() {
            if node.layer() != Some(last) {
                continue;
            }
            let (before, after) = (harm(&means, writer), harm(&learned, writer));
            assert!(
                after < 0.02 * before && after < 1e-3,
                "{node}: {before}, {after}"
            );
            let size = |value: &[f64]| value.iter().map(|x| x * x).sum::<f64>().sqrt();
            let far = |constant: &[f64]| {
                let own = &outputs[writer][at];
                let difference: Vec<f64> = constant.iter().zip(own).map(|(a, b)| a - b).collect();
                size(&difference) / size(own)
            };
            let (mean, learned) = (far(&means[writer]), far(&learned[writer]));
            // The logits leave little of a head's four numbers undecided.
            found += usize::from(learned < 0.3 * mean);
        }
        assert!(found >= 4, "{}: {found}", config.family);
    }
}

/// Counts steps and stops the work after some of them.
struct Stopping {
    steps: AtomicU64,
    most: u64,
}

impl Observer for Stopping {
    fn event(&self, event: Event) {
        if let Event::Step { done, note } = event {
            assert!(note.starts_with("divergence "), "{note}");
            self.steps.store(done, Ordering::Relaxed);
        }
    }

    fn interrupted(&self) -> bool {
        self.steps.load(Ordering::Relaxed) >= self.most
    }
}

#[test]
fn training_tells_of_every_step_and_stops_when_asked() {
    let (_, setup) = setups(4).next().expect("a case");
    let transformer = Transformer::new(&setup.weights, &setup.graph);
    let ablation = Ablation::Optimal(Optimal {
        steps: 7,
        ..Optimal::default()
    });
    let train = |most| {
        let observer = Stopping {
            steps: AtomicU64::new(0),
            most,
        };
        let values = AblationValues::new(&transformer, &setup.examples, ablation, &observer);
        (values.map(|_| ()), observer.steps.into_inner())
    };
    assert!(matches!(train(100), (Ok(()), 7)));
    assert!(matches!(train(3), (Err(Error::Interrupted), 3)));
}
