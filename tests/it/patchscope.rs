//! Patchscopes against plain passes from overwritten streams, in double precision.

use secateur::analyze::lens::TunedLens;
use secateur::analyze::patchscope::{
    DecodeLayer, Expected, Mapping, PatchscopeReport, PatchscopeTask, Source, TargetTokens, look,
};
use secateur::analyze::{AffineMap, Patchscope};
use secateur::engine::{StreamSite, Transformer};
use secateur::events::Silent;
use secateur::model::{ModelConfig, Weights};

use crate::oracle::{self, gpt2, llama};
use crate::rerun::{assert_close, graph_of};

fn sources() -> Vec<Source> {
    let prompts: [&[u32]; 6] = [
        &[3, 1, 4],
        &[1, 5, 9, 2],
        &[6, 5],
        &[3, 5, 8, 9, 7],
        &[9, 3],
        &[2, 3, 8],
    ];
    let source = |(index, tokens): (usize, &&[u32])| Source {
        tokens: tokens.to_vec(),
        answers: vec![index as u32, index as u32 + 10],
    };
    prompts.iter().enumerate().map(source).collect()
}

fn target_tokens(position: usize) -> TargetTokens {
    TargetTokens {
        tokens: vec![2, 7, 1, 8, 2],
        position,
    }
}

fn report(
    transformer: &Transformer<'_, f64>,
    (sources, target_tokens): (&[Source], &TargetTokens),
    question: &Patchscope,
    passages: &[Vec<u32>],
) -> secateur::Result<PatchscopeReport> {
    report_through(
        transformer,
        (sources, target_tokens),
        question,
        (passages, None),
    )
}

fn report_through(
    transformer: &Transformer<'_, f64>,
    (sources, target_tokens): (&[Source], &TargetTokens),
    question: &Patchscope,
    (passages, lens): (&[Vec<u32>], Option<&TunedLens<f64>>),
) -> secateur::Result<PatchscopeReport> {
    let task = PatchscopeTask {
        discovery: &sources[..sources.len() / 2],
        held_out: &sources[sources.len() / 2..],
        texts: &sources[..1],
        target_tokens,
        passages,
        lens,
        bootstrap: 20,
        tokenizer: None,
        stop: None,
    };
    look(transformer, &task, question, &Silent)
}

/// Log-probabilities of the next token after the inspected prompt with a source's stream put in.
fn said(
    weights: &Weights<f64>,
    (source, from): (&Source, usize),
    (target_tokens, to): (&TargetTokens, usize),
) -> Vec<f64> {
    let graph = graph_of(&weights.config);
    let plain = |tokens: &[u32]| oracle::plain(weights, &graph, &oracle::embed(weights, tokens));
    let taken = plain(&source.tokens).1[from][source.tokens.len() - 1].clone();
    let mut stream = plain(&target_tokens.tokens).1[to].clone();
    stream[target_tokens.position] = taken;
    let logits = oracle::from_stream(weights, &graph, to, &stream);
    log_softmax(&logits[target_tokens.tokens.len() - 1])
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit - total.ln()).collect()
}

fn best(values: &[f64]) -> u32 {
    let best = (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]));
    best.expect("values") as u32
}

fn own_next(weights: &Weights<f64>, source: &Source) -> u32 {
    let graph = graph_of(&weights.config);
    let (logits, _) = oracle::plain(weights, &graph, &oracle::embed(weights, &source.tokens));
    best(&logits[source.tokens.len() - 1])
}

/// Share of hits and mean surprisal over some sources.
fn figures(
    weights: &Weights<f64>,
    sources: &[Source],
    (from, target_tokens, to): (usize, &TargetTokens, usize),
    expected: &dyn Fn(&Source) -> Vec<u32>,
) -> [f64; 2] {
    let mut sums = [0.0; 2];
    for source in sources {
        let logs = said(weights, (source, from), (target_tokens, to));
        let expected = expected(source);
        sums[0] += f64::from(u8::from(expected.contains(&best(&logs))));
        let sum: f64 = expected
            .iter()
            .map(|&token| logs[token as usize].exp())
            .sum();
        sums[1] -= sum.ln();
    }
    sums.map(|sum| sum / sources.len() as f64)
}

