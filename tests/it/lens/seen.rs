//! What is seen at each place, against logits and ranks computed plainly.

use secateur::analyze::Lens;
use secateur::analyze::lens::{LensPrediction, LensPrompt, LensReport, LensTask, look};
use secateur::engine::Transformer;
use secateur::events::Silent;
use secateur::graph::ComputationGraph;
use secateur::model::Weights;

use super::{assert_close, models, tokens};
use crate::oracle;

fn looked(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    prompts: &[LensPrompt],
    question: &Lens,
) -> LensReport {
    let transformer = Transformer::new(weights, graph);
    let task = LensTask {
        prompts,
        tracked: "the answer",
        bootstrap: 50,
        random_baselines: 3,
        tokenizer: None,
    };
    look(&transformer, &task, question, None, &Silent).expect("a report")
}

fn between(weights: &Weights<f64>) -> bool {
    weights.config.has_mlps() && !weights.config.parallel_blocks
}

/// Streams at every place and position are the plain sums of what was written.
#[test]
fn streams_are_sums_of_what_was_written() {
    for (name, weights, graph) in models() {
        let transformer = Transformer::new(&weights, &graph);
        let places = transformer.places(between(&weights));
        let prompts = [tokens(&weights.config, 5, 1), tokens(&weights.config, 4, 2)];
        let at: [&[usize]; 2] = [&[0, 2], &[3]];
        let looked: Vec<(&[u32], &[usize])> = prompts
            .iter()
            .zip(at)
            .map(|(it, at)| (&it[..], at))
            .collect();
        let found = transformer.streams(&looked, &places).expect("streams");
        let plain = prompts
            .each_ref()
            .map(|it| oracle::streams(&weights, &graph, it));
        for (found, place) in found.iter().zip(&places) {
            let index = (2.0 * place.blocks()) as usize;
            let rows = [
                &plain[0][index][0],
                &plain[0][index][2],
                &plain[1][index][3],
            ];
            assert_close(
                found,
                &rows.map(|row| &row[..]).concat(),
                &format!("{name}, {place}"),
            );
        }
    }
}

/// Softmax, rank and divergence the long way.
fn plainly(logits: &[f64], own: &[f64], followed: &[u32]) -> (f64, usize, f64) {
    let softmax = |logits: &[f64]| -> Vec<f64> {
        let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
        logits.iter().map(|logit| logit.exp() / total).collect()
    };
    let (here, own) = (softmax(logits), softmax(own));
    let probability = followed.iter().map(|&token| here[token as usize]).sum();
    let ranks = followed.iter().map(|&token| {
        1 + here
            .iter()
            .filter(|other| **other > here[token as usize])
            .count()
    });
    let kl = own.iter().zip(&here).map(|(p, q)| p * (p / q).ln()).sum();
    (probability, ranks.min().expect("followed"), kl)
}

fn assert_seen(seen: &LensPrediction, logits: &[f64], own: &[f64], followed: &[u32], what: &str) {
    let (probability, rank, kl) = plainly(logits, own, followed);
    assert_close(
        &[seen.probability, seen.kl],
        &[probability, kl.max(0.0)],
        what,
    );
    assert_eq!(seen.rank, rank, "{what}");
    // Of equal ones any may stand first here.
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let top = logits[seen.top[0].token as usize];
    assert!(top > largest - 1e-9, "{what}: {top}, not {largest}");
    assert!(
        seen.top
            .is_sorted_by(|one, next| one.probability >= next.probability)
    );
}

