//! Tuned lenses: the fit against normal equations solved step by step, the training's gradient against finite differences,
//! planted maps, files.

use secateur::analyze::lens::{TunedFit, TunedLens, fit, judge_lens, train};
use secateur::analyze::lens::{parse_tuned_lens, tuned_lens_safetensors};
use secateur::analyze::sae::Corpus;
use secateur::analyze::vector::VectorStamp;
use secateur::engine::{StreamSite, Transformer};
use secateur::events::Silent;
use secateur::graph::ComputationGraph;
use secateur::model::{Block, Weights};

use super::{assert_close, models, tokens};
use crate::oracle;

const RIDGE: f64 = 0.01;

fn contexts(weights: &Weights<f64>, count: u32) -> Vec<Vec<u32>> {
    (0..count)
        .map(|seed| tokens(&weights.config, 4 + (seed % 3) as usize, seed))
        .collect()
}

/// Solves `matrix x = b` by elimination with the largest pivot, for each column of `b`.
fn solved(mut matrix: Vec<Vec<f64>>, mut b: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let size = matrix.len();
    for column in 0..size {
        let pivot = (column..size)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))
            .expect("a row");
        matrix.swap(column, pivot);
        b.swap(column, pivot);
        for row in 0..size {
            if row == column {
                continue;
            }
            let factor = matrix[row][column] / matrix[column][column];
            let (pivot, other) = (matrix[column].clone(), b[column].clone());
            for (value, pivot) in matrix[row].iter_mut().zip(&pivot) {
                *value -= factor * pivot;
            }
            for (value, other) in b[row].iter_mut().zip(&other) {
                *value -= factor * other;
            }
        }
    }
    for (row, values) in b.iter_mut().enumerate() {
        for value in values {
            *value /= matrix[row][row];
        }
    }
    b
}

/// The map of one place, from plain streams and sums written out.
fn plain_map(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    contexts: &[Vec<u32>],
    place: usize,
) -> Vec<Vec<f64>> {
    let width = weights.config.d_model;
    let mut matrix = vec![vec![0.0; width + 1]; width + 1];
    let mut b = vec![vec![0.0; width]; width + 1];
    for context in contexts {
        let streams = oracle::streams(weights, graph, context);
        for (x, y) in streams[place].iter().zip(streams.last().expect("places")) {
            let weight = width as f64 / y.iter().map(|value| value * value).sum::<f64>();
            let extended = [&x[..], &[1.0]].concat();
            for row in 0..=width {
                for column in 0..=width {
                    matrix[row][column] += weight * extended[row] * extended[column];
                }
                for column in 0..width {
                    b[row][column] += weight * extended[row] * (y[column] - x[column]);
                }
            }
        }
    }
    let scale = (0..width).map(|at| matrix[at][at]).sum::<f64>() / width as f64;
    for (at, row) in matrix.iter_mut().enumerate().take(width) {
        row[at] += RIDGE * scale;
    }
    solved(matrix, b)
}

#[test]
fn fitted_maps_solve_the_normal_equations() {
    for (name, weights, graph) in models() {
        let transformer = Transformer::new(&weights, &graph);
        let contexts = contexts(&weights, 11);
        let places = transformer.places(false);
        let lens = fit(&transformer, &contexts, &places, RIDGE, &Silent).expect("maps");
        assert_eq!(
            lens.maps.len(),
            weights.config.n_layers,
            "no map after the last layer"
        );
        for (place, map) in &lens.maps {
            let at = (2.0 * place.blocks()) as usize;
            let wanted = plain_map(&weights, &graph, &contexts, at);
            let (bias, weight) = wanted.split_last().expect("a bias");
            assert_close(&map.weight, &weight.concat(), &format!("{name}, {place}"));
            assert_close(&map.bias, bias, &format!("{name}, bias of {place}"));
        }
    }
}

/// With layers that write the same everywhere, a map only has to add that.
fn constant_layers(weights: &Weights<f64>) -> Weights<f64> {
    let blocks = (0..weights.config.n_layers).map(|layer| {
        let mut block = Block {
            attention: (*weights.attention(layer)).clone(),
            mlp: weights.mlp(layer).map(|mlp| (*mlp).clone()),
        };
        let zeros = vec![0.0; block.attention.o.weight.len()];
        block.attention.o.weight = zeros.into();
        let mlp = block.mlp.as_mut().expect("an MLP");
        mlp.down.weight = vec![0.0; mlp.down.weight.len()].into();
        block
    });
    Weights {
        blocks: blocks.collect::<Vec<_>>().into(),
        ..weights.clone()
    }
}

#[test]
fn a_planted_shift_is_found() {
    let (_, weights, graph) = models().swap_remove(0);
    let weights = constant_layers(&weights);
    let transformer = Transformer::new(&weights, &graph);
    let places = transformer.places(false);
    let lens = fit(
        &transformer,
        &contexts(&weights, 30),
        &places,
        1e-9,
        &Silent,
    )
    .expect("maps");
    for (place, map) in &lens.maps {
        let mut shift = vec![0.0; weights.config.d_model];
        for layer in place.blocks() as usize..weights.config.n_layers {
            oracle::add(
                &mut shift,
                weights.attention(layer).o.bias.as_ref().expect("a bias"),
            );
            oracle::add(
                &mut shift,
                weights
                    .mlp(layer)
                    .expect("an MLP")
                    .down
                    .bias
                    .as_ref()
                    .expect("a bias"),
            );
        }
        assert!(map.weight.iter().all(|value| value.abs() < 1e-5), "{place}");
        for (bias, shift) in map.bias.iter().zip(&shift) {
            assert!((bias - shift).abs() < 1e-4, "{place}: {bias}, not {shift}");
        }
    }
    let held_out = [
        tokens(&weights.config, 6, 91),
        tokens(&weights.config, 6, 92),
    ];
    let figures = judge_lens(
        &transformer,
        &held_out,
        &places,
        (&lens, &lens),
        (100, 50),
        &Silent,
    );
    let figures = figures.expect("figures");
    assert_eq!([figures.judged, figures.contexts], [12, 2]);
    for place in &figures.places {
        assert!(
            place.fitted.mean < 1e-6 && place.logit_lens.mean > 1e-3,
            "{}",
            place.place
        );
        let gain = place.logit_lens.mean - place.fitted.mean;
        assert!((place.improvement.mean - gain).abs() < 1e-9 && place.trained.is_none());
    }
}

