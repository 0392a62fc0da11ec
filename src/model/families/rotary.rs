//! Rotary positions as config.json states them: in `rope_parameters` (transformers 5, perhaps by layer type), or in
//! `rope_theta` and `rope_scaling` (before).

use std::f64::consts::TAU;

use super::check::MAX_WIDTH;
use super::keys::Keys;
use crate::error::{Error, Result};
use crate::model::{Positions, RotaryScaling};

const SHARE: &str = "partial_rotary_factor";
const ORIGINAL: &str = "original_max_position_embeddings";

/// What a family takes for granted, and what its file calls things.
pub(super) struct Defaults {
    /// Base of the frequencies.
    pub theta: f64,
    /// Its key.
    pub theta_key: &'static str,
    /// Key of the share of a head's dimensions that is rotated, and the share, where the family rotates a part.
    pub share: Option<(&'static str, f64)>,
    /// Where the length stands that the model was first trained on.
    pub original: Original,
}

/// Where the length stands that a model was first trained on; the longest sequence where it stands nowhere else.
#[derive(Clone, Copy)]
pub(super) enum Original {
    /// At the top of the file, or else beside the factors.
    Anywhere,
    /// Beside the factors.
    Beside,
    /// At the top of the file, or else it is the default of Phi-3, whose only kind of scaling is `longrope`.
    Top(usize),
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            theta: 10_000.0,
            theta_key: "rope_theta",
            share: None,
            original: Original::Anywhere,
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
    /// The longest sequence for which these frequencies hold.
    pub n_ctx: usize,
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

/// The parameters of some layers: of several objects the first that has a key counts.
pub(super) struct Parameters {
    objects: Vec<Keys>,
    /// Whether `type` names the kind where `rope_type` does not.
    older_names: bool,
}

impl Parameters {
    /// Those of a model whose layers are all alike.
    ///
    /// # Errors
    /// When they are no object.
    pub(super) fn of_all_layers(keys: &Keys) -> Result<Self> {
        let scaling = keys.object("rope_scaling")?;
        let object = match scaling.filter(|scaling| !scaling.is_empty()) {
            Some(scaling) => Some(scaling),
            None => keys.object("rope_parameters")?,
        };
        Ok(Self {
            objects: object.into_iter().collect(),
            older_names: true,
        })
    }

    /// Those that stand under the name of a kind of layer in `rope_parameters`, after those in `rope_scaling` where it is
    /// about these layers. What stands in `rope_parameters` beside them is not about any layer.
    ///
    /// # Errors
    /// When they are no objects, or there is nothing that `rope_scaling` could be added to.
    pub(super) fn of_kind(keys: &Keys, kind: &str, scaled: bool) -> Result<Self> {
        let all = keys.object("rope_parameters")?;
        let own = all.as_ref().map(|all| all.object(kind)).transpose()?;
        let own = own.flatten();
        let scaling = if scaled {
            let scaling = keys.object("rope_scaling")?;
            scaling.filter(|scaling| !scaling.is_empty())
        } else {
            None
        };
        if let (Some(all), Some(_), None) = (&all, &scaling, &own) {
            return Err(all.wrong(kind, "is missing, and rope_scaling is added to it"));
        }
        Ok(Self {
            older_names: own.is_some(),
            objects: scaling.into_iter().chain(own).collect(),
        })
    }

    fn with(&self, key: &str) -> Option<&Keys> {
        // Each is asked, so that the key counts as read in all of them.
        let found = self.objects.iter().map(|it| (it, it.get(key).is_some()));
        let found: Vec<_> = found.filter(|(_, there)| *there).collect();
        found.first().map(|(object, _)| *object)
    }

    fn number(&self, key: &str) -> Result<Option<f64>> {
        self.with(key).map_or(Ok(None), |object| object.number(key))
    }

    fn required(&self, key: &str) -> Result<f64> {
        self.number(key)?.ok_or_else(|| self.missing(key))
    }

    fn missing(&self, key: &str) -> Error {
        match self.objects.first() {
            Some(object) => object.wrong(key, "is missing"),
            None => Error::Bug(format!("rotary positions without parameters need {key}")),
        }
    }

