//! Jacobians, and the runs with changed subjects that they are held against.

use std::path::Path;

use secateur::engine::{Overwrite, Prompt, Rerun, Transformer};
use secateur::events::Silent;
use secateur::model::{Block, Table, Weights, load_model};

use super::{graph_of, prompt};
use crate::oracle::{self, gpt2, llama};
use crate::shapes;
use secateur::task::SubjectPrompt;

const STEP: f64 = 1e-5;

/// Prompts about subjects that were run, read at their ends.
pub(super) struct Subjects<'t, 'a> {
    pub(super) runs: Rerun<'t, 'a, f64>,
    prompts: Vec<SubjectPrompt>,
}

impl<'t, 'a> Subjects<'t, 'a> {
    pub(super) fn new(transformer: &'t Transformer<'a, f64>, prompts: &[SubjectPrompt]) -> Self {
        let ends: Vec<[usize; 1]> = prompts.iter().map(|it| [it.tokens.len() - 1]).collect();
        let asked = prompts.iter().zip(&ends).map(|(it, end)| Prompt {
            tokens: &it.tokens,
            reads: end,
        });
        Self {
            runs: Rerun::new(transformer, &asked.collect::<Vec<_>>(), None).expect("runs"),
            prompts: prompts.to_vec(),
        }
    }

    /// The stream after a layer at the subject.
    pub(super) fn subject(&self, layer: usize, prompt: usize) -> &[f64] {
        let place = self.prompts[prompt].subject;
        self.runs.stream(prompt, place, layer).expect("a stream")
    }

    /// The stream at the end.
    pub(super) fn object(&self, prompt: usize) -> &[f64] {
        let d_model = self.runs.read().len() / self.prompts.len();
        &self.runs.read()[prompt * d_model..(prompt + 1) * d_model]
    }

    /// The stream at the end with others at the subject.
    fn changed(&self, layer: usize, changes: &[(usize, Vec<f64>)]) -> Vec<f64> {
        let changes = changes.iter().map(|(prompt, values)| Overwrite {
            prompt: *prompt,
            position: self.prompts[*prompt].subject,
            values: values.clone(),
        });
        let changes: Vec<Overwrite<f64>> = changes.collect();
        self.runs.finals(layer, &changes).expect("runs")
    }

    /// The Jacobian of a prompt by a layer, `[outputs][inputs]`, by central differences.
    pub(super) fn by_differences(&self, prompt: usize, layer: usize) -> Vec<Vec<f64>> {
        let own = self.subject(layer, prompt).to_vec();
        let shifted = |input: usize, step: f64| {
            let mut shifted = own.clone();
            shifted[input] += step;
            (prompt, shifted)
        };
        let changes: Vec<_> = (0..own.len())
            .flat_map(|input| [shifted(input, STEP), shifted(input, -STEP)])
            .collect();
        let finals = self.changed(layer, &changes);
        let finals: Vec<&[f64]> = finals.chunks_exact(own.len()).collect();
        let slope = |output: usize, input: usize| {
            (finals[2 * input][output] - finals[2 * input + 1][output]) / (2.0 * STEP)
        };
        (0..own.len())
            .map(|output| (0..own.len()).map(|input| slope(output, input)).collect())
            .collect()
    }

    /// The same by gradients.
    fn by_gradients(&self, prompt: usize, layers: &[usize]) -> Vec<(usize, Vec<f64>)> {
        let mut found: Vec<(usize, Vec<f64>)> = layers.iter().map(|&it| (it, Vec::new())).collect();
        let place = (prompt, self.prompts[prompt].subject);
        let add = |layer: usize, first: usize, rows: &[f64]| {
            let of = found
                .iter_mut()
                .find(|it| it.0 == layer)
                .expect("a layer asked for");
            assert_eq!(
                of.1.len(),
                first * self.object(0).len(),
                "rows come in order"
            );
            of.1.extend_from_slice(rows);
        };
        self.runs
            .jacobians(place, layers, &Silent, add)
            .expect("Jacobians");
        found
    }
}

fn models() -> Vec<(String, Weights<f64>)> {
    let random = [
        gpt2(false),
        gpt2(true),
        llama(),
        shapes::attention_only(),
        shapes::local(),
        shapes::post_norms(),
    ];
    let mut models: Vec<(String, Weights<f64>)> = random
        .iter()
        .enumerate()
        .map(|(index, config)| {
            let name = format!("{} {index}", config.family);
            (name, oracle::random_weights(config, 3))
        })
        .collect();
    for name in ["gpt_neox", "gemma2", "gemma3_text", "qwen3", "phi3"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/families")
            .join(name);
        let model = load_model(".", &folder).expect("the model");
        models.push((name.to_owned(), model.weights.cast()));
    }
    models
}

#[test]
fn jacobians_are_derivatives_in_every_family() {
    for (name, weights) in models() {
        let graph = graph_of(&weights.config);
        let transformer = Transformer::new(&weights, &graph);
        // Subjects of one and of several tokens, at the beginning, in the middle and at the end.
        let prompts = [
            prompt(&[1, 2, 5, 3, 7], 2),
            prompt(&[1, 2, 6, 8, 3], 3),
            prompt(&[1, 2, 9], 2),
        ];
        let subjects = Subjects::new(&transformer, &prompts);
        assert_eq!(subjects.runs.shared(), 2);
        let layers: Vec<usize> = (0..weights.config.n_layers - 1).collect();
        for prompt in 0..prompts.len() {
            for (layer, found) in subjects.by_gradients(prompt, &layers) {
                let wanted = subjects.by_differences(prompt, layer).concat();
                let scale = wanted.iter().fold(0.0, |most: f64, it| most.max(it.abs()));
                assert!(scale > 0.0, "{name}: nothing depends on the subject");
                assert_eq!(found.len(), wanted.len());
                for (found, wanted) in found.iter().zip(&wanted) {
                    let error = (found - wanted).abs() / scale;
                    assert!(
                        error < 1e-6,
                        "{name}, layer {layer}, prompt {prompt}: {error}"
                    );
                }
            }
        }
    }
}

