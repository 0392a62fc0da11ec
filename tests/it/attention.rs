//! Attention of heads against plain softmaxes, and roles on a hand-made model whose heads are known.

use nalgebra::DMatrix;
use secateur::analyze::AnalysisReport as _;
use secateur::analyze::AttentionRoles;
use secateur::analyze::attention::roles_of;
use secateur::analyze::attention::{
    Answered, AttentionReport, AttentionTask, HeadScores, Repeated, Role, Score, score_heads,
};
use secateur::engine::Transformer;
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Granularity};
use secateur::model::{
    Attention, AttentionConfig, Block, Linear, ModelConfig, Norm, NormWeights, Positions, Table,
    Unembedding, Weights,
};
use secateur::report::parse_roles;

use crate::lens::{assert_close, models, tokens};
use crate::oracle::{self, apply, cap, dot, norm, rotate, sees};
use crate::synthetic::graph_of;

/// Attention of a head, from the plain stream in front of its layer.
fn plain_pattern(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    tokens: &[u32],
    (layer, head): (usize, usize),
) -> Vec<f64> {
    let config = &weights.config;
    let block = weights.attention(layer);
    let streams = &oracle::streams(weights, graph, tokens)[2 * layer];
    let project = |map: &Linear<f64>, own: Option<&NormWeights<f64>>, index: usize| {
        let rows = streams.iter().enumerate().map(|(position, row)| {
            let all = apply(map, &norm(config.norm, &block.norm, row));
            let mut row = all[index * config.d_head..(index + 1) * config.d_head].to_vec();
            if let Some(own) = own {
                row = norm(config.norm, own, &row);
            }
            rotate(config, layer, &mut row, position);
            row
        });
        rows.collect::<Vec<_>>()
    };
    let q = project(&block.q, block.query_norm.as_ref(), head);
    let k = project(
        &block.k,
        block.key_norm.as_ref(),
        head * config.n_kv_heads / config.n_heads,
    );
    let mut pattern = Vec::new();
    for (query, q) in q.iter().enumerate() {
        let plain = 1.0 / (config.d_head as f64).sqrt();
        let scale = config.attention.scale.unwrap_or(plain);
        let weights = (0..tokens.len()).map(|key| {
            if sees(config, layer, query, key) {
                cap(config.attention.soft_cap, dot(q, &k[key]) * scale).exp()
            } else {
                0.0
            }
        });
        let weights: Vec<f64> = weights.collect();
        let total: f64 = weights.iter().sum();
        pattern.extend(weights.iter().map(|weight| weight / total));
    }
    pattern
}

#[test]
fn patterns_are_the_plain_softmaxes() {
    for (name, weights, graph) in models() {
        let transformer = Transformer::new(&weights, &graph);
        let sequences = [tokens(&weights.config, 6, 1), tokens(&weights.config, 4, 2)];
        let both: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        let mut shown = 0;
        let visited = transformer.patterns(&both, |pattern| {
            let head = (pattern.layer, pattern.head);
            let wanted = plain_pattern(&weights, &graph, both[pattern.sequence], head);
            assert_close(pattern.attention, &wanted, &format!("{name}, {head:?}"));
            let length = both[pattern.sequence].len();
            for query in 0..length {
                let seen = transformer.seen(pattern.layer, query, length);
                let plain =
                    (0..length).filter(|&key| sees(&weights.config, pattern.layer, query, key));
                assert!(plain.eq(seen), "{name}");
            }
            shown += 1;
        });
        visited.expect("patterns");
        assert_eq!(shown, 2 * weights.config.n_layers * weights.config.n_heads);
    }
}

