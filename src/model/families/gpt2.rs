//! GPT-2: learned positions, `LayerNorm`, fused q/k/v, plain MLP.
//!
//! Hugging Face's `Conv1D` stores `[inputs, outputs]`; GGUF files store `[outputs, inputs]`.

use serde::Deserialize;

use super::layers::{blocks, in_any_layer, no_more_layers};
use super::{Description, Family, parse_config};
use crate::error::{Error, Result};
use crate::model::source::{Format, GgufHeader, TensorSource, Tensors};
use crate::model::{Activation, Block, Linear, Mlp, ModelConfig, Norm, Positions, Weights};

/// The family's registry entry.
pub(super) struct Gpt2;

#[derive(Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are keys of config.json"
)]
struct ConfigJson {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    #[serde(default = "gelu_new")]
    activation_function: String,
    #[serde(default = "default_epsilon")]
    layer_norm_epsilon: f64,
    #[serde(default = "yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    #[serde(default)]
    add_cross_attention: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
}

fn gelu_new() -> String {
    "gelu_new".into()
}

fn default_epsilon() -> f64 {
    1e-5
}

fn yes() -> bool {
    true
}

/// What the files call the tensors of a block and around it.
struct Names {
    prefix: &'static str,
    embedding: &'static str,
    position: &'static str,
    block: &'static str,
    attention_norm: &'static str,
    qkv: &'static str,
    o: &'static str,
    mlp_norm: &'static str,
    mlp_in: &'static str,
    mlp_out: &'static str,
    final_norm: &'static str,
    unembedding: &'static str,
    transposed: bool,
}

const HUGGING_FACE: Names = Names {
    prefix: "transformer.",
    embedding: "wte.weight",
    position: "wpe.weight",
    block: "h",
    attention_norm: "ln_1",
    qkv: "attn.c_attn",
    o: "attn.c_proj",
    mlp_norm: "ln_2",
    mlp_in: "mlp.c_fc",
    mlp_out: "mlp.c_proj",
    final_norm: "ln_f",
    unembedding: "lm_head",
    transposed: false,
};

const GGUF: Names = Names {
    prefix: "",
    embedding: "token_embd.weight",
    position: "position_embd.weight",
    block: "blk",
    attention_norm: "attn_norm",
    qkv: "attn_qkv",
    o: "attn_output",
    mlp_norm: "ffn_norm",
    mlp_in: "ffn_up",
    mlp_out: "ffn_down",
    final_norm: "output_norm",
    unembedding: "output",
    transposed: true,
};

