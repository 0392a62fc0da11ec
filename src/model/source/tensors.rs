//! Checked access to the tensors of a source: presence, shape, finite values.

use super::TensorSource;
use crate::error::{Error, Result};
use crate::model::{Linear, NormWeights};

/// The tensors of a source under a common name prefix.
#[derive(Clone, Copy)]
pub(crate) struct Tensors<'a> {
    source: &'a dyn TensorSource,
    prefix: &'a str,
}

impl<'a> Tensors<'a> {
    /// All tensors of a source; names start with `prefix` if the file has `probe` under it, otherwise without.
    pub(crate) fn new(source: &'a dyn TensorSource, prefix: &'a str, probe: &str) -> Self {
        let prefixed = source.shape(&format!("{prefix}{probe}")).is_some();
        let bare = source.shape(probe).is_some();
        let prefix = if prefixed || !bare { prefix } else { "" };
        Self { source, prefix }
    }

    /// The same source without the prefix.
    pub(crate) fn bare(self) -> Self {
        Self { prefix: "", ..self }
    }

    /// Number of tensors in the source.
    pub(crate) fn len(self) -> usize {
        self.source.names().len()
    }

    /// Whether the source has the tensor.
    pub(crate) fn has(self, name: &str) -> bool {
        self.source.shape(&self.full(name)).is_some()
    }

    /// The values of a tensor of a known shape.
    ///
    /// # Errors
    /// When it is missing, has another shape, or holds NaN or an infinity.
    pub(crate) fn read(self, name: &str, expected: &[usize]) -> Result<Vec<f32>> {
        let name = self.full(name);
        let fail = |problem: String| {
            let problem = format!("tensor {name} {problem}");
            Err(Error::model(self.source.file(&name), problem))
        };
        match self.source.shape(&name) {
            None => return fail(format!("is missing; expected shape {expected:?}")),
            Some(shape) if shape != expected => {
                return fail(format!("has shape {shape:?}, expected {expected:?}"));
            }
            Some(_) => {}
        }
        let values = self.source.read(&name)?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => fail(format!(
                "holds {} at element {at}; weights must be finite",
                values[at]
            )),
            None => Ok(values),
        }
    }

    /// A map stored as `name.weight`, `[outputs, inputs]` when `transposed`, and `name.bias` where `biased`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn linear(
        self,
        name: &str,
        [inputs, outputs]: [usize; 2],
        transposed: bool,
        biased: bool,
    ) -> Result<Linear<f32>> {
        let shape = if transposed {
            [outputs, inputs]
        } else {
            [inputs, outputs]
        };
        let bias = biased
            .then(|| self.read(&format!("{name}.bias"), &[outputs]))
            .transpose()?;
        Ok(Linear {
            weight: self.read(&format!("{name}.weight"), &shape)?,
            transposed,
            inputs,
            outputs,
            bias,
        })
    }

    /// A norm stored as `name.weight` and, where `biased`, `name.bias`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn norm(self, name: &str, width: usize, biased: bool) -> Result<NormWeights<f32>> {
        let bias = biased
            .then(|| self.read(&format!("{name}.bias"), &[width]))
            .transpose()?;
        Ok(NormWeights {
            gain: self.read(&format!("{name}.weight"), &[width])?,
            bias,
        })
    }

    fn full(self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
