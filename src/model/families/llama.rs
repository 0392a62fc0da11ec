//! Llama: rotary positions, RMS norm, grouped queries, gated MLP.
//!
//! Hugging Face files hold q and k for rotate-half rotary embedding. GGUF files hold them permuted for the interleaved
//! form; they are put back while loading, so that the engine knows one form only.

use serde::Deserialize;
use serde_json::Value;

use super::layers::{blocks, in_any_layer, no_more_layers};
use super::{Description, Family, parse_config};
use crate::error::{Error, Result};
use crate::model::source::{Format, GgufHeader, TensorSource, Tensors};
use crate::model::{Activation, Block, Linear, Mlp, ModelConfig, Norm, Positions, Weights};

/// The family's registry entry.
pub(super) struct Llama;

const DEFAULT_THETA: f64 = 10_000.0;

#[derive(Deserialize)]
struct ConfigJson {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(default = "silu")]
    hidden_act: String,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
}

fn silu() -> String {
    "silu".into()
}

/// What the files call the tensors of a block and around it.
struct Names {
    prefix: &'static str,
    embedding: &'static str,
    block: &'static str,
    attention_norm: &'static str,
    q: &'static str,
    k: &'static str,
    v: &'static str,
    o: &'static str,
    mlp_norm: &'static str,
    gate: &'static str,
    up: &'static str,
    down: &'static str,
    final_norm: &'static str,
    unembedding: &'static str,
    interleaved: bool,
}

const HUGGING_FACE: Names = Names {
    prefix: "model.",
    embedding: "embed_tokens.weight",
    block: "layers",
    attention_norm: "input_layernorm",
    q: "self_attn.q_proj",
    k: "self_attn.k_proj",
    v: "self_attn.v_proj",
    o: "self_attn.o_proj",
    mlp_norm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
    final_norm: "norm",
    unembedding: "lm_head",
    interleaved: false,
};

const GGUF: Names = Names {
    prefix: "",
    embedding: "token_embd.weight",
    block: "blk",
    attention_norm: "attn_norm",
    q: "attn_q",
    k: "attn_k",
    v: "attn_v",
    o: "attn_output",
    mlp_norm: "ffn_norm",
    gate: "ffn_gate",
    up: "ffn_up",
    down: "ffn_down",
    final_norm: "output_norm",
    unembedding: "output",
    interleaved: true,
};

