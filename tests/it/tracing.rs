//! Causal tracing on small models: what must hold of every effect. The runs themselves are held against plain passes in
//! `rerun`.

use secateur::analyze::Tracing;
use secateur::analyze::tracing::{Role, TraceItem, TracePart, TracingReport, TracingTask, trace};
use secateur::engine::{Transformer, mean};
use secateur::events::Silent;

use crate::oracle::{self, gpt2, llama};
use crate::rerun::graph_of;

/// Prompts that the model answers, by its own most likely token, with subjects of one to three tokens.
fn known(transformer: &Transformer<'_, f64>) -> Vec<TraceItem> {
    let prompts: [(&[u32], std::ops::Range<usize>); 6] = [
        (&[3, 1, 4, 1, 5], 1..3),
        (&[9, 2, 6, 5], 0..1),
        (&[3, 5, 8, 9, 7, 9, 3], 1..4),
        (&[2, 3, 8, 4], 1..2),
        (&[6, 2, 6, 4, 3], 0..2),
        (&[1, 7, 2], 2..3),
    ];
    prompts
        .iter()
        .map(|(tokens, subject)| {
            let logits = transformer.all_logits(&[tokens]);
            let last = &logits[logits.len() - logits.len() / tokens.len()..];
            let best = (0..last.len()).max_by(|&a, &b| last[a].total_cmp(&last[b]));
            TraceItem {
                tokens: tokens.to_vec(),
                answers: vec![best.expect("logits") as u32],
                subject: subject.clone(),
            }
        })
        .collect()
}

fn traced(
    transformer: &Transformer<'_, f64>,
    items: &[TraceItem],
    question: &Tracing,
) -> TracingReport {
    let task = TracingTask {
        discovery: &items[..items.len() / 2],
        held_out: &items[items.len() / 2..],
        bootstrap: 20,
        random_baselines: 3,
        tokenizer: None,
    };
    trace(transformer, &task, question, &Silent).expect("a report")
}

fn question() -> Tracing {
    Tracing {
        samples: 3,
        window: 2,
        ..Tracing::default()
    }
}

#[test]
fn all_put_back_is_the_run_without_noise_and_nothing_read_has_no_effect() {
    for config in [gpt2(false), llama()] {
        let (weights, graph) = (oracle::random_weights(&config, 41), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let items = known(&transformer);
        let report = traced(&transformer, &items, &question());
        assert_eq!(report.items.len(), items.len());
        assert_eq!(report.examples_unknown, 0);
        assert!(report.noised.mean < report.clean.mean);
        let last = config.n_layers - 1;
        for (item, found) in items.iter().zip(&report.items) {
            let total = found.clean - found.noised;
            let logits = transformer.all_logits(&[&item.tokens]);
            let row = &logits[logits.len() - config.d_vocab..];
            let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
            let clean = row[item.answers[0] as usize].exp() / sum;
            assert!((found.clean - clean).abs() < 1e-9);
            // After the last layer only the position read matters, and it is all.
            let end = &found.effects[last];
            let (read, before) = end.split_last().expect("positions");
            assert!((read - total).abs() < 1e-12);
            assert!(before.iter().all(|effect| *effect == 0.0));
            // A subject that is read itself holds all the noise there is.
            if item.subject.end == item.tokens.len() {
                for effects in &found.effects {
                    assert!((effects[0] - total).abs() < 1e-12);
                }
            }
        }
        // Cells are means of the prompts' effects.
        for cell in report
            .cells
            .iter()
            .filter(|it| it.part == TracePart::Stream)
        {
            let mut values = Vec::new();
            for (item, found) in items.iter().zip(&report.items) {
                let here: Vec<f64> = (item.subject.start..item.tokens.len())
                    .zip(&found.effects[cell.layer])
                    .filter(|(position, _)| item.role(*position) == cell.role)
                    .map(|(_, effect)| *effect)
                    .collect();
                if !here.is_empty() {
                    values.push(mean(&here));
                }
            }
            assert_eq!(cell.examples, values.len());
            assert!((cell.effect.mean - mean(&values)).abs() < 1e-12);
        }
        assert_eq!(report.peaks.len(), 3);
        assert!(report.peaks[0].random.is_some());
    }
}

/// With all layers in the window and the subject read itself, the MLPs or the attentions alone are not all, but what nothing
/// reads of the last layer stays without effect.
#[test]
fn windows_have_effects_of_their_own() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 43), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let items = known(&transformer);
    let report = traced(
        &transformer,
        &items,
        &Tracing {
            window: 1,
            ..question()
        },
    );
    let last = config.n_layers - 1;
    for part in [TracePart::Attention, TracePart::Mlp] {
        let cells: Vec<_> = report.cells.iter().filter(|it| it.part == part).collect();
        assert!(cells.iter().any(|it| it.effect.mean.abs() > 1e-6));
        for cell in cells
            .iter()
            .filter(|it| it.layer == last && it.role != Role::Last)
        {
            assert!(cell.effect.mean.abs() < 1e-12, "{cell:?}");
        }
    }
    let alone = traced(
        &transformer,
        &items,
        &Tracing {
            window: 0,
            ..question()
        },
    );
    assert!(alone.cells.iter().all(|it| it.part == TracePart::Stream));
    assert_eq!(alone.items, report.items);
}

