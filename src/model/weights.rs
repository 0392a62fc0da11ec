//! A model's weights in their canonical form: one struct per block, whatever the family called them.

use std::sync::Arc;

use super::blocks::Blocks;
use super::{ModelConfig, Real, Table, Values};

/// The weights of a decoder-only transformer.
#[derive(Debug, Clone)]
pub struct Weights<T> {
    /// The shape they have.
    pub config: ModelConfig,
    /// Token embedding, `[d_vocab, d_model]`.
    pub embedding: Table<T>,
    /// Learned position embedding, `[n_ctx, d_model]` row-major.
    pub position: Option<Values<T>>,
    /// The blocks, first to last.
    pub blocks: Blocks<T>,
    /// The norm in front of the unembedding.
    pub final_norm: NormWeights<T>,
    /// `d_model -> d_out`; `None` where it is the embedding (tied).
    pub unembedding: Option<Unembedding<T>>,
}

/// The weights of one block.
#[derive(Debug, Clone)]
pub struct Block<T> {
    /// The attention and its norms.
    pub attention: Attention<T>,
    /// The MLP, where there is one.
    pub mlp: Option<Mlp<T>>,
}

/// The weights of a block's attention.
#[derive(Debug, Clone)]
pub struct Attention<T> {
    /// Norm in front of queries, keys and values.
    pub norm: NormWeights<T>,
    /// `d_model -> n_heads * d_head`.
    pub q: Linear<T>,
    /// `d_model -> n_kv_heads * d_head`.
    pub k: Linear<T>,
    /// `d_model -> n_kv_heads * d_head`.
    pub v: Linear<T>,
    /// `n_heads * d_head -> d_model`; its bias belongs to no head.
    pub o: Linear<T>,
    /// Norm of each head's queries, `[d_head]`, before the rotation.
    pub query_norm: Option<NormWeights<T>>,
    /// Norm of each head's keys, `[d_head]`, before the rotation.
    pub key_norm: Option<NormWeights<T>>,
    /// Norm of the sum of the heads (bias included) before it is added to the stream.
    pub post_norm: Option<NormWeights<T>>,
}

/// The weights of an MLP.
#[derive(Debug, Clone)]
pub struct Mlp<T> {
    /// Norm in front of it.
    pub norm: NormWeights<T>,
    /// `d_model -> d_mlp`: the activated projection of a plain MLP, the multiplied one of a gated MLP.
    pub up: Linear<T>,
    /// `d_model -> d_mlp`: the activated projection of a gated MLP.
    pub gate: Option<Linear<T>>,
    /// `d_mlp -> d_model`.
    pub down: Linear<T>,
    /// Norm of its output before it is added to the stream.
    pub post_norm: Option<NormWeights<T>>,
}

/// Gain and bias of a norm, `[d_model]` each; an empty gain where there is no norm.
#[derive(Debug, Clone)]
pub struct NormWeights<T> {
    /// Multiplied after normalising.
    pub gain: Vec<T>,
    /// Added last (`LayerNorm`).
    pub bias: Option<Vec<T>>,
}

/// A linear map `y = x W + b` from `inputs` to `outputs` coordinates.
#[derive(Debug, Clone)]
pub struct Linear<T> {
    /// `W`, row-major `[inputs, outputs]`, or `[outputs, inputs]` when `transposed`.
    pub weight: Values<T>,
    /// Whether `weight` is stored `[outputs, inputs]`, as Hugging Face's `nn.Linear` does.
    pub transposed: bool,
    /// Number of input coordinates.
    pub inputs: usize,
    /// Number of output coordinates.
    pub outputs: usize,
    /// `b`, `[outputs]`.
    pub bias: Option<Vec<T>>,
}

/// The map from the stream to logits.
#[derive(Debug, Clone)]
pub struct Unembedding<T> {
    /// A row per logit, `[d_out, d_model]`.
    pub table: Table<T>,
    /// `[d_out]`.
    pub bias: Option<Vec<T>>,
}

impl<T: Real> Linear<T> {
    /// Distance in `weight` between neighbouring inputs and between neighbouring outputs.
    pub fn strides(&self) -> (usize, usize) {
        if self.transposed {
            (1, self.inputs)
        } else {
            (self.outputs, 1)
        }
    }

    /// The same map in another precision.
    pub fn cast<U: Real>(&self) -> Linear<U> {
        Linear {
            weight: cast(&self.weight),
            transposed: self.transposed,
            inputs: self.inputs,
            outputs: self.outputs,
            bias: self.bias.as_deref().map(cast_vec),
        }
    }
}

