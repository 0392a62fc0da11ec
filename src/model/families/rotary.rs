//! Rotary positions as config.json states them: in `rope_parameters` (transformers 5, perhaps by layer type), or in
//! `rope_theta` and `rope_scaling` (before).

use std::f64::consts::TAU;

use super::keys::Keys;
use crate::error::Result;
use crate::model::{Positions, RotaryScaling};

/// What a family takes for granted, and what its file calls things.
pub(super) struct Defaults {
    /// Base of the frequencies.
    pub theta: f64,
    /// Its key.
    pub theta_key: &'static str,
    /// Share of a head's dimensions that is rotated.
    pub share: f64,
    /// Its key.
    pub share_key: &'static str,
    /// The layers meant, where a file may tell them apart.
    pub layer_type: Option<&'static str>,
    /// Whether `rope_scaling` is about these layers.
    pub scaled: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            theta: 10_000.0,
            theta_key: "rope_theta",
            share: 1.0,
            share_key: "partial_rotary_factor",
            layer_type: None,
            scaled: true,
        }
    }
}

/// Rotary positions.
pub(super) struct Rotary {
    /// Base of the frequencies.
    pub theta: f64,
    /// Dimensions of a head that are rotated.
    pub dims: usize,
    /// How the frequencies are stretched.
    pub scaling: Option<RotaryScaling>,
    /// The longest sequence for which these frequencies hold, where it is not the model's.
    pub n_ctx: Option<usize>,
}

impl Rotary {
    /// As part of a model's shape.
    pub(super) fn positions(self) -> Positions {
        Positions::Rotary {
            theta: self.theta,
            dims: self.dims,
            scaling: self.scaling,
        }
    }
}

/// Keys of rotary parameters that every kind has.
const COMMON: [&str; 4] = ["rope_type", "type", "rope_theta", "partial_rotary_factor"];

/// Reads the rotary positions of heads of a width.
///
/// # Errors
/// When a key is malformed, the kind of scaling is not supported, or one of its keys is unknown.
pub(super) fn rotary(keys: &Keys, d_head: usize, defaults: &Defaults) -> Result<Rotary> {
    let parameters = parameters(keys, defaults)?;
    let number = |key: &str| match &parameters {
        Some(parameters) => parameters.number(key),
        None => Ok(None),
    };
    let theta = match number("rope_theta")? {
        Some(theta) => theta,
        None => keys.number(defaults.theta_key)?.unwrap_or(defaults.theta),
    };
    let share = match number("partial_rotary_factor")? {
        Some(share) => share,
        None => keys.number(defaults.share_key)?.unwrap_or(defaults.share),
    };
    let mut rotary = Rotary {
        theta,
        dims: (d_head as f64 * share) as usize,
        scaling: None,
        n_ctx: None,
    };
    if let Some(parameters) = parameters {
        scale(keys, &parameters, &mut rotary)?;
    }
    Ok(rotary)
}

/// The object that holds the parameters, where there is one.
fn parameters(keys: &Keys, defaults: &Defaults) -> Result<Option<Keys>> {
    let scaling = keys.object("rope_scaling")?;
    if let Some(scaling) = scaling.filter(|scaling| scaling.names().next().is_some())
        && defaults.scaled
    {
        return Ok(Some(scaling));
    }
    let Some(parameters) = keys.object("rope_parameters")? else {
        return Ok(None);
    };
    match defaults.layer_type {
        Some(kind) if parameters.mentions(kind) => parameters.object(kind),
        // One object for all layers.
        _ => Ok(Some(parameters)),
    }
}

/// Applies the kind of scaling that the parameters name.
fn scale(keys: &Keys, parameters: &Keys, rotary: &mut Rotary) -> Result<()> {
    let kind_key = if parameters.get("rope_type").is_some() {
        "rope_type"
    } else {
        "type"
    };
    let kind = parameters.text(kind_key)?.unwrap_or("default");
    let known: &[&str] = match kind {
        "default" => &[],
        "linear" => &["factor"],
        "llama3" => &[
            "factor",
            "low_freq_factor",
            "high_freq_factor",
            "original_max_position_embeddings",
        ],
        "longrope" | "su" => &[
            "factor",
            "short_factor",
            "long_factor",
            "attention_factor",
            "original_max_position_embeddings",
        ],
        _ => {
            return Err(parameters.unsupported(
                kind_key,
                "\"default\", \"linear\", \"llama3\" or \"longrope\"",
            ));
        }
    };
    if let Some(key) = parameters
        .names()
        .find(|key| !COMMON.contains(key) && !known.contains(key))
    {
        let kind = format!("no such key in rotary positions of the kind {kind:?}");
        return Err(parameters.unsupported(key, &kind));
    }
    let pairs = rotary.dims / 2;
    let frequency = |pair: usize| (rotary.theta).powf(-2.0 * pair as f64 / rotary.dims as f64);
    match kind {
        "linear" => {
            rotary.scaling = Some(RotaryScaling {
                factors: vec![parameters.required_number("factor")?; pairs],
                magnitude: 1.0,
            });
        }
        "llama3" => {
            let factor = parameters.required_number("factor")?;
            let low = parameters.required_number("low_freq_factor")?;
            let high = parameters.required_number("high_freq_factor")?;
            let original = original_length(keys, parameters)? as f64;
            let stretch = |pair: usize| {
                let turns = original * frequency(pair) / TAU;
                if turns < low {
                    factor
                } else if turns > high {
                    1.0
                } else {
                    let smooth = (turns - low) / (high - low);
                    1.0 / ((1.0 - smooth) / factor + smooth)
                }
            };
            rotary.scaling = Some(RotaryScaling {
                factors: (0..pairs).map(stretch).collect(),
                magnitude: 1.0,
            });
        }
        "longrope" | "su" => {
            let original = original_length(keys, parameters)?;
            let longest = keys.required_size("max_position_embeddings")?;
            let factor = parameters.number("factor")?;
            let factor = factor.unwrap_or(longest as f64 / original as f64);
            let magnitude = match parameters.number("attention_factor")? {
                Some(magnitude) => magnitude,
                None if factor <= 1.0 => 1.0,
                None => (1.0 + factor.ln() / (original as f64).ln()).sqrt(),
            };
            let factors = parameters.numbers("short_factor")?;
            rotary.scaling = Some(RotaryScaling {
                factors: factors.ok_or_else(|| parameters.wrong("short_factor", "is missing"))?,
                magnitude,
            });
            // Beyond it all positions, the early ones too, would be rotated by the long factors.
            rotary.n_ctx = Some(original.min(longest));
        }
        _ => {}
    }
    Ok(())
}

/// The length that the model was first trained on.
fn original_length(keys: &Keys, parameters: &Keys) -> Result<usize> {
    const KEY: &str = "original_max_position_embeddings";
    if let Some(length) = keys.size(KEY)? {
        return Ok(length);
    }
    match parameters.size(KEY)? {
        Some(length) => Ok(length),
        None => keys.required_size("max_position_embeddings"),
    }
}
