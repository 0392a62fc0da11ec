//! What another implementation computed, in a safetensors file.

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::{Error, Result};

/// Tokens, and what a reference computed for them.
#[derive(Debug, Clone)]
pub struct Golden {
    /// The tokens of each row, padding left out.
    pub rows: Vec<Vec<u32>>,
    /// Positions of a row with its padding.
    positions: usize,
    /// Logits, where the file has them.
    logits: Option<Values>,
    /// Residual streams by layer: what the block of that number reads.
    streams: BTreeMap<usize, Values>,
}

/// A tensor `[rows, positions, width]`.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    pub(crate) width: usize,
    data: Vec<f64>,
}

impl Golden {
    /// Reads a dump: `tokens` `[rows, positions]` (right-padded, with `attention_mask` `[rows, positions]` or `lengths`
    /// `[rows]`; neither where no row is padded), `logits` `[rows, positions, d_out]`, and for any layers
    /// `resid.LAYER` `[rows, positions, d_model]`, the residual stream that the block of that number reads (`n_layers`:
    /// the final norm). What stands at padding is not looked at.
    ///
    /// # Errors
    /// `Error::Data` naming `file` and the tensor when the bytes are not such a dump.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|error| Error::data(file, format!("not a whole safetensors file: {error}")))?;
        let dump = Dump { file, tensors };
        dump.read()
    }

    /// The reference's numbers for one real position.
    pub(crate) fn at<'a>(&self, values: &'a Values, row: usize, position: usize) -> &'a [f64] {
        let start = (row * self.positions + position) * values.width;
        &values.data[start..start + values.width]
    }

    /// The logits, where the file has them.
    pub(crate) fn logits(&self) -> Option<&Values> {
        self.logits.as_ref()
    }

    /// The residual streams, by layer.
    pub(crate) fn streams(&self) -> &BTreeMap<usize, Values> {
        &self.streams
    }
}

struct Dump<'a> {
    file: &'a str,
    tensors: SafeTensors<'a>,
}