#[test]
fn results_depend_on_the_seed_and_not_on_the_room_and_unknown_prompts_are_left_out() {
    let config = gpt2(false);
    let (weights, graph) = (oracle::random_weights(&config, 45), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let mut items = known(&transformer);
    let whole = traced(&transformer, &items, &question());
    let bounded = Transformer::new(&weights, &graph).within(Some(1));
    assert_eq!(traced(&bounded, &items, &question()), whole);
    let other = traced(
        &transformer,
        &items,
        &Tracing {
            seed: 1,
            ..question()
        },
    );
    assert!((other.noised.mean - whole.noised.mean).abs() > 1e-9);
    items[1].answers[0] = (items[1].answers[0] + 1) % config.d_vocab as u32;
    let fewer = traced(&transformer, &items, &question());
    assert_eq!(fewer.examples_unknown, 1);
    assert_eq!(fewer.items[..1], whole.items[..1]);
    assert_eq!(fewer.items[1..], whole.items[2..]);
    items[0].answers[0] = (items[0].answers[0] + 1) % config.d_vocab as u32;
    let task = TracingTask {
        discovery: &items[..1],
        held_out: &[],
        bootstrap: 0,
        random_baselines: 0,
        tokenizer: None,
    };
    let unanswered = trace(&transformer, &task, &question(), &Silent);
    assert!(unanswered.is_err_and(|error| error.to_string().contains("answers none")));
}

/// The baseline is a mean over as many directions as are asked for: the first ones stay when more are asked for.
#[test]
fn as_many_random_directions_are_tried_as_are_asked_for() {
    let config = gpt2(false);
    let (weights, graph) = (oracle::random_weights(&config, 41), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let items = known(&transformer);
    let mean = |count: usize| {
        let task = TracingTask {
            discovery: &items[..3],
            held_out: &items[3..],
            bootstrap: 0,
            random_baselines: count,
            tokenizer: None,
        };
        let report = trace(&transformer, &task, &question(), &Silent).expect("a report");
        let random = report.peaks[0].random;
        assert!(report.peaks[1..].iter().all(|it| it.random.is_none()));
        random.map(|random| random.mean)
    };
    assert_eq!(mean(0), None);
    let means: Vec<f64> = (1..6).map(|count| mean(count).expect("a mean")).collect();
    for (index, one) in means.iter().enumerate() {
        let others = means[..index].iter();
        assert!(
            others.clone().all(|other| (one - other).abs() > 1e-9),
            "{means:?}"
        );
    }
}