/// At every place and position: what the plain final norm and unembedding say of the plain stream. After the last layer
/// that is the model's own output.
#[test]
fn every_cell_is_what_the_plain_readout_says() {
    for (name, weights, graph) in models() {
        let followed = vec![3, 1];
        let prompts = [1, 2, 3].map(|seed| LensPrompt {
            tokens: tokens(&weights.config, 4, seed),
            at: 2,
            follow: followed.clone(),
            minus: vec![0],
        });
        let question = Lens {
            drawn: 2,
            top: 2,
            after_attention: between(&weights),
            attribution: false,
            ..Lens::default()
        };
        let report = looked(&weights, &graph, &prompts, &question);
        let plain: Vec<_> = prompts
            .iter()
            .map(|it| oracle::streams(&weights, &graph, &it.tokens))
            .collect();
        let step = if question.after_attention { 1 } else { 2 };
        for (prompt, (drawn, plain)) in report.drawn.iter().zip(&plain).enumerate() {
            let (own, _) = oracle::full_run(&weights, &graph, &prompts[prompt].tokens);
            for (place, seen) in drawn.logit_lens.iter().enumerate() {
                for (position, seen) in seen.iter().enumerate() {
                    let stream = &plain[place * step][position];
                    let logits = oracle::read_out(&weights, stream, true);
                    let what = format!("{name}, place {place}, position {position}");
                    assert_seen(seen, &logits, &own[position], &followed, &what);
                }
            }
            for seen in drawn.logit_lens.last().expect("places") {
                assert!(seen.kl < 1e-12, "{name}: the last place is the output");
            }
        }
        // Means over prompts at the position read.
        for (place, figures) in report.places.iter().enumerate() {
            let mut sums = [0.0; 3];
            for (prompt, plain) in prompts.iter().zip(&plain) {
                let (own, _) = oracle::full_run(&weights, &graph, &prompt.tokens);
                let logits = oracle::read_out(&weights, &plain[place * step][2], true);
                let (probability, rank, kl) = plainly(&logits, &own[2], &followed);
                for (sum, value) in sums.iter_mut().zip([probability, 1.0 / rank as f64, kl]) {
                    *sum += value / 3.0;
                }
            }
            let seen = &figures.logit_lens;
            let found = [
                seen.probability.mean,
                seen.reciprocal_rank.mean,
                seen.kl.mean,
            ];
            assert_close(
                &found,
                &sums,
                &format!("{name}, means at {}", figures.place),
            );
            // Three prompts are too few for an interval.
            assert!(seen.kl.interval.is_none() && figures.other_prompt_probability.is_none());
        }
    }
}

/// Without tokens to follow it is the model's own word, so it ends first with the largest probability.
#[test]
fn texts_follow_what_the_model_says() {
    let (_, weights, graph) = models().swap_remove(2);
    let prompts = [1, 4].map(|seed| LensPrompt {
        tokens: tokens(&weights.config, 6, seed),
        at: 5,
        follow: Vec::new(),
        minus: Vec::new(),
    });
    let report = looked(&weights, &graph, &prompts, &Lens::default());
    for seen in report.drawn[0].logit_lens.last().expect("places") {
        assert_eq!(seen.rank, 1);
        assert!((seen.probability - seen.top[0].probability).abs() < 1e-12);
    }
    let last = report.places.last().expect("places");
    assert!((last.logit_lens.top1.share - 1.0).abs() < 1e-12 && last.logit_lens.median_rank <= 1.0);
    let attribution = report.attribution.expect("an attribution");
    assert!(attribution.of.contains("the logit") && attribution.rounding < 1e-9);
}

/// What another prompt follows is compared with, where it is something else.
#[test]
fn prompts_are_compared_with_what_others_follow() {
    let (_, weights, graph) = models().swap_remove(0);
    let prompts = [1, 2].map(|seed| LensPrompt {
        tokens: tokens(&weights.config, 4, seed),
        at: 3,
        follow: vec![seed],
        minus: Vec::new(),
    });
    let report = looked(&weights, &graph, &prompts, &Lens::default());
    let swapped = [0, 1].map(|prompt| LensPrompt {
        follow: prompts[1 - prompt].follow.clone(),
        ..prompts[prompt].clone()
    });
    let other = looked(&weights, &graph, &swapped, &Lens::default());
    for (place, other) in report.places.iter().zip(&other.places) {
        let wanted = other.logit_lens.probability.mean;
        assert_close(
            &[place.other_prompt_probability.expect("others")],
            &[wanted],
            &place.place,
        );
    }
}