fn configs() -> [ModelConfig; 2] {
    [gpt2(false), llama()]
}

#[test]
fn every_source_and_target_layer_equals_a_plain_run() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 21), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let sources = sources();
        let (discovery, held_out) = sources.split_at(3);
        for (position, expected) in [
            (4, Expected::Next),
            (2, Expected::Next),
            (4, Expected::Answer),
        ] {
            let question = Patchscope {
                expected,
                samples: 1,
                tokens: 2,
                ..Patchscope::default()
            };
            let target_tokens = target_tokens(position);
            let report = report(&transformer, (&sources, &target_tokens), &question, &[]);
            let report = report.expect("a report");
            let tokens = |source: &Source| match expected {
                Expected::Next => vec![own_next(&weights, source)],
                Expected::Answer => source.answers.clone(),
            };
            assert_eq!(report.grid.len(), config.n_layers * config.n_layers);
            for point in &report.grid {
                let at = (point.source, &target_tokens, point.target);
                let on = |sources: &[Source]| figures(&weights, sources, at, &tokens);
                let found = [point.precision_discovery, point.precision, point.surprisal];
                let [precision, surprisal] = on(held_out);
                let expected = [on(discovery)[0], precision, surprisal];
                assert_close(&found, &expected, &format!("{point:?}"));
            }
            let last = config.n_layers - 1;
            for layer in &report.layers {
                let row = || report.grid.iter().filter(|it| it.source == layer.layer);
                // The target layer is chosen on discovery prompts alone.
                let most = row().map(|it| it.precision_discovery).fold(0.0, f64::max);
                let chosen = row().find(|it| it.target == layer.target);
                let chosen = chosen.expect("a target");
                assert!((chosen.precision_discovery - most).abs() < 1e-12);
                assert!((chosen.precision - layer.patched.precision.mean).abs() < 1e-12);
                assert!((chosen.surprisal - layer.patched.surprisal.mean).abs() < 1e-9);
                let same = row().find(|it| it.target == layer.layer).expect("a target");
                let found = layer.same.expect("a figure").surprisal.mean;
                assert!((same.surprisal - found).abs() < 1e-9);
                // At the position read, after the last layer, a patchscope is the logit lens.
                if position == 4 {
                    let end = row().find(|it| it.target == last).expect("a target");
                    let lens = layer.logit_lens;
                    assert!((end.surprisal - lens.surprisal.mean).abs() < 1e-9);
                    assert!((end.precision - lens.precision.mean).abs() < 1e-12);
                }
            }
            assert_eq!(report.decoded.len(), 2);
            assert!(
                report
                    .decoded
                    .iter()
                    .all(|it| it.layers.len() == config.n_layers)
            );
        }
    }
}

/// A prompt's own representation, put where it was taken, says what the prompt says.
#[test]
fn a_prompt_s_own_representation_changes_nothing() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 23), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let target_tokens = target_tokens(4);
        let mut sources = sources();
        sources[0].tokens.clone_from(&target_tokens.tokens);
        sources[3].tokens.clone_from(&target_tokens.tokens);
        let question = Patchscope {
            tokens: 4,
            samples: 0,
            ..Patchscope::default()
        };
        let report = report(&transformer, (&sources, &target_tokens), &question, &[]);
        let report = report.expect("a report");
        let decoded = &report.decoded[0];
        assert!(
            decoded
                .layers
                .iter()
                .all(|layer| layer.says == decoded.unpatched)
        );
        assert_eq!(decoded.unpatched.split(' ').count(), 4);
    }
}