impl Family for Llama {
    fn name(&self) -> &'static str {
        "llama"
    }

    fn class(&self) -> &'static str {
        "LlamaForCausalLM"
    }

    fn describe_config_json(&self, file: &str, json: &[u8]) -> Result<Description> {
        let read: ConfigJson = parse_config(file, json)?;
        let fail = |problem: String| Err(Error::model(file, problem));
        if read.hidden_act != "silu" && read.hidden_act != "swish" {
            let problem = format!("hidden_act {:?}; expected silu", read.hidden_act);
            return fail(problem);
        }
        for (key, scaling) in [
            ("rope_scaling", &read.rope_scaling),
            ("rope_parameters", &read.rope_parameters),
        ] {
            if scaling.as_ref().is_some_and(scales) {
                return fail(format!(
                    "{key} asks for scaled rotary positions, which are not supported yet; expected null"
                ));
            }
        }
        let parameters = read.rope_parameters.as_ref();
        let theta = parameters.and_then(|rope| rope.get("rope_theta")?.as_f64());
        let n_heads = read.num_attention_heads;
        let d_head = match read.head_dim {
            Some(width) => width,
            None if n_heads > 0 && read.hidden_size.is_multiple_of(n_heads) => {
                read.hidden_size / n_heads
            }
            None => {
                return fail(format!(
                    "hidden_size {} cannot be split into {n_heads} heads, and head_dim is missing",
                    read.hidden_size
                ));
            }
        };
        let config = ModelConfig {
            family: "llama".into(),
            n_layers: read.num_hidden_layers,
            n_heads,
            n_kv_heads: read.num_key_value_heads.unwrap_or(n_heads),
            d_model: read.hidden_size,
            d_head,
            d_mlp: read.intermediate_size,
            d_vocab: read.vocab_size,
            n_ctx: read.max_position_embeddings,
            norm: Norm::RmsNorm {
                eps: read.rms_norm_eps,
            },
            positions: Positions::Rotary {
                theta: theta.or(read.rope_theta).unwrap_or(DEFAULT_THETA),
                dims: d_head,
                scaling: None,
            },
            activation: Activation::Silu,
            gated_mlp: true,
            parallel_blocks: false,
            tied_unembedding: read.tie_word_embeddings,
            ..ModelConfig::default()
        };
        super::check(file, &config)?;
        Ok(Description {
            config,
            attention_bias: read.attention_bias,
            mlp_bias: read.mlp_bias,
        })
    }

    fn describe_gguf(&self, header: &GgufHeader) -> Result<Description> {
        let fail = |problem: String| Err(Error::model(&header.file, problem));
        let scaled = header
            .text("llama.rope.scaling.type")
            .is_some_and(|kind| kind != "none")
            || header.tensors.contains_key("rope_freqs.weight")
            || header.metadata.contains_key("llama.rope.scale_linear");
        if scaled {
            return fail("scaled rotary positions are not supported yet".into());
        }
        if header.size("llama.expert_count")?.unwrap_or_default() > 0 {
            return fail("mixtures of experts are not supported".into());
        }
        let Some(embedding) = header.tensors.get(GGUF.embedding) else {
            return fail(format!("tensor {} is missing", GGUF.embedding));
        };
        let d_vocab = embedding.shape.first().copied().unwrap_or_default();
        let d_model = header.required_size("llama.embedding_length")?;
        let n_heads = header.required_size("llama.attention.head_count")?;
        let d_head = match header.size("llama.attention.key_length")? {
            Some(width) => width,
            None if n_heads > 0 && d_model.is_multiple_of(n_heads) => d_model / n_heads,
            None => {
                return fail(format!(
                    "an embedding of length {d_model} cannot be split into {n_heads} heads"
                ));
            }
        };
        for key in ["llama.attention.value_length", "llama.rope.dimension_count"] {
            let width = header.size(key)?.unwrap_or(d_head);
            if width != d_head {
                let problem = format!("{key} is {width}; expected the heads' width {d_head}");
                return fail(problem);
            }
        }
        let Some(eps) = header.float("llama.attention.layer_norm_rms_epsilon")? else {
            return fail("metadata key llama.attention.layer_norm_rms_epsilon is missing".into());
        };
        let theta = header.float("llama.rope.freq_base")?;
        let config = ModelConfig {
            family: "llama".into(),
            n_layers: header.required_size("llama.block_count")?,
            n_heads,
            n_kv_heads: header
                .size("llama.attention.head_count_kv")?
                .unwrap_or(n_heads),
            d_model,
            d_head,
            d_mlp: header.required_size("llama.feed_forward_length")?,
            d_vocab,
            n_ctx: header.required_size("llama.context_length")?,
            norm: Norm::RmsNorm { eps: shortest(eps) },
            positions: Positions::Rotary {
                theta: theta.unwrap_or(DEFAULT_THETA),
                dims: d_head,
                scaling: None,
            },
            activation: Activation::Silu,
            gated_mlp: true,
            parallel_blocks: false,
            tied_unembedding: !header.tensors.contains_key("output.weight"),
            ..ModelConfig::default()
        };
        super::check(&header.file, &config)?;
        Ok(Description {
            config,
            attention_bias: false,
            mlp_bias: false,
        })
    }

    fn weights(&self, of: &Description, source: &dyn TensorSource) -> Result<Weights<f32>> {
        let config = &of.config;
        let names = match source.format() {
            Format::HuggingFace => HUGGING_FACE,
            Format::Gguf => GGUF,
        };
        let tensors = Tensors::new(source, names.prefix, names.embedding);
        let d = config.d_model;
        let heads = config.n_heads * config.d_head;
        let groups = config.n_kv_heads * config.d_head;
        let name = |layer: usize, part: &str| format!("{}.{layer}.{part}", names.block);
        no_more_layers(&source.file(names.embedding), config, tensors, |layer| {
            name(layer, &format!("{}.weight", names.attention_norm))
        })?;
        let has_bias = |part: &str| {
            in_any_layer(config, tensors, |layer| {
                name(layer, &format!("{part}.bias"))
            })
        };
        let [q_bias, k_bias, v_bias, o_bias] =
            [names.q, names.k, names.v, names.o].map(|part| of.attention_bias || has_bias(part));
        let [gate_bias, up_bias, down_bias] =
            [names.gate, names.up, names.down].map(|part| of.mlp_bias || has_bias(part));
        let block = |layer: usize| {
            let name = |part: &str| name(layer, part);
            let linear = |part: &str, shape: [usize; 2], bias: bool| {
                tensors.linear(&name(part), shape, true, bias)
            };
            let mut q = linear(names.q, [d, heads], q_bias)?;
            let mut k = linear(names.k, [d, groups], k_bias)?;
            if names.interleaved {
                rotate_half(&mut q, config.d_head);
                rotate_half(&mut k, config.d_head);
            }
            Ok(Block {
                attention_norm: tensors.norm(&name(names.attention_norm), d, false)?,
                q,
                k,
                v: linear(names.v, [d, groups], v_bias)?,
                o: linear(names.o, [heads, d], o_bias)?,
                query_norm: None,
                key_norm: None,
                attention_post_norm: None,
                mlp: Some(Mlp {
                    norm: tensors.norm(&name(names.mlp_norm), d, false)?,
                    up: linear(names.up, [d, config.d_mlp], up_bias)?,
                    gate: Some(linear(names.gate, [d, config.d_mlp], gate_bias)?),
                    down: linear(names.down, [config.d_mlp, d], down_bias)?,
                    post_norm: None,
                }),
            })
        };
        Ok(Weights {
            config: config.clone(),
            embedding: tensors.read(names.embedding, &[config.d_vocab, d])?,
            position: None,
            layers: blocks(&source.file(names.embedding), config, tensors, block)?,
            final_norm: tensors.norm(names.final_norm, d, false)?,
            unembedding: (!config.tied_unembedding)
                .then(|| {
                    let shape = [d, config.d_vocab];
                    tensors.bare().linear(names.unembedding, shape, true, false)
                })
                .transpose()?,
        })
    }
}

