//! Relations as linear maps: Jacobians against differences, cached runs against whole ones, a model in which a relation is
//! linear, and the figures against plain loops.

mod command;
mod jacobian;

use secateur::analyze::Relation;
use secateur::analyze::relation::{
    LayerScores, LowRankInverse, RelationReport, RelationTask, decode_relation,
};
use secateur::engine::Transformer;
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Granularity, NeuronNodes};
use secateur::model::{ModelConfig, Norm, Real, Weights};
use secateur::task::{RelationPrompts, RelationSplit, SubjectPrompt};

use crate::oracle::{self, dot, gpt2, llama};
use crate::shapes;

fn graph_of(config: &ModelConfig) -> ComputationGraph {
    ComputationGraph::new(config, &Granularity::default(), &NeuronNodes::new()).expect("a graph")
}

fn prompt(tokens: &[u32], subject: usize) -> SubjectPrompt {
    SubjectPrompt {
        tokens: tokens.to_vec(),
        subject,
    }
}

/// Subjects as tokens after `begin` and in front of `end`; what the model says is the right answer.
struct CircuitRequest {
    subjects: Vec<String>,
    prompts: RelationPrompts,
    split: RelationSplit,
}

fn asked<T: Real>(
    transformer: &Transformer<'_, T>,
    subjects: &[u32],
    begin: &[u32],
    end: &[u32],
) -> CircuitRequest {
    let prompts = subjects.iter().map(|&subject| {
        let tokens = [begin, &[subject], end].concat();
        prompt(&tokens, begin.len())
    });
    let prompts: Vec<SubjectPrompt> = prompts.collect();
    let rows: Vec<&[u32]> = prompts.iter().map(|it| &it.tokens[..]).collect();
    let said = transformer.next_tokens(&rows, &Silent).expect("tokens");
    let half = subjects.len() / 2;
    CircuitRequest {
        subjects: subjects.iter().map(ToString::to_string).collect(),
        prompts: RelationPrompts {
            template: "{}".into(),
            prompts,
            answers: said.iter().map(|&token| vec![token]).collect(),
            without_subject: Some([begin, end].concat()),
            zero_shot: Vec::new(),
        },
        split: RelationSplit {
            shown: Vec::new(),
            discovery: (0..half).collect(),
            held_out: (half..subjects.len()).collect(),
        },
    }
}

fn report<T: Real>(
    transformer: &Transformer<'_, T>,
    asked: &CircuitRequest,
    question: &Relation,
) -> RelationReport {
    let task = RelationTask {
        name: "numbers",
        subjects: &asked.subjects,
        templates: std::slice::from_ref(&asked.prompts),
        split: &asked.split,
        random_baselines: 3,
        tokenizer: None,
    };
    decode_relation(transformer, &task, question, &Silent).expect("a report")
}

/// Attention alone, without norms and with the same weight on every position, that begins after the first layer: what
/// leaves it at the subject is the token, on which the stream at the end depends linearly.
fn linear() -> Weights<f64> {
    let config = ModelConfig {
        n_layers: 3,
        norm: Norm::None,
        tied_unembedding: false,
        d_vocab: 40,
        ..shapes::attention_only()
    };
    let weights = oracle::random_weights(&config, 5);
    let blocks = (0..config.n_layers).map(|layer| {
        let mut attention = (*weights.attention(layer)).clone();
        for map in [&mut attention.q, &mut attention.k] {
            map.weight = vec![0.0; map.inputs * map.outputs].into();
            map.bias = None;
        }
        if layer == 0 {
            let map = &mut attention.o;
            map.weight = vec![0.0; map.inputs * map.outputs].into();
        }
        secateur::model::Block {
            attention,
            mlp: None,
        }
    });
    Weights {
        blocks: blocks.collect::<Vec<_>>().into(),
        ..weights.clone()
    }
}

