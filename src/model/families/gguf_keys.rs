//! The metadata keys that GGUF files of one architecture share with all others.

use super::check::MAX_WIDTH;
use crate::error::{Error, Result};
use crate::model::source::{Gguf, TensorSource};
use crate::model::{ModelConfig, Norm, Positions, RotaryScaling};

/// Rotary factors for texts within the original context.
pub(super) const SHORT_FACTORS: &str = "rope_factors_short.weight";

/// Metadata under an architecture's name.
pub(super) struct GgufKeys<'a> {
    gguf: &'a Gguf,
    architecture: &'a str,
}

impl<'a> GgufKeys<'a> {
    /// The keys of an architecture.
    pub(super) fn new(gguf: &'a Gguf, architecture: &'a str) -> Self {
        Self { gguf, architecture }
    }

    /// An error about this file.
    pub(super) fn fail(&self, problem: impl Into<String>) -> Error {
        Error::model(&self.gguf.header.file, problem)
    }

    /// The file, as messages call it.
    pub(super) fn file(&self) -> &str {
        &self.gguf.header.file
    }

    /// The whole key.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    /// A size, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn size(&self, key: &str) -> Result<Option<usize>> {
        self.gguf.header.size(&self.key(key))
    }

    /// A size that has to be there.
    ///
    /// # Errors
    /// When the key is absent or something else.
    pub(super) fn required_size(&self, key: &str) -> Result<usize> {
        self.gguf.header.required_size(&self.key(key))
    }

    /// A number, where there is one; decimals that were stored in single precision are themselves again.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        let value = self.gguf.header.float(&self.key(key))?;
        Ok(value.map(shortest))
    }

    /// A number that has to be there.
    ///
    /// # Errors
    /// When the key is absent or something else.
    pub(super) fn required_number(&self, key: &str) -> Result<f64> {
        self.number(key)?.ok_or_else(|| self.missing(key))
    }

    /// A size of all layers, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    fn layer_size(&self, key: &str) -> Result<Option<usize>> {
        let layers = self.required_size("block_count")?;
        self.gguf.header.layer_size(&self.key(key), layers)
    }

    /// A size of all layers that has to be there.
    ///
    /// # Errors
    /// When the key is absent or something else.
    fn required_layer_size(&self, key: &str) -> Result<usize> {
        self.layer_size(key)?.ok_or_else(|| self.missing(key))
    }

    fn missing(&self, key: &str) -> Error {
        self.fail(format!("metadata key {} is missing", self.key(key)))
    }

    /// A text, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.gguf.header.text(&self.key(key))
    }

    /// A switch, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn switch(&self, key: &str) -> Result<Option<bool>> {
        self.gguf.header.switch(&self.key(key))
    }

    /// Which layers have a sliding window: as a list says, or all but every so many-th (of `period` where there is neither).
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn sliding(&self, period: usize) -> Result<impl Fn(usize) -> bool> {
        const KEY: &str = "attention.sliding_window_pattern";
        // What is no list is a period.
        let listed = self.gguf.header.integers(&self.key(KEY)).ok().flatten();
        let listed: Option<Vec<bool>> =
            listed.map(|listed| listed.iter().map(|slides| *slides != 0).collect());
        let period = match &listed {
            Some(listed) => {
                let (found, layers) = (listed.len(), self.required_size("block_count")?);
                if found != layers {
                    return Err(self.fail(format!(
                        "metadata key {} lists {found} values; expected one for each of the {layers} layers",
                        self.key(KEY)
                    )));
                }
                period
            }
            None => self.size(KEY)?.unwrap_or(period),
        };
        Ok(move |layer: usize| match &listed {
            Some(listed) => listed.get(layer).copied().unwrap_or_default(),
            None => period == 0 || layer % period + 1 < period,
        })
    }

    /// Numbers from a tensor, where there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn tensor(&self, name: &str) -> Result<Option<Vec<f64>>> {
        if self.gguf.shape(name).is_none() {
            return Ok(None);
        }
        let values = self.gguf.read(name)?;
        Ok(Some(
            values
                .iter()
                .map(|value| shortest(f64::from(*value)))
                .collect(),
        ))
    }

    /// What all architectures state alike: sizes, and whether the unembedding is the embedding. One key/value head per
    /// head, heads that fill the stream, no norm and learned positions where nothing else is said.
    ///
    /// # Errors
    /// When a key is missing or malformed, or the model is a mixture of experts.
    pub(super) fn sizes(&self, family: &str) -> Result<ModelConfig> {
        let header = &self.gguf.header;
        if self.size("expert_count")?.unwrap_or_default() > 0 {
            return Err(self.fail("mixtures of experts are not supported"));
        }
        let Some(embedding) = header.tensors.get("token_embd.weight") else {
            return Err(self.fail("tensor token_embd.weight is missing"));
        };
        let d_model = self.required_size("embedding_length")?;
        let n_heads = self.required_layer_size("attention.head_count")?;
        let d_head = match self.size("attention.key_length")? {
            Some(width) => width,
            None if n_heads > 0 && d_model.is_multiple_of(n_heads) => d_model / n_heads,
            None => {
                return Err(self.fail(format!(
                    "an embedding of length {d_model} cannot be split into {n_heads} heads"
                )));
            }
        };
        let values = self.size("attention.value_length")?.unwrap_or(d_head);
        if values != d_head {
            let key = self.key("attention.value_length");
            let problem = format!("{key} is {values}; expected the heads' width {d_head}");
            return Err(self.fail(problem));
        }
        Ok(ModelConfig {
            family: family.into(),
            n_layers: self.required_size("block_count")?,
            n_heads,
            n_kv_heads: self
                .layer_size("attention.head_count_kv")?
                .unwrap_or(n_heads),
            d_model,
            d_head,
            d_mlp: self.required_layer_size("feed_forward_length")?,
            d_vocab: embedding.shape.first().copied().unwrap_or_default(),
            n_ctx: self.required_size("context_length")?,
            tied_unembedding: !header.tensors.contains_key("output.weight"),
            ..ModelConfig::default()
        })
    }

    /// Root mean square norms.
    ///
    /// # Errors
    /// When the epsilon is missing.
    pub(super) fn rms_norm(&self) -> Result<Norm> {
        let eps = self.required_number("attention.layer_norm_rms_epsilon")?;
        Ok(Norm::RmsNorm { eps })
    }

    /// Layer norms.
    ///
    /// # Errors
    /// When the epsilon is missing.
    pub(super) fn layer_norm(&self) -> Result<Norm> {
        let eps = self.required_number("attention.layer_norm_epsilon")?;
        Ok(Norm::LayerNorm { eps })
    }

    /// Rotary positions of `dims` dimensions.
    ///
    /// # Errors
    /// When a key is malformed or the kind of scaling is not supported.
    pub(super) fn rotary(&self, dims: usize) -> Result<Positions> {
        let kind = self.text("rope.scaling.type")?;
        let old = self.number("rope.scale_linear")?;
        let factor = self.number("rope.scaling.factor")?.or(old);
        let factor = factor.filter(|factor| *factor != 0.0);
        let factor = match kind {
            Some("none") => None,
            None | Some("linear") => factor,
            Some("longrope") if self.gguf.shape(SHORT_FACTORS).is_some() && factor.is_none() => {
                None
            }
            Some(kind) => {
                let key = self.key("rope.scaling.type");
                return Err(self.fail(format!(
                    "{key} is {kind:?}; of scaled rotary positions only \"linear\" and rope_freqs.weight are supported"
                )));
            }
        };
        let table = self.tensor("rope_freqs.weight")?;
        let scaling = match (table, factor) {
            (None, None) => None,
            (table, factor) => {
                let mut factors = table.unwrap_or_else(|| vec![1.0; dims.min(MAX_WIDTH) / 2]);
                for value in &mut factors {
                    *value *= factor.unwrap_or(1.0);
                }
                Some(RotaryScaling {
                    factors,
                    magnitude: 1.0,
                })
            }
        };
        Ok(Positions::Rotary {
            theta: self.number("rope.freq_base")?.unwrap_or(10_000.0),
            dims,
            scaling,
        })
    }

    /// Rotary positions of whole heads.
    ///
    /// # Errors
    /// As [`Self::rotary`], and when only a part of a head is rotated.
    pub(super) fn whole_rotary(&self, d_head: usize) -> Result<Positions> {
        let dims = self.size("rope.dimension_count")?.unwrap_or(d_head);
        if dims != d_head {
            let key = self.key("rope.dimension_count");
            let problem = format!("{key} is {dims}; expected the heads' width {d_head}");
            return Err(self.fail(problem));
        }
        let magnitude = self.number("rope.scaling.attn_factor")?.unwrap_or(1.0);
        if self.gguf.shape(SHORT_FACTORS).is_some() || (magnitude - 1.0).abs() > 0.0 {
            let problem = format!(
                "scaled rotary positions by {SHORT_FACTORS} and {} are supported for Phi-3 only",
                self.key("rope.scaling.attn_factor")
            );
            return Err(self.fail(problem));
        }
        self.rotary(dims)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epsilons_stored_as_f32_are_their_decimals() {
        assert_eq!(shortest(f64::from(1e-5_f32)).to_bits(), 1e-5_f64.to_bits());
        assert_eq!(shortest(1e-5).to_bits(), 1e-5_f64.to_bits());
    }
}
