//! Prompts run again with the stream overwritten, or parts put back, against plain passes in double precision.

use std::ops::Range;

use secateur::engine::{
    BlockPart, Continuation, Overwrite, Prompt, Rerun, Steering, TokenVector, Transformer,
};
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Granularity, NeuronNodes, Node};
use secateur::model::{ModelConfig, Norm, Weights};

use crate::oracle::{self, Rows, gpt2, llama};

fn configs() -> [ModelConfig; 3] {
    [gpt2(false), gpt2(true), llama()]
}

pub(crate) fn graph_of(config: &ModelConfig) -> ComputationGraph {
    ComputationGraph::new(config, &Granularity::default(), &NeuronNodes::new()).expect("a graph")
}

pub(crate) fn assert_close(found: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        let scale = wanted.abs().max(1.0);
        assert!(
            (found - wanted).abs() < 1e-9 * scale,
            "{what}: {found}, not {wanted}"
        );
    }
}

fn some_row(width: usize, seed: f64) -> Vec<f64> {
    (0..width)
        .map(|index| (index as f64 * 0.7 + seed).sin())
        .collect()
}

/// Their first token is run once for all.
const PROMPTS: [&[u32]; 3] = [&[6, 5, 9, 2], &[6, 7, 3, 4, 1], &[6, 2]];

#[test]
fn an_overwritten_stream_is_a_plain_run_with_that_stream() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 3), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let reads: [&[usize]; 3] = [&[1, 3], &[4], &[1]];
        let prompts = PROMPTS.iter().zip(reads);
        let prompts: Vec<Prompt<'_>> = prompts
            .map(|(&tokens, reads)| Prompt { tokens, reads })
            .collect();
        let run = Rerun::new(&transformer, &prompts, None).expect("a run");
        assert_eq!(run.shared(), 1);
        let plain: Vec<(Rows, Vec<Rows>)> = PROMPTS
            .iter()
            .map(|tokens| oracle::plain(&weights, &graph, &oracle::embed(&weights, tokens)))
            .collect();
        let wanted: Vec<f64> = plain
            .iter()
            .zip(reads)
            .flat_map(|((logits, _), reads)| reads.iter().flat_map(|&at| logits[at].clone()))
            .collect();
        assert_close(&run.logits().expect("logits"), &wanted, "as it is");
        for layer in 0..config.n_layers {
            let mut changes = Vec::new();
            let mut wanted = Vec::new();
            for (prompt, tokens) in PROMPTS.iter().enumerate() {
                for position in 0..tokens.len() {
                    let own = &plain[prompt].1[layer][position];
                    if let Some(stream) = run.stream(prompt, position, layer) {
                        assert_close(stream, own, "the stream");
                    } else {
                        assert!(layer + 1 == config.n_layers && !reads[prompt].contains(&position));
                    }
                    for count in 1..=(tokens.len() - position).min(2) {
                        let rows: Vec<Vec<f64>> = (0..count)
                            .map(|row| some_row(config.d_model, (position + 3 * row) as f64))
                            .collect();
                        let mut stream = plain[prompt].1[layer].clone();
                        stream[position..position + count].clone_from_slice(&rows);
                        let logits = oracle::from_stream(&weights, &graph, layer, &stream);
                        for &read in reads[prompt].iter().filter(|read| **read >= position) {
                            wanted.extend(&logits[read]);
                        }
                        changes.push(Overwrite {
                            prompt,
                            position,
                            values: rows.concat(),
                        });
                    }
                    // Its own stream changes nothing.
                    let same = Overwrite {
                        prompt,
                        position,
                        values: own.clone(),
                    };
                    for &read in reads[prompt].iter().filter(|read| **read >= position) {
                        wanted.extend(&plain[prompt].0[read]);
                    }
                    changes.push(same);
                }
            }
            let found = run.overwritten(layer, &changes).expect("logits");
            assert_close(&found, &wanted, &format!("layer {layer}"));
            // One at a time gives the same bits.
            let alone = changes.iter().flat_map(|it| {
                let one = std::slice::from_ref(it);
                run.overwritten(layer, one).expect("logits")
            });
            assert_eq!(found, alone.collect::<Vec<f64>>());
        }
    }
}

