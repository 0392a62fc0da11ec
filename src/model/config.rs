//! The shape of a model and the choices its family makes, in the field's words.

use serde::{Deserialize, Serialize};

/// What a forward pass has to know about a model besides its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Family name: `gpt2`, `llama`.
    pub family: String,
    /// Number of blocks.
    pub n_layers: usize,
    /// Query heads per layer.
    pub n_heads: usize,
    /// Key/value heads per layer; divides `n_heads`.
    pub n_kv_heads: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of one head.
    pub d_head: usize,
    /// Hidden units of one MLP.
    pub d_mlp: usize,
    /// Tokens of the vocabulary.
    pub d_vocab: usize,
    /// Longest sequence.
    pub n_ctx: usize,
    /// Norm in front of every reader.
    pub norm: Norm,
    /// How positions enter.
    pub positions: Positions,
    /// The MLP's activation function.
    pub activation: Activation,
    /// Whether the MLP multiplies `activation(gate)` with a second projection (`SwiGLU`).
    pub gated_mlp: bool,
    /// Whether attention and MLP of a block read the same stream (GPT-NeoX).
    pub parallel_blocks: bool,
    /// Whether the unembedding is the embedding.
    pub tied_unembedding: bool,
}

/// A norm and its epsilon.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Norm {
    /// Mean and variance; gain and bias.
    LayerNorm {
        /// Added to the variance.
        eps: f64,
    },
    /// Root mean square; gain only.
    RmsNorm {
        /// Added to the mean square.
        eps: f64,
    },
}

/// How token positions enter the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Positions {
    /// A learned vector per position, added to the token embedding.
    Learned,
    /// Rotary embedding of queries and keys, in the rotate-half layout of Hugging Face.
    Rotary {
        /// Base of the frequencies.
        theta: f64,
        /// Leading dimensions of a head that are rotated.
        dims: usize,
    },
}

/// Activation functions of MLPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// GELU in its tanh form (`gelu_new`).
    GeluTanh,
    /// Exact GELU.
    Gelu,
    /// `x * sigmoid(x)`.
    Silu,
    /// `max(x, 0)`.
    Relu,
}

impl ModelConfig {
    /// Query heads that share one key/value head.
    pub fn group_size(&self) -> usize {
        self.n_heads / self.n_kv_heads
    }

    /// Number of parameters, norms and biases included where the family has them.
    pub fn parameters(&self) -> usize {
        let (d, heads, kv) = (
            self.d_model,
            self.n_heads * self.d_head,
            self.n_kv_heads * self.d_head,
        );
        let biased = matches!(self.norm, Norm::LayerNorm { .. });
        let norm = if biased { 2 * d } else { d };
        let attention = d * heads * 2 + d * kv * 2 + if biased { heads + 2 * kv + d } else { 0 };
        let mlp = d * self.d_mlp * if self.gated_mlp { 3 } else { 2 }
            + if biased { self.d_mlp + d } else { 0 };
        let embedding = self.d_vocab * d * if self.tied_unembedding { 1 } else { 2 };
        let position = if matches!(self.positions, Positions::Learned) {
            self.n_ctx * d
        } else {
            0
        };
        embedding + position + self.n_layers * (2 * norm + attention + mlp) + norm
    }
}
