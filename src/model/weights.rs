//! A model's weights in their canonical form: one struct per block, whatever the family called them.

use super::{ModelConfig, Real};

/// The weights of a decoder-only transformer.
#[derive(Debug, Clone)]
pub struct Weights<T> {
    /// The shape they have.
    pub config: ModelConfig,
    /// Token embedding, `[d_vocab, d_model]` row-major.
    pub embedding: Vec<T>,
    /// Learned position embedding, `[n_ctx, d_model]` row-major.
    pub position: Option<Vec<T>>,
    /// The blocks, first to last.
    pub layers: Vec<Block<T>>,
    /// The norm in front of the unembedding.
    pub final_norm: NormWeights<T>,
    /// `d_model -> d_out`; `None` where it is the embedding (tied).
    pub unembedding: Option<Linear<T>>,
}

/// The weights of one block.
#[derive(Debug, Clone)]
pub struct Block<T> {
    /// Norm in front of queries, keys and values.
    pub attention_norm: NormWeights<T>,
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
    pub attention_post_norm: Option<NormWeights<T>>,
    /// The MLP, where there is one.
    pub mlp: Option<Mlp<T>>,
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
    pub weight: Vec<T>,
    /// Whether `weight` is stored `[outputs, inputs]`, as Hugging Face's `nn.Linear` does.
    pub transposed: bool,
    /// Number of input coordinates.
    pub inputs: usize,
    /// Number of output coordinates.
    pub outputs: usize,
    /// `b`, `[outputs]`.
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
            bias: self.bias.as_deref().map(cast),
        }
    }
}

impl<T: Real> NormWeights<T> {
    /// The same norm in another precision.
    pub fn cast<U: Real>(&self) -> NormWeights<U> {
        NormWeights {
            gain: cast(&self.gain),
            bias: self.bias.as_deref().map(cast),
        }
    }
}

impl<T: Real> Weights<T> {
    /// The same weights in another precision.
    pub fn cast<U: Real>(&self) -> Weights<U> {
        Weights {
            config: self.config.clone(),
            embedding: cast(&self.embedding),
            position: self.position.as_deref().map(cast),
            layers: self.layers.iter().map(Block::cast).collect(),
            final_norm: self.final_norm.cast(),
            unembedding: self.unembedding.as_ref().map(Linear::cast),
        }
    }
}

impl<T: Real> Block<T> {
    fn cast<U: Real>(&self) -> Block<U> {
        Block {
            attention_norm: self.attention_norm.cast(),
            q: self.q.cast(),
            k: self.k.cast(),
            v: self.v.cast(),
            o: self.o.cast(),
            query_norm: self.query_norm.as_ref().map(NormWeights::cast),
            key_norm: self.key_norm.as_ref().map(NormWeights::cast),
            attention_post_norm: self.attention_post_norm.as_ref().map(NormWeights::cast),
            mlp: self.mlp.as_ref().map(Mlp::cast),
        }
    }
}

impl<T: Real> Mlp<T> {
    fn cast<U: Real>(&self) -> Mlp<U> {
        Mlp {
            norm: self.norm.cast(),
            up: self.up.cast(),
            gate: self.gate.as_ref().map(Linear::cast),
            down: self.down.cast(),
            post_norm: self.post_norm.as_ref().map(NormWeights::cast),
        }
    }
}

fn cast<T: Real, U: Real>(values: &[T]) -> Vec<U> {
    values
        .iter()
        .map(|value| U::from_f64(value.to_f64()))
        .collect()
}
