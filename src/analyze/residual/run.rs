//! Prompts looked at for what is written to their streams.

use super::report::{DirectionFigures, PartAlong, PlaceNorm, ResidualReport, WriterFigures};
use crate::analyze::Effect;
use crate::analyze::vector::random_vectors;
use crate::engine::{Looked, Part, Place, Transformer, mean};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// What is looked at.
#[derive(Clone, Copy)]
pub struct ResidualTask<'t> {
    /// Prompts with the positions looked at, one at least each.
    pub prompts: &'t [(Vec<u32>, Vec<usize>)],
    /// Directions with their names.
    pub directions: &'t [(String, Vec<f64>)],
    /// Resamples of intervals.
    pub bootstrap: usize,
    /// Random directions to compare with.
    pub random_baselines: usize,
}

/// A part's writing, means over the positions of each prompt.
struct Along {
    part: Part,
    /// By direction, by prompt.
    along: Vec<Vec<f64>>,
    cosine: Vec<Vec<f64>>,
    /// Size along random directions, by prompt.
    random: Vec<f64>,
}

/// A writer's, likewise.
struct Writing {
    name: String,
    layer: Option<usize>,
    norm: Vec<f64>,
    share: Vec<f64>,
    cosine: Vec<f64>,
}

/// Looks at the streams of prompts, and at what is written to them.
///
/// # Errors
/// When an activation is not finite, or the observer interrupts.
///
/// # Panics
/// When there is no prompt, or one is empty or longer than the model reads.
///
/// # Complexity
/// Two forward passes.
pub fn residual<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &ResidualTask<'_>,
    observer: &dyn Observer,
) -> Result<ResidualReport> {
    let width = transformer.heads().d_model;
    let places = transformer.places(false);
    let random = random_vectors(task.random_baselines, width, 1.0);
    let directions: Vec<Vec<f64>> = task.directions.iter().map(|(_, it)| unit(it)).collect();
    let mut norms: Vec<Vec<f64>> = vec![Vec::new(); places.len()];
    let mut parts: Vec<Along> = Vec::new();
    let mut writers: Vec<Writing> = Vec::new();
    let mut cosines: Vec<Vec<f64>> = Vec::new();
    phase(observer, "prompts", task.prompts.len() as u64);
    for (number, (tokens, at)) in task.prompts.iter().enumerate() {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        // One at a time, so that every part is seen whole.
        let looked: [Looked<'_>; 1] = [(tokens, at)];
        for (norms, stream) in norms.iter_mut().zip(transformer.streams(&looked, &places)?) {
            let stream = wide(&stream);
            norms.push(mean(&each(&stream, width, norm)));
        }
        // What the embedding, each attention and each MLP writes, heads and biases together.
        let mut written: Vec<(String, Option<usize>, Vec<f64>)> = Vec::new();
        let mut next = 0;
        transformer.written(&looked, |part, _, rows| {
            let rows = wide(rows);
            let (name, layer) = writer_of(part);
            match written.last_mut().filter(|(last, ..)| *last == name) {
                Some((_, _, sum)) => add(sum, &rows),
                None => written.push((name, layer, rows.clone())),
            }
            if next == parts.len() {
                parts.push(Along::new(part, directions.len()));
            }
            let found = &mut parts[next];
            next += 1;
            for (at, direction) in directions.iter().enumerate() {
                let along = each(&rows, width, |row| dot(row, direction));
                let cosine = each(&rows, width, |row| cosine(row, direction));
                found.along[at].push(mean(&along));
                found.cosine[at].push(mean(&cosine));
            }
            if !directions.is_empty() {
                let size = each(&rows, width, |row| {
                    let sizes = random.iter().map(|direction| dot(row, direction).abs());
                    sizes.sum::<f64>() / random.len().max(1) as f64
                });
                found.random.push(mean(&size));
            }
        })?;
        if number == 0 {
            cosines = vec![vec![0.0; written.len()]; written.len()];
            writers = written
                .iter()
                .map(|(name, layer, _)| Writing::new(name, *layer))
                .collect();
        }
        let mut stream: Vec<f64> = vec![0.0; written.first().map_or(0, |it| it.2.len())];
        for (writing, (_, layer, rows)) in writers.iter_mut().zip(&written) {
            writing.norm.push(mean(&each(rows, width, norm)));
            if layer.is_some() {
                let pairs = || rows.chunks_exact(width).zip(stream.chunks_exact(width));
                let share: Vec<f64> = pairs()
                    .map(|(row, stream)| norm(row) / norm(stream).max(f64::MIN_POSITIVE))
                    .collect();
                let along: Vec<f64> = pairs().map(|(row, stream)| cosine(row, stream)).collect();
                writing.share.push(mean(&share));
                writing.cosine.push(mean(&along));
            }
            add(&mut stream, rows);
        }
        for (row, (.., one)) in written.iter().enumerate() {
            for (column, (.., other)) in written.iter().enumerate() {
                let pairs = one.chunks_exact(width).zip(other.chunks_exact(width));
                let values: Vec<f64> = pairs.map(|(one, other)| cosine(one, other)).collect();
                cosines[row][column] += mean(&values) / task.prompts.len() as f64;
            }
        }
        observer.event(Event::Step {
            done: number as u64 + 1,
            note: String::new(),
        });
    }
    let effect = |values: &[f64]| Effect::of(values, task.bootstrap);
    let some = |values: &[f64]| (!values.is_empty()).then(|| effect(values));
    let norms = places.iter().zip(&norms);
    Ok(ResidualReport {
        prompts: task.prompts.len(),
        positions: task.prompts.iter().map(|(_, at)| at.len()).sum(),
        places: norms
            .map(|(place, values)| place_norm(*place, effect(values)))
            .collect(),
        writers: writers
            .iter()
            .map(|it| WriterFigures {
                writer: it.name.clone(),
                layer: it.layer,
                norm: effect(&it.norm),
                share: some(&it.share),
                cosine: some(&it.cosine),
            })
            .collect(),
        cosines,
        directions: task
            .directions
            .iter()
            .enumerate()
            .map(|(at, (name, _))| {
                let part = |it: &Along| PartAlong {
                    part: it.part.to_string(),
                    along: effect(&it.along[at]),
                    cosine: effect(&it.cosine[at]),
                    random: (task.random_baselines > 0).then(|| mean(&it.random)),
                };
                let mut parts: Vec<PartAlong> = parts.iter().map(part).collect();
                parts.sort_by(|a, b| b.along.mean.abs().total_cmp(&a.along.mean.abs()));
                DirectionFigures {
                    direction: name.clone(),
                    parts,
                }
            })
            .collect(),
        warnings: Vec::new(),
    })
}

impl Along {
    fn new(part: Part, directions: usize) -> Self {
        Self {
            part,
            along: vec![Vec::new(); directions],
            cosine: vec![Vec::new(); directions],
            random: Vec::new(),
        }
    }
}

impl Writing {
    fn new(name: &str, layer: Option<usize>) -> Self {
        Self {
            name: name.to_owned(),
            layer,
            norm: Vec::new(),
            share: Vec::new(),
            cosine: Vec::new(),
        }
    }
}

fn place_norm(place: Place, norm: Effect) -> PlaceNorm {
    PlaceNorm {
        place: place.to_string(),
        blocks: place.blocks(),
        norm,
    }
}

/// The writer that a part belongs to, heads and biases of a layer together, and its layer.
fn writer_of(part: Part) -> (String, Option<usize>) {
    match part {
        Part::Embedding | Part::Position => (part.to_string(), None),
        Part::Head { layer, .. } | Part::AttentionBias { layer } => {
            (format!("attention {layer}"), Some(layer))
        }
        Part::Mlp { layer } => (format!("MLP {layer}"), Some(layer)),
    }
}

fn each(rows: &[f64], width: usize, of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    rows.chunks_exact(width).map(of).collect()
}

fn wide<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

fn add(sum: &mut [f64], values: &[f64]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += value;
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn norm(row: &[f64]) -> f64 {
    dot(row, row).sqrt()
}

/// The cosine of two vectors; 0 where one is zero.
fn cosine(one: &[f64], other: &[f64]) -> f64 {
    let norms = norm(one) * norm(other);
    if norms > 0.0 {
        dot(one, other) / norms
    } else {
        0.0
    }
}

fn unit(direction: &[f64]) -> Vec<f64> {
    let length = norm(direction).max(f64::MIN_POSITIVE);
    direction.iter().map(|value| value / length).collect()
}
