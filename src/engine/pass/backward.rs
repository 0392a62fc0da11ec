//! The vector-Jacobian product of a full run: the gradient of the metric at every reader's input.
//!
//! Weights are frozen, so only activation gradients exist. Each reader has its own gradient, pulled back through
//! its own copy of the norm; they are handed to a [`GradientSink`] layer by layer and never stored together.

mod heads;
mod pull;

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use self::pull::{pull_outputs, scatter};
use crate::engine::kernels::attention::{HeadGradients, HeadRows, attend_backward};
use crate::engine::kernels::norm::Normalised;
use crate::engine::kernels::{activation, norm, rows};
use crate::engine::pass::attention::sequence;
use crate::engine::pass::forward::FullRun;
use crate::engine::pass::intervention::{Intervention, Site, at_layer, at_split_mlp};
use crate::engine::pass::layout::{Layout, Segment};
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::graph::Representation;
use crate::model::{NormWeights, Real};

/// How a sink wants the gradients of heads' readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GradientRequest {
    /// Not at all.
    Nothing,
    /// Each in full, by [`GradientSink::readers`].
    Each,
    /// Summed over this many runs, some examples at a time, by [`GradientSink::score_part`].
    Parts(usize),
}

/// Gradients of all readers of a layer's heads at the rows of some examples, summed over the runs.
pub(crate) struct SummedGradients<'p, T> {
    /// `[readers, rows, d_model]`.
    pub gradients: &'p [T],
    /// The rows, in the layout of one run; scored positions where the readers have only those.
    pub rows: Range<usize>,
    /// The examples.
    pub segments: &'p [Segment],
    /// Whether the rows are those read.
    pub reads_only: bool,
}

/// Receives the gradients as they are made, from the last layer to the first. What a sink does not override it does not
/// want.
pub(crate) trait GradientSink<T>: Sync {
    /// The run whose gradients follow.
    fn begin(&mut self, _run: &FullRun<T>) {}

    /// How the gradients of heads' readers are wanted.
    fn wants(&self) -> GradientRequest {
        GradientRequest::Nothing
    }

    /// Gradients at readers of one place, `[rows, d_model]` each; only the rows read when `reads_only`.
    fn readers(&mut self, _readers: &[usize], _gradients: &[Vec<T>], _reads_only: bool) {}

    /// Scores of the edges into these readers, a matrix per example.
    fn score_part(&self, _readers: &[usize], _part: &SummedGradients<'_, T>) -> Vec<Vec<T>> {
        Vec::new()
    }

    /// The scores of all examples, in order.
    fn scored(&mut self, _readers: &[usize], _scores: Vec<Vec<T>>) {}

    /// Gradient at the hidden units of an MLP, `[query rows, d_mlp]`.
    fn hidden(&mut self, _layer: usize, _gradient: &[T]) {}

    /// Whether the gradient at a representation is wanted.
    fn wants_representation(&self, _layer: usize, _of: Representation) -> bool {
        false
    }

    /// Gradient at a representation, `[query rows, width]`; what is left of it is pulled back further.
    fn representation(&mut self, _layer: usize, _of: Representation, _gradient: &mut [T]) {}

    /// Gradient at the values that an intervention set, by its number.
    fn intervention(&mut self, _index: usize, _gradient: &[T]) {}

    /// Gradient at the stream that enters a layer, `[rows, d_model]`.
    fn stream(&mut self, _layer: usize, _gradient: &[T]) {}

    /// The layer below which no gradients are wanted, not even at interventions.
    fn lowest_layer(&self) -> usize {
        0
    }
}

/// A run to differentiate.
pub(crate) struct Tape<'r, T> {
    pub layout: &'r Layout,
    pub prefix: &'r Prefix<T>,
    /// With the MLPs' inner activations kept.
    pub run: &'r FullRun<T>,
    /// The values that were set in it.
    pub interventions: &'r [Intervention<T>],
}