impl<T: Real> NormWeights<T> {
    /// The same norm in another precision.
    pub fn cast<U: Real>(&self) -> NormWeights<U> {
        NormWeights {
            gain: cast_vec(&self.gain),
            bias: self.bias.as_deref().map(cast_vec),
        }
    }
}

impl<T: Real> Weights<T> {
    /// The attention of a block. The handle keeps it in memory; hold it for a layer's work and no longer.
    ///
    /// # Panics
    /// When there is no such block, or its file was changed since the model was loaded.
    pub fn attention(&self, layer: usize) -> Arc<Attention<T>> {
        self.blocks.attention(layer)
    }

    /// The MLP of a block, where there is one; as [`Self::attention`].
    ///
    /// # Panics
    /// As [`Self::attention`].
    pub fn mlp(&self, layer: usize) -> Option<Arc<Mlp<T>>> {
        self.blocks.mlp(layer)
    }

    /// The rows whose inner products with the normed stream are the logits.
    pub(crate) fn unembedding_table(&self) -> &Table<T> {
        match &self.unembedding {
            Some(map) => &map.table,
            None => &self.embedding,
        }
    }

    /// What is added to the logits.
    pub(crate) fn unembedding_bias(&self) -> Option<&[T]> {
        self.unembedding.as_ref()?.bias.as_deref()
    }

    /// Bytes that the weights take in memory, mapped files apart: all of them, or those that are there at once where
    /// blocks are on demand.
    pub fn held_bytes(&self) -> usize {
        let position = self.position.as_ref().map_or(0, Values::held_bytes);
        let tables = [
            Some(&self.embedding),
            self.unembedding.as_ref().map(|map| &map.table),
        ];
        let read_whole = self.unembedding_table().bytes_when_read();
        let held = tables.into_iter().flatten().map(Table::held_bytes);
        self.blocks.held_bytes() + position + held.sum::<usize>() + read_whole
    }

    /// The same weights in another precision; blocks on demand where these are, or where it is wished.
    pub fn cast_in<U: Real>(&self, on_demand: bool) -> Weights<U> {
        let keep = !on_demand && !self.blocks.are_on_demand();
        Weights {
            config: self.config.clone(),
            embedding: self.embedding.cast(keep),
            position: self.position.as_deref().map(cast),
            blocks: self.blocks.cast(on_demand),
            final_norm: self.final_norm.cast(),
            unembedding: self.unembedding.as_ref().map(|map| Unembedding {
                table: map.table.cast(keep),
                bias: map.bias.as_deref().map(cast_vec),
            }),
        }
    }
}

impl<T: Real> Weights<T> {
    /// The same weights in another precision.
    pub fn cast<U: Real>(&self) -> Weights<U> {
        self.cast_in(false)
    }
}

impl<T: Real> Attention<T> {
    /// Bytes of its matrices in memory, mapped files apart.
    pub(super) fn held_bytes(&self) -> usize {
        let maps = [&self.q, &self.k, &self.v, &self.o];
        maps.into_iter().map(|map| map.weight.held_bytes()).sum()
    }

    /// The same weights in another precision.
    pub fn cast<U: Real>(&self) -> Attention<U> {
        Attention {
            norm: self.norm.cast(),
            q: self.q.cast(),
            k: self.k.cast(),
            v: self.v.cast(),
            o: self.o.cast(),
            query_norm: self.query_norm.as_ref().map(NormWeights::cast),
            key_norm: self.key_norm.as_ref().map(NormWeights::cast),
            post_norm: self.post_norm.as_ref().map(NormWeights::cast),
        }
    }
}

impl<T: Real> Mlp<T> {
    /// Bytes of its matrices in memory, mapped files apart.
    pub(super) fn held_bytes(&self) -> usize {
        let maps = [Some(&self.up), self.gate.as_ref(), Some(&self.down)];
        let held = maps.into_iter().flatten();
        held.map(|map| map.weight.held_bytes()).sum()
    }

    /// The same weights in another precision.
    pub fn cast<U: Real>(&self) -> Mlp<U> {
        Mlp {
            norm: self.norm.cast(),
            up: self.up.cast(),
            gate: self.gate.as_ref().map(Linear::cast),
            down: self.down.cast(),
            post_norm: self.post_norm.as_ref().map(NormWeights::cast),
        }
    }
}

pub(super) fn cast<T: Real, U: Real>(values: &[T]) -> Values<U> {
    cast_vec(values).into()
}

fn cast_vec<T: Real, U: Real>(values: &[T]) -> Vec<U> {
    values
        .iter()
        .map(|value| U::from_f64(value.to_f64()))
        .collect()
}