#[test]
fn the_gradient_of_the_divergence_is_that_of_finite_differences() {
    for (name, weights, graph) in models() {
        let transformer = Transformer::new(&weights, &graph);
        let width = weights.config.d_model;
        let numbers = |seed: f64, count: usize| -> Vec<f64> {
            (0..count)
                .map(|at| (at as f64 * 0.61 + seed).sin())
                .collect()
        };
        let (streams, finals) = (numbers(0.3, 2 * width), numbers(1.9, 2 * width));
        let (losses, gradient) = transformer.divergence(&streams, &finals);
        let loss = |streams: &[f64]| {
            transformer
                .divergence(streams, &finals)
                .0
                .iter()
                .sum::<f64>()
        };
        assert!((losses.iter().sum::<f64>() - loss(&streams)).abs() < 1e-12);
        let slopes: Vec<f64> = (0..streams.len())
            .map(|at| {
                let moved = |by: f64| {
                    let mut streams = streams.clone();
                    streams[at] += by;
                    loss(&streams)
                };
                (moved(1e-5) - moved(-1e-5)) / 2e-5
            })
            .collect();
        for (found, wanted) in gradient.iter().zip(&slopes) {
            assert!(
                (found - wanted).abs() < 1e-6,
                "{name}: {found}, not {wanted}"
            );
        }
    }
}

fn training(train: Vec<usize>) -> TunedFit {
    TunedFit {
        text: Corpus::Sampled { tokens: 0, seed: 0 },
        context: 6,
        ridge: RIDGE,
        train,
        steps: 300,
        batch: 16,
        learning_rate: 3e-3,
        seed: 4,
        judged: 1000,
    }
}

/// Training lowers what it is about, on the text that it sees.
#[test]
fn trained_maps_diverge_less() {
    let (_, weights, graph) = models().swap_remove(2);
    let transformer = Transformer::new(&weights, &graph);
    let places = transformer.places(false);
    let contexts = contexts(&weights, 8);
    let before = fit(&transformer, &contexts, &places, 1.0, &Silent).expect("maps");
    let mut after = before.clone();
    let question = training(vec![1]);
    let (place, map) = &mut after.maps[2];
    assert_eq!(*place, StreamSite::Layer(1));
    train(&transformer, &contexts, (*place, map), &question, &Silent).expect("a map");
    let figures = judge_lens(
        &transformer,
        &contexts,
        &places,
        (&after, &before),
        (1000, 50),
        &Silent,
    );
    for (at, place) in figures.expect("figures").places.iter().enumerate() {
        assert_eq!(place.trained.is_some(), at == 2, "{}", place.place);
        if let Some(trained) = &place.trained {
            assert!(
                trained.mean < 0.8 * place.fitted.mean,
                "{} of {}",
                trained.mean,
                place.fitted.mean
            );
        }
    }
}

fn stamp() -> VectorStamp<'static> {
    VectorStamp {
        model: "toy",
        model_hash: "0f",
        spec: "(format: 1)",
        data_hash: "17",
    }
}

#[test]
fn lenses_are_read_back_as_written_and_hostile_files_are_refused() {
    let (_, weights, graph) = models().swap_remove(2);
    let transformer = Transformer::new(&weights, &graph);
    let places = transformer.places(true);
    let lens = fit(
        &transformer,
        &contexts(&weights, 9),
        &places,
        RIDGE,
        &Silent,
    )
    .expect("maps");
    let lens: TunedLens<f32> = lens.cast();
    let bytes = tuned_lens_safetensors(&lens, &stamp()).expect("bytes");
    let read = |bytes: &[u8], places: &[StreamSite]| {
        parse_tuned_lens(bytes, "lens.safetensors", &weights.config, places)
    };
    let (again, hash) = read(&bytes, &places).expect("a lens");
    assert_eq!((again, &hash[..]), (lens.clone(), "0f"));
    // A lens of all places serves those after layers too.
    let fewer = transformer.places(false);
    assert_eq!(
        read(&bytes, &fewer).expect("a lens").0.maps.len(),
        weights.config.n_layers
    );
    let only: TunedLens<f32> = TunedLens {
        maps: lens
            .maps
            .iter()
            .filter(|(at, _)| fewer.contains(at))
            .cloned()
            .collect(),
    };
    let fewer_bytes = tuned_lens_safetensors(&only, &stamp()).expect("bytes");
    let problem = |bytes: &[u8]| read(bytes, &places).expect_err("refused").to_string();
    assert!(problem(&fewer_bytes).contains("there is no tensor attention.0.weight"));
    for end in (0..bytes.len()).step_by(97) {
        assert!(
            problem(&bytes[..end]).starts_with("lens.safetensors: "),
            "cut at {end}"
        );
    }
    let mut not_finite = bytes.clone();
    let last = not_finite.len() - 4;
    not_finite[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(problem(&not_finite).contains("not finite"));
    let mut other = weights.config.clone();
    other.d_model += 1;
    let error = parse_tuned_lens(&bytes, "lens.safetensors", &other, &places);
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("this model needs F32"));
}
