//! Circuits: the same edges selected, and the same numbers under every ablation.

use secateur::discover::{Method, Select};
use secateur::engine::{Ablation, Evaluator, mean};
use secateur::graph::EdgeMask;
use secateur::metric::Metric;
use secateur::score::{Eap, EapIg, Exact};

use super::{GoldenCircuit, MODELS, Measured, TOLERANCE, TOLERANCE_F32, setup, worst_error};

const ABLATIONS: [Ablation; 3] = [Ablation::Patch, Ablation::Zero, Ablation::MeanPositional];

fn measured(circuit: &GoldenCircuit, ablation: Ablation) -> Option<&Measured> {
    match ablation {
        Ablation::Patch => Some(&circuit.patching),
        Ablation::Zero => Some(&circuit.zero),
        _ => circuit.mean_positional.as_ref(),
    }
}

#[test]
fn logit_differences_agree_with_eap_ig() {
    for name in MODELS {
        let setup = setup(name);
        for (set, golden) in &setup.golden.sets {
            let circuits = &golden.circuits;
            let mut masks: Vec<EdgeMask> = circuits
                .iter()
                .map(|circuit| setup.circuit(&circuit.kept))
                .collect();
            masks.push(EdgeMask::full(&setup.graph));
            masks.push(EdgeMask::empty(&setup.graph));
            let mut compared = 0;
            for ablation in ABLATIONS {
                let metric = Metric::LogitDiff;
                let values = setup.with(set, metric, ablation, |evaluator| {
                    evaluator.measure(&masks).expect("values")
                });
                let single =
                    setup.with_weights(&setup.single, set, metric, ablation, |evaluator| {
                        evaluator.measure(&masks).expect("values")
                    });
                let [full, empty] = [1, 2].map(|back| mean(&values[circuits.len() + back - 1]));
                let (mut all, mut all_single, mut all_wanted) = (vec![], vec![], vec![]);
                for ((circuit, found), single) in circuits.iter().zip(&values).zip(&single) {
                    let Some(wanted) = measured(circuit, ablation) else {
                        continue;
                    };
                    all.extend(found);
                    all_single.extend(single);
                    all_wanted.extend(&wanted.logit_diff);
                    compared += 1;
                    if ablation == Ablation::Patch {
                        let faithfulness = (mean(found) - empty) / (full - empty);
                        assert!((faithfulness - circuit.faithfulness).abs() < TOLERANCE);
                    }
                }
                if all.is_empty() {
                    continue;
                }
                let what = format!("{name}, set {set}, logit differences, {ablation:?}");
                let (double, single) = (
                    worst_error(&all, &all_wanted),
                    worst_error(&all_single, &all_wanted),
                );
                println!("{what}: f64 {double:.1e}, f32 {single:.1e}");
                assert!(double < TOLERANCE, "{what}: {double}");
                assert!(single < TOLERANCE_F32, "{what}: {single}");
            }
            assert!(compared >= 2 * circuits.len(), "{name}: {compared}");
        }
    }
}

/// The divergence of each circuit, a mean over examples.
fn divergences(evaluator: &mut impl Evaluator, masks: &[EdgeMask]) -> Vec<f64> {
    let values = evaluator.measure(masks).expect("values");
    values.iter().map(|values| -mean(values)).collect()
}

/// The divergence is the sum over the vocabulary, from the full model to the circuit.
#[test]
fn divergences_agree_with_eap_ig() {
    for name in MODELS {
        let setup = setup(name);
        for (set, golden) in &setup.golden.sets {
            let mut compared = 0;
            for ablation in ABLATIONS {
                let circuits: Vec<(&GoldenCircuit, f64)> = golden
                    .circuits
                    .iter()
                    .filter_map(|circuit| Some((circuit, measured(circuit, ablation)?.kl)))
                    .collect();
                if circuits.is_empty() {
                    continue;
                }
                let masks: Vec<EdgeMask> = circuits
                    .iter()
                    .map(|(circuit, _)| setup.circuit(&circuit.kept))
                    .collect();
                let found = setup.with(set, Metric::Kl, ablation, |evaluator| {
                    divergences(evaluator, &masks)
                });
                let single = &setup.single;
                let single = setup.with_weights(single, set, Metric::Kl, ablation, |evaluator| {
                    divergences(evaluator, &masks)
                });
                let wanted: Vec<f64> = circuits.iter().map(|(_, kl)| *kl).collect();
                let what = format!("{name}, set {set}, divergences, {ablation:?}");
                let (double, single) =
                    (worst_error(&found, &wanted), worst_error(&single, &wanted));
                println!("{what}: f64 {double:.1e}, f32 {single:.1e}");
                assert!(double < TOLERANCE, "{what}: {double}");
                assert!(single < TOLERANCE_F32, "{what}: {single}");
                compared += 1;
            }
            assert_eq!(compared, if set == "A" { 3 } else { 2 }, "{name}, {set}");
        }
    }
}

/// Top-n and greedy selection keep the very edges that EAP-IG keeps.
#[test]
fn selection_agrees_with_eap_ig() {
    for name in MODELS {
        let setup = setup(name);
        for (set, golden) in &setup.golden.sets {
            for circuit in &golden.circuits {
                let select = match circuit.select.as_str() {
                    "topn" => Select::TopN {
                        edges: Some(circuit.n),
                        share: None,
                    },
                    "greedy" => Select::Greedy { edges: circuit.n },
                    other => panic!("selection {other}"),
                };
                let method = match circuit.scores.as_str() {
                    "exact" => Method::Exact(Exact::default()),
                    "eap" => Method::Eap(Eap::default()),
                    "eap_ig_inputs_5" => Method::EapIg(EapIg { steps: 5 }),
                    other => panic!("scores {other}"),
                };
                let what = format!("{name}, {set}, {method:?}, {select:?}");
                let how = (Metric::LogitDiff, Ablation::Patch);
                let found = setup.discover(&setup.weights, set, how, method, Some(select));
                assert_eq!(found.kept, setup.circuit(&circuit.kept), "{what}");
            }
        }
    }
}