    /// The kind of scaling, and the key and object that name it.
    fn kind(&self) -> Result<(&str, Option<(&str, &Keys)>)> {
        let keys: &[&str] = if self.older_names {
            &["rope_type", "type"]
        } else {
            &["rope_type"]
        };
        for key in keys {
            if let Some(object) = self.with(key) {
                let kind = object.text(key)?.unwrap_or_default();
                return Ok((kind, Some((key, object))));
            }
        }
        Ok(("default", None))
    }
}

/// Reads the rotary positions of heads of a width in a model that takes sequences up to a length.
///
/// # Errors
/// When a key is malformed or the kind of scaling is not supported.
pub(super) fn rotary(
    keys: &Keys,
    parameters: &Parameters,
    (d_head, longest): (usize, usize),
    defaults: &Defaults,
) -> Result<Rotary> {
    if d_head > MAX_WIDTH {
        let problem = format!("the width of a head is {d_head}; expected 1 to {MAX_WIDTH}");
        return Err(keys.fail(problem));
    }
    // Without a kind of scaling that reads it, it says nothing.
    keys.note(ORIGINAL);
    let beside = parameters.number("rope_theta")?;
    let theta = either(keys, defaults.theta_key, beside)?.unwrap_or(defaults.theta);
    let (kind, named) = parameters.kind()?;
    let (share_key, default_share) = defaults.share.unwrap_or((SHARE, 1.0));
    let stated = either(keys, share_key, parameters.number(SHARE)?)?.unwrap_or(default_share);
    let share = match (defaults.share, kind) {
        (Some(_), _) => stated,
        (None, _) if (stated - 1.0).abs() <= 0.0 => 1.0,
        (None, "default") => {
            keys.warn(&format!(
                "{SHARE} is {stated}, which models of this family do not read: whole heads are rotated"
            ));
            1.0
        }
        (None, _) => {
            let problem = format!(
                "{SHARE} is {stated}, which is not supported with {kind:?} scaling in this family; expected 1"
            );
            return Err(keys.fail(problem));
        }
    };
    let mut rotary = Rotary {
        theta,
        dims: (d_head as f64 * share) as usize,
        scaling: None,
        n_ctx: longest,
    };
    scale(keys, parameters, (kind, named), defaults, &mut rotary)?;
    for object in &parameters.objects {
        for (key, value) in object.unread() {
            keys.warn(&format!(
                "{key} is {value}, which rotary positions of the kind {kind:?} do not read; it was ignored"
            ));
        }
    }
    Ok(rotary)
}

/// A number of the rotary parameters, or else the one at the top of the file.
fn either(keys: &Keys, key: &str, beside: Option<f64>) -> Result<Option<f64>> {
    let top = keys.number(key)?;
    if let (Some(beside), Some(top)) = (beside, top)
        && (beside - top).abs() > 0.0
    {
        keys.warn(&format!(
            "{key} is {top}, but the rotary parameters say {beside}; the second was taken"
        ));
    }
    Ok(beside.or(top))
}

/// Applies the kind of scaling that the parameters name.
fn scale(
    keys: &Keys,
    parameters: &Parameters,
    (kind, named): (&str, Option<(&str, &Keys)>),
    defaults: &Defaults,
    rotary: &mut Rotary,
) -> Result<()> {
    let pairs = rotary.dims / 2;
    let frequency = |pair: usize| (rotary.theta).powf(-2.0 * pair as f64 / rotary.dims as f64);
    let phi3 = matches!(defaults.original, Original::Top(_));
    match (kind, phi3) {
        ("default", _) => {}
        ("linear", false) => {
            rotary.scaling = Some(RotaryScaling {
                factors: vec![parameters.required("factor")?; pairs],
                magnitude: 1.0,
            });
        }
        ("dynamic", false) => {
            // It stretches only what is longer than the model takes.
            parameters.required("factor")?;
        }
        ("llama3", false) => {
            let factor = parameters.required("factor")?;
            let low = parameters.required("low_freq_factor")?;
            let high = parameters.required("high_freq_factor")?;
            let original = original_length(keys, parameters, defaults, rotary.n_ctx)? as f64;
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
        ("longrope", _) | ("su" | "yarn", true) => longrope(keys, parameters, defaults, rotary)?,
        _ => {
            let expected = if phi3 {
                "\"default\" or \"longrope\""
            } else {
                "\"default\", \"linear\", \"dynamic\", \"llama3\" or \"longrope\""
            };
            return Err(match named {
                Some((key, object)) => object.unsupported(key, expected),
                None => Error::Bug(format!("no kind of rotary positions is called {kind:?}")),
            });
        }
    }
    Ok(())
}

/// Factors for texts within the original length, and others beyond it.
fn longrope(
    keys: &Keys,
    parameters: &Parameters,
    defaults: &Defaults,
    rotary: &mut Rotary,
) -> Result<()> {
    let longest = rotary.n_ctx;
    let original = original_length(keys, parameters, defaults, longest)?;
    let factor = parameters.number("factor")?;
    let factor = factor.unwrap_or(longest as f64 / original as f64);
    let magnitude = match parameters.number("attention_factor")? {
        Some(magnitude) => magnitude,
        None if factor <= 1.0 => 1.0,
        None => (1.0 + factor.ln() / (original as f64).ln()).sqrt(),
    };
    let list = |key: &str| -> Result<Vec<f64>> {
        let object = parameters
            .with(key)
            .ok_or_else(|| parameters.missing(key))?;
        object.numbers(key)?.ok_or_else(|| parameters.missing(key))
    };
    list("long_factor")?;
    rotary.scaling = Some(RotaryScaling {
        factors: list("short_factor")?,
        magnitude,
    });
    // Beyond it all positions, the early ones too, would be rotated by the long factors.
    rotary.n_ctx = original.min(longest);
    Ok(())
}

/// The length that the model was first trained on.
fn original_length(
    keys: &Keys,
    parameters: &Parameters,
    defaults: &Defaults,
    longest: usize,
) -> Result<usize> {
    let beside = match parameters.with(ORIGINAL) {
        Some(object) => object.size(ORIGINAL)?,
        None => None,
    };
    let top = match defaults.original {
        Original::Beside => None,
        Original::Anywhere | Original::Top(_) => keys.size(ORIGINAL)?,
    };
    if let (Original::Top(default), None) = (defaults.original, top) {
        if let Some(beside) = beside.filter(|beside| *beside != default) {
            keys.warn(&format!(
                "{ORIGINAL} of the rotary parameters is {beside}, which models of this family do not read; it is {default} \
                 where the top of the file does not say otherwise"
            ));
        }
        return Ok(default);
    }
    if let (Some(top), Some(beside)) = (top, beside)
        && top != beside
    {
        keys.warn(&format!(
            "{ORIGINAL} is {top}, and {beside} in the rotary parameters; the first was taken"
        ));
    }
    Ok(top.or(beside).unwrap_or(longest))
}
