//! Llama: rotary positions, RMS norm, grouped queries, gated MLP; the base of its many relatives.
//!
//! Hugging Face files hold q and k for rotate-half rotary embedding. GGUF files of this architecture hold them permuted
//! for the interleaved form; they are put back while loading, so that the engine knows one form only.

use super::activation::activation;
use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::layers::{self, AttentionNames, MlpNames, Names};
use super::rotary::{Defaults, rotary};
use super::{Biases, Description, Family, Load};
use crate::error::Result;
use crate::model::source::{Format, Gguf};
use crate::model::{Activation, ModelConfig, Norm, Weights};

/// The family's registry entry.
pub(super) struct Llama;

/// The names of Llama and its relatives in Hugging Face files.
pub(super) const HUGGING_FACE: Names = Names {
    prefix: "model.",
    embedding: "embed_tokens.weight",
    block: "layers",
    attention_norm: "input_layernorm",
    attention: AttentionNames::Separate([
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
    ]),
    o: "self_attn.o_proj",
    query_key_norms: ["self_attn.q_norm", "self_attn.k_norm"],
    mlp_norm: "post_attention_layernorm",
    mlp: MlpNames::Gated(["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]),
    final_norm: "norm",
    unembedding: "lm_head",
    ..Names::NONE
};

/// The names of relatives of Llama in a format's files.
pub(super) fn names(format: Format) -> Names {
    match format {
        Format::HuggingFace => HUGGING_FACE,
        Format::Gguf => Names::GGUF,
    }
}

impl Family for Llama {
    fn name(&self) -> &'static str {
        "llama"
    }

    fn class(&self) -> &'static str {
        "LlamaForCausalLM"
    }

    fn architecture(&self) -> Option<&'static str> {
        Some("llama")
    }

    fn describe_config_json(&self, keys: &Keys) -> Result<Description> {
        let config = config_json(keys, self.name(), &Relative::default())?;
        Description::new(keys.file(), config, biases(keys)?)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "llama");
        let config = gguf_config(&keys, self.name())?;
        Description::new(keys.file(), config, Biases::default())
    }

    fn weights(&self, of: &Description, load: &Load) -> Result<Weights<f32>> {
        let names = Names {
            interleaved: load.source.format() == Format::Gguf,
            ..names(load.source.format())
        };
        layers::read(of, &names, load)
    }
}

/// What a relative of Llama takes for granted where its config.json is silent.
pub(super) struct Relative {
    /// Rotary positions.
    pub rotary: Defaults,
    /// Whether the unembedding is the embedding.
    pub tied: bool,
    /// Width of a head; the stream's share where `None`.
    pub d_head: Option<usize>,
    /// Key of the activation function.
    pub activation_key: &'static str,
    /// The activation function.
    pub activation: Activation,
}

impl Default for Relative {
    fn default() -> Self {
        Self {
            rotary: Defaults::default(),
            tied: false,
            d_head: None,
            activation_key: "hidden_act",
            activation: Activation::Silu,
        }
    }
}

/// The shape that the config.json of Llama or a relative states, with full attention in every layer.
///
/// # Errors
/// When a key is missing, malformed or asks for something that is not supported.
pub(super) fn config_json(keys: &Keys, family: &str, relative: &Relative) -> Result<ModelConfig> {
    let d_model = keys.required_size("hidden_size")?;
    let n_heads = keys.required_size("num_attention_heads")?;
    let d_head = match keys.size("head_dim")?.or(relative.d_head) {
        Some(width) => width,
        None if n_heads > 0 && d_model.is_multiple_of(n_heads) => d_model / n_heads,
        None => {
            return Err(keys.fail(format!(
                "hidden_size {d_model} cannot be split into {n_heads} heads, and head_dim is missing"
            )));
        }
    };
    let longest = keys.required_size("max_position_embeddings")?;
    let rotary = rotary(keys, d_head, &relative.rotary)?;
    Ok(ModelConfig {
        family: family.into(),
        n_layers: keys.required_size("num_hidden_layers")?,
        n_heads,
        n_kv_heads: keys.size("num_key_value_heads")?.unwrap_or(n_heads),
        d_model,
        d_head,
        d_mlp: keys.required_size("intermediate_size")?,
        d_vocab: keys.required_size("vocab_size")?,
        n_ctx: rotary.n_ctx.unwrap_or(longest),
        norm: Norm::RmsNorm {
            eps: keys.required_number("rms_norm_eps")?,
        },
        positions: rotary.positions(),
        activation: activation(
            keys,
            relative.activation_key,
            relative.activation,
            &[relative.activation],
        )?,
        gated_mlp: true,
        tied_unembedding: keys.switch("tie_word_embeddings", relative.tied)?,
        ..ModelConfig::default()
    })
}

/// The biases that the config.json of Llama or a relative asks for.
///
/// # Errors
/// When a key is malformed.
pub(super) fn biases(keys: &Keys) -> Result<Biases> {
    let attention = keys.switch("attention_bias", false)?;
    Ok(Biases {
        qkv: attention,
        o: attention,
        mlp: keys.switch("mlp_bias", false)?,
    })
}

/// The shape that the GGUF metadata of Llama or a relative state, with full attention in every layer.
///
/// # Errors
/// When a key is missing, malformed or asks for something that is not supported.
pub(super) fn gguf_config(keys: &GgufKeys<'_>, family: &str) -> Result<ModelConfig> {
    let sizes = keys.sizes(family)?;
    Ok(ModelConfig {
        norm: keys.rms_norm()?,
        positions: keys.whole_rotary(sizes.d_head)?,
        activation: Activation::Silu,
        gated_mlp: true,
        ..sizes
    })
}
