//! Models in `TransformerLens`'s layout: attention-only ones, and transformers compiled by Tracr.
//!
//! Their config.json has no `model_type`, but `act_fn`, `normalization`, `attention_dir` and `positional`. Tensors have
//! `TransformerLens`'s names and are multiplied from the right: `blocks.0.attn.W_Q` is `[n_heads, d_model, d_head]`.

use super::activation::{PLAIN, activation};
use super::keys::Keys;
use super::names::Names;
use super::{Biases, Description, Family, Load};
use crate::error::{Error, Result};
use crate::model::source::{Format, Gguf, TensorSource, Tensors, Tracked};
use crate::model::{
    Activation, Attention, AttentionConfig, Block, Linear, Mlp, ModelConfig, Norm, NormWeights,
    Positions, Table, Unembedding, Weights,
};

/// The family's registry entry.
pub(super) struct TransformerLens;

impl TransformerLens {
    /// Whether a config.json without `model_type` is in this layout.
    pub(super) fn is(keys: &Keys) -> bool {
        keys.get("model_type").is_none() && keys.mentions("act_fn") && keys.mentions("d_model")
    }
}

impl Family for TransformerLens {
    fn name(&self) -> &'static str {
        "transformer_lens"
    }

    fn class(&self) -> &'static str {
        "HookedTransformer"
    }

    fn architecture(&self) -> Option<&'static str> {
        None
    }

    fn describe_config_json(&self, keys: &Keys) -> Result<Description> {
        keys.refuse_switches(&[
            "parallel_attn_mlp",
            "gated_mlp",
            "tied_embeddings",
            "final_rms",
            "scale_attn_by_inverse_layer_idx",
            "use_local_attn",
            "use_normalization_before_and_after",
            "post_embedding_ln",
            "use_qk_norm",
        ])?;
        if !keys.switch("use_attn_scale", true)? {
            return Err(keys.unsupported("use_attn_scale", "true"));
        }
        if keys
            .text("positional_embedding_type")?
            .unwrap_or("standard")
            != "standard"
        {
            return Err(keys.unsupported("positional_embedding_type", "\"standard\""));
        }
        for cap in ["output_logits_soft_cap", "attn_scores_soft_cap"] {
            if keys.number(cap)?.is_some_and(|cap| cap > 0.0) {
                return Err(keys.unsupported(cap, "-1"));
            }
        }
        let eps = keys.number("eps")?.unwrap_or(1e-5);
        let norm = match keys
            .text("normalization")?
            .or(keys.text("normalization_type")?)
        {
            None => Norm::None,
            Some("LN") => Norm::LayerNorm { eps },
            Some("RMS") => Norm::RmsNorm { eps },
            Some(_) => return Err(keys.unsupported("normalization", "null, \"LN\" or \"RMS\"")),
        };
        let bidirectional = match keys.text("attention_dir")?.unwrap_or("causal") {
            "causal" => false,
            "bidirectional" => true,
            _ => return Err(keys.unsupported("attention_dir", "\"causal\" or \"bidirectional\"")),
        };
        if keys.text("positional")?.unwrap_or("learned_absolute") != "learned_absolute" {
            return Err(keys.unsupported("positional", "\"learned_absolute\""));
        }
        let n_heads = keys.required_size("n_heads")?;
        if let Some(groups) = keys.size("n_key_value_heads")?
            && groups != n_heads
        {
            return Err(keys.unsupported("n_key_value_heads", "the number of heads"));
        }
        let d_mlp = if keys.switch("attn_only", false)? {
            0
        } else {
            keys.required_size("d_mlp")?
        };
        let d_vocab = keys.required_size("d_vocab")?;
        let config = ModelConfig {
            family: self.name().into(),
            n_layers: keys.required_size("n_layers")?,
            n_heads,
            n_kv_heads: n_heads,
            d_model: keys.required_size("d_model")?,
            d_head: keys.required_size("d_head")?,
            d_mlp,
            d_vocab,
            n_ctx: keys.required_size("n_ctx")?,
            norm,
            positions: Positions::Learned,
            activation: activation(keys, "act_fn", Activation::Relu, &PLAIN)?,
            attention: AttentionConfig {
                // What scores are divided by.
                scale: keys.number("attn_scale")?.map(|divisor| 1.0 / divisor),
                bidirectional,
                ..AttentionConfig::default()
            },
            d_out: keys.size("d_out")?.filter(|d_out| *d_out != d_vocab),
            ..ModelConfig::default()
        };
        Description::new(keys.file(), config, Biases::default())
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let problem = "models in TransformerLens's layout have no GGUF form";
        Err(Error::model(&gguf.header.file, problem))
    }

    /// Its names have another form; see [`Reader`].
    fn names(&self, _format: Format) -> Names {
        Names::NONE
    }

    fn settle(&self, _of: &mut Description, _source: &dyn TensorSource) -> Result<()> {
        Ok(())
    }

    fn weights(&self, of: &Description, load: &Load) -> Result<Weights<f32>> {
        let source = &load.source;
        let tracked = Tracked::new(&**source);
        let config = &of.config;
        let tensors = Tensors::new(&tracked, "", "embed.W_E");
        let reader = Reader {
            config,
            tensors: if load.shapes_only {
                tensors.shapes_only()
            } else {
                tensors
            },
        };
        let (tensors, d) = (reader.tensors, config.d_model);
        if config.n_layers > tensors.len() {
            let problem = format!(
                "{} layers are announced, but there are only {} tensors",
                config.n_layers,
                tensors.len()
            );
            return Err(Error::model(source.file("embed.W_E"), problem));
        }
        let layers: Result<Vec<_>> = (0..config.n_layers)
            .map(|layer| reader.block(layer))
            .collect();
        let weights = Weights {
            config: config.clone(),
            embedding: Table::new(tensors.values("embed.W_E", &[config.d_vocab, d])?, d),
            position: Some(tensors.values("pos_embed.W_pos", &[config.n_ctx, d])?),
            blocks: layers?.into(),
            final_norm: reader.norm("ln_final")?,
            unembedding: Some(Unembedding {
                table: {
                    let weight = tensors.read("unembed.W_U", &[d, config.d_out()])?;
                    Table::new(by_output(&weight, config.d_out()), d)
                },
                bias: reader.bias("unembed.b_U", &[config.d_out()])?,
            }),
        };
        tracked.refuse_unread(|tensor| of.is_weight(tensor))?;
        Ok(weights)
    }
}

