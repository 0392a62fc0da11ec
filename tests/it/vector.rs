//! Vectors in the stream: added, taken out, found. Against models whose weights were changed instead, against runs without
//! caches, and as a user runs it.

use secateur::analyze::Vector;
use secateur::analyze::vector::{VectorFrom, VectorReport, VectorTask, find_vector};
use secateur::engine::{
    Ablation, AblationValues, AddAt, Continuation, Evaluator, ModelEvaluator, Resumable, Steering,
    Transformer, mean,
};
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, EdgeMask, Granularity, NeuronNodes, Node};
use secateur::metric::Metric;
use secateur::model::{Block, Linear, ModelConfig, Table, Weights};
use secateur::task::Example;

use crate::oracle::{self, gpt2, llama};

const METRIC: Metric = Metric::LogitDiff;

fn configs() -> [ModelConfig; 3] {
    [gpt2(false), gpt2(true), llama()]
}

fn graph_of(config: &ModelConfig) -> ComputationGraph {
    ComputationGraph::new(config, &Granularity::default(), &NeuronNodes::new()).expect("a graph")
}

fn some_vector(width: usize) -> Vec<f64> {
    (0..width).map(|index| (index as f64 * 0.7).sin()).collect()
}

fn assert_close(found: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        let scale = wanted.abs().max(1.0);
        assert!(
            (found - wanted).abs() < 1e-9 * scale,
            "{what}: {found}, not {wanted}"
        );
    }
}

/// The weights with every block changed.
fn with_blocks(weights: &Weights<f64>, change: impl Fn(usize, &mut Block<f64>)) -> Weights<f64> {
    let blocks = (0..weights.config.n_layers).map(|layer| {
        let mut block = Block {
            attention: (*weights.attention(layer)).clone(),
            mlp: weights.mlp(layer).map(|mlp| (*mlp).clone()),
        };
        change(layer, &mut block);
        block
    });
    Weights {
        blocks: blocks.collect::<Vec<_>>().into(),
        ..weights.clone()
    }
}

/// A vector added everywhere is a bias of what the layer writes last.
fn biased(weights: &Weights<f64>, layer: usize, vector: &[f64]) -> Weights<f64> {
    with_blocks(weights, |at, block| {
        if at == layer {
            let map = &mut block.mlp.as_mut().expect("an MLP").down;
            let bias = map.bias.get_or_insert_with(|| vec![0.0; vector.len()]);
            for (bias, value) in bias.iter_mut().zip(vector) {
                *bias += value;
            }
        }
    })
}

#[test]
fn a_vector_added_everywhere_is_a_bias() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 3), graph_of(&config));
        let examples = oracle::random_examples(&config, 5, 4);
        let vector = some_vector(config.d_model);
        for layer in 0..config.n_layers {
            let scaled: Vec<f64> = vector.iter().map(|value| 1.5 * value).collect();
            let changed = biased(&weights, layer, &scaled);
            let wanted = Transformer::new(&changed, &graph)
                .clean_metric(&examples, METRIC, &Silent)
                .expect("metrics");
            let transformer = Transformer::new(&weights, &graph);
            let steering = Steering::adding(layer, &vector, 1.5, AddAt::Every);
            let found = transformer
                .steered_metric(&examples, METRIC, &steering, &Silent)
                .expect("metrics");
            assert_close(&found, &wanted, &format!("layer {layer}, in one run"));
            let ready = Resumable::new(&transformer, &examples, AddAt::Every).expect("a run");
            let at = (layer, AddAt::Every);
            let found = ready.added(METRIC, at, &vector, &[1.5]).expect("metrics");
            assert_close(&found[0], &wanted, &format!("layer {layer}, resumed"));
        }
    }
}

