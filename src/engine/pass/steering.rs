//! Changes of the residual stream and of representations that hold in a whole run: vectors added after layers, directions
//! ablated everywhere, a representation rewritten.

use std::fmt;
use std::sync::Arc;

use super::changes::{RowPlaces, Splice};
use super::layout::Layout;
use crate::engine::kernels::rows;
use crate::graph::Representation;
use crate::model::Real;

/// At which positions the stream is changed by addition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum AddAt {
    /// Where logits are read: of a prompt the positions that the metric reads, of generated text each new token.
    #[default]
    Scored,
    /// At every position.
    Every,
}

/// A change of the residual stream.
#[derive(Debug, Clone)]
pub struct Steering<T> {
    /// Layers with what is added to the stream after them, `[d_model]`.
    pub add: Vec<(usize, Vec<T>)>,
    /// Where it is added.
    pub at: AddAt,
    /// Unit vectors along which nothing may be in the stream, at any position: they are ablated after the embedding
    /// and after every block part.
    pub project_out: Vec<Vec<T>>,
    /// What is made of a layer's representation.
    pub rewriting: Option<Rewriting<T>>,
}

impl<T: Real> Steering<T> {
    /// No change.
    pub fn none() -> Self {
        Self {
            add: Vec::new(),
            at: AddAt::Scored,
            project_out: Vec::new(),
            rewriting: None,
        }
    }

    /// `vector`, times `strength`, added to the stream after `layer`.
    pub fn adding(layer: usize, vector: &[f64], strength: f64, at: AddAt) -> Self {
        Self {
            add: vec![(layer, scaled(vector, strength))],
            at,
            project_out: Vec::new(),
            rewriting: None,
        }
    }

    /// The direction of `vector` ablated.
    pub fn projecting_out(vector: &[f64]) -> Self {
        let norm = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        let unit = 1.0 / norm.max(f64::MIN_POSITIVE);
        Self {
            add: Vec::new(),
            at: AddAt::Scored,
            project_out: vec![scaled(vector, unit)],
            rewriting: None,
        }
    }

    /// A layer's representation made anew.
    pub fn rewriting(rewriting: Rewriting<T>) -> Self {
        Self {
            rewriting: Some(rewriting),
            ..Self::none()
        }
    }

    /// What is done whenever a part of a block has written.
    pub(crate) fn after_write(&self, d_model: usize, x: &mut [T]) {
        for direction in &self.project_out {
            for row in x.chunks_exact_mut(d_model) {
                let along = row
                    .iter()
                    .zip(direction)
                    .fold(0.0, |sum, (&x, &unit)| sum + x.to_f64() * unit.to_f64());
                let along = T::from_f64(along);
                for (x, &unit) in row.iter_mut().zip(direction) {
                    *x -= along * unit;
                }
            }
        }
    }

    /// What is done to the stream after a layer; `x` has the rows read only where `reads_only`.
    pub(crate) fn after_layer(&self, layer: usize, layout: &Layout, reads_only: bool, x: &mut [T]) {
        for (_, vector) in self.add.iter().filter(|(at, _)| *at == layer) {
            add_at(self.at, layout, reads_only, vector, x);
        }
    }
}

pub(in crate::engine) fn scaled<T: Real>(vector: &[f64], by: f64) -> Vec<T> {
    vector.iter().map(|value| T::from_f64(by * value)).collect()
}

pub(in crate::engine) fn add_at<T: Real>(
    at: AddAt,
    layout: &Layout,
    reads_only: bool,
    vector: &[T],
    x: &mut [T],
) {
    if at == AddAt::Every || reads_only {
        rows::add_row(x, vector);
        return;
    }
    for &row in &layout.reads {
        rows::add(&mut x[row * vector.len()..(row + 1) * vector.len()], vector);
    }
}

/// A change of a layer's representation, made in every run that is steered by it.
#[derive(Clone)]
pub struct Rewriting<T>(Arc<dyn Splice<T> + Send>);

impl<T> Rewriting<T> {
    /// A change of the rows of a layer's representation, `[rows, width]`. In the last layer there are only those that are
    /// read.
    pub fn new(
        at: (usize, Representation),
        change: impl Fn(&mut [T], &RowPlaces) + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Rewrite { at, change }))
    }

    pub(crate) fn splice(&self) -> &dyn Splice<T> {
        &*self.0
    }
}

impl<T> fmt::Debug for Rewriting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rewriting").finish_non_exhaustive()
    }
}

/// A change of one representation.
pub(in crate::engine) struct Rewrite<C> {
    pub at: (usize, Representation),
    pub change: C,
}

impl<T, C: Fn(&mut [T], &RowPlaces) + Sync> Splice<T> for Rewrite<C> {
    fn splice(&self, at: (usize, Representation), rows: &mut [T], places: &RowPlaces) {
        if at == self.at {
            (self.change)(rows, places);
        }
    }
}