#[test]
fn a_head_writes_for_a_stream_what_it_writes_when_it_looks_there_alone() {
    for (name, weights, graph) in models() {
        let config = &weights.config;
        let transformer = Transformer::new(&weights, &graph);
        let stream: Vec<f64> = (0..config.d_model)
            .map(|at| (at as f64 * 0.9).cos())
            .collect();
        for layer in 0..config.n_layers {
            let block = weights.attention(layer);
            let head = layer % config.n_heads;
            let kv = head * config.n_kv_heads / config.n_heads;
            let values = apply(&block.v, &norm(config.norm, &block.norm, &stream));
            let mut z = vec![0.0; config.n_heads * config.d_head];
            z[head * config.d_head..(head + 1) * config.d_head]
                .copy_from_slice(&values[kv * config.d_head..(kv + 1) * config.d_head]);
            let unbiased = Linear {
                bias: None,
                ..block.o.clone()
            };
            let mut wanted = apply(&unbiased, &z);
            if let Some(post) = &block.post_norm {
                wanted = norm(config.norm, post, &wanted);
            }
            let found = transformer.head_of_stream(layer, head, &stream);
            assert_close(&found, &wanted, &format!("{name}, layer {layer}"));
        }
    }
}

/// The map from the token looked at to all logits, a row for each token without its mean, put through one part after the other.
fn token_map(weights: &Weights<f64>, layer: usize, head: usize) -> Vec<f64> {
    let config = &weights.config;
    let (block, d_head) = (weights.attention(layer), config.d_head);
    let linear_norm = |norm: &NormWeights<f64>, x: &[f64]| -> Vec<f64> {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let mean = match config.norm {
            Norm::LayerNorm { .. } => mean,
            Norm::None => return x.to_vec(),
            Norm::RmsNorm { .. } => 0.0,
        };
        let rows = x.iter().zip(&norm.gain);
        rows.map(|(x, gain)| (x - mean) * gain).collect()
    };
    let unbiased = |map: &Linear<f64>| Linear {
        bias: None,
        ..map.clone()
    };
    let kv = head * config.n_kv_heads / config.n_heads;
    let unembedding = match &weights.unembedding {
        Some(map) => &map.table,
        None => &weights.embedding,
    };
    let mut rows = Vec::new();
    for token in 0..config.d_vocab {
        let read = linear_norm(&block.norm, &weights.embedding.gather(&[token]));
        let values = apply(&unbiased(&block.v), &read);
        let mut z = vec![0.0; config.n_heads * d_head];
        z[head * d_head..(head + 1) * d_head]
            .copy_from_slice(&values[kv * d_head..(kv + 1) * d_head]);
        let mut written = apply(&unbiased(&block.o), &z);
        if let Some(post) = &block.post_norm {
            written = linear_norm(post, &written);
        }
        let written = linear_norm(&weights.final_norm, &written);
        let logits = (0..config.d_vocab).map(|to| dot(&written, &unembedding.gather(&[to])));
        let logits: Vec<f64> = logits.collect();
        let mean = logits.iter().sum::<f64>() / logits.len() as f64;
        rows.extend(logits.iter().map(|logit| logit - mean));
    }
    rows
}

#[test]
fn eigenvalues_are_those_of_the_map_between_all_tokens() {
    let mut shown = 0;
    for (name, weights, graph) in models() {
        let config = &weights.config;
        let transformer = Transformer::new(&weights, &graph);
        let Some(pairs) = transformer.token_pairs() else {
            assert_ne!(config.d_out(), config.d_vocab, "{name}");
            continue;
        };
        let all: Vec<u32> = (0..config.d_vocab as u32).collect();
        let repeated = Repeated::drawn((&all, config.n_ctx), &[], (1, 3, 0));
        let task = AttentionTask {
            repeated: &repeated,
            prompts: &[],
            bootstrap: 10,
            tokenizer: None,
        };
        let report = score_heads(&transformer, &task, &AttentionRoles::default(), &Silent);
        let report = report.expect("scores");
        for layer in 0..config.n_layers {
            let circuits = transformer.copying_circuits(layer, &pairs);
            for (number, circuit) in circuits.iter().enumerate() {
                let size = config.d_vocab;
                let map = DMatrix::from_row_slice(size, size, &token_map(&weights, layer, number));
                let trace: f64 = circuit.iter().step_by(config.d_head + 1).sum();
                let scale = map.norm();
                assert!((trace - map.trace()).abs() < 1e-9 * scale, "{name}");
                let eigenvalues = map.complex_eigenvalues();
                let sizes: f64 = eigenvalues.iter().map(|it| it.re.hypot(it.im)).sum();
                let wanted = trace / sizes;
                let name = format!("a{layer}.h{number}");
                let found = head(&report, &name)
                    .copying_eigenvalues
                    .expect("eigenvalues");
                // Those of the large map that should be zero are so but for rounding.
                assert!(
                    (found.score.mean - wanted).abs() < 1e-4,
                    "{name}: {found:?}, {wanted}"
                );
                shown += 1;
            }
        }
    }
    assert!(shown > 30, "{shown}");
}