/// What is cached before the positions read changes nothing.
#[test]
fn resumed_runs_equal_whole_ones() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 5), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let examples = oracle::random_examples(&config, 6, 8);
        let vector = some_vector(config.d_model);
        let ready = Resumable::new(&transformer, &examples, AddAt::Scored).expect("a run");
        for layer in 0..config.n_layers {
            let strengths = [-2.0, 0.0, 0.5, 3.0];
            let at = (layer, AddAt::Scored);
            let found = ready
                .added(METRIC, at, &vector, &strengths)
                .expect("metrics");
            for (&strength, found) in strengths.iter().zip(&found) {
                let steering = Steering::adding(layer, &vector, strength, AddAt::Scored);
                let wanted = transformer.steered_metric(&examples, METRIC, &steering, &Silent);
                let what = format!("layer {layer} x {strength}");
                assert_close(found, &wanted.expect("metrics"), &what);
            }
            let plain = transformer.clean_metric(&examples, METRIC, &Silent);
            assert_close(&found[1], &plain.expect("metrics"), "times nothing");
        }
    }
}

/// Projects a vector's direction out of some of a map's outputs.
fn without(direction: &[f64], rows: &mut [f64]) {
    for row in rows.chunks_exact_mut(direction.len()) {
        let along: f64 = row.iter().zip(direction).map(|(a, b)| a * b).sum();
        for (value, unit) in row.iter_mut().zip(direction) {
            *value -= along * unit;
        }
    }
}

fn projected(map: &Linear<f64>, direction: &[f64]) -> Linear<f64> {
    // [inputs, outputs], whichever way it is stored.
    let (input, output) = map.strides();
    let mut weight: Vec<f64> = (0..map.inputs)
        .flat_map(|row| (0..map.outputs).map(move |column| (row, column)))
        .map(|(row, column)| map.weight[row * input + column * output])
        .collect();
    without(direction, &mut weight);
    let mut bias = map.bias.clone();
    if let Some(bias) = &mut bias {
        without(direction, bias);
    }
    Linear {
        weight: weight.into(),
        transposed: false,
        bias,
        ..*map
    }
}

/// Taking a direction out after every write is the same as weights that never write along it.
#[test]
fn a_direction_taken_out_is_one_that_nothing_writes() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 7), graph_of(&config));
        let examples = oracle::random_examples(&config, 5, 2);
        let vector = some_vector(config.d_model);
        let norm = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        let unit: Vec<f64> = vector.iter().map(|value| value / norm).collect();
        let mut changed = with_blocks(&weights, |_, block| {
            block.attention.o = projected(&block.attention.o, &unit);
            let mlp = block.mlp.as_mut().expect("an MLP");
            mlp.down = projected(&mlp.down, &unit);
        });
        let all: Vec<usize> = (0..config.d_vocab).collect();
        let mut rows = weights.embedding.gather(&all);
        without(&unit, &mut rows);
        if changed.unembedding.is_none() {
            changed.unembedding = Some(secateur::model::Unembedding {
                table: weights.embedding.clone(),
                bias: None,
            });
            changed.config.tied_unembedding = false;
        }
        changed.embedding = Table::new(rows, config.d_model);
        if let Some(position) = &weights.position {
            let mut rows = position.to_vec();
            without(&unit, &mut rows);
            changed.position = Some(rows.into());
        }
        let wanted = Transformer::new(&changed, &graph)
            .clean_metric(&examples, METRIC, &Silent)
            .expect("metrics");
        let found = Transformer::new(&weights, &graph)
            .steered_metric(
                &examples,
                METRIC,
                &Steering::projecting_out(&vector),
                &Silent,
            )
            .expect("metrics");
        assert_close(&found, &wanted, &config.family);
    }
}

