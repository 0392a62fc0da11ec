//! The shape of a model and the choices its family makes, in the field's words.

use serde::{Deserialize, Serialize};

/// What a forward pass has to know about a model besides its weights.
///
/// The default is an empty shape with the plain choices (causal scaled dot products, a norm in front of readers only),
/// to be filled in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent facts about a family"
)]
pub struct ModelConfig {
    /// Family name: `gpt2`, `llama`, ...
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
    /// Hidden units of one MLP; 0 where blocks have attention only.
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
    /// What attention does beyond causal scaled dot products.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attention: AttentionConfig,
    /// Whether the sum of the heads and the MLP's output pass another norm before they are added to the stream (Gemma 2
    /// and 3).
    #[serde(default, skip_serializing_if = "is_default")]
    pub post_norms: bool,
    /// Factor of token embeddings on their way into the stream (Gemma); 1 where `None`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub embedding_scale: Option<f64>,
    /// Logits are capped softly: `cap * tanh(logit / cap)` (Gemma 2).
    #[serde(default, skip_serializing_if = "is_default")]
    pub logit_soft_cap: Option<f64>,
    /// Number of logits, where they do not stand for the vocabulary (compiled models).
    #[serde(default, skip_serializing_if = "is_default")]
    pub d_out: Option<usize>,
}

/// What attention does beyond causal scaled dot products.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AttentionConfig {
    /// Factor of the scores; `1 / sqrt(d_head)` where `None`.
    #[serde(skip_serializing_if = "is_default")]
    pub scale: Option<f64>,
    /// Scores are capped softly before the softmax: `cap * tanh(score / cap)` (Gemma 2).
    #[serde(skip_serializing_if = "is_default")]
    pub soft_cap: Option<f64>,
    /// Whether queries also see later positions (compiled models).
    #[serde(skip_serializing_if = "is_default")]
    pub bidirectional: bool,
    /// Whether each head's queries and keys pass a norm of their own before the rotation (Qwen 3, Gemma 3).
    #[serde(skip_serializing_if = "is_default")]
    pub query_key_norm: bool,
    /// Layers whose queries see a window only.
    #[serde(skip_serializing_if = "is_default")]
    pub local: Option<LocalAttention>,
}

/// Attention to a sliding window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalAttention {
    /// Positions a query sees, its own included.
    pub window: usize,
    /// The layers that do this, ascending.
    pub layers: Vec<usize>,
    /// Rotary base of these layers, where it is another one (Gemma 3); never scaled.
    #[serde(default, skip_serializing_if = "is_default")]
    pub theta: Option<f64>,
}

/// A norm and its epsilon.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Norm {
    /// No norm at all (compiled models).
    #[default]
    None,
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
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Positions {
    /// A learned vector per position, added to the token embedding.
    #[default]
    Learned,
    /// Rotary embedding of queries and keys, in the rotate-half layout of Hugging Face.
    Rotary {
        /// Base of the frequencies.
        theta: f64,
        /// Leading dimensions of a head that are rotated.
        dims: usize,
        /// How the frequencies are stretched for long contexts, if they are.
        #[serde(default, skip_serializing_if = "is_default")]
        scaling: Option<RotaryScaling>,
    },
}

/// Rotary frequencies stretched for long contexts, whatever the formula (linear, Llama 3, `LongRoPE`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RotaryScaling {
    /// What each pair's frequency is divided by, `[dims / 2]`.
    pub factors: Vec<f64>,
    /// Factor of cosines and sines.
    pub magnitude: f64,
}

/// Activation functions of MLPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Activation {
    /// GELU in its tanh form (`gelu_new`).
    #[default]
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

    /// Number of logits.
    pub fn d_out(&self) -> usize {
        self.d_out.unwrap_or(self.d_vocab)
    }

    /// Whether blocks have an MLP.
    pub fn has_mlps(&self) -> bool {
        self.d_mlp > 0
    }

    /// Whether queries of a layer see a window only.
    pub fn window(&self, layer: usize) -> Option<usize> {
        let local = self.attention.local.as_ref()?;
        local
            .layers
            .binary_search(&layer)
            .ok()
            .map(|_| local.window)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