/// Where the relation is linear, the map decodes every subject and its inverse exchanges every object.
#[test]
fn a_linear_relation_is_decoded_and_edited_without_a_miss() {
    let weights = linear();
    let graph = graph_of(&weights.config);
    let transformer = Transformer::new(&weights, &graph);
    let subjects: Vec<u32> = (4..40).collect();
    let asked = asked(&transformer, &subjects, &[1, 2], &[3]);
    let d_model = weights.config.d_model;
    let question = Relation {
        train: 2,
        betas: vec![0.5, 1.0, 2.0],
        ranks: vec![2, d_model],
        ..Relation::new("")
    };
    let report = report(&transformer, &asked, &question);
    assert_eq!(report.known.count, 18);
    assert_eq!((report.trained_on, report.chosen_on), (2, 16));
    let said: Vec<&String> = report.subjects.iter().map(|it| &it.said).collect();
    assert!(
        said.iter().any(|it| **it != *said[0]),
        "one answer proves nothing"
    );
    // After the second layer the stream at the end knows of the subject already, so that the map is no longer all of the
    // relation. It still is all of what a change does.
    for layer in &report.layers {
        let shares = [layer.causal_discovery, layer.causal].map(|it| it.expect("edits"));
        assert!(shares.iter().all(|it| it.count == it.of), "{layer:?}");
        assert_eq!(layer.rank, Some(d_model), "{layer:?}");
    }
    let first = &report.layers[0];
    assert!((first.beta - 1.0).abs() < 1e-12, "{first:?}");
    for share in [first.faithful_discovery, first.faithful] {
        assert_eq!(share.count, share.of, "{first:?}");
    }
    assert_eq!(
        (report.faithful.layer, report.faithful.held_out),
        (0, first.faithful)
    );
    assert_eq!(report.layers.len(), 2);
    let causal = report.causal.as_ref().expect("edits");
    assert!(causal.baselines.random.iter().all(|share| *share < 0.7));
    assert!(
        report
            .faithful
            .baselines
            .random_maps
            .iter()
            .all(|share| *share < 0.7)
    );
    for row in &report.subjects {
        assert_eq!(row.decoded, row.said);
        assert_eq!(row.edited, row.wanted);
        assert_ne!(row.wanted.as_ref(), Some(&row.said));
    }
}

/// What a final stream decodes to, and the log-probability of a token, by plain loops.
fn decodes_to(weights: &Weights<f64>, final_stream: &[f64], wanted: u32) -> (u32, f64) {
    let all: Vec<usize> = (0..weights.config.d_out()).collect();
    let normed = oracle::norm(weights.config.norm, &weights.final_norm, final_stream);
    let table = &weights.unembedding.as_ref().expect("an unembedding").table;
    let rows = table.gather(&all);
    let logits: Vec<f64> = rows
        .chunks_exact(normed.len())
        .map(|row| dot(row, &normed))
        .collect();
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let best = logits.iter().position(|it| it.total_cmp(&most).is_eq());
    let total: f64 = logits.iter().map(|it| (it - most).exp()).sum();
    let log_probability = logits[wanted as usize] - most - total.ln();
    (best.expect("a token") as u32, log_probability)
}

