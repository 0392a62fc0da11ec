//! Edits of tokens' directions against plain passes from the changed stream, in double precision.

use secateur::analyze::Edit;
use secateur::analyze::edit::{EditAt, EditReport, EditScale, EditTask, SwapPrompt, edit};
use secateur::engine::{TokenVector, Transformer, mean};
use secateur::events::Silent;
use secateur::model::{ModelConfig, Weights};

use crate::oracle::{self, dot, gpt2, llama};
use crate::rerun::{assert_close, graph_of};

fn items(config: &ModelConfig, at: EditAt) -> Vec<SwapPrompt> {
    let examples = oracle::random_examples(config, 14, 31);
    let items: Vec<SwapPrompt> = examples
        .iter()
        .filter_map(|example| SwapPrompt::new(example, at))
        .collect();
    assert!(items.len() > 8);
    items
}

fn report(
    transformer: &Transformer<'_, f64>,
    items: &[SwapPrompt],
    question: &Edit,
    text: &[Vec<u32>],
) -> EditReport {
    let task = EditTask {
        discovery: &items[..4],
        held_out: &items[4..],
        bootstrap: 20,
        random_baselines: 2,
        text,
        tokenizer: None,
    };
    edit(transformer, &task, question, &Silent).expect("a report")
}

/// Log-probabilities after an edit after layers, by a plain run from each changed stream to the next; and the change's mean
/// size, that of places which nothing reads being 0.
fn edited(
    weights: &Weights<f64>,
    item: &SwapPrompt,
    question: &Edit,
    (layers, strength): (&[usize], f64),
) -> (Vec<f64>, f64) {
    let graph = graph_of(&weights.config);
    let transformer = Transformer::new(weights, &graph);
    let unit = |token: u32| {
        let vector = transformer.token_vector(token, question.vector);
        let norm = dot(&vector, &vector).sqrt();
        vector.iter().map(|value| value / norm).collect::<Vec<_>>()
    };
    let embedded = oracle::embed(weights, &item.tokens);
    let mut size = 0.0;
    let (mut logits, mut streams) = oracle::plain(weights, &graph, &embedded);
    for &layer in layers {
        let mut stream = streams[layer].clone();
        for place in &item.places {
            let (from, to) = (unit(place.original), unit(place.replacement));
            let x = &mut stream[place.position];
            let along = match question.scale {
                EditScale::Removed => dot(x, &from),
                EditScale::Stream => dot(x, x).sqrt(),
            };
            let norm = dot(x, x).sqrt();
            let mut change = Vec::new();
            for ((x, from), to) in x.iter_mut().zip(from).zip(to) {
                change.push(strength * along * (to - from));
                *x = *x - strength * along * from + strength * along * to;
            }
            let last = layer + 1 == weights.config.n_layers;
            if !last || place.position + 1 == item.tokens.len() {
                size += dot(&change, &change).sqrt() / norm;
            }
        }
        (logits, streams) = oracle::onwards(weights, &graph, layer, &stream);
    }
    let logits = &logits[item.tokens.len() - 1];
    let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
    let logs = logits.iter().map(|logit| logit - total.ln()).collect();
    (logs, size / (item.places.len() * layers.len()) as f64)
}

/// Questions about one layer at a time, and about several at once.
fn questions(last: usize) -> Vec<Edit> {
    use EditAt::{Back, Differing, Every, Scored};
    use EditScale::{Removed, Stream};
    use TokenVector::{Embedding, Unembedding};
    let asked = [
        (Scored, Removed, Unembedding, vec![]),
        (Every, Stream, Unembedding, vec![]),
        (Differing, Stream, Embedding, vec![]),
        (Scored, Stream, Unembedding, vec![0, last]),
        (Every, Removed, Unembedding, vec![1, last]),
        (Back(1), Stream, Unembedding, vec![]),
        (Differing, Stream, Embedding, vec![0, 1, last]),
    ];
    let question = |(at, scale, vector, layers): (_, _, _, Vec<usize>)| Edit {
        vector,
        scale,
        at,
        all_at_once: !layers.is_empty(),
        layers,
        strengths: vec![0.5, 2.0],
        ..Edit::default()
    };
    asked.into_iter().map(question).collect()
}