/// In the last layer, a head set to its corrupt result at the positions read is a head patched.
#[test]
fn heads_set_to_corrupt_results_are_heads_patched() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 9), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let last = config.n_layers - 1;
        let examples = oracle::random_examples(&config, 8, 6).into_iter();
        let examples: Vec<Example> = examples.filter(|it| it.at.len() == 1).collect();
        for example in &examples {
            let one = std::slice::from_ref(example);
            let own = transformer.mean_heads(one, &Silent).expect("heads");
            let corrupt = transformer
                .mean_heads(&[example.swapped()], &Silent)
                .expect("heads");
            let ready = Resumable::new(&transformer, one, AddAt::Scored).expect("a run");
            let set = |layer: usize, of: &[Vec<f64>]| {
                let heads = of[layer].chunks_exact(config.d_head).map(<[f64]>::to_vec);
                let heads: Vec<_> = heads.enumerate().collect();
                ready.heads_set(METRIC, layer, &heads).expect("metrics")
            };
            let plain = transformer
                .clean_metric(one, METRIC, &Silent)
                .expect("metrics");
            for layer in 0..config.n_layers {
                for found in set(layer, &own) {
                    assert_close(&found, &plain, "set to its own result");
                }
            }
            let ablated =
                AblationValues::new(&transformer, one, Ablation::Patch, &Silent).expect("values");
            let mut evaluator =
                ModelEvaluator::new(&transformer, one, METRIC, Ablation::Patch, &ablated)
                    .expect("an evaluator");
            for (head, found) in set(last, &corrupt).iter().enumerate() {
                let writer = graph
                    .writer(Node::Head { layer: last, head })
                    .expect("a writer");
                let mut circuit = EdgeMask::full(&graph);
                for reader in 0..graph.readers().len() {
                    circuit.remove(writer, reader);
                }
                let wanted = evaluator.measure(&[circuit]).expect("metrics");
                assert_close(found, &wanted[0], &format!("head {head}"));
            }
        }
    }
}

/// Cached keys and values against the whole prompt run again for every token.
#[test]
fn generated_text_is_that_of_runs_without_a_cache() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 11), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let prompts: [&[u32]; 3] = [&[1, 5, 9], &[2], &[7, 7, 3, 4, 1]];
        let vector = some_vector(config.d_model);
        let steerings = [
            Steering::none(),
            Steering::adding(1, &vector, 2.0, AddAt::Every),
            Steering::projecting_out(&vector),
        ];
        for steering in steerings {
            let found = transformer
                .generate(&prompts, greedy(None), &steering, &Silent)
                .expect("text");
            for (prompt, found) in prompts.iter().zip(&found) {
                // Up to the longest sequence that the model reads, and one more token.
                assert_eq!(found.len(), 20.min(config.n_ctx + 1 - prompt.len()));
                let mut tokens = prompt.to_vec();
                for &token in found {
                    let next = most_likely(&transformer, &tokens, &steering, config.d_out());
                    assert_eq!(token, next, "after {tokens:?}");
                    tokens.push(token);
                }
            }
            // The first token is the end: nothing is said.
            let stop = found[0][0];
            let stopped =
                transformer.generate(&prompts[..1], greedy(Some(stop)), &steering, &Silent);
            assert!(stopped.expect("text")[0].is_empty());
        }
    }
}

fn greedy(stop: Option<u32>) -> Continuation {
    Continuation {
        tokens: 20,
        stop,
        seed: None,
        stream: 0,
    }
}

/// Drawn text depends on the seed and the place of a prompt alone, and follows the probabilities.
#[test]
fn drawn_text_follows_the_probabilities() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 11), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let prompts: Vec<&[u32]> = vec![&[1, 5, 9]; 4000];
    let draw = |seed| {
        let one = Continuation {
            tokens: 1,
            stop: None,
            seed: Some(seed),
            stream: 0,
        };
        transformer
            .generate(&prompts, one, &Steering::none(), &Silent)
            .expect("text")
    };
    let found = draw(1);
    assert_eq!(found, draw(1));
    assert_ne!(found, draw(2));
    let example = Example {
        clean: prompts[0].to_vec(),
        corrupt: prompts[0].to_vec(),
        answer: vec![0],
        wrong: Vec::new(),
        at: vec![2],
        teacher_forced: false,
        spans: Vec::new(),
        text: None,
    };
    for token in 0..config.d_out() as u32 {
        let answer = Example {
            answer: vec![token],
            ..example.clone()
        };
        let log = transformer.clean_metric(&[answer], Metric::Nll, &Silent);
        let probability = log.expect("a metric")[0].exp();
        let share = found.iter().filter(|it| it[0] == token).count() as f64 / 4000.0;
        // Four standard deviations.
        let most = 4.0 * (probability * (1.0 - probability) / 4000.0).sqrt();
        assert!(
            (share - probability).abs() <= most,
            "{token}: {share}, not {probability}"
        );
    }
}

