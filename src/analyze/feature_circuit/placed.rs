//! Autoencoders at their places in a model, and the nodes that they give.

use crate::analyze::sae::{Dictionary, SaeKind};
use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, Node, Representation};
use crate::model::Real;

/// An autoencoder of a layer's representation.
#[derive(Debug, Clone)]
pub struct SaeAtSite<T> {
    /// The layer.
    pub layer: usize,
    /// What of it.
    pub of: Representation,
    /// The autoencoder.
    pub dictionary: Dictionary<T>,
    /// First positions of each context that it was trained without, which its figures leave out too.
    pub skip_first: usize,
}

/// Autoencoders in the order in which a model computes what they are of. Of each, the features are nodes and what it
/// leaves is one more.
#[derive(Debug, Clone)]
pub struct SaeNodes<T> {
    placed: Vec<SaeAtSite<T>>,
    sites: Vec<(usize, Representation)>,
    /// The first node of each; one more entry holds the total.
    first: Vec<usize>,
}

impl<T: Real> SaeNodes<T> {
    /// Puts autoencoders in order.
    ///
    /// # Errors
    /// When two are of the same representation.
    pub fn new(mut placed: Vec<SaeAtSite<T>>) -> Result<Self> {
        placed.sort_by_key(|it| (it.layer, it.of));
        let sites: Vec<_> = placed.iter().map(|it| (it.layer, it.of)).collect();
        if let Some(same) = sites.windows(2).find(|pair| pair[0] == pair[1]) {
            let (layer, of) = same[0];
            return Err(Error::Usage(format!(
                "two SAEs are of the same representation, {of:?} of layer {layer}; leave one out"
            )));
        }
        let mut first = vec![0];
        for it in &placed {
            first.push(first[first.len() - 1] + it.dictionary.features + 1);
        }
        Ok(Self {
            placed,
            sites,
            first,
        })
    }

    /// The autoencoders.
    pub fn all(&self) -> &[SaeAtSite<T>] {
        &self.placed
    }

    /// What they are of.
    pub fn sites(&self) -> &[(usize, Representation)] {
        &self.sites
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.first[self.placed.len()]
    }

    /// The first node of an autoencoder: its features in order, then its error.
    pub fn first(&self, index: usize) -> usize {
        self.first[index]
    }

    /// The error of an autoencoder.
    pub fn error(&self, index: usize) -> usize {
        self.first[index + 1] - 1
    }

    /// The autoencoder that a node is of, and which feature it is; none for the error.
    pub fn place(&self, node: usize) -> (usize, Option<usize>) {
        let index = self.first.partition_point(|&first| first <= node) - 1;
        let feature = (node != self.error(index)).then(|| node - self.first[index]);
        (index, feature)
    }

    /// The name of a node.
    pub fn node(&self, node: usize) -> Node {
        let (index, feature) = self.place(node);
        let (layer, of) = self.sites[index];
        match feature {
            Some(feature) => Node::Feature { layer, of, feature },
            None => Node::Error { layer, of },
        }
    }

    /// All nodes as writers that are kept or replaced as a whole; a node's number is its writer's and its edge's.
    pub fn graph(&self) -> ComputationGraph {
        ComputationGraph::of_writers((0..self.nodes()).map(|node| self.node(node)).collect())
    }
}

impl<T: Real> SaeAtSite<T> {
    /// The same in another precision.
    pub fn cast<U: Real>(&self) -> SaeAtSite<U> {
        SaeAtSite {
            layer: self.layer,
            of: self.of,
            dictionary: self.dictionary.cast(),
            skip_first: self.skip_first,
        }
    }

    /// How fast an active feature grows with what its encoder sees.
    pub(super) fn slope(&self, feature: usize) -> T {
        match self.dictionary.kind {
            SaeKind::Gated { .. } => self.dictionary.sparsity[feature].exp(),
            _ => T::ONE,
        }
    }

    /// The direction of a feature, `[width]`.
    pub(super) fn direction(&self, feature: usize) -> &[T] {
        let width = self.dictionary.width;
        &self.dictionary.decoder[feature * width..(feature + 1) * width]
    }
}