/// Generated with cached keys and values, against whole runs from the overwritten stream for every token.
#[test]
fn text_after_an_overwritten_stream_is_that_of_runs_without_a_cache() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 5), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let last: Vec<[usize; 1]> = PROMPTS.iter().map(|it| [it.len() - 1]).collect();
        let prompts: Vec<Prompt<'_>> = PROMPTS
            .iter()
            .zip(&last)
            .map(|(&tokens, last)| Prompt {
                tokens,
                reads: last,
            })
            .collect();
        let run = Rerun::new(&transformer, &prompts, None).expect("a run");
        let continuation = Continuation {
            tokens: 6,
            stop: None,
            seed: None,
            stream: 0,
        };
        for layer in 0..config.n_layers {
            let mut changes = Vec::new();
            for (prompt, tokens) in PROMPTS.iter().enumerate() {
                changes.extend((0..tokens.len()).map(|position| Overwrite {
                    prompt,
                    position,
                    values: some_row(config.d_model, 1.0 + position as f64),
                }));
            }
            let found = run
                .generate(layer, &changes, continuation, &Silent)
                .expect("text");
            for (change, found) in changes.iter().zip(&found) {
                assert_eq!(found.len(), 6);
                let mut tokens = PROMPTS[change.prompt].to_vec();
                for &token in found {
                    let embedded = oracle::embed(&weights, &tokens);
                    let (_, streams) = oracle::plain(&weights, &graph, &embedded);
                    let mut stream = streams[layer].clone();
                    stream[change.position].clone_from(&change.values);
                    let logits = oracle::from_stream(&weights, &graph, layer, &stream);
                    let logits = &logits[tokens.len() - 1];
                    let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
                    assert_eq!(Some(token as usize), best, "layer {layer}, {tokens:?}");
                    tokens.push(token);
                }
            }
            // A position's own stream goes on as the prompt does.
            if layer + 1 < config.n_layers {
                let own: Vec<Overwrite<f64>> = (0..PROMPTS.len())
                    .map(|prompt| Overwrite {
                        prompt,
                        position: 0,
                        values: run.stream(prompt, 0, layer).expect("a stream").to_vec(),
                    })
                    .collect();
                let found = run.generate(layer, &own, continuation, &Silent);
                let plain =
                    transformer.generate(&PROMPTS, continuation, &Steering::none(), &Silent);
                assert_eq!(found.expect("text"), plain.expect("text"));
            }
        }
    }
}

/// The logits at the last position with parts of some layers set at one position to clean outputs: layer by layer, so that
/// what each writes elsewhere is that of the run itself.
fn restored(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    (clean, noised): (&Rows, &Rows),
    (layers, part, position): (Range<usize>, BlockPart, usize),
) -> Vec<f64> {
    let zeros = vec![vec![vec![0.0; weights.config.d_model]; clean.len()]; graph.writers().len()];
    let mut kept = vec![1.0; graph.edge_count()];
    let (_, wanted) = oracle::run(weights, graph, clean, &zeros, &kept);
    let mut ablated = zeros;
    for layer in layers {
        let (_, outputs) = oracle::run(weights, graph, noised, &ablated, &kept);
        for (writer, node) in graph.writers().iter().enumerate() {
            let here = match (*node, part) {
                (Node::Head { layer: at, .. }, BlockPart::Attention)
                | (Node::Mlp { layer: at }, BlockPart::Mlp) => at == layer,
                _ => false,
            };
            if here {
                ablated[writer].clone_from(&outputs[writer]);
                ablated[writer][position].clone_from(&wanted[writer][position]);
                for (edge, kept) in kept.iter_mut().enumerate() {
                    if graph.ends(edge).0 == writer {
                        *kept = 0.0;
                    }
                }
            }
        }
    }
    let (logits, _) = oracle::run(weights, graph, noised, &ablated, &kept);
    logits[clean.len() - 1].clone()
}