const VOCABULARY: usize = 12;
const LONGEST: usize = 24;
const WIDTH: usize = 2 * VOCABULARY + LONGEST;
/// Where tokens, positions and the tokens before are in the stream.
const TOKEN: usize = 0;
const PLACE: usize = VOCABULARY;
const BEFORE: usize = VOCABULARY + LONGEST;

/// A map `[WIDTH, 2 * LONGEST]` of two heads, the second of which has only zeros unless it is given: each entry takes a
/// coordinate of the stream to one of the head.
fn into_heads(entries: impl IntoIterator<Item = (usize, usize)>, by: f64) -> Linear<f64> {
    let mut weight = vec![0.0; WIDTH * 2 * LONGEST];
    for (from, to) in entries {
        weight[from * 2 * LONGEST + to] = by;
    }
    Linear {
        weight: weight.into(),
        transposed: false,
        inputs: WIDTH,
        outputs: 2 * LONGEST,
        bias: None,
    }
}

fn out_of_heads(entries: impl IntoIterator<Item = (usize, usize)>) -> Linear<f64> {
    let mut weight = vec![0.0; 2 * LONGEST * WIDTH];
    for (from, to) in entries {
        weight[from * WIDTH + to] = 1.0;
    }
    Linear {
        weight: weight.into(),
        transposed: false,
        inputs: 2 * LONGEST,
        outputs: WIDTH,
        bias: None,
    }
}

/// Two layers of attention. `a0.h0` looks at the token before and writes it down, `a0.h1` at the same token; `a1.h0` looks
/// where the token before is the present one, and copies what it finds; `a1.h1` looks at all positions alike.
fn hand_made() -> Weights<f64> {
    let none = || NormWeights {
        gain: vec![1.0; WIDTH],
        bias: None,
    };
    let tokens = || 0..VOCABULARY;
    let block = |q, k, v, o| Block {
        attention: Attention {
            norm: none(),
            q,
            k,
            v,
            o,
            query_norm: None,
            key_norm: None,
            post_norm: None,
        },
        mlp: None,
    };
    let same_token = |by| into_heads(tokens().map(|it| (TOKEN + it, LONGEST + it)), by);
    let mut queries = same_token(40.0);
    let mut keys = same_token(1.0);
    for place in 0..LONGEST - 1 {
        let set = |map: &mut Linear<f64>, from: usize, to: usize, by: f64| {
            let mut weight = map.weight.to_vec();
            weight[from * 2 * LONGEST + to] = by;
            map.weight = weight.into();
        };
        set(&mut queries, PLACE + place + 1, place, 40.0);
        set(&mut keys, PLACE + place, place, 1.0);
    }
    let first = block(
        queries,
        keys,
        into_heads(tokens().map(|it| (TOKEN + it, it)), 1.0),
        out_of_heads(tokens().map(|it| (it, BEFORE + it))),
    );
    let second = block(
        into_heads(tokens().map(|it| (TOKEN + it, it)), 40.0),
        into_heads(tokens().map(|it| (BEFORE + it, it)), 1.0),
        into_heads(tokens().map(|it| (TOKEN + it, it)), 1.0),
        out_of_heads(tokens().map(|it| (it, TOKEN + it))),
    );
    let one_hot = |count: usize, first: usize| -> Vec<f64> {
        let rows = (0..count)
            .flat_map(|row| (0..WIDTH).map(move |at| f64::from(u8::from(at == first + row))));
        rows.collect()
    };
    let config = ModelConfig {
        family: "gpt2".into(),
        n_layers: 2,
        n_heads: 2,
        n_kv_heads: 2,
        d_model: WIDTH,
        d_head: LONGEST,
        d_vocab: VOCABULARY,
        n_ctx: LONGEST,
        norm: Norm::None,
        positions: Positions::Learned,
        attention: AttentionConfig {
            scale: Some(1.0),
            ..AttentionConfig::default()
        },
        ..ModelConfig::default()
    };
    Weights {
        config,
        embedding: Table::new(one_hot(VOCABULARY, TOKEN), WIDTH),
        position: Some(one_hot(LONGEST, PLACE).into()),
        blocks: vec![first, second].into(),
        final_norm: none(),
        unembedding: Some(Unembedding {
            table: Table::new(one_hot(VOCABULARY, TOKEN), WIDTH),
            bias: None,
        }),
    }
}

