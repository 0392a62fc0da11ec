//! Llama: rotary positions, RMS norm, grouped queries, gated MLP; the base of its many relatives.
//!
//! Hugging Face files hold q and k for rotate-half rotary embedding. GGUF files of this architecture hold them permuted
//! for the interleaved form; they are restored while loading, so that the engine knows one form only.

use serde_json::Value;

use super::activation::activation;
use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::names::{AttentionNames, MlpNames, Names};
use super::rotary::{Defaults, Parameters, rotary};
use super::{Bias, Biases, Description, Family};
use crate::error::Result;
use crate::model::source::{Format, Gguf};
use crate::model::{Activation, ModelConfig, Norm};

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

/// What the configuration of a family says where its file is silent.
pub(super) struct Sizes {
    pub d_vocab: usize,
    pub d_model: usize,
    pub d_mlp: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    /// As many as heads where `None`.
    pub n_kv_heads: Option<usize>,
    pub longest: usize,
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
        let mlp = keys.switch("mlp_bias", false)?;
        let biases = Biases {
            mlp: Bias::announced(mlp),
            ..biases(keys)?
        };
        Description::new(keys.file(), config, biases)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "llama");
        let config = gguf_config(&keys, self.name())?;
        Description::new(keys.file(), config, Biases::default())
    }

    fn names(&self, format: Format) -> Names {
        Names {
            interleaved: format == Format::Gguf,
            ..names(format)
        }
    }
}

/// What a relative of Llama takes for granted where its config.json is silent.
pub(super) struct Relative {
    /// Sizes.
    pub sizes: Sizes,
    /// Epsilon of the norms.
    pub eps: f64,
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
            sizes: Sizes {
                d_vocab: 32_000,
                d_model: 4096,
                d_mlp: 11_008,
                n_layers: 32,
                n_heads: 32,
                n_kv_heads: None,
                longest: 2048,
            },
            eps: 1e-6,
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
/// When a key is malformed or asks for something that is not supported.
pub(super) fn config_json(keys: &Keys, family: &str, relative: &Relative) -> Result<ModelConfig> {
    let parameters = Parameters::of_all_layers(keys)?;
    with_rotary(keys, family, relative, &parameters)
}

/// As [`config_json`], with the rotary parameters given.
///
/// # Errors
/// As [`config_json`].
pub(super) fn with_rotary(
    keys: &Keys,
    family: &str,
    relative: &Relative,
    parameters: &Parameters,
) -> Result<ModelConfig> {
    let sizes = &relative.sizes;
    let d_model = keys.size_or("hidden_size", sizes.d_model)?;
    let n_heads = keys.size_or("num_attention_heads", sizes.n_heads)?;
    if relative.d_head.is_some() && keys.peek("head_dim").is_some_and(Value::is_null) {
        return Err(keys.wrong("head_dim", "is null; expected a number, or no such key"));
    }
    let d_head = match keys.size("head_dim")?.or(relative.d_head) {
        Some(width) => width,
        None if n_heads > 0 && d_model.is_multiple_of(n_heads) => d_model / n_heads,
        None => {
            return Err(keys.fail(format!(
                "hidden_size {d_model} cannot be split into {n_heads} heads, and head_dim is missing"
            )));
        }
    };
    let n_kv_heads = match keys.size("num_key_value_heads")? {
        Some(groups) => groups,
        // Null says that there are as many as heads, in every family.
        None if keys.mentions("num_key_value_heads") => n_heads,
        None => sizes.n_kv_heads.unwrap_or(n_heads),
    };
    let longest = keys.size_or("max_position_embeddings", sizes.longest)?;
    let rotary = rotary(keys, parameters, (d_head, longest), &relative.rotary)?;
    Ok(ModelConfig {
        family: family.into(),
        n_layers: keys.size_or("num_hidden_layers", sizes.n_layers)?,
        n_heads,
        n_kv_heads,
        d_model,
        d_head,
        d_mlp: keys.size_or("intermediate_size", sizes.d_mlp)?,
        d_vocab: keys.size_or("vocab_size", sizes.d_vocab)?,
        n_ctx: rotary.n_ctx,
        norm: Norm::RmsNorm {
            eps: keys.number("rms_norm_eps")?.unwrap_or(relative.eps),
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

/// The biases of attention that the config.json of Llama or a relative asks for; its MLP has none.
///
/// # Errors
/// When a key is malformed.
pub(super) fn biases(keys: &Keys) -> Result<Biases> {
    let attention = Bias::announced(keys.switch("attention_bias", false)?);
    Ok(Biases {
        qkv: attention,
        o: attention,
        mlp: Bias::Denied,
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