/// Of a layer to itself, a map fitted without penalty changes nothing; the report then says what it says without one.
#[test]
fn a_map_from_a_layer_to_itself_changes_nothing() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 25), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let passages: Vec<Vec<u32>> = (0..8)
        .map(|row| {
            (0..10)
                .map(|at| (row * 5 + at * at * 3 + at) % 23)
                .collect()
        })
        .collect();
    let sources = sources();
    let target_tokens = target_tokens(4);
    for layer in 0..config.n_layers {
        let question = |mapping| Patchscope {
            mapping,
            source_layers: vec![layer],
            target_layers: vec![layer],
            tokens: 3,
            decode_layer: DecodeLayer::Layer(layer),
            ..Patchscope::default()
        };
        let ridge = Mapping::Ridge {
            text: "text.txt".into(),
            tokens: 80,
            penalty: 1e-13,
        };
        let on = (&sources[..], &target_tokens);
        let mapped = report(&transformer, on, &question(ridge), &passages).expect("a report");
        let plain = report(&transformer, on, &question(Mapping::Identity), &[]).expect("a report");
        assert!((mapped.grid[0].surprisal - plain.grid[0].surprisal).abs() < 1e-5);
        assert_eq!(mapped.decoded, plain.decoded);
        let lens = |report: &PatchscopeReport| report.layers[0].logit_lens;
        assert_eq!(lens(&mapped), lens(&plain));
        assert_eq!(plain.layers[0].mapped_lens, None);
        // The last layer's map to itself is the logit lens.
        if layer + 1 == config.n_layers {
            let mapped_lens = mapped.layers[0].mapped_lens.expect("a lens");
            let difference = mapped_lens.surprisal.mean - lens(&mapped).surprisal.mean;
            assert!(difference.abs() < 1e-5);
        }
    }
}

/// What stands first in a passage is left out of the fit, so that passages of one token change nothing.
#[test]
fn maps_are_not_fitted_on_first_positions() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 25), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let row =
        |row: u32| -> Vec<u32> { (0..8).map(|at| (row * 5 + at * at * 3 + at) % 23).collect() };
    let passages: Vec<Vec<u32>> = (0..4).map(row).collect();
    let question = Patchscope {
        mapping: Mapping::Ridge {
            text: "text.txt".into(),
            tokens: 80,
            penalty: 0.01,
        },
        source_layers: vec![0],
        target_layers: vec![1],
        tokens: 0,
        decode_layer: DecodeLayer::Layer(1),
        ..Patchscope::default()
    };
    let (sources, target_tokens) = (sources(), target_tokens(4));
    let found = |passages: &[Vec<u32>]| {
        report(
            &transformer,
            (&sources, &target_tokens),
            &question,
            passages,
        )
    };
    let with_more = |more: &[Vec<u32>]| [&passages[..], more].concat();
    let plain = found(&passages).expect("a report");
    let firsts: Vec<Vec<u32>> = (0..9).map(|token| vec![token]).collect();
    assert_eq!(found(&with_more(&firsts)).expect("a report"), plain);
    assert_ne!(found(&with_more(&[vec![3, 4]])).expect("a report"), plain);
    let error = found(&firsts).expect_err("nothing to fit").to_string();
    assert!(error.contains("the first of each is left out"), "{error}");
}

/// Small maps of all layers but the last.
fn lens(config: &ModelConfig) -> TunedLens<f64> {
    let width = config.d_model;
    let numbers = |count: usize, seed: usize| -> Vec<f64> {
        let number = |at: usize| ((at * 7 + seed * 13) as f64 * 0.61).sin();
        (0..count)
            .map(|at| 0.5 * number(at) / width as f64)
            .collect()
    };
    let map = |layer: usize| {
        let map = AffineMap {
            weight: numbers(width * width, layer),
            bias: numbers(width, layer + 9),
        };
        (StreamSite::Layer(layer), map)
    };
    TunedLens {
        maps: (0..config.n_layers - 1).map(map).collect(),
    }
}