fn scored(prompts: &[Answered]) -> AttentionReport {
    let weights = hand_made();
    let graph = graph_of(&weights.config, &Granularity::default());
    let transformer = Transformer::new(&weights, &graph);
    let all: Vec<u32> = (0..VOCABULARY as u32).collect();
    let repeated = Repeated::drawn((&all, LONGEST), &[0], (5, 50, 3));
    assert_eq!(repeated.length, VOCABULARY - 1);
    let task = AttentionTask {
        repeated: &repeated,
        prompts,
        bootstrap: 50,
        tokenizer: None,
    };
    let question = AttentionRoles {
        top: 1,
        drawn: 2,
        ..AttentionRoles::default()
    };
    score_heads(&transformer, &task, &question, &Silent).expect("scores")
}

fn head<'r>(report: &'r AttentionReport, name: &str) -> &'r HeadScores {
    report
        .heads
        .iter()
        .find(|it| it.head == name)
        .expect("a head")
}

#[test]
fn hand_made_heads_have_the_roles_they_were_made_for() {
    let report = scored(&[]);
    let mean = |score: Score| score.score.mean;
    let previous = head(&report, "a0.h0");
    assert!(mean(previous.previous_token) > 0.999 && mean(previous.induction) < 0.001);
    assert_eq!(previous.roles, [Role::PreviousToken]);
    // It looks at itself as well.
    let duplicate = head(&report, "a0.h1");
    assert!((mean(duplicate.duplicate_token) - 0.5).abs() < 1e-6);
    assert_eq!(duplicate.roles, [Role::DuplicateToken]);
    let induction = head(&report, "a1.h0");
    assert!(mean(induction.induction) > 0.999 && mean(induction.duplicate_token) < 0.001);
    assert_eq!(induction.roles, [Role::Induction]);
    assert!((mean(induction.copying) - 1.0).abs() < 1e-12);
    let eigenvalues = induction.copying_eigenvalues.expect("eigenvalues");
    assert!((mean(eigenvalues) - 1.0).abs() < 1e-9);
    // What it writes is not read by the unembedding.
    assert_eq!(previous.copying_eigenvalues, None);
    let uniform = head(&report, "a1.h1");
    assert!(uniform.roles.is_empty() && uniform.name_moving.is_none());
    for score in [
        uniform.previous_token,
        uniform.duplicate_token,
        uniform.induction,
    ] {
        assert!((mean(score) - score.uniform).abs() < 1e-9, "{score:?}");
    }
    // Queries of the second copy see themselves and all before: the mean of 1/13 to 1/23.
    let wanted = (13..=23).map(|seen| 1.0 / f64::from(seen)).sum::<f64>() / 11.0;
    assert!((uniform.induction.uniform - wanted).abs() < 1e-12);
    assert!((uniform.copying.uniform - 1.0 / 12.0).abs() < 1e-12);
    assert!(report.heads.is_sorted_by(|a, b| a.largest() >= b.largest()));
    assert_eq!(report.drawn.len(), 2);
    assert!(
        report
            .finding()
            .contains("1 induction, 1 previous-token, 1 duplicate-token heads")
    );
}