/// Faithfulness by layer with Jacobians from differences and sums one number after the other.
#[test]
fn figures_equal_those_of_plain_loops() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 31), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let subjects: Vec<u32> = (3..23).collect();
    let asked = asked(&transformer, &subjects, &[1], &[2, 0]);
    let question = Relation {
        train: 3,
        layers: vec![0, 2],
        betas: vec![0.5, 1.0, 1.5],
        ranks: vec![1, 4, 400],
        ..Relation::new("")
    };
    let report = report(&transformer, &asked, &question);
    let all = jacobian::Subjects::new(&transformer, &asked.prompts.prompts);
    let said: Vec<u32> = asked.prompts.answers.iter().map(|it| it[0]).collect();
    for figures in &report.layers {
        let layer = figures.layer;
        let mut map = vec![vec![0.0; config.d_model]; config.d_model];
        let mut bias = vec![0.0; config.d_model];
        for &training in &asked.split.discovery[..3] {
            let slopes = all.by_differences(training, layer);
            for (output, row) in slopes.iter().enumerate() {
                for (sum, slope) in map[output].iter_mut().zip(row) {
                    *sum += slope / 3.0;
                }
                let product = dot(row, all.subject(layer, training));
                bias[output] += (all.object(training)[output] - product) / 3.0;
            }
        }
        let judged = |of: &[usize], beta: f64| {
            let each = of.iter().map(|&it| {
                let subject = all.subject(layer, it);
                let rows = map.iter().zip(&bias);
                let object = rows.map(|(row, bias)| beta * dot(row, subject) + bias);
                let object: Vec<f64> = object.collect();
                let (token, log_probability) = decodes_to(&weights, &object, said[it]);
                (usize::from(token == said[it]), log_probability)
            });
            let (hits, logs): (Vec<usize>, Vec<f64>) = each.unzip();
            (
                hits.iter().sum::<usize>(),
                logs.iter().sum::<f64>() / of.len() as f64,
            )
        };
        let choosing = &asked.split.discovery[3..];
        let (mut best, mut most) = (0.0, (0, f64::NEG_INFINITY));
        for &beta in &question.betas {
            let found = judged(choosing, beta);
            if found.0 > most.0 || (found.0 == most.0 && found.1 > most.1) {
                (best, most) = (beta, found);
            }
        }
        assert!((figures.beta - best).abs() < 1e-12);
        assert_eq!(figures.faithful_discovery.count, most.0);
        assert!((figures.faithful_log_probability - most.1).abs() < 1e-6);
        let held_out = judged(&asked.split.held_out, best);
        assert_eq!(figures.faithful.count, held_out.0);
        // The inverse cut at the width of the stream is the whole one.
        assert!(figures.rank.expect("a rank") <= config.d_model);
    }
    // The layer with the largest share, of several that with the largest log-probability.
    let by_share_and_log = |of: fn(&LayerScores) -> (usize, f64)| {
        let layers = report.layers.iter();
        let best = layers.max_by(|a, b| {
            let (a, b) = (of(a), of(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        best.expect("layers")
    };
    let chosen = by_share_and_log(|it| (it.faithful_discovery.count, it.faithful_log_probability));
    assert_eq!(chosen.layer, report.faithful.layer);
    let chosen = by_share_and_log(|it| {
        let log_probability = it.causal_log_probability.expect("edits");
        (it.causal_discovery.expect("edits").count, log_probability)
    });
    let causal = report.causal.as_ref().expect("edits");
    assert_eq!(
        (chosen.layer, chosen.rank),
        (causal.layer, Some(causal.rank))
    );
    assert_eq!(causal.held_out, chosen.causal.expect("edits"));
}

/// Threads and memory decide what is run together, never a result.
#[test]
fn results_do_not_depend_on_threads_or_the_room() {
    let config = gpt2(true);
    let weights: Weights<f32> = oracle::random_weights(&config, 7).cast();
    let graph = graph_of(&config);
    let subjects: Vec<u32> = (3..23).collect();
    let question = Relation {
        train: 2,
        ..Relation::new("")
    };
    let on = |threads: usize, room: Option<usize>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("threads").install(|| {
            let transformer = Transformer::new(&weights, &graph).within(room);
            let asked = asked(&transformer, &subjects, &[1, 2], &[0]);
            report(&transformer, &asked, &question)
        })
    };
    let whole = on(1, None);
    assert_eq!(on(3, None), whole);
    assert_eq!(on(2, Some(1)), whole);
}

/// The four conditions of Moore and Penrose, for a map of full rank and one of rank 2; cut inverses are those of the map cut.
#[test]
fn inverses_are_pseudo_inverses() {
    let width = 7;
    let numbers = |seed: f64, count: usize| -> Vec<f64> {
        (0..count)
            .map(|index| (seed + index as f64 * 1.7).sin() * 3.0)
            .collect()
    };
    let product = |a: &[f64], b: &[f64]| -> Vec<f64> {
        let inner = a.len() / width;
        let cell = |row: usize, column: usize| {
            let sum = (0..inner).map(|it| a[row * inner + it] * b[it * width + column]);
            sum.sum::<f64>()
        };
        let cells = (0..width * width).map(|index| cell(index / width, index % width));
        cells.collect()
    };
    let full: Vec<f64> = (0..width * width)
        .map(|index| {
            ((index * index) as f64 * 0.37).sin() + if index % (width + 1) == 0 { 2.0 } else { 0.0 }
        })
        .collect();
    let thin = product(&numbers(0.3, width * 2), &numbers(1.1, 2 * width));
    for (map, rank) in [(full, width), (thin, 2)] {
        let inverse = LowRankInverse::new(&map, width).expect("an inverse");
        assert_eq!(inverse.rank(), rank);
        // Its columns are what it makes of unit vectors.
        let mut dense = vec![0.0; width * width];
        for column in 0..width {
            let mut unit = vec![0.0; width];
            unit[column] = 1.0;
            for (row, value) in inverse.times(&unit, &[width]).remove(0).iter().enumerate() {
                dense[row * width + column] = *value;
            }
        }
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        let transposed = |it: &[f64]| -> Vec<f64> {
            (0..width * width)
                .map(|index| it[index % width * width + index / width])
                .collect()
        };
        let (there, back) = (product(&map, &dense), product(&dense, &map));
        assert!(close(&product(&there, &map), &map));
        assert!(close(&product(&back, &dense), &dense));
        assert!(close(&transposed(&there), &there) && close(&transposed(&back), &back));
        // Of rank 1: the part of the change along the largest left singular vector alone.
        let change = numbers(2.0, width);
        let ranks = inverse.times(&change, &[1, 2, width]);
        assert!(close(&ranks[2], &inverse.times(&change, &[1000])[0]));
        let norm = |it: &[f64]| dot(it, it).sqrt();
        assert!(norm(&ranks[0]) <= norm(&ranks[1]) + 1e-12);
        assert!(norm(&ranks[1]) <= norm(&ranks[2]) + 1e-12);
        let moved: Vec<f64> = (0..width)
            .map(|row| dot(&map[row * width..(row + 1) * width], &ranks[0]))
            .collect();
        let rest: Vec<f64> = change.iter().zip(&moved).map(|(a, b)| a - b).collect();
        assert!(dot(&moved, &rest).abs() < 1e-9, "a projection");
    }
    assert!(LowRankInverse::new(&[f64::NAN; 49], width).is_err());
}