/// What is put is what the target layer's map takes to where the source layer's takes the representation; found here by
/// repeated substitution.
#[test]
fn through_a_tuned_lens_it_shows_the_same_at_the_target_layer() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 26), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let (sources, target_tokens, lens) = (sources(), target_tokens(4), lens(&config));
    let question = Patchscope {
        mapping: Mapping::Lens("lens.safetensors".into()),
        expected: Expected::Answer,
        tokens: 0,
        ..Patchscope::default()
    };
    let on = (&sources[..], &target_tokens);
    let found = report_through(&transformer, on, &question, (&[], Some(&lens))).expect("a report");
    let held_out = &sources[sources.len() / 2..];
    let last = config.n_layers - 1;
    let seen = |layer: usize, stream: &[f64]| lens.translate(StreamSite::Layer(layer), stream);
    for point in &found.grid {
        let surprisals = held_out.iter().map(|source| {
            let plain =
                |tokens: &[u32]| oracle::plain(&weights, &graph, &oracle::embed(&weights, tokens));
            let taken = plain(&source.tokens).1[point.source][source.tokens.len() - 1].clone();
            let expected = seen(point.source, &taken);
            let mut put = expected.clone();
            for _ in 0..200 {
                let reached = seen(point.target, &put);
                for ((put, reached), expected) in put.iter_mut().zip(reached).zip(&expected) {
                    *put += expected - reached;
                }
            }
            let mut stream = plain(&target_tokens.tokens).1[point.target].clone();
            stream[target_tokens.position] = put;
            let logits = oracle::from_stream(&weights, &graph, point.target, &stream);
            let said = log_softmax(&logits[target_tokens.tokens.len() - 1]);
            let probability: f64 = source
                .answers
                .iter()
                .map(|&it| said[it as usize].exp())
                .sum();
            -probability.ln()
        });
        let mean = surprisals.sum::<f64>() / held_out.len() as f64;
        assert!((mean - point.surprisal).abs() < 1e-8, "{point:?}: {mean}");
    }
    // To the last layer, on the prompt's last position, it is the tuned lens.
    for layer in &found.layers {
        let to_last = found
            .grid
            .iter()
            .find(|it| (it.source, it.target) == (layer.layer, last));
        let to_last = to_last.expect("a pair").surprisal;
        let through = layer.mapped_lens.expect("a tuned lens").surprisal.mean;
        assert!((to_last - through).abs() < 1e-9);
    }
}

/// Memory decides what is run together, never a result.
#[test]
fn results_do_not_depend_on_the_room() {
    let config = gpt2(false);
    let (weights, graph) = (oracle::random_weights(&config, 27), graph_of(&config));
    let on = (&sources()[..], &target_tokens(2));
    let question = Patchscope::default();
    let whole = report(&Transformer::new(&weights, &graph), on, &question, &[]);
    let bounded = Transformer::new(&weights, &graph).within(Some(1));
    let bounded = report(&bounded, on, &question, &[]);
    assert_eq!(bounded.expect("a report"), whole.expect("a report"));
}

#[test]
fn layers_that_are_not_there_and_prompts_that_want_the_same_are_refused() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 29), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let target_tokens = target_tokens(4);
    let refused = |sources: &[Source], question: &Patchscope, part: &str| {
        let error = report(&transformer, (sources, &target_tokens), question, &[]);
        let error = error.expect_err("a mistake").to_string();
        assert!(error.contains(part), "{error}");
    };
    let decode_layer = Patchscope {
        decode_layer: DecodeLayer::Layer(4),
        ..Patchscope::default()
    };
    refused(&sources(), &decode_layer, "there is no layer 4");
    let targets = Patchscope {
        target_layers: vec![1, 9],
        ..Patchscope::default()
    };
    refused(&sources(), &targets, "there is no layer 9");
    let same = vec![sources()[0].clone(); 4];
    refused(&same, &Patchscope::default(), "want the same token");
}
