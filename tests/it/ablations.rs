//! Ablations that draw on other examples.

use secateur::engine::{Ablation, Donors, Evaluator, Resample, mean};
use secateur::graph::EdgeMask;
use secateur::metric::Metric;

use crate::engine::{Setup, assert_close, cases, with_evaluator};
use crate::oracle;
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
                    let found = evaluator.measure_near(std::slice::from_ref(&near));
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