impl Family for Gpt2 {
    fn name(&self) -> &'static str {
        "gpt2"
    }

    fn class(&self) -> &'static str {
        "GPT2LMHeadModel"
    }

    fn describe_config_json(&self, file: &str, json: &[u8]) -> Result<Description> {
        let read: ConfigJson = parse_config(file, json)?;
        let fail = |problem: String| Err(Error::model(file, problem));
        let activation = match read.activation_function.as_str() {
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "gelu" => Activation::Gelu,
            "silu" | "swish" => Activation::Silu,
            "relu" => Activation::Relu,
            other => {
                return fail(format!(
                    "activation_function {other:?}; expected gelu_new, gelu, silu or relu"
                ));
            }
        };
        if !read.scale_attn_weights
            || read.scale_attn_by_inverse_layer_idx
            || read.add_cross_attention
        {
            return fail(
                "scale_attn_weights: false, scale_attn_by_inverse_layer_idx: true and \
                 add_cross_attention: true are not supported"
                    .into(),
            );
        }
        let config = config(&Shape {
            n_layers: read.n_layer,
            n_heads: read.n_head,
            d_model: read.n_embd,
            d_mlp: read.n_inner.unwrap_or(read.n_embd.saturating_mul(4)),
            d_vocab: read.vocab_size,
            n_ctx: read.n_positions,
            eps: read.layer_norm_epsilon,
        });
        described(
            file,
            ModelConfig {
                activation,
                tied_unembedding: read.tie_word_embeddings,
                ..config
            },
        )
    }

    fn describe_gguf(&self, header: &GgufHeader) -> Result<Description> {
        let epsilon = header.float("gpt2.attention.layer_norm_epsilon")?;
        let embedding = header.tensors.get(GGUF.embedding).ok_or_else(|| {
            let problem = format!("tensor {} is missing", GGUF.embedding);
            Error::model(&header.file, problem)
        })?;
        let config = config(&Shape {
            n_layers: header.required_size("gpt2.block_count")?,
            n_heads: header.required_size("gpt2.attention.head_count")?,
            d_model: header.required_size("gpt2.embedding_length")?,
            d_mlp: header.required_size("gpt2.feed_forward_length")?,
            d_vocab: embedding.shape.first().copied().unwrap_or_default(),
            n_ctx: header.required_size("gpt2.context_length")?,
            eps: epsilon.unwrap_or_else(default_epsilon),
        });
        let tied_unembedding = !header.tensors.contains_key("output.weight");
        described(
            &header.file,
            ModelConfig {
                tied_unembedding,
                ..config
            },
        )
    }

    fn weights(&self, of: &Description, source: &dyn TensorSource) -> Result<Weights<f32>> {
        let config = &of.config;
        let names = match source.format() {
            Format::HuggingFace => HUGGING_FACE,
            Format::Gguf => GGUF,
        };
        let tensors = Tensors::new(source, names.prefix, names.embedding);
        let d = config.d_model;
        let name = |layer: usize, part: &str| format!("{}.{layer}.{part}", names.block);
        no_more_layers(&source.file(names.embedding), config, tensors, |layer| {
            name(layer, &format!("{}.weight", names.attention_norm))
        })?;
        let has_bias = |part: &str| {
            in_any_layer(config, tensors, |layer| {
                name(layer, &format!("{part}.bias"))
            })
        };
        // Variants of GPT-2 leave biases out, in all layers alike.
        let [qkv_bias, o_bias, in_bias, out_bias] =
            [names.qkv, names.o, names.mlp_in, names.mlp_out].map(has_bias);
        let block = |layer: usize| {
            let name = |part: &str| name(layer, part);
            let linear = |part: &str, shape: [usize; 2], bias: bool| {
                tensors.linear(&name(part), shape, names.transposed, bias)
            };
            let [q, k, v] = split(&linear(names.qkv, [d, 3 * d], qkv_bias)?);
            Ok(Block {
                attention_norm: tensors.norm(&name(names.attention_norm), d, true)?,
                q,
                k,
                v,
                o: linear(names.o, [d, d], o_bias)?,
                query_norm: None,
                key_norm: None,
                attention_post_norm: None,
                mlp: Some(Mlp {
                    norm: tensors.norm(&name(names.mlp_norm), d, true)?,
                    up: linear(names.mlp_in, [d, config.d_mlp], in_bias)?,
                    gate: None,
                    down: linear(names.mlp_out, [config.d_mlp, d], out_bias)?,
                    post_norm: None,
                }),
            })
        };
        Ok(Weights {
            config: config.clone(),
            embedding: tensors.read(names.embedding, &[config.d_vocab, d])?,
            position: Some(tensors.read(names.position, &[config.n_ctx, d])?),
            layers: blocks(&source.file(names.embedding), config, tensors, block)?,
            final_norm: tensors.norm(names.final_norm, d, true)?,
            unembedding: (!config.tied_unembedding)
                .then(|| {
                    let shape = [d, config.d_vocab];
                    tensors.bare().linear(names.unembedding, shape, true, false)
                })
                .transpose()?,
        })
    }
}

struct Shape {
    n_layers: usize,
    n_heads: usize,
    d_model: usize,
    d_mlp: usize,
    d_vocab: usize,
    n_ctx: usize,
    eps: f64,
}

fn config(shape: &Shape) -> ModelConfig {
    ModelConfig {
        family: "gpt2".into(),
        n_layers: shape.n_layers,
        n_heads: shape.n_heads,
        n_kv_heads: shape.n_heads,
        d_model: shape.d_model,
        d_head: shape.d_model.checked_div(shape.n_heads).unwrap_or_default(),
        d_mlp: shape.d_mlp,
        d_vocab: shape.d_vocab,
        n_ctx: shape.n_ctx,
        norm: Norm::LayerNorm { eps: shape.eps },
        positions: Positions::Learned,
        activation: Activation::GeluTanh,
        gated_mlp: false,
        parallel_blocks: false,
        tied_unembedding: true,
        ..ModelConfig::default()
    }
}

fn described(file: &str, config: ModelConfig) -> Result<Description> {
    super::check(file, &config)?;
    if config.n_heads * config.d_head != config.d_model {
        let problem = format!(
            "a residual stream of width {} cannot be split into {} heads",
            config.d_model, config.n_heads
        );
        return Err(Error::model(file, problem));
    }
    Ok(Description {
        config,
        attention_bias: false,
        mlp_bias: false,
    })
}

/// Cuts a map with `3 * d` outputs into three with `d` outputs.
fn split(fused: &Linear<f32>) -> [Linear<f32>; 3] {
    let outputs = fused.outputs / 3;
    [0, 1, 2].map(|part| {
        let first = part * outputs;
        let weight = if fused.transposed {
            let rows = first * fused.inputs..(first + outputs) * fused.inputs;
            fused.weight[rows].to_vec()
        } else {
            fused
                .weight
                .chunks_exact(fused.outputs)
                .flat_map(|row| &row[first..first + outputs])
                .copied()
                .collect()
        };
        Linear {
            weight,
            transposed: fused.transposed,
            inputs: fused.inputs,
            outputs,
            bias: fused
                .bias
                .as_ref()
                .map(|bias| bias[first..first + outputs].to_vec()),
        }
    })
}