#[test]
fn every_layer_and_strength_equals_a_plain_run() {
    for config in [gpt2(false), llama()] {
        let (weights, graph) = (oracle::random_weights(&config, 33), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        for question in questions(config.n_layers - 1) {
            let at = question.at;
            let items = items(&config, at);
            let found = report(&transformer, &items, &question, &[]);
            let sets = if question.all_at_once {
                1
            } else {
                config.n_layers
            };
            assert_eq!(found.sweep.len(), 2 * sets);
            for point in &found.sweep {
                let place = (&point.layers[..], point.strength);
                let logs = |item: &SwapPrompt| edited(&weights, item, &question, place);
                let over = |items: &[SwapPrompt], of: &dyn Fn(&SwapPrompt, &[f64]) -> f64| {
                    let values: Vec<f64> = items.iter().map(|it| of(it, &logs(it).0)).collect();
                    mean(&values)
                };
                let sizes: Vec<f64> = items[4..].iter().map(|it| logs(it).1).collect();
                let success = |item: &SwapPrompt, logs: &[f64]| {
                    let best = (0..logs.len()).max_by(|&a, &b| logs[a].total_cmp(&logs[b]));
                    f64::from(u8::from(best == Some(item.replacement as usize)))
                };
                let wanted = [
                    over(&items[..4], &success),
                    over(&items[4..], &success),
                    over(&items[4..], &|item, logs| logs[item.original as usize]),
                    over(&items[4..], &|item, logs| logs[item.replacement as usize]),
                    mean(&sizes),
                ];
                let found = [
                    point.discovery,
                    point.success.mean,
                    point.original,
                    point.replacement,
                    point.size,
                ];
                assert_close(&found, &wanted, &format!("{at:?} {place:?}"));
            }
            let chosen = found
                .sweep
                .iter()
                .find(|it| (&it.layers, it.strength) == (&found.layers, found.strength));
            let chosen = chosen.expect("a point");
            assert!(
                found
                    .sweep
                    .iter()
                    .all(|it| it.discovery <= chosen.discovery)
            );
            assert_eq!(chosen.success, found.after.success);
            let first = &found.items[0];
            let (logs, _) = edited(
                &weights,
                &items[4],
                &question,
                (&found.layers, found.strength),
            );
            let wanted = logs[items[4].replacement as usize].exp();
            assert_close(
                &[first.replacement.probability[1]],
                &[wanted],
                "the first prompt",
            );
            let above = logs.iter().filter(|log| log.exp() > wanted).count();
            assert_eq!(first.replacement.rank[1], above + 1);
            assert_eq!(found.random.len(), 2);
        }
    }
}

/// A token exchanged for itself changes nothing, nowhere.
#[test]
fn an_exchange_for_the_same_token_is_none() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 35), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let mut items = items(&config, EditAt::Every);
    for item in &mut items {
        item.replacement = item.original;
        for place in &mut item.places {
            place.replacement = place.original;
        }
    }
    let text = vec![vec![1, 2, 3, 4, 5, 6], vec![7, 8, 9]];
    for scale in [EditScale::Removed, EditScale::Stream] {
        let question = Edit {
            scale,
            strengths: vec![1.0, 7.0],
            ..Edit::default()
        };
        let found = report(&transformer, &items, &question, &text);
        assert_eq!(found.before, found.after);
        assert!(found.kl.mean.abs() < 1e-12 && found.size.mean.abs() < 1e-12);
        let other = found.other_prompts.expect("other prompts");
        assert!(other.kl.mean.abs() < 1e-12 && (other.kept.mean - 1.0).abs() < 1e-12);
        let text = found.text.expect("text");
        assert!((text.before - text.after).abs() < 1e-9 && text.tokens == 7);
        for item in &found.items {
            assert_eq!(item.top_before, item.top_after);
        }
    }
}

/// After the last layer, where the stream is read off, the exchange raises the one token and lowers the other.
#[test]
fn behind_the_last_layer_the_logits_change_as_asked() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 37), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let question = Edit {
        scale: EditScale::Stream,
        layers: vec![config.n_layers - 1],
        strengths: vec![1.0],
        ..Edit::default()
    };
    let text = vec![vec![1, 2, 3, 4, 5, 6]];
    let found = report(
        &transformer,
        &items(&config, EditAt::Scored),
        &question,
        &text,
    );
    for item in &found.items {
        assert!(item.replacement.probability[1] > item.replacement.probability[0]);
        assert!(item.original.probability[1] < item.original.probability[0]);
        assert!(item.replacement.rank[1] <= item.replacement.rank[0]);
        assert!(item.kl > 0.0);
    }
    let best_random = found
        .random
        .iter()
        .map(|it| it.replacement.mean)
        .fold(f64::MIN, f64::max);
    assert!(found.after.replacement.mean > best_random);
    let text = found.text.expect("text");
    assert!(text.after > text.before);
}

/// Memory decides what is run together, never a result.
#[test]
fn results_do_not_depend_on_the_room() {
    let config = gpt2(false);
    let (weights, graph) = (oracle::random_weights(&config, 39), graph_of(&config));
    let items = items(&config, EditAt::Differing);
    let text = vec![vec![1, 2, 3, 4, 5, 6]];
    let question = Edit::default();
    let whole = report(
        &Transformer::new(&weights, &graph),
        &items,
        &question,
        &text,
    );
    let bounded = Transformer::new(&weights, &graph).within(Some(1));
    assert_eq!(report(&bounded, &items, &question, &text), whole);
}
