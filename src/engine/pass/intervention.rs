//! Values that are set in a run instead of computed.

use std::ops::Range;

use crate::engine::kernels::rows::columns;
use crate::model::Real;

/// Where a value is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Site {
    /// The token embeddings.
    Input,
    /// Results of heads before `W_O`.
    Heads { layer: usize, heads: Range<usize> },
    /// What the MLP writes, all its neurons included.
    Mlp { layer: usize },
    /// The position embeddings.
    Positions,
    /// What the MLP writes without the neurons that are nodes.
    MlpNode { layer: usize },
    /// A neuron that is a node, by its place among the layer's.
    Neuron { layer: usize, index: usize },
    /// A hidden unit of an MLP, node or not, before the output projection. Only runs that are not differentiated set it.
    Hidden { layer: usize, unit: usize },
}

impl Site {
    /// The layer whose query rows the value has; none for what every position has.
    pub(crate) fn layer(&self) -> Option<usize> {
        match *self {
            Self::Input | Self::Positions => None,
            Self::Heads { layer, .. }
            | Self::Mlp { layer }
            | Self::MlpNode { layer }
            | Self::Neuron { layer, .. }
            | Self::Hidden { layer, .. } => Some(layer),
        }
    }
}

/// A value set on some rows. Nothing upstream has a path through it.
#[derive(Debug, Clone)]
pub(crate) struct Intervention<T> {
    pub site: Site,
    /// Rows of the packed layout, or query rows in the layer of the site.
    pub rows: Range<usize>,
    /// `[rows, heads * d_head]`, `[rows, d_model]`, or `[rows]` for a neuron or hidden unit.
    pub values: Vec<T>,
}

impl<T: Real> Intervention<T> {
    /// Columns of the site in a matrix whose heads have `d_head` columns each, `width` in all.
    fn columns(&self, d_head: usize, width: usize) -> Range<usize> {
        match &self.site {
            Site::Heads { heads, .. } => heads.start * d_head..heads.end * d_head,
            Site::Neuron { index: at, .. } | Site::Hidden { unit: at, .. } => *at..at + 1,
            Site::Input | Site::Positions | Site::Mlp { .. } | Site::MlpNode { .. } => 0..width,
        }
    }

    /// Writes the values into the rows of `data`, `[rows, width]`.
    pub(crate) fn set(&self, d_head: usize, width: usize, data: &mut [T]) {
        let at = self.columns(d_head, width);
        for (row, values) in self.rows.clone().zip(self.values.chunks_exact(at.len())) {
            data[row * width + at.start..row * width + at.end].copy_from_slice(values);
        }
    }

    /// The gradient at the values in `gradient`, `[rows, width]`.
    pub(crate) fn gradient(&self, d_head: usize, width: usize, gradient: &[T]) -> Vec<T> {
        let at = self.columns(d_head, width);
        let rows = &gradient[self.rows.start * width..self.rows.end * width];
        columns(rows, width, at.start, at.end)
    }

    /// Takes the gradient at the values out of `gradient`, which is left zero there.
    pub(crate) fn take_gradient(&self, d_head: usize, width: usize, gradient: &mut [T]) -> Vec<T> {
        let taken = self.gradient(d_head, width, gradient);
        let at = self.columns(d_head, width);
        let rows = &mut gradient[self.rows.start * width..self.rows.end * width];
        for row in rows.chunks_exact_mut(width) {
            row[at.clone()].fill(T::ZERO);
        }
        taken
    }
}

/// The interventions at a layer's heads, or at its MLP, with their numbers.
pub(crate) fn at_layer<T>(
    interventions: &[Intervention<T>],
    layer: usize,
    mlp: bool,
) -> impl Iterator<Item = (usize, &Intervention<T>)> {
    let here = move |site: &Site| match site {
        Site::Heads { layer: at, .. } => !mlp && *at == layer,
        Site::Mlp { layer: at } => mlp && *at == layer,
        _ => false,
    };
    interventions
        .iter()
        .enumerate()
        .filter(move |(_, intervention)| here(&intervention.site))
}

/// The interventions at the parts of a layer's split MLP, with their numbers.
pub(crate) fn at_split_mlp<T>(
    interventions: &[Intervention<T>],
    layer: usize,
) -> impl Iterator<Item = (usize, &Intervention<T>)> {
    let here = move |site: &Site| {
        matches!(site, Site::MlpNode { .. } | Site::Neuron { .. }) && site.layer() == Some(layer)
    };
    interventions
        .iter()
        .enumerate()
        .filter(move |(_, intervention)| here(&intervention.site))
}

/// The interventions at the hidden units of a layer.
pub(crate) fn at_hidden<T>(
    interventions: &[Intervention<T>],
    layer: usize,
) -> impl Iterator<Item = &Intervention<T>> {
    let here =
        move |site: &Site| matches!(site, Site::Hidden { .. }) && site.layer() == Some(layer);
    interventions
        .iter()
        .filter(move |intervention| here(&intervention.site))
}
