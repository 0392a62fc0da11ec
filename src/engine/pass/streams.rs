//! The stream at some positions of plain runs: at every place that it passes, and as the sum of what was written to it.

use std::fmt;

use crate::engine::kernels::{norm, rows};
use crate::engine::pass::forward::{FullRun, check_finite};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::memory::Extent;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::error::Result;
use crate::model::{Norm, NormWeights, Real};

/// A sequence of tokens, with the positions that are looked at, ascending.
pub type SequencePositions<'s> = (&'s [u32], &'s [usize]);

/// Sequences that are run together.
const TOGETHER: usize = 16;

/// A place of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamSite {
    /// Before the first block.
    Embedding,
    /// Between attention and MLP of a layer.
    Attention(usize),
    /// After a layer.
    Layer(usize),
}

/// What writes to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The token's embedding.
    Embedding,
    /// The embedding of the position.
    Position,
    /// A head, with its value bias.
    Head {
        /// Its layer.
        layer: usize,
        /// Its number in the layer.
        head: usize,
    },
    /// The bias of a layer's attention output.
    AttentionBias {
        /// The layer.
        layer: usize,
    },
    /// An MLP, with its output bias.
    Mlp {
        /// Its layer.
        layer: usize,
    },
}

impl StreamSite {
    /// Its number among the streams of a run.
    pub(in crate::engine) fn number(self) -> usize {
        match self {
            Self::Embedding => 0,
            Self::Attention(layer) => 2 * layer + 1,
            Self::Layer(layer) => 2 * (layer + 1),
        }
    }

    /// Blocks that ran before it; attention is half of one.
    pub fn blocks(self) -> f64 {
        match self {
            Self::Embedding => 0.0,
            Self::Attention(layer) => layer as f64 + 0.5,
            Self::Layer(layer) => layer as f64 + 1.0,
        }
    }
}

impl fmt::Display for StreamSite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedding => write!(out, "embedding"),
            Self::Attention(layer) => write!(out, "attention {layer}"),
            Self::Layer(layer) => write!(out, "layer {layer}"),
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedding => write!(out, "embedding"),
            Self::Position => write!(out, "position"),
            Self::Head { layer, head } => write!(out, "a{layer}.h{head}"),
            Self::AttentionBias { layer } => write!(out, "a{layer} bias"),
            Self::Mlp { layer } => write!(out, "m{layer}"),
        }
    }
}