#[test]
fn a_head_that_looks_at_the_answer_and_copies_it_is_a_name_mover() {
    let prompt = |tokens: &[u32], answer: u32| Answered {
        tokens: tokens.to_vec(),
        at: tokens.len() - 1,
        answer: vec![answer],
    };
    // The third has no answer in it.
    let prompts = [
        prompt(&[0, 1, 2, 3, 4, 1], 2),
        prompt(&[0, 5, 6, 7, 5], 6),
        prompt(&[0, 8, 9, 8], 3),
    ];
    let report = scored(&prompts);
    assert_eq!(report.prompts, 2);
    let mover = head(&report, "a1.h0");
    assert!(mover.name_moving.expect("a score").score.mean > 0.999);
    assert_eq!(mover.roles, [Role::Induction, Role::NameMover]);
    let uniform = head(&report, "a1.h1").name_moving.expect("a score");
    assert!((uniform.uniform - f64::midpoint(1.0 / 6.0, 1.0 / 5.0)).abs() < 1e-12);
    assert!((uniform.score.mean - uniform.uniform).abs() < 1e-9);

    let bytes = roles_of(&report, "hand-made", "0f")
        .to_json()
        .expect("bytes");
    let text = String::from_utf8(bytes).expect("text");
    let roles = parse_roles(&text, "roles.json").expect("roles");
    assert_eq!(roles.roles["a1.h0"], ["induction", "name mover"]);
    assert_eq!(roles.roles.len(), 3);
    assert_eq!(roles.other_model("0f"), None);
    assert_eq!(roles.other_model("10"), Some("hand-made"));
    let plain = parse_roles(r#"{"m3": "names"}"#, "roles.json").expect("roles");
    assert_eq!(plain.roles["m3"], ["names"]);
    assert_eq!(plain.other_model("0f"), None);
    for (bad, part) in [
        ("", "not a file of roles"),
        ("{}", "missing field"),
        (
            &text.replace("\"format\": 1", "\"format\": 2"),
            "expected format 1, got 2",
        ),
        (&text[..text.len() / 2], "not a file of roles"),
    ] {
        let problem = parse_roles(bad, "roles.json")
            .expect_err("refused")
            .to_string();
        assert!(problem.contains(part), "{problem}");
    }
}

#[test]
fn random_tokens_are_different_and_fit() {
    let all: Vec<u32> = (0..40).collect();
    let repeated = Repeated::drawn((&all, 21), &[7], (30, 50, 1));
    assert_eq!([repeated.start, repeated.length], [1, 10]);
    for sequence in &repeated.sequences {
        assert_eq!(sequence[0], 7);
        assert_eq!(sequence[1..11], sequence[11..]);
        let mut own = sequence[1..11].to_vec();
        own.sort_unstable();
        own.dedup();
        assert!(own.len() == 10 && !own.contains(&7));
    }
    assert_eq!(repeated, Repeated::drawn((&all, 21), &[7], (30, 50, 1)));
    assert_ne!(repeated, Repeated::drawn((&all, 21), &[7], (30, 50, 2)));
    assert_eq!(repeated.short(3).len(), 7);
    // Tokens that are named twice count once, and there may be too few.
    let few = Repeated::drawn((&[5, 5, 7, 9], 21), &[7], (2, 50, 1));
    assert_eq!(few.length, 2);
}
