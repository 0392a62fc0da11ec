//! A model's forward pass against what another implementation computed.

use super::golden::{Golden, Values};
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::model::{ModelConfig, Real, Weights};

/// How far a model is from a reference, place by place.
#[derive(Debug, Clone, PartialEq)]
pub struct Parity {
    /// The residual streams that the reference has, by layer, then the logits.
    pub places: Vec<Difference>,
}

/// The largest difference at one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// `resid.LAYER` or `logits`.
    pub place: String,
    /// What was computed last in front of the place, and so is wrong if this place is the first that differs.
    pub made_by: String,
    /// Largest absolute difference.
    pub difference: f64,
    /// Row of the batch where it is.
    pub row: usize,
    /// Position in the row.
    pub position: usize,
    /// Coordinate of the stream, or token.
    pub coordinate: usize,
    /// What this program computed there.
    pub found: f64,
    /// What the reference has there.
    pub wanted: f64,
    /// Largest magnitude that the reference has at this place.
    pub scale: f64,
    /// Difference that is allowed: the tolerance, times the scale where that is above 1.
    pub allowed: f64,
}

impl Difference {
    /// Whether the difference is allowed.
    pub fn agrees(&self) -> bool {
        // Not so for NaN.
        self.difference <= self.allowed
    }
}

impl Parity {
    /// The first place, from the embedding on, where the two do not agree.
    pub fn first_bad(&self) -> Option<&Difference> {
        self.places.iter().find(|place| !place.agrees())
    }
}

/// Compares a model with a reference at every layer and position that the reference has.
///
/// Agreement is `|difference| <= tolerance * max(1, largest magnitude of the reference at that place)`, so that deep
/// residual streams, which may be large, are held to their size and small logits to the tolerance itself.
///
/// # Errors
/// `Error::Data` when the reference is of a model of another shape.
pub fn parity<T: Real>(weights: &Weights<T>, golden: &Golden, tolerance: f64) -> Result<Parity> {
    let config = &weights.config;
    check(config, golden)?;
    let transformer = Transformer::plain(weights)?;
    let mut streams: Vec<Worst> = golden.streams().keys().map(|_| Worst::default()).collect();
    let mut logits = Worst::default();
    for (row, tokens) in golden.rows.iter().enumerate() {
        let run = transformer.residuals(tokens);
        for ((layer, wanted), worst) in golden.streams().iter().zip(&mut streams) {
            worst.compare(golden, wanted, row, &run.streams[*layer]);
        }
        if let Some(wanted) = golden.logits() {
            logits.compare(golden, wanted, row, &run.logits);
        }
    }
    let mut places: Vec<Difference> = golden
        .streams()
        .keys()
        .zip(streams)
        .map(|(layer, worst)| {
            let made_by = match layer.checked_sub(1) {
                None => "the embedding".to_owned(),
                Some(block) => format!("block {block}"),
            };
            worst.at(format!("resid.{layer}"), made_by, tolerance)
        })
        .collect();
    if golden.logits().is_some() {
        let made_by = if golden.streams().contains_key(&config.n_layers) {
            "the final norm or the unembedding".to_owned()
        } else {
            let last = config.n_layers - 1;
            format!("block {last}, the final norm or the unembedding")
        };
        places.push(logits.at("logits".into(), made_by, tolerance));
    }
    Ok(Parity { places })
}

/// Checks that a reference is of a model of this shape.
fn check(config: &ModelConfig, golden: &Golden) -> Result<()> {
    let fail = |problem: String| Err(Error::data("the reference", problem));
    for (row, tokens) in golden.rows.iter().enumerate() {
        if tokens.len() > config.n_ctx {
            let problem = format!(
                "row {row} has {} tokens; the model takes {}",
                tokens.len(),
                config.n_ctx
            );
            return fail(problem);
        }
        if let Some(token) = tokens
            .iter()
            .find(|token| **token as usize >= config.d_vocab)
        {
            let problem = format!(
                "row {row} holds token {token}; the vocabulary has {}",
                config.d_vocab
            );
            return fail(problem);
        }
    }
    for (layer, values) in golden.streams() {
        if *layer > config.n_layers {
            return fail(format!(
                "it has resid.{layer}; the model has {} layers",
                config.n_layers
            ));
        }
        if values.width != config.d_model {
            let problem = format!(
                "resid.{layer} is {} wide; the model's stream is {} wide",
                values.width, config.d_model
            );
            return fail(problem);
        }
    }
    match golden.logits() {
        Some(values) if values.width != config.d_out() => fail(format!(
            "there are {} logits at each position; the model has {}",
            values.width,
            config.d_out()
        )),
        _ => Ok(()),
    }
}

/// The largest difference so far at one place.
#[derive(Default)]
struct Worst {
    difference: f64,
    row: usize,
    position: usize,
    coordinate: usize,
    found: f64,
    wanted: f64,
    scale: f64,
}

impl Worst {
    fn compare<T: Real>(&mut self, golden: &Golden, wanted: &Values, row: usize, found: &[T]) {
        for (position, found) in found.chunks_exact(wanted.width).enumerate() {
            let wanted = golden.at(wanted, row, position);
            for (coordinate, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                let (found, wanted) = (found.to_f64(), *wanted);
                self.scale = self.scale.max(wanted.abs());
                let difference = (found - wanted).abs();
                // NaN is worse than any number, and the first one stays.
                let worse = difference > self.difference || difference.is_nan();
                if worse && !self.difference.is_nan() {
                    *self = Self {
                        difference,
                        row,
                        position,
                        coordinate,
                        found,
                        wanted,
                        scale: self.scale,
                    };
                }
            }
        }
    }

    fn at(self, place: String, made_by: String, tolerance: f64) -> Difference {
        Difference {
            place,
            made_by,
            difference: self.difference,
            row: self.row,
            position: self.position,
            coordinate: self.coordinate,
            found: self.found,
            wanted: self.wanted,
            scale: self.scale,
            allowed: tolerance * self.scale.max(1.0),
        }
    }
}