struct Reader<'a> {
    config: &'a ModelConfig,
    tensors: Tensors<'a>,
}

impl Reader<'_> {
    /// A bias, where there is one.
    fn bias(&self, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>> {
        let there = self.tensors.has(name);
        there.then(|| self.tensors.read(name, shape)).transpose()
    }

    fn norm(&self, name: &str) -> Result<NormWeights<f32>> {
        let d = self.config.d_model;
        let bias = match self.config.norm {
            Norm::None => {
                return Ok(NormWeights {
                    gain: Vec::new(),
                    bias: None,
                });
            }
            Norm::LayerNorm { .. } => Some(self.tensors.read(&format!("{name}.b"), &[d])?),
            Norm::RmsNorm { .. } => None,
        };
        Ok(NormWeights {
            gain: self.tensors.read(&format!("{name}.w"), &[d])?,
            bias,
        })
    }

    fn block(&self, layer: usize) -> Result<Block<f32>> {
        let config = self.config;
        let (d, d_head, heads) = (config.d_model, config.d_head, config.n_heads);
        let name = |part: &str| format!("blocks.{layer}.{part}");
        let into_heads = |part: &str| -> Result<Linear<f32>> {
            let weight = self
                .tensors
                .read(&name(&format!("attn.W_{part}")), &[heads, d, d_head])?;
            Ok(Linear {
                weight: by_input(&weight, heads, d, d_head).into(),
                transposed: false,
                inputs: d,
                outputs: heads * d_head,
                bias: self.bias(&name(&format!("attn.b_{part}")), &[heads, d_head])?,
            })
        };
        let mlp = || -> Result<Mlp<f32>> {
            let d_mlp = config.d_mlp;
            let map = |part: &str, [inputs, outputs]: [usize; 2]| -> Result<Linear<f32>> {
                Ok(Linear {
                    weight: self
                        .tensors
                        .values(&name(&format!("mlp.W_{part}")), &[inputs, outputs])?,
                    transposed: false,
                    inputs,
                    outputs,
                    bias: self.bias(&name(&format!("mlp.b_{part}")), &[outputs])?,
                })
            };
            Ok(Mlp {
                norm: self.norm(&name("ln2"))?,
                up: map("in", [d, d_mlp])?,
                gate: None,
                down: map("out", [d_mlp, d])?,
                post_norm: None,
            })
        };
        Ok(Block {
            attention: Attention {
                norm: self.norm(&name("ln1"))?,
                q: into_heads("Q")?,
                k: into_heads("K")?,
                v: into_heads("V")?,
                o: Linear {
                    weight: self
                        .tensors
                        .values(&name("attn.W_O"), &[heads, d_head, d])?,
                    transposed: false,
                    inputs: heads * d_head,
                    outputs: d,
                    bias: self.bias(&name("attn.b_O"), &[d])?,
                },
                query_norm: None,
                key_norm: None,
                post_norm: None,
            },
            mlp: config.has_mlps().then(mlp).transpose()?,
        })
    }
}

/// The transpose of a matrix with this many columns.
fn by_output(weight: &[f32], outputs: usize) -> Vec<f32> {
    (0..outputs)
        .flat_map(|output| weight.iter().skip(output).step_by(outputs).copied())
        .collect()
}

/// From `[heads, inputs, width]` to `[inputs, heads * width]`.
fn by_input(weight: &[f32], heads: usize, inputs: usize, width: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(weight.len());
    if weight.is_empty() {
        // Only shapes were read.
        return out;
    }
    for input in 0..inputs {
        for head in 0..heads {
            let start = (head * inputs + input) * width;
            out.extend_from_slice(&weight[start..start + width]);
        }
    }
    out
}