/// The token whose logit beats all others, by one comparison for each.
fn most_likely(
    transformer: &Transformer<'_, f64>,
    tokens: &[u32],
    steering: &Steering<f64>,
    d_out: usize,
) -> u32 {
    let example = |answer: u32| Example {
        clean: tokens.to_vec(),
        corrupt: tokens.to_vec(),
        answer: vec![answer],
        wrong: vec![(answer + 1) % d_out as u32],
        at: vec![tokens.len() - 1],
        teacher_forced: false,
        spans: Vec::new(),
        text: None,
    };
    let examples: Vec<Example> = (0..d_out as u32).map(example).collect();
    let right = transformer
        .steered_metric(&examples, Metric::Accuracy, steering, &Silent)
        .expect("metrics");
    let best = right.iter().position(|&right| right > 0.5);
    best.expect("one token is the most likely") as u32
}

#[test]
fn losses_are_negative_log_likelihoods() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 13), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let text: [&[u32]; 2] = [&[3, 1, 4, 1, 5], &[9, 2]];
    let steering = Steering::adding(2, &some_vector(config.d_model), 0.7, AddAt::Every);
    let found = transformer
        .losses(&text, &steering, &Silent)
        .expect("losses");
    let mut wanted = Vec::new();
    for tokens in text {
        for end in 1..tokens.len() {
            let example = Example {
                clean: tokens[..end].to_vec(),
                corrupt: tokens[..end].to_vec(),
                answer: vec![tokens[end]],
                wrong: Vec::new(),
                at: vec![end - 1],
                teacher_forced: false,
                spans: Vec::new(),
                text: None,
            };
            let metric = transformer.steered_metric(&[example], Metric::Nll, &steering, &Silent);
            wanted.push(-metric.expect("a metric")[0]);
        }
    }
    assert_close(&found, &wanted, "losses");
}

fn report(
    transformer: &Transformer<'_, f64>,
    examples: &[Example],
    question: &Vector,
) -> VectorReport {
    let task = VectorTask {
        discovery: examples,
        held_out: examples,
        add_to: [examples, examples],
        metric: METRIC,
        bootstrap: 20,
        random_baselines: 3,
        text: &[],
        tokenizer: None,
        stop: None,
    };
    let (report, vector) = find_vector(transformer, &task, question, &Silent).expect("a report");
    assert_eq!(vector.layer, report.layer);
    let norm = vector
        .values
        .iter()
        .map(|value| value * value)
        .sum::<f64>()
        .sqrt();
    assert!((norm - report.norm).abs() < 1e-12 * norm);
    report
}