impl<T: Real> Transformer<'_, T> {
    /// Pulls the gradient at the final stream (`[reads, d_model]`) back to every reader.
    pub(crate) fn backward(
        &self,
        tape: &Tape<'_, T>,
        final_gradient: Vec<T>,
        sink: &mut dyn GradientSink<T>,
    ) {
        let logits = self.graph().readers().len() - 1;
        sink.readers(&[logits], std::slice::from_ref(&final_gradient), true);
        let lowest = sink.lowest_layer();
        let layers = lowest..self.config().n_layers;
        let stream = self.backward_blocks(tape, layers, final_gradient, sink);
        if lowest > 0 {
            return;
        }
        let config = self.config();
        for (index, intervention) in tape.interventions.iter().enumerate() {
            if matches!(intervention.site, Site::Input | Site::Positions) {
                let at = intervention.gradient(config.d_head, config.d_model, &stream);
                sink.intervention(index, &at);
            }
        }
    }

    /// Pulls the gradient at the stream after some blocks back to the stream that enters them.
    pub(crate) fn backward_blocks(
        &self,
        tape: &Tape<'_, T>,
        layers: Range<usize>,
        mut stream: Vec<T>,
        sink: &mut dyn GradientSink<T>,
    ) -> Vec<T> {
        for layer in layers.rev() {
            if sink.wants_representation(layer, Representation::Stream) {
                sink.representation(layer, Representation::Stream, &mut stream);
            }
            let mut upstream = stream.clone();
            if let Some(at_mlp) = self.mlp_backward(tape, layer, &stream, sink) {
                rows::add(&mut stream, &at_mlp);
                if !self.config().parallel_blocks {
                    upstream.clone_from(&stream);
                }
            }
            if let Some(norm) = &self.weights.attention(layer).post_norm {
                let at = self.heads_normalised(layer, &tape.run.layers[layer].z);
                norm::backward(self.config().norm, norm, &at, &mut upstream);
            }
            stream = self.attention_backward(tape, layer, &upstream, stream, sink);
            sink.stream(layer, &stream);
        }
        stream
    }

    fn mlp_backward(
        &self,
        tape: &Tape<'_, T>,
        layer: usize,
        upstream: &[T],
        sink: &mut dyn GradientSink<T>,
    ) -> Option<Vec<T>> {
        let config = self.config();
        let mlp = self.weights.mlp(layer)?;
        let reader = self.layers[layer].mlp?;
        let inner = tape.run.layers[layer].inner.as_ref()?;
        let mut upstream = Cow::Borrowed(upstream);
        if sink.wants_representation(layer, Representation::Mlp) {
            sink.representation(layer, Representation::Mlp, upstream.to_mut());
        }
        for (index, intervention) in at_layer(tape.interventions, layer, true) {
            let gradient = upstream.to_mut();
            let taken = intervention.take_gradient(config.d_head, config.d_model, gradient);
            sink.intervention(index, &taken);
        }
        if let Some(norm) = &mlp.post_norm {
            let at = norm::normalised(config.norm, config.d_model, &inner.output);
            norm::backward(config.norm, norm, &at, upstream.to_mut());
        }
        let mut hidden = pull_outputs(&mlp.down, &upstream);
        sink.hidden(layer, &hidden);
        self.split_mlp_backward(tape, layer, &upstream, &mut hidden, sink);
        let mut gradient = if let (Some(gate), Some(gate_map)) = (&inner.gate, &mlp.gate) {
            let projection = &inner.projection;
            let gate_gradient =
                activation::backward_gated(config.activation, projection, gate, &mut hidden);
            let mut gradient = pull_outputs(&mlp.up, &hidden);
            rows::add(&mut gradient, &pull_outputs(gate_map, &gate_gradient));
            gradient
        } else {
            activation::backward_plain(config.activation, &inner.projection, &mut hidden);
            pull_outputs(&mlp.up, &hidden)
        };
        let at = norm::normalised(
            config.norm,
            config.d_model,
            &tape.run.streams[2 * layer + 1],
        );
        norm::backward(config.norm, &mlp.norm, &at, &mut gradient);
        sink.readers(
            &[reader],
            std::slice::from_ref(&gradient),
            self.reads_only(layer),
        );
        Some(gradient)
    }

    /// Gradients at the values set in the parts of a split MLP, and none after them at the hidden units.
    fn split_mlp_backward(
        &self,
        tape: &Tape<'_, T>,
        layer: usize,
        upstream: &[T],
        hidden: &mut [T],
        sink: &mut dyn GradientSink<T>,
    ) {
        let config = self.config();
        let nodes = &self.layers[layer].neurons;
        for (index, intervention) in at_split_mlp(tape.interventions, layer) {
            let rows = intervention.rows.start * config.d_mlp..intervention.rows.end * config.d_mlp;
            let rows = hidden[rows].chunks_exact_mut(config.d_mlp);
            if let Site::Neuron { index: place, .. } = intervention.site {
                let take = |row: &mut [T]| std::mem::replace(&mut row[nodes[place]], T::ZERO);
                let taken: Vec<T> = rows.map(take).collect();
                sink.intervention(index, &taken);
                continue;
            }
            let at = intervention.gradient(config.d_head, config.d_model, upstream);
            sink.intervention(index, &at);
            for row in rows {
                for (neuron, value) in row.iter_mut().enumerate() {
                    if !nodes.contains(&neuron) {
                        *value = T::ZERO;
                    }
                }
            }
        }
    }

    /// The normalised sum of a layer's heads, where another norm follows it.
    pub(crate) fn heads_normalised(&self, layer: usize, z: &[T]) -> Normalised<T> {
        let config = self.config();
        norm::normalised(config.norm, config.d_model, &self.heads_total(layer, z))
    }

    /// Hands the gradients of q, k and v readers to the sink and returns the stream's gradient before the block.
    fn attention_backward(
        &self,
        tape: &Tape<'_, T>,
        layer: usize,
        upstream: &[T],
        stream: Vec<T>,
        sink: &mut dyn GradientSink<T>,
    ) -> Vec<T> {
        let config = self.config();
        let (d_model, d_head) = (config.d_model, config.d_head);
        let block = self.weights.attention(layer);
        let mut z_gradient = pull_outputs(&block.o, upstream);
        if sink.wants_representation(layer, Representation::Heads) {
            sink.representation(layer, Representation::Heads, &mut z_gradient);
        }
        for (index, intervention) in at_layer(tape.interventions, layer, false) {
            let taken = intervention.take_gradient(d_head, block.o.inputs, &mut z_gradient);
            sink.intervention(index, &taken);
        }
        let heads = self.heads_backward(tape, layer, &z_gradient);
        let at = norm::normalised(config.norm, d_model, &tape.run.streams[2 * layer]);
        let mut total = if self.reads_only(layer) {
            scatter(&stream, d_model, &tape.layout.reads, tape.layout.rows())
        } else {
            stream
        };
        match sink.wants() {
            GradientRequest::Nothing => {
                self.pull_together(tape, (layer, &block), &heads, &at, &mut total);
            }
            GradientRequest::Each => {
                self.pull_each(tape, (layer, &block), &heads, &at, &mut total, sink);
            }
            GradientRequest::Parts(runs) => {
                self.pull_parts(tape, (layer, &block), runs, &heads, &at, &mut total, sink);
            }
        }
        total
    }

    /// Gradients of every head's queries, keys and values before the rotation.
    fn heads_backward(
        &self,
        tape: &Tape<'_, T>,
        layer: usize,
        z_gradient: &[T],
    ) -> Vec<HeadGradient<T>> {
        let config = self.config();
        let reads_only = self.reads_only(layer);
        let query_positions = tape.layout.query_positions(reads_only);
        let block = self.weights.attention(layer);
        let unnormed = self.unnormed_queries_and_keys(tape, layer);
        (0..config.n_heads)
            .into_par_iter()
            .map(|head| {
                let mut gradient = self.head_backward(tape, layer, head, z_gradient);
                self.rotate_back(layer, &mut gradient.query, &query_positions);
                self.rotate_back(layer, &mut gradient.key, &tape.layout.positions);
                if let (Some((q, k)), Some(q_norm), Some(k_norm)) =
                    (&unnormed, &block.query_norm, &block.key_norm)
                {
                    let kv = head / config.group_size();
                    self.head_norm_backward(q_norm, q, config.n_heads, head, &mut gradient.query);
                    self.head_norm_backward(k_norm, k, config.n_kv_heads, kv, &mut gradient.key);
                }
                gradient
            })
            .collect()
    }

    /// Queries and keys of all heads before the norm of their own, in models that have one.
    fn unnormed_queries_and_keys(
        &self,
        tape: &Tape<'_, T>,
        layer: usize,
    ) -> Option<(Vec<T>, Vec<T>)> {
        let config = self.config();
        let block = self.weights.attention(layer);
        block.query_norm.as_ref()?;
        let normed = self.norm(&block.norm, &tape.run.streams[2 * layer]);
        let layout = tape.layout;
        let k = self.project(&block.k, &normed, (0, config.n_kv_heads), layout.rows());
        let read = if self.reads_only(layer) {
            rows::gather(&normed, config.d_model, &layout.reads)
        } else {
            normed
        };
        let rows = layout.query_rows(self.reads_only(layer));
        Some((self.project(&block.q, &read, (0, config.n_heads), rows), k))
    }

    /// Pulls the gradient of one head's normed rows back to the rows of `data`, `[rows, heads * d_head]`.
    fn head_norm_backward(
        &self,
        weights: &NormWeights<T>,
        data: &[T],
        heads: usize,
        head: usize,
        gradient: &mut [T],
    ) {
        let config = self.config();
        let d_head = config.d_head;
        let own = rows::columns(data, heads * d_head, head * d_head, (head + 1) * d_head);
        let at = norm::normalised(config.norm, d_head, &own);
        norm::backward(config.norm, weights, &at, gradient);
    }

    fn head_backward(
        &self,
        tape: &Tape<'_, T>,
        layer: usize,
        head: usize,
        z_gradient: &[T],
    ) -> HeadGradient<T> {
        let config = self.config();
        let (d_head, kv) = (config.d_head, head / config.group_size());
        let reads_only = self.reads_only(layer);
        let layout = tape.layout;
        let run = &tape.run.layers[layer];
        let own = |data, count: usize, index: usize| HeadRows {
            data,
            stride: count * d_head,
            offset: index * d_head,
            width: d_head,
        };
        let queries = own(&run.q, config.n_heads, head);
        let upstream = own(z_gradient, config.n_heads, head);
        let keys = (
            self.prefix_rows(&tape.prefix.k, layer, kv),
            own(&run.k, config.n_kv_heads, kv),
        );
        let values = (
            self.prefix_rows(&tape.prefix.v, layer, kv),
            own(&run.v, config.n_kv_heads, kv),
        );
        let mut out = HeadGradient {
            query: vec![T::ZERO; layout.query_rows(reads_only) * d_head],
            key: vec![T::ZERO; layout.rows() * d_head],
            value: vec![T::ZERO; layout.rows() * d_head],
        };
        let mut scratch = Vec::new();
        for segment in &layout.segments {
            let range = segment.rows.start * d_head..segment.rows.end * d_head;
            for (query, position) in layout.queries(segment, reads_only) {
                let mut into = HeadGradients {
                    query: &mut out.query[query * d_head..(query + 1) * d_head],
                    keys: &mut out.key[range.clone()],
                    values: &mut out.value[range.clone()],
                };
                attend_backward(
                    queries.row(query),
                    sequence(segment, keys),
                    sequence(segment, values),
                    self.visible(layer, segment, position),
                    self.scoring(),
                    &mut scratch,
                    upstream.row(query),
                    &mut into,
                );
            }
        }
        out
    }
}

/// Gradients of one query head, `[rows, d_head]` each.
struct HeadGradient<T> {
    query: Vec<T>,
    key: Vec<T>,
    value: Vec<T>,
}