/// Whether a rope configuration is anything but the plain one.
fn scales(rope: &Value) -> bool {
    if rope.is_null() {
        return false;
    }
    let kind = rope.get("rope_type").or_else(|| rope.get("type"));
    match kind {
        Some(kind) => kind.as_str() != Some("default"),
        None => rope.get("factor").is_some(),
    }
}

/// Undoes the widening of a decimal through `f32`: 9.999999747e-6 is 1e-5 again.
fn shortest(value: f64) -> f64 {
    let narrow = value as f32;
    if f64::from(narrow).to_bits() == value.to_bits() {
        narrow.to_string().parse().unwrap_or(value)
    } else {
        value
    }
}

/// Puts the outputs of each head from the interleaved order (pairs side by side) into rotate-half order (all first halves
/// of the pairs, then all second halves).
fn rotate_half(map: &mut Linear<f32>, d_head: usize) {
    map.weight = halves(&map.weight, d_head, map.inputs);
    if let Some(bias) = &mut map.bias {
        *bias = halves(bias, d_head, 1);
    }
}

/// Reorders rows of `width` values within each head.
fn halves(values: &[f32], d_head: usize, width: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for head in values.chunks_exact(d_head * width) {
        for half in 0..2 {
            for pair in 0..d_head / 2 {
                let row = 2 * pair + half;
                out.extend_from_slice(&head[row * width..(row + 1) * width]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_halves_within_each_head() {
        let rows = [0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0];
        let expected = [0.0, 2.0, 1.0, 3.0, 10.0, 12.0, 11.0, 13.0];
        assert_eq!(halves(&rows, 4, 1), expected);
    }

    #[test]
    fn epsilons_stored_as_f32_are_their_decimals() {
        assert_eq!(shortest(f64::from(1e-5_f32)).to_bits(), 1e-5_f64.to_bits());
        assert_eq!(shortest(1e-5).to_bits(), 1e-5_f64.to_bits());
    }
}