impl Dump<'_> {
    fn fail(&self, problem: impl Into<String>) -> Error {
        Error::data(self.file, problem)
    }

    fn read(&self) -> Result<Golden> {
        let tokens = self.get("tokens")?.ok_or_else(|| {
            self.fail("there is no tensor tokens; expected tokens, attention_mask, logits and resid.LAYER")
        })?;
        let [count, positions] = *tokens.shape() else {
            let problem = format!(
                "tokens has shape {:?}; expected [rows, positions]",
                tokens.shape()
            );
            return Err(self.fail(problem));
        };
        let tokens = self.integers("tokens", &tokens)?;
        let lengths = self.lengths(count, positions)?;
        let rows: Result<Vec<Vec<u32>>> = lengths
            .iter()
            .enumerate()
            .map(|(row, length)| {
                let start = row * positions;
                let token = |id: &i64| {
                    u32::try_from(*id)
                        .map_err(|_| self.fail(format!("tokens holds {id} in row {row}")))
                };
                tokens[start..start + length].iter().map(token).collect()
            })
            .collect();
        let mut golden = Golden {
            rows: rows?,
            positions,
            logits: None,
            streams: BTreeMap::new(),
        };
        for (name, view) in self.tensors.iter() {
            let stream = name.strip_prefix("resid.");
            if name != "logits" && stream.is_none() {
                if ["tokens", "attention_mask", "lengths"].contains(&name) {
                    continue;
                }
                let problem = format!(
                    "unknown tensor {name}; expected tokens, attention_mask or lengths, logits and resid.LAYER"
                );
                return Err(self.fail(problem));
            }
            let values = self.values(name, &view, count, positions)?;
            match stream {
                None => golden.logits = Some(values),
                Some(layer) => {
                    let layer = layer.parse().map_err(|_| {
                        self.fail(format!("{name}: expected resid. and the number of a layer"))
                    })?;
                    golden.streams.insert(layer, values);
                }
            }
        }
        if golden.logits.is_none() && golden.streams.is_empty() {
            return Err(
                self.fail("there is neither a tensor logits nor resid.LAYER to compare with")
            );
        }
        if golden.rows.is_empty() {
            return Err(self.fail("tokens has no rows"));
        }
        Ok(golden)
    }

    fn get(&self, name: &str) -> Result<Option<TensorView<'_>>> {
        match self.tensors.tensor(name) {
            Ok(view) => Ok(Some(view)),
            Err(safetensors::SafeTensorError::TensorNotFound(_)) => Ok(None),
            Err(error) => Err(self.fail(format!("{name}: {error}"))),
        }
    }

    /// Real positions of every row.
    fn lengths(&self, rows: usize, positions: usize) -> Result<Vec<usize>> {
        let lengths = if let Some(view) = self.get("lengths")? {
            if view.shape() != [rows] {
                let problem = format!("lengths has shape {:?}; expected [{rows}]", view.shape());
                return Err(self.fail(problem));
            }
            let lengths = self.integers("lengths", &view)?;
            lengths
                .into_iter()
                .map(|length| usize::try_from(length).unwrap_or(usize::MAX))
                .collect()
        } else if let Some(view) = self.get("attention_mask")? {
            if view.shape() != [rows, positions] {
                let problem = format!(
                    "attention_mask has shape {:?}; expected [{rows}, {positions}]",
                    view.shape()
                );
                return Err(self.fail(problem));
            }
            let mask = self.integers("attention_mask", &view)?;
            let real = |row: &[i64]| row.iter().take_while(|value| **value != 0).count();
            let rows: Vec<&[i64]> = mask.chunks(positions.max(1)).collect();
            if let Some(row) = rows
                .iter()
                .position(|row| row[real(row)..].iter().any(|value| *value != 0))
            {
                let problem =
                    format!("row {row} of attention_mask is not padded on the right only");
                return Err(self.fail(problem));
            }
            rows.into_iter().map(real).collect()
        } else {
            vec![positions; rows]
        };
        match lengths
            .iter()
            .position(|length| *length == 0 || *length > positions)
        {
            None => Ok(lengths),
            Some(row) => Err(self.fail(format!(
                "row {row} has {} real positions; expected 1 to {positions}",
                lengths[row]
            ))),
        }
    }

    fn integers(&self, name: &str, view: &TensorView<'_>) -> Result<Vec<i64>> {
        let data = view.data();
        Ok(match view.dtype() {
            Dtype::I64 => each(data, i64::from_le_bytes),
            Dtype::I32 => each(data, |le| i64::from(i32::from_le_bytes(le))),
            Dtype::U32 => each(data, |le| i64::from(u32::from_le_bytes(le))),
            Dtype::U8 | Dtype::BOOL => data.iter().map(|byte| i64::from(*byte)).collect(),
            other => {
                let problem =
                    format!("{name} has elements of type {other:?}; expected whole numbers");
                return Err(self.fail(problem));
            }
        })
    }

    fn values(
        &self,
        name: &str,
        view: &TensorView<'_>,
        rows: usize,
        positions: usize,
    ) -> Result<Values> {
        let [_, _, width] = *view.shape() else {
            let problem = format!(
                "{name} has shape {:?}; expected [{rows}, {positions}, width]",
                view.shape()
            );
            return Err(self.fail(problem));
        };
        if view.shape() != [rows, positions, width] {
            let problem = format!(
                "{name} has shape {:?}; expected [{rows}, {positions}, {width}] as the tokens",
                view.shape()
            );
            return Err(self.fail(problem));
        }
        let data = view.data();
        let data = match view.dtype() {
            Dtype::F64 => each(data, f64::from_le_bytes),
            Dtype::F32 => each(data, |le| f64::from(f32::from_le_bytes(le))),
            Dtype::F16 => each(data, |le| f16::from_le_bytes(le).to_f64()),
            Dtype::BF16 => each(data, |le| bf16::from_le_bytes(le).to_f64()),
            other => {
                let problem = format!(
                    "{name} has elements of type {other:?}; expected F64, F32, F16 or BF16"
                );
                return Err(self.fail(problem));
            }
        };
        Ok(Values { width, data })
    }
}

fn each<const N: usize, T>(bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (elements, _) = bytes.as_chunks::<N>();
    elements.iter().map(|element| decode(*element)).collect()
}