#[test]
fn parts_put_back_are_what_they_were_without_noise() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 7), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let tokens: &[u32] = &[1, 5, 9, 2, 4];
        let prompt = Prompt {
            tokens,
            reads: &[4],
        };
        let embedded = oracle::embed(&weights, tokens);
        // Two samples of noise on the second and third token.
        let noise: Vec<Rows> = [0.5, 2.5]
            .iter()
            .map(|seed| {
                let mut noise = vec![vec![0.0; config.d_model]; tokens.len()];
                noise[1] = some_row(config.d_model, *seed);
                noise[2] = some_row(config.d_model, 1.0 + seed);
                noise
            })
            .collect();
        let flat: Vec<f64> = noise.iter().flatten().flatten().copied().collect();
        let clean = Rerun::new(&transformer, &[prompt], None).expect("a run");
        let noised = Rerun::new(&transformer, &[prompt; 2], Some(&flat)).expect("a run");
        let noisy: Vec<Rows> = noise
            .iter()
            .map(|noise| {
                let rows = embedded.iter().zip(noise);
                rows.map(|(row, noise)| row.iter().zip(noise).map(|(a, b)| a + b).collect())
                    .collect()
            })
            .collect();
        let wanted: Vec<f64> = noisy
            .iter()
            .flat_map(|rows| oracle::plain(&weights, &graph, rows).0[4].clone())
            .collect();
        assert_close(&noised.logits().expect("logits"), &wanted, "noise");
        let places: Vec<(usize, usize)> = (0..2)
            .flat_map(|sample| (1..5).map(move |position| (sample, position)))
            .collect();
        let n = config.n_layers;
        for part in [BlockPart::Attention, BlockPart::Mlp] {
            for layers in [0..1, 1..3, 0..n, n - 1..n, n - 2..n] {
                let which = (layers.clone(), part);
                let found = noised.restored(&clean, which, &places).expect("logits");
                let wanted: Vec<f64> = places
                    .iter()
                    .flat_map(|&(sample, position)| {
                        let place = (layers.clone(), part, position);
                        restored(&weights, &graph, (&embedded, &noisy[sample]), place)
                    })
                    .collect();
                assert_close(&found, &wanted, &format!("{part:?} of {layers:?}"));
            }
        }
        // The stream put back everywhere is the run without noise.
        for layer in 0..n {
            let from = if layer + 1 == n { 4 } else { 0 };
            let values: Vec<f64> = (from..5)
                .flat_map(|position| clean.stream(0, position, layer).expect("a stream").to_vec())
                .collect();
            let all = Overwrite {
                prompt: 1,
                position: from,
                values,
            };
            let found = noised.overwritten(layer, &[all]).expect("logits");
            assert_close(&found, &clean.logits().expect("logits"), "all restored");
        }
    }
}

/// The vector of a token is the derivative of its logit, up to the scale of the final norm: against finite differences.
#[test]
fn the_vector_of_a_token_raises_its_logit() {
    for mut config in [gpt2(false), llama()] {
        // So that the scale is the same for all tokens, at a point of norm one without mean.
        if let Norm::LayerNorm { eps } | Norm::RmsNorm { eps } = &mut config.norm {
            *eps = 1e-12;
        }
        let (weights, graph) = (oracle::random_weights(&config, 9), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let last = config.n_layers - 1;
        let prompt = Prompt {
            tokens: &[3, 1],
            reads: &[1],
        };
        let run = Rerun::new(&transformer, &[prompt], None).expect("a run");
        let stream = run.stream(0, 1, last).expect("a stream").to_vec();
        let centre = match config.norm {
            Norm::LayerNorm { .. } => stream.iter().sum::<f64>() / stream.len() as f64,
            _ => 0.0,
        };
        let centred: Vec<f64> = stream.iter().map(|x| x - centre).collect();
        let size = oracle::dot(&centred, &centred) / stream.len() as f64;
        let logit = |step: &[f64], token: u32| {
            let values = stream.iter().zip(step).map(|(x, step)| x + step).collect();
            let change = Overwrite {
                prompt: 0,
                position: 1,
                values,
            };
            run.overwritten(last, &[change]).expect("logits")[token as usize]
        };
        for token in [0, 5, 22] {
            let vector = transformer.token_vector(token, TokenVector::Unembedding);
            // Steps that leave the norm of the stream, to first order: along what is left of the vector without the stream.
            let along = oracle::dot(&vector, &centred) / oracle::dot(&centred, &centred);
            let step: Vec<f64> = vector
                .iter()
                .zip(&centred)
                .map(|(v, x)| 1e-5 * (v - along * x))
                .collect();
            let back: Vec<f64> = step.iter().map(|x| -x).collect();
            let rise = (logit(&step, token) - logit(&back, token)) / 2.0;
            let wanted = oracle::dot(&vector, &step) / size.sqrt();
            assert!(
                (rise - wanted).abs() < 1e-6 * wanted.abs(),
                "{rise}, not {wanted}"
            );
            let embedding = transformer.token_vector(token, TokenVector::Embedding);
            assert_eq!(embedding, weights.embedding.gather(&[token as usize]));
        }
    }
}
