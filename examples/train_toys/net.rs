//! The forward pass with candle's autograd, from basic operations only: the fused ones drop the gradient.

use std::collections::BTreeMap;

use candle_core::{D, Device, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use secateur::model::ModelConfig;

use crate::Result;
use crate::init;
use crate::shape::{EPS, THETA};

/// A model in training: its parameters under Hugging Face's names.
pub(crate) struct Net {
    pub(crate) shape: ModelConfig,
    pub(crate) parameters: BTreeMap<String, Var>,
}

impl Net {
    /// A model with random weights.
    pub(crate) fn new(shape: ModelConfig, rng: &mut ChaCha8Rng) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        for (name, (values, dims)) in init::parameters(&shape, rng) {
            let tensor = Tensor::from_vec(values, dims, &Device::Cpu)?;
            parameters.insert(name, Var::from_tensor(&tensor)?);
        }
        Ok(Self { shape, parameters })
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        let var = self
            .parameters
            .get(name)
            .ok_or_else(|| format!("no parameter {name}"))?;
        Ok(var.as_tensor())
    }

    /// Logits `[reads, d_vocab]` of some places of a batch; `reads` are indices into its `rows * width` tokens.
    pub(crate) fn logits(
        &self,
        tokens: &[u32],
        rows: usize,
        width: usize,
        reads: &[u32],
    ) -> Result<Tensor> {
        let gpt2 = self.shape.family == "gpt2";
        let (embedding, final_norm, unembedding) = if gpt2 {
            ("wte.weight", "ln_f", "wte.weight")
        } else {
            ("model.embed_tokens.weight", "model.norm", "lm_head.weight")
        };
        let tokens = Tensor::from_slice(tokens, rows * width, &Device::Cpu)?;
        let mut stream =
            self.get(embedding)?
                .index_select(&tokens, 0)?
                .reshape((rows, width, ()))?;
        if gpt2 {
            stream = stream.broadcast_add(&self.get("wpe.weight")?.narrow(0, 0, width)?)?;
        }
        let past = mask(width)?;
        let rotary = if gpt2 {
            None
        } else {
            Some(self.rotary(width)?)
        };
        for layer in 0..self.shape.n_layers {
            let prefix = if gpt2 {
                format!("h.{layer}")
            } else {
                format!("model.layers.{layer}")
            };
            let norms = if gpt2 {
                ["ln_1", "ln_2"]
            } else {
                ["input_layernorm", "post_attention_layernorm"]
            };
            let input = self.norm(&stream, &format!("{prefix}.{}", norms[0]))?;
            stream = (stream + self.attention(&input, &prefix, &past, rotary.as_ref())?)?;
            let input = self.norm(&stream, &format!("{prefix}.{}", norms[1]))?;
            stream = (stream + self.mlp(&input, &prefix)?)?;
        }
        let reads = Tensor::from_slice(reads, reads.len(), &Device::Cpu)?;
        let stream = stream
            .reshape((rows * width, ()))?
            .index_select(&reads, 0)?;
        Ok(self
            .norm(&stream, final_norm)?
            .matmul(&self.get(unembedding)?.t()?)?)
    }

    /// The family's norm over the last dimension.
    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let gain = self.get(&format!("{name}.weight"))?;
        let gpt2 = self.shape.family == "gpt2";
        let x = if gpt2 {
            x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?
        } else {
            x.clone()
        };
        let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + EPS)?.sqrt()?;
        let x = x.broadcast_div(&scale)?.broadcast_mul(gain)?;
        if gpt2 {
            return Ok(x.broadcast_add(self.get(&format!("{name}.bias"))?)?);
        }
        Ok(x)
    }

    /// A linear map of `[rows, width, inputs]`: `[in, out]` with bias for GPT-2, else `[out, in]` without.
    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let (rows, width, inputs) = x.dims3()?;
        let x = x.reshape((rows * width, inputs))?;
        let weight = self.get(&format!("{name}.weight"))?;
        let y = if self.shape.family == "gpt2" {
            x.matmul(weight)?
                .broadcast_add(self.get(&format!("{name}.bias"))?)?
        } else {
            x.matmul(&weight.t()?)?
        };
        Ok(y.reshape((rows, width, ()))?)
    }

    fn attention(
        &self,
        x: &Tensor,
        prefix: &str,
        past: &Tensor,
        rotary: Option<&[Tensor; 2]>,
    ) -> Result<Tensor> {
        let (rows, width, _) = x.dims3()?;
        let (heads, groups, d_head) =
            (self.shape.n_heads, self.shape.n_kv_heads, self.shape.d_head);
        // [rows, head, width, d_head]
        let split = |x: Tensor, heads: usize| -> Result<Tensor> {
            Ok(x.reshape((rows, width, heads, d_head))?
                .transpose(1, 2)?
                .contiguous()?)
        };
        let (q, k, v) = if let Some(rotary) = rotary {
            let [q, k, v] = ["q_proj", "k_proj", "v_proj"]
                .map(|name| self.linear(x, &format!("{prefix}.self_attn.{name}")));
            let share = |x: Tensor| -> Result<Tensor> {
                let x =
                    x.unsqueeze(2)?
                        .broadcast_as((rows, groups, heads / groups, width, d_head))?;
                Ok(x.contiguous()?.reshape((rows, heads, width, d_head))?)
            };
            let k = share(rotate(&split(k?, groups)?, rotary)?)?;
            (
                rotate(&split(q?, heads)?, rotary)?,
                k,
                share(split(v?, groups)?)?,
            )
        } else {
            let qkv = self.linear(x, &format!("{prefix}.attn.c_attn"))?;
            let part = |index: usize| {
                split(
                    qkv.narrow(2, index * heads * d_head, heads * d_head)?,
                    heads,
                )
            };
            (part(0)?, part(1)?, part(2)?)
        };
        let scores =
            (q.matmul(&k.t()?.contiguous()?)? / (d_head as f64).sqrt())?.broadcast_add(past)?;
        let mixed = softmax(&scores)?.matmul(&v)?;
        let mixed = mixed
            .transpose(1, 2)?
            .contiguous()?
            .reshape((rows, width, heads * d_head))?;
        let out = if rotary.is_some() {
            "self_attn.o_proj"
        } else {
            "attn.c_proj"
        };
        self.linear(&mixed, &format!("{prefix}.{out}"))
    }

    fn mlp(&self, x: &Tensor, prefix: &str) -> Result<Tensor> {
        let name = |rest: &str| format!("{prefix}.mlp.{rest}");
        if self.shape.gated_mlp {
            let hidden = (self.linear(x, &name("gate_proj"))?.silu()?
                * self.linear(x, &name("up_proj"))?)?;
            return self.linear(&hidden, &name("down_proj"));
        }
        self.linear(&self.linear(x, &name("c_fc"))?.gelu()?, &name("c_proj"))
    }

    /// Cosines and sines `[width, d_head]`, both halves alike.
    fn rotary(&self, width: usize) -> Result<[Tensor; 2]> {
        let d_head = self.shape.d_head;
        let angle = |index: usize| {
            let (position, unit) = (index / d_head, index % (d_head / 2));
            position as f64 / THETA.powf(2.0 * unit as f64 / d_head as f64)
        };
        let table = |function: fn(f64) -> f64| -> Result<Tensor> {
            let values: Vec<f32> = (0..width * d_head)
                .map(|index| function(angle(index)) as f32)
                .collect();
            Ok(Tensor::from_vec(values, (width, d_head), &Device::Cpu)?)
        };
        Ok([table(f64::cos)?, table(f64::sin)?])
    }
}

/// Rotates queries or keys in Hugging Face's rotate-half layout.
fn rotate(x: &Tensor, [cos, sin]: &[Tensor; 2]) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let turned = Tensor::cat(
        &[
            &x.narrow(D::Minus1, half, half)?.neg()?,
            &x.narrow(D::Minus1, 0, half)?,
        ],
        D::Minus1,
    )?;
    Ok((x.broadcast_mul(cos)? + turned.broadcast_mul(sin)?)?)
}

fn softmax(x: &Tensor) -> Result<Tensor> {
    let x = x
        .broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?
        .exp()?;
    Ok(x.broadcast_div(&x.sum_keepdim(D::Minus1)?)?)
}

/// Log-probabilities from logits.
pub(crate) fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let x = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?;
    Ok(x.broadcast_sub(&x.exp()?.sum_keepdim(D::Minus1)?.log()?)?)
}

/// 0 where a query may look, a large negative number where it may not: `[width, width]`.
fn mask(width: usize) -> Result<Tensor> {
    let values: Vec<f32> = (0..width * width)
        .map(|index| {
            if index % width > index / width {
                -1e9
            } else {
                0.0
            }
        })
        .collect();
    Ok(Tensor::from_vec(values, (width, width), &Device::Cpu)?)
}