/// The difference of means of one pair, after the last layer and added once, turns the corrupt prompt's stream into the
/// clean prompt's.
#[test]
fn of_one_pair_the_last_layer_s_difference_recovers_all() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 15), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let examples = oracle::random_examples(&config, 30, 1).into_iter();
        let pair: Vec<Example> = examples
            .filter(|it| it.at.len() == 1)
            .map(|it| {
                // Whichever prompt has the larger metric is the clean one.
                let metric = |it: &Example| {
                    transformer
                        .clean_metric(std::slice::from_ref(it), METRIC, &Silent)
                        .expect("a metric")[0]
                };
                if metric(&it) > metric(&it.swapped()) {
                    it
                } else {
                    it.swapped()
                }
            })
            .take(1)
            .collect();
        let question = Vector {
            layers: vec![config.n_layers - 1],
            strengths: vec![1.0],
            samples: 1,
            tokens: 3,
            ..Vector::default()
        };
        let report = report(&transformer, &pair, &question);
        let recovered = report.recovered.expect("a behaviour");
        assert!((recovered.mean - 1.0).abs() < 1e-9, "{recovered:?}");
        assert!((report.added.metric.mean - report.clean.metric.mean).abs() < 1e-9);
        assert_eq!(report.samples.len(), 1);
        assert_eq!(report.sweep.len(), 1);
    }
}

#[test]
fn layers_and_strengths_are_chosen_on_discovery_prompts_and_heads_by_their_effects() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 17), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let examples = oracle::random_examples(&config, 12, 3);
    let question = Vector {
        from: VectorFrom::Heads { count: 4 },
        strengths: vec![-1.0, 1.0, 2.0],
        samples: 0,
        ..Vector::default()
    };
    let report = report(&transformer, &examples, &question);
    assert_eq!(report.sweep.len(), config.n_layers * 3);
    let clean = transformer
        .clean_metric(&examples, METRIC, &Silent)
        .expect("metrics");
    let reach = report
        .sweep
        .iter()
        .filter(|it| it.discovery >= mean(&clean));
    let least = reach.map(|it| it.strength.abs()).min_by(f64::total_cmp);
    let allowed = report.sweep.iter().filter(|it| {
        least.is_none_or(|least| it.strength.abs() <= least && it.discovery >= mean(&clean))
    });
    let best = allowed
        .map(|it| it.discovery)
        .fold(f64::NEG_INFINITY, f64::max);
    let chosen = report
        .sweep
        .iter()
        .find(|it| (it.layer, it.strength) == (report.layer, report.strength));
    assert!((chosen.expect("a point").discovery - best).abs() < 1e-12);
    assert!(
        (report.added.metric.mean - best).abs() < 1e-9,
        "the same prompts"
    );
    assert_eq!(report.heads.len(), 4);
    assert!(
        report
            .heads
            .is_sorted_by(|one, next| one.effect >= next.effect)
    );
    // One head's effect, by the metric of each pair.
    let heads = transformer.mean_heads(&examples, &Silent).expect("heads");
    let corrupt: Vec<Example> = examples.iter().map(Example::swapped).collect();
    let plain = transformer
        .clean_metric(&corrupt, METRIC, &Silent)
        .expect("metrics");
    let Node::Head { layer, head } = report.heads[0].head.parse().expect("a head") else {
        panic!("{} is no head", report.heads[0].head);
    };
    let values = heads[layer][head * config.d_head..(head + 1) * config.d_head].to_vec();
    let ready = Resumable::new(&transformer, &corrupt, AddAt::Scored).expect("a run");
    let set = ready
        .heads_set(METRIC, layer, &[(head, values)])
        .expect("metrics");
    let effect = mean(&set[0]) - mean(&plain);
    assert!((effect - report.heads[0].effect).abs() < 1e-9);
    assert_eq!(report.added_random.len(), 3);
    assert_eq!(report.added_shuffled.len(), 1);
    assert_eq!(report.positions_back, None);
}

/// Memory decides what is run together, never a result.
#[test]
fn results_do_not_depend_on_the_room() {
    let config = gpt2(false);
    let (weights, graph) = (oracle::random_weights(&config, 19), graph_of(&config));
    let examples = oracle::random_examples(&config, 40, 5);
    let question = Vector {
        samples: 2,
        tokens: 2,
        ..Vector::default()
    };
    let whole = report(&Transformer::new(&weights, &graph), &examples, &question);
    let bounded = Transformer::new(&weights, &graph).within(Some(1));
    assert_eq!(report(&bounded, &examples, &question), whole);
}
