//! Sums over prompts: norms, what every part writes along directions, what writers add to the stream.

use super::report::{DirectionScores, PartAlong, PlaceNorm, ResidualReport, WriterScores};
use super::run::ResidualTask;
use crate::analyze::random::random_vectors;
use crate::engine::{Component, SequencePositions, StreamSite, Transformer, mean};
use crate::error::Result;
use crate::evaluate::Effect;
use crate::model::Real;

/// What was seen of some prompts.
pub(super) struct Seen<'t> {
    task: &'t ResidualTask<'t>,
    width: usize,
    places: Vec<StreamSite>,
    /// Unit vectors.
    directions: Vec<Vec<f64>>,
    random: Vec<Vec<f64>>,
    /// By place, by prompt.
    norms: Vec<Vec<f64>>,
    parts: Vec<PartWriting>,
    writers: Vec<Writing>,
    cosines: Vec<Vec<f64>>,
}

/// What a part writes, means over the positions of each prompt.
struct PartWriting {
    part: Component,
    /// By direction, by prompt.
    along: Vec<Vec<f64>>,
    cosine: Vec<Vec<f64>>,
    /// Size along random directions, by prompt.
    random: Vec<f64>,
}

/// What the embedding, an attention or an MLP writes, likewise.
struct Writing {
    name: String,
    layer: Option<usize>,
    norm: Vec<f64>,
    share: Vec<f64>,
    cosine: Vec<f64>,
}

/// A writer, its layer, and what it writes on a prompt, `[positions, d_model]`.
type Written = (String, Option<usize>, Vec<f64>);

