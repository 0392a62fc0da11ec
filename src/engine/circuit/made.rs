//! The full runs that gradients are taken from. Those on the clean and the corrupt prompts are there already; only what
//! the backward pass needs besides, the MLPs' inner activations, is computed again.

use crate::engine::Ablation;
use crate::engine::circuit::base::{BaseLayer, Frame};
use crate::engine::circuit::chunk::Chunk;
use crate::engine::pass::forward::{FullRun, LayerRun};
use crate::engine::pass::transformer::{MlpInner, Transformer};
use crate::model::Real;

/// Where the runs come from whose gradients are wanted.
pub(crate) enum RunSource<'c, T> {
    /// They were made before, all of them. (To run some and copy the others next to them costs more than it saves.)
    Made(Vec<MadeRun<'c, T>>),
    /// They are made from token embeddings, one run after the other.
    Embedded(Vec<T>),
}

/// A full run on a frame's rows that was made before.
pub(crate) struct MadeRun<'c, T> {
    /// The stream at each place.
    streams: Vec<&'c [T]>,
    layers: &'c [BaseLayer<T>],
}

impl<T: Real> Chunk<'_, T> {
    /// The full run at a point between corrupt (0) and clean (1), where it was made before.
    pub(crate) fn made(&self, point: f64) -> Option<MadeRun<'_, T>> {
        let frame = &self.frame;
        let places = 0..=2 * frame.transformer.config().n_layers;
        if point >= 1.0 {
            return Some(MadeRun {
                streams: places.map(|at| frame.stream(&self.full, at)).collect(),
                layers: &self.full.layers,
            });
        }
        // Under patching the empty circuit is the corrupt run.
        let corrupt = self
            .empty
            .get()
            .filter(|_| self.ablation == Ablation::Patch);
        corrupt.filter(|_| point <= 0.0).map(|corrupt| MadeRun {
            streams: frame.ablated.streams.iter().map(Vec::as_slice).collect(),
            layers: &corrupt.layers,
        })
    }
}

impl<T: Real> Frame<'_, T> {
    /// The runs one after the other on the row axis, with the MLPs' inner activations.
    pub(in crate::engine) fn join(&self, runs: &[MadeRun<'_, T>]) -> FullRun<T> {
        let n_layers = self.transformer.config().n_layers;
        let stream = |place: usize| {
            let streams: Vec<_> = runs.iter().map(|run| run.streams[place]).collect();
            streams.concat()
        };
        let streams: Vec<_> = (0..=2 * n_layers).map(stream).collect();
        let layers = (0..n_layers).map(|layer| {
            let all = |of: &dyn Fn(&BaseLayer<T>) -> Vec<T>| {
                let parts: Vec<_> = runs.iter().map(|run| of(&run.layers[layer])).collect();
                parts.concat()
            };
            LayerRun {
                q: all(&|run| run.q.clone()),
                k: all(&|run| self.heads_of_slots(layer, &run.k)),
                v: all(&|run| self.heads_of_slots(layer, &run.v)),
                z: all(&|run| run.z.clone()),
                mlp: all(&|run| run.mlp.clone()),
                neurons: all(&|run| run.neurons.clone()),
                inner: self.transformer.mlp_again(layer, &streams[2 * layer + 1]),
            }
        });
        let layers = layers.collect();
        FullRun { streams, layers }
    }
}

impl<T: Real> Transformer<'_, T> {
    /// What the backward pass needs of an MLP, from the stream that it reads.
    fn mlp_again(&self, layer: usize, stream: &[T]) -> Option<MlpInner<T>> {
        let mlp = self.weights.mlp(layer)?;
        let mut inner = self.mlp_inner(&mlp, &self.norm(&mlp.norm, stream));
        let hidden = std::mem::take(&mut inner.hidden);
        if mlp.post_norm.is_some() {
            inner.output = self.mlp_outputs(layer, &mlp, hidden).0;
        }
        Some(inner)
    }
}
