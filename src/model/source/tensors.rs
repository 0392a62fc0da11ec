//! Checked access to the tensors of a source: presence, shape, finite values.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::TensorSource;
use crate::error::{Error, Result};
use crate::model::table::{PANEL, RowSource};
use crate::model::{Linear, NormWeights, Table, Values};

/// Numbers that one task checks for being finite.
const CHECKED: usize = 1 << 14;
/// Exponent of a single-precision number; all of its bits are set in NaN and infinities only.
const EXPONENT: u32 = 0x7f80_0000;

/// The tensors of a source under a common name prefix.
#[derive(Clone, Copy)]
pub(crate) struct Tensors<'a> {
    source: &'a dyn TensorSource,
    prefix: &'a str,
    /// Whether numbers are checked for being finite.
    check: bool,
    /// Whether only presence and shapes are checked, and no numbers are read.
    shapes_only: bool,
}

/// The rows of one tensor of a source.
struct TensorRows {
    source: Arc<dyn TensorSource>,
    tensor: String,
}

impl RowSource for TensorRows {
    fn rows(&self, range: Range<usize>) -> Vec<f32> {
        let rows = self.source.rows(&self.tensor, range);
        rows.expect("what was read and checked when the model was loaded can be read again")
    }
}

impl<'a> Tensors<'a> {
    /// All tensors of a source; names start with `prefix` if the file has `probe` under it, otherwise without.
    pub(crate) fn new(source: &'a dyn TensorSource, prefix: &'a str, probe: &str) -> Self {
        let prefixed = source.shape(&format!("{prefix}{probe}")).is_some();
        let bare = source.shape(probe).is_some();
        let prefix = if prefixed || !bare { prefix } else { "" };
        Self {
            source,
            prefix,
            check: true,
            shapes_only: false,
        }
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

    /// The same tensors, which were read before: their numbers are not checked again.
    pub(crate) fn checked_before(self) -> Self {
        Self {
            check: false,
            ..self
        }
    }

    /// The same tensors, of which only presence and shapes are checked: what is read is empty.
    pub(crate) fn shapes_only(self) -> Self {
        Self {
            shapes_only: true,
            ..self
        }
    }

    /// The values of a tensor of a known shape.
    ///
    /// # Errors
    /// When it is missing, has another shape, or holds NaN or an infinity.
    pub(crate) fn values(self, name: &str, expected: &[usize]) -> Result<Values<f32>> {
        let name = self.full(name);
        self.check_shape(&name, expected)?;
        if self.shapes_only {
            self.source.touch(&name);
            return Ok(Vec::new().into());
        }
        let values = self.source.read(&name)?;
        self.check_finite(&name, 0, &values)?;
        Ok(values)
    }

    /// As [`Self::values`], in memory of their own.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub(crate) fn read(self, name: &str, expected: &[usize]) -> Result<Vec<f32>> {
        Ok(self.values(name, expected)?.to_vec())
    }

    /// A table of `[rows, width]` whose rows stay in the file where [`TensorSource::rows_stay`]. `shared` is the source again,
    /// for reading rows later.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub(crate) fn table(
        self,
        name: &str,
        [rows, width]: [usize; 2],
        shared: &Arc<dyn TensorSource>,
    ) -> Result<Table<f32>> {
        let full = self.full(name);
        self.check_shape(&full, &[rows, width])?;
        if self.shapes_only || !self.source.rows_stay(&full) {
            return Ok(Table::new(self.values(name, &[rows, width])?, width));
        }
        for start in (0..rows).step_by(PANEL) {
            let values = self.source.rows(&full, start..(start + PANEL).min(rows))?;
            self.check_finite(&full, start * width, &values)?;
        }
        let source = Arc::new(TensorRows {
            source: Arc::clone(shared),
            tensor: full,
        });
        Ok(Table::in_file(source, [rows, width]))
    }

    fn check_shape(self, name: &str, expected: &[usize]) -> Result<()> {
        match self.source.shape(name) {
            None => self.fail(name, &format!("is missing; expected shape {expected:?}")),
            Some(shape) if shape != expected => {
                self.fail(name, &format!("has shape {shape:?}, expected {expected:?}"))
            }
            Some(_) => Ok(()),
        }
    }

    fn check_finite(self, name: &str, first: usize, values: &[f32]) -> Result<()> {
        if !self.check {
            return Ok(());
        }
        // Without a way out in the middle, so that it runs at the speed of memory.
        let bad = |values: &[f32]| {
            let exponents = values.iter().map(|value| value.to_bits() & EXPONENT);
            exponents.max() == Some(EXPONENT)
        };
        if !values.par_chunks(CHECKED).any(bad) {
            return Ok(());
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => self.fail(
                name,
                &format!(
                    "holds {} at element {}; weights must be finite",
                    values[at],
                    first + at
                ),
            ),
            None => Ok(()),
        }
    }

    fn fail(self, name: &str, problem: &str) -> Result<()> {
        let problem = format!("tensor {name} {problem}");
        Err(Error::model(self.source.file(name), problem))
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
            weight: self.values(&format!("{name}.weight"), &shape)?,
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