impl<T: Real> Transformer<'_, T> {
    /// Number of logits.
    pub fn d_out(&self) -> usize {
        self.config().d_out()
    }

    /// The places of the stream, first to last; with those between attention and MLP where they are asked for.
    pub fn places(&self, after_attention: bool) -> Vec<StreamSite> {
        let mut places = vec![StreamSite::Embedding];
        for layer in 0..self.config().n_layers {
            if after_attention {
                places.push(StreamSite::Attention(layer));
            }
            places.push(StreamSite::Layer(layer));
        }
        places
    }

    /// The stream at the positions looked at, at each of some places, `[places][positions, d_model]`; the sequences one
    /// after the other.
    ///
    /// # Errors
    /// When an activation is not finite.
    ///
    /// # Panics
    /// When a token is outside the vocabulary, a sequence is empty or longer than `n_ctx`, or there is no such place:
    /// parallel blocks have none between attention and MLP.
    ///
    /// # Complexity
    /// One forward pass.
    pub fn streams(
        &self,
        sequences: &[SequencePositions<'_>],
        places: &[StreamSite],
    ) -> Result<Vec<Vec<T>>> {
        let config = self.config();
        let mut found = vec![Vec::new(); places.len()];
        for group in self.looked_together(sequences) {
            let (layout, run) = self.looked_run(group)?;
            for (found, place) in found.iter_mut().zip(places) {
                assert!(
                    !matches!(place, StreamSite::Attention(_))
                        || config.has_mlps() && !config.parallel_blocks,
                    "nothing is between attention and MLP"
                );
                let at = place.number();
                found.extend(self.looked_rows(&layout, &run.streams[at], at));
            }
        }
        Ok(found)
    }

    /// The stream in front of the final norm at the positions looked at, `[positions, d_model]`, and what every part
    /// wrote there: `visit(part, first, written)`, `written` being `[positions, d_model]` of some of the sequences, whose
    /// positions begin at number `first` of all. Their sum is the stream. Where a model norms the sum of its heads, each
    /// head has its share of it, with the scale that the norm had.
    ///
    /// # Errors
    /// When an activation is not finite.
    ///
    /// # Panics
    /// As [`Self::streams`]; when neurons are nodes.
    ///
    /// # Complexity
    /// One forward pass.
    pub fn written(
        &self,
        sequences: &[SequencePositions<'_>],
        mut visit: impl FnMut(Component, usize, &[T]),
    ) -> Result<Vec<T>> {
        let config = self.config();
        assert!(self.graph().neurons().is_empty(), "MLPs are one part each");
        let mut finals = Vec::new();
        for group in self.looked_together(sequences) {
            let first = finals.len() / config.d_model;
            let (layout, run) = self.looked_run(group)?;
            let tokens: Vec<u32> = group
                .iter()
                .flat_map(|(tokens, _)| tokens.iter().copied())
                .collect();
            let read = layout.reads.iter().map(|&row| tokens[row]);
            visit(Component::Embedding, first, &self.embed(read));
            let positions = layout.query_positions(true);
            if let Some(rows) = self.position_rows(&positions) {
                visit(Component::Position, first, &rows);
            }
            for layer in 0..config.n_layers {
                let width = config.n_heads * config.d_head;
                let z = self.query_rows_read(&layout, &run.layers[layer].z, width, layer);
                self.attention_parts(layer, &z, |part, written| visit(part, first, written));
                if config.has_mlps() {
                    let mlp = &run.layers[layer].mlp;
                    let mlp = self.query_rows_read(&layout, mlp, config.d_model, layer);
                    visit(Component::Mlp { layer }, first, &mlp);
                }
            }
            finals.extend_from_slice(&run.streams[2 * config.n_layers]);
        }
        Ok(finals)
    }

    /// What the heads of a layer and its output bias write, given the heads' results.
    fn attention_parts(&self, layer: usize, z: &[T], mut visit: impl FnMut(Component, &[T])) {
        let config = self.config();
        let width = config.n_heads * config.d_head;
        let block = self.weights.attention(layer);
        let frozen = block.post_norm.as_ref().map(|norm| {
            let total = self.heads_total(layer, z);
            let scales = norm::normalised(config.norm, config.d_model, &total).scale;
            (norm, scales)
        });
        for head in 0..config.n_heads {
            let z = rows::columns(z, width, head * config.d_head, (head + 1) * config.d_head);
            let mut written = self.project_head(layer, head, &z);
            if let Some((norm, scales)) = &frozen {
                share_of_norm(config.norm, norm, scales, &mut written);
            }
            visit(Component::Head { layer, head }, &written);
        }
        let norm_bias = block.post_norm.as_ref().and_then(|norm| norm.bias.as_ref());
        if block.o.bias.is_none() && norm_bias.is_none() {
            return;
        }
        let mut written = vec![T::ZERO; z.len() / width * config.d_model];
        if let Some(bias) = &block.o.bias {
            rows::add_row(&mut written, bias);
        }
        if let Some((norm, scales)) = &frozen {
            share_of_norm(config.norm, norm, scales, &mut written);
        }
        if let Some(bias) = norm_bias {
            rows::add_row(&mut written, bias);
        }
        visit(Component::AttentionBias { layer }, &written);
    }

    /// Bytes that a run of a sequence of so many tokens takes.
    pub(crate) fn run_bytes(&self, tokens: usize) -> usize {
        let extent = Extent {
            tokens,
            rows: tokens,
            reads: tokens,
        };
        self.making_bytes(extent, 1)
    }

    /// Sequences in groups that are run together.
    fn looked_together<'l, 's>(
        &self,
        sequences: &'l [SequencePositions<'s>],
    ) -> std::slice::Chunks<'l, SequencePositions<'s>> {
        let extent = Extent {
            tokens: sequences
                .iter()
                .map(|(tokens, _)| tokens.len())
                .max()
                .unwrap_or(0),
            rows: sequences
                .iter()
                .map(|(tokens, _)| tokens.len())
                .max()
                .unwrap_or(0),
            reads: 0,
        };
        sequences.chunks(self.plain_examples(extent, TOGETHER, false))
    }

    fn looked_run(&self, sequences: &[SequencePositions<'_>]) -> Result<(Layout, FullRun<T>)> {
        let layout = Layout::whole(sequences.iter().copied());
        let tokens = sequences
            .iter()
            .flat_map(|(tokens, _)| tokens.iter().copied());
        let run = self.forward(&layout, &self.embed(tokens), &Prefix::default(), false);
        check_finite(&run)?;
        Ok((layout, run))
    }

    /// The rows looked at of the stream at one of the places of a run.
    fn looked_rows(&self, layout: &Layout, stream: &[T], place: usize) -> Vec<T> {
        if place + 1 >= 2 * self.config().n_layers {
            return stream.to_vec();
        }
        rows::gather(stream, self.config().d_model, &layout.reads)
    }

    /// The rows looked at of a matrix of a layer's query rows.
    fn query_rows_read(&self, layout: &Layout, data: &[T], width: usize, layer: usize) -> Vec<T> {
        if self.reads_only(layer) {
            return data.to_vec();
        }
        rows::gather(data, width, &layout.reads)
    }
}

/// What becomes of parts of a sum that passes a norm with these scales, the norm's bias apart.
fn share_of_norm<T: Real>(norm: Norm, weights: &NormWeights<T>, scales: &[T], parts: &mut [T]) {
    let width = weights.gain.len();
    if norm == Norm::None {
        return;
    }
    for (row, &scale) in parts.chunks_exact_mut(width).zip(scales) {
        if let Norm::LayerNorm { .. } = norm {
            let mean = row.iter().copied().sum::<T>() / T::from_f64(width as f64);
            for value in row.iter_mut() {
                *value -= mean;
            }
        }
        for (value, &gain) in row.iter_mut().zip(&weights.gain) {
            *value = *value * scale * gain;
        }
    }
}