/// Up to a layer nothing is written, so that the stream there is the token's embedding: another one of the subject is
/// another token.
#[test]
fn a_changed_subject_is_another_embedding() {
    for config in [gpt2(false), gpt2(true), llama()] {
        let random = oracle::random_weights(&config, 9);
        for layer in 0..config.n_layers - 1 {
            let blocks = (0..config.n_layers).map(|at| {
                let mut block = Block {
                    attention: (*random.attention(at)).clone(),
                    mlp: random.mlp(at).map(|mlp| (*mlp).clone()),
                };
                if at <= layer {
                    let down = &mut block.mlp.as_mut().expect("an MLP").down;
                    for map in [&mut block.attention.o, down] {
                        map.weight = vec![0.0; map.inputs * map.outputs].into();
                        map.bias = None;
                    }
                }
                block
            });
            let weights = Weights {
                blocks: blocks.collect::<Vec<_>>().into(),
                ..random.clone()
            };
            let graph = graph_of(&config);
            let transformer = Transformer::new(&weights, &graph);
            let prompts = [prompt(&[1, 2, 5, 3, 7], 2), prompt(&[1, 4, 5, 6], 2)];
            let subjects = Subjects::new(&transformer, &prompts);
            let change: Vec<f64> = (0..config.d_model).map(|it| (it as f64).cos()).collect();
            for (index, it) in prompts.iter().enumerate() {
                let stream = subjects.subject(layer, index).iter().zip(&change);
                let stream: Vec<f64> = stream.map(|(a, b)| a + b).collect();
                let found = subjects.changed(layer, &[(index, stream)]);
                let all: Vec<usize> = (0..config.d_vocab).collect();
                let mut rows = weights.embedding.gather(&all);
                let token = it.tokens[it.subject] as usize;
                let row = &mut rows[token * config.d_model..(token + 1) * config.d_model];
                for (value, change) in row.iter_mut().zip(&change) {
                    *value += change;
                }
                let other = Weights {
                    embedding: Table::new(rows, config.d_model),
                    ..weights.clone()
                };
                let residuals = Transformer::new(&other, &graph).residuals(&it.tokens);
                let last = residuals.streams.last().expect("streams");
                let wanted = &last[last.len() - config.d_model..];
                for (found, wanted) in found.iter().zip(wanted) {
                    assert!(
                        (found - wanted).abs() < 1e-9,
                        "layer {layer}: {found}, not {wanted}"
                    );
                }
            }
        }
    }
}

/// What prompts share and how many outputs are taken at a time is of no influence; nor are layers that are not asked for.
#[test]
fn cached_beginnings_and_groups_do_not_change_a_bit() {
    for (name, weights) in models() {
        let graph = graph_of(&weights.config);
        let transformer = Transformer::new(&weights, &graph);
        let rooms = [1, 20_000, 60_000, 200_000].map(Some);
        let small = rooms.map(|room| Transformer::new(&weights, &graph).within(room));
        let one = prompt(&[1, 2, 5, 3, 7], 2);
        let alone = [one.clone()];
        let shared = [one.clone(), prompt(&[1, 2, 6, 7], 2)];
        let apart = [one.clone(), prompt(&[3, 2, 6, 7], 2)];
        let wanted = Subjects::new(&transformer, &alone);
        assert_eq!(wanted.runs.shared(), 0);
        let layers: Vec<usize> = (0..weights.config.n_layers - 1).collect();
        let jacobians = wanted.by_gradients(0, &layers);
        for (prompts, count) in [(&shared, 2), (&apart, 0)] {
            for transformer in small.iter().chain([&transformer]) {
                let found = Subjects::new(transformer, prompts);
                assert_eq!(found.runs.shared(), count);
                assert_eq!(found.object(0), wanted.object(0), "{name}");
                for &layer in &layers {
                    assert_eq!(found.subject(layer, 0), wanted.subject(layer, 0), "{name}");
                    let own = found.subject(layer, 0).to_vec();
                    assert_eq!(found.changed(layer, &[(0, own)]), wanted.object(0));
                }
                assert!(found.by_gradients(0, &layers) == jacobians, "{name}");
                let last = layers.len() - 1;
                assert!(
                    found.by_gradients(0, &[last])[0] == jacobians[last],
                    "{name}"
                );
            }
        }
        // The streams are those of a plain run, whether they are after a shared beginning or in it.
        let behind_another = Subjects::new(&transformer, &shared);
        let residuals = transformer.residuals(&one.tokens);
        let d_model = weights.config.d_model;
        for &layer in &layers {
            let rows = residuals.streams[layer + 1].chunks_exact(d_model);
            for (position, row) in rows.enumerate() {
                let of = |it: &Subjects<'_, '_>| it.runs.stream(0, position, layer) == Some(row);
                assert!(of(&wanted) && of(&behind_another), "{name}");
            }
        }
        let last = residuals.streams.last().expect("streams");
        assert_eq!(&last[last.len() - d_model..], wanted.object(0), "{name}");
    }
}