impl<'t> Seen<'t> {
    pub(super) fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        task: &'t ResidualTask<'t>,
    ) -> Self {
        let width = transformer.heads().d_model;
        let places = transformer.places(false);
        Self {
            task,
            width,
            directions: task.directions.iter().map(|(_, it)| unit(it)).collect(),
            random: random_vectors(task.random_baselines, width, 1.0),
            norms: vec![Vec::new(); places.len()],
            places,
            parts: Vec::new(),
            writers: Vec::new(),
            cosines: Vec::new(),
        }
    }

    /// Adds a prompt.
    pub(super) fn add<T: Real>(
        &mut self,
        transformer: &Transformer<'_, T>,
        looked: SequencePositions<'_>,
    ) -> Result<()> {
        let streams = transformer.streams(&[looked], &self.places)?;
        for (norms, stream) in self.norms.iter_mut().zip(streams) {
            norms.push(mean(&each(&wide(&stream), self.width, norm)));
        }
        let mut written: Vec<Written> = Vec::new();
        let mut next = 0;
        transformer.written(&[looked], |part, _, rows| {
            let rows = wide(rows);
            let (name, layer) = writer_of(part);
            self.add_part(next, part, &rows);
            next += 1;
            match written.last_mut().filter(|(last, ..)| *last == name) {
                Some((_, _, sum)) => add(sum, &rows),
                None => written.push((name, layer, rows)),
            }
        })?;
        self.add_writers(&written);
        self.add_cosines(&written);
        Ok(())
    }

    fn add_part(&mut self, number: usize, part: Component, rows: &[f64]) {
        if number == self.parts.len() {
            self.parts
                .push(PartWriting::new(part, self.directions.len()));
        }
        let (found, width) = (&mut self.parts[number], self.width);
        for (at, direction) in self.directions.iter().enumerate() {
            let along = each(rows, width, |row| dot(row, direction));
            let cosine = each(rows, width, |row| cosine(row, direction));
            found.along[at].push(mean(&along));
            found.cosine[at].push(mean(&cosine));
        }
        if !self.directions.is_empty() {
            let size = each(rows, width, |row| {
                let sizes = self
                    .random
                    .iter()
                    .map(|direction| dot(row, direction).abs());
                sizes.sum::<f64>() / self.random.len().max(1) as f64
            });
            found.random.push(mean(&size));
        }
    }

    fn add_writers(&mut self, written: &[Written]) {
        if self.writers.is_empty() {
            let writers = written.iter();
            self.writers = writers
                .map(|(name, layer, _)| Writing::new(name, *layer))
                .collect();
        }
        let width = self.width;
        let mut stream = vec![0.0; written.first().map_or(0, |(.., rows)| rows.len())];
        for (writing, (_, layer, rows)) in self.writers.iter_mut().zip(written) {
            writing.norm.push(mean(&each(rows, width, norm)));
            if layer.is_some() {
                let pairs = || rows.chunks_exact(width).zip(stream.chunks_exact(width));
                let share = |(row, stream)| norm(row) / norm(stream).max(f64::MIN_POSITIVE);
                let share: Vec<f64> = pairs().map(share).collect();
                let along: Vec<f64> = pairs().map(|(row, stream)| cosine(row, stream)).collect();
                writing.share.push(mean(&share));
                writing.cosine.push(mean(&along));
            }
            add(&mut stream, rows);
        }
    }

    fn add_cosines(&mut self, written: &[Written]) {
        if self.cosines.is_empty() {
            self.cosines = vec![vec![0.0; written.len()]; written.len()];
        }
        for (sums, (.., one)) in self.cosines.iter_mut().zip(written) {
            for (sum, (.., other)) in sums.iter_mut().zip(written) {
                let pairs = one
                    .chunks_exact(self.width)
                    .zip(other.chunks_exact(self.width));
                let values: Vec<f64> = pairs.map(|(one, other)| cosine(one, other)).collect();
                *sum += mean(&values) / self.task.prompts.len() as f64;
            }
        }
    }

    /// The figures of all prompts.
    pub(super) fn report(self) -> ResidualReport {
        let task = self.task;
        let effect = |values: &[f64]| Effect::of(values, task.bootstrap);
        let some = |values: &[f64]| (!values.is_empty()).then(|| effect(values));
        let norms = self.places.iter().zip(&self.norms);
        let directions = task.directions.iter().enumerate();
        ResidualReport {
            prompts: task.prompts.len(),
            positions: task.prompts.iter().map(|(_, at)| at.len()).sum(),
            places: norms
                .map(|(place, values)| PlaceNorm {
                    place: place.to_string(),
                    blocks: place.blocks(),
                    norm: effect(values),
                })
                .collect(),
            writers: self
                .writers
                .iter()
                .map(|it| WriterScores {
                    writer: it.name.clone(),
                    layer: it.layer,
                    norm: effect(&it.norm),
                    share: some(&it.share),
                    cosine: some(&it.cosine),
                })
                .collect(),
            directions: directions
                .map(|(at, (name, _))| DirectionScores {
                    direction: name.clone(),
                    parts: self.parts_along(at),
                })
                .collect(),
            cosines: self.cosines,
            warnings: Vec::new(),
        }
    }

    /// What every part writes along a direction, the largest in size first.
    fn parts_along(&self, direction: usize) -> Vec<PartAlong> {
        let bootstrap = self.task.bootstrap;
        let part = |it: &PartWriting| PartAlong {
            part: it.part.to_string(),
            along: Effect::of(&it.along[direction], bootstrap),
            cosine: Effect::of(&it.cosine[direction], bootstrap),
            random: (!self.random.is_empty()).then(|| mean(&it.random)),
        };
        let mut parts: Vec<PartAlong> = self.parts.iter().map(part).collect();
        parts.sort_by(|a, b| b.along.mean.abs().total_cmp(&a.along.mean.abs()));
        parts
    }
}

impl PartWriting {
    fn new(part: Component, directions: usize) -> Self {
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

/// The writer that a part belongs to, heads and biases of a layer together, and its layer.
fn writer_of(part: Component) -> (String, Option<usize>) {
    match part {
        Component::Embedding | Component::Position => (part.to_string(), None),
        Component::Head { layer, .. } | Component::AttentionBias { layer } => {
            (format!("attention {layer}"), Some(layer))
        }
        Component::Mlp { layer } => (format!("MLP {layer}"), Some(layer)),
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
