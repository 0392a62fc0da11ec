//! Examples that differ in where they can be changed at all: none changes another's bits.

use secateur::engine::{Ablation, Evaluator};
use secateur::graph::EdgeMask;
use secateur::metric::Metric;
use secateur::task::Example;

use super::cases::{Case, Setup, cases, setup, with_evaluator};
use crate::oracle::random_mask;

/// In each prompt one token differs: the first, the second, the last, and so on.
fn examples(case: &Case) -> Vec<Example> {
    let mut examples = setup(case, 9).examples;
    for (index, example) in examples.iter_mut().enumerate() {
        let last = example.clean.len() - 1;
        let at = [0, 1, last, 2][index % 4].min(last);
        example.corrupt = example.clean.clone();
        example.corrupt[at] = (example.clean[at] + 1) % case.config.d_vocab as u32;
    }
    examples
}

/// The bits of every circuit's metric by example: measured from both ends, and near bases that a search moves to.
fn bits(case: &Case, examples: &[Example], ablation: Ablation) -> Vec<Vec<u64>> {
    let setup = Setup {
        examples: examples.to_vec(),
        ..setup(case, 1)
    };
    let graph = &setup.graph;
    let full = EdgeMask::full(graph);
    let without = |mask: &EdgeMask, edges: &[usize]| {
        let mut mask = mask.clone();
        for &edge in edges {
            let (writer, reader) = graph.ends(edge);
            mask.remove(writer, reader);
        }
        mask
    };
    // Queries of the first layer matter to no one whose first token alone differs.
    let mut circuits: Vec<EdgeMask> = (0..graph.edge_count().min(40))
        .map(|edge| without(&full, &[edge]))
        .collect();
    circuits.extend([0.05, 0.3, 0.7, 0.95].map(|share| random_mask(graph, share, 5)));
    circuits.push(EdgeMask::empty(graph));
    with_evaluator(&setup, Metric::LogitDiff, ablation, |evaluator| {
        let mut values = evaluator.measure(&circuits).expect("values");
        let mut stands = full.clone();
        values.push(evaluator.rebase(&stands).expect("values"));
        for first in [0, 3, graph.edge_count() / 2] {
            let near: Vec<EdgeMask> = (first..first + 6)
                .map(|edge| without(&stands, &[edge, edge + 7]))
                .collect();
            values.extend(evaluator.measure_near(&near, first > 0).expect("values"));
            stands = near[first % 2].clone();
            values.push(evaluator.rebase(&stands).expect("values"));
        }
        let of = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect();
        values.into_iter().map(of).collect()
    })
}

#[test]
fn an_example_that_others_do_not_resemble_has_the_same_bits_beside_them() {
    for case in cases() {
        let examples = examples(&case);
        for ablation in [Ablation::Patch, Ablation::Zero] {
            let all = bits(&case, &examples, ablation);
            for range in [0..1, 1..2, 2..3, 3..5, 4..9] {
                let some = bits(&case, &examples[range.clone()], ablation);
                for (circuit, (some, all)) in some.iter().zip(&all).enumerate() {
                    let what = format!("{}, {ablation:?}, {range:?}, {circuit}", case.name);
                    assert_eq!(some, &all[range.clone()], "{what}");
                }
            }
        }
    }
}
