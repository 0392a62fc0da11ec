//! What `cfg.json` in `SAELens`' format says of a dictionary: of its version 6, and of the flat files before it.

use serde::Deserialize;
use serde_json::Value;

use crate::engine::Representation;
use crate::error::{Error, Result};
use crate::input::without_bom;

/// Largest `cfg.json`, in bytes.
const LARGEST_CONFIG: usize = 1 << 20;

/// What makes codes sparse, by the names of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    Standard,
    TopK { k: usize },
    JumpRelu,
    BatchTopK,
    Gated,
}

/// The configuration of a dictionary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LensConfig {
    pub architecture: Architecture,
    pub width: usize,
    pub features: usize,
    /// Whether the decoder's bias is taken from inputs.
    pub centred: bool,
    /// Whether the largest codes are chosen by what they add, not as they are.
    pub rescaled: bool,
    pub layer: usize,
    pub of: Representation,
    /// First positions of each context that it was trained without: the start of `seqpos_slice`, where it is there.
    pub skip_first: Option<usize>,
    /// Tokens of a context that it was trained on, where the file says.
    pub context: Option<usize>,
    /// The model, as the file names it.
    pub model: Option<String>,
}

/// The keys that decide something. What others say (training, data sets) changes no code.
#[derive(Deserialize)]
struct Keys {
    architecture: Option<String>,
    d_in: usize,
    d_sae: usize,
    k: Option<f64>,
    activation_fn: Option<String>,
    activation_fn_str: Option<String>,
    activation_fn_kwargs: Option<Value>,
    apply_b_dec_to_input: Option<bool>,
    normalize_activations: Option<Value>,
    finetuning_scaling_factor: Option<bool>,
    rescale_acts_by_decoder_norm: Option<bool>,
    reshape_activations: Option<String>,
    #[serde(flatten)]
    place: Place,
    metadata: Option<Place>,
}

/// Where the dictionary belongs; in the metadata, or beside everything else in files before version 6.
#[derive(Default, Deserialize)]
struct Place {
    model_name: Option<String>,
    hook_name: Option<String>,
    hook_point: Option<String>,
    hook_head_index: Option<Value>,
    hook_point_head_index: Option<Value>,
    hook_name_out: Option<Value>,
    seqpos_slice: Option<Vec<Option<i64>>>,
    context_size: Option<Value>,
}

impl LensConfig {
    /// Reads and checks a file; `name` is what messages call it.
    ///
    /// # Errors
    /// When it is no such configuration, or asks for something that changes codes and is not known here.
    pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Self> {
        let fail = |problem: String| Error::data(name, problem);
        if bytes.len() > LARGEST_CONFIG {
            return Err(fail("larger than 1 MiB: not a configuration".into()));
        }
        let keys: Keys = serde_json::from_slice(without_bom(bytes))
            .map_err(|error| fail(format!("not the configuration of a dictionary: {error}")))?;
        let metadata = keys.metadata.as_ref();
        let inner = |of: fn(&Place) -> Option<&String>| {
            metadata.and_then(of).or_else(|| of(&keys.place)).cloned()
        };
        let hook = inner(|it| it.hook_name.as_ref().or(it.hook_point.as_ref()));
        let Some(hook) = hook else {
            return Err(fail(
                "there is no hook_name, which says where it belongs".into(),
            ));
        };
        for place in metadata.into_iter().chain([&keys.place]) {
            let null = |value: &Option<Value>| value.as_ref().is_none_or(Value::is_null);
            if !null(&place.hook_head_index) || !null(&place.hook_point_head_index) {
                return Err(fail(
                    "hook_head_index: dictionaries of a single head are not supported; those of all heads are".into(),
                ));
            }
            if !null(&place.hook_name_out) {
                return Err(fail(
                    "hook_name_out: transcoders are not supported; dictionaries of one place are"
                        .into(),
                ));
            }
        }
        let (layer, of) = place_of(&hook).map_err(fail)?;
        let start = |place: &Place| {
            let slice = place.seqpos_slice.as_ref()?;
            Some(slice.first().copied().flatten().unwrap_or(0))
        };
        let start = metadata.and_then(start).or_else(|| start(&keys.place));
        let Ok(skip_first) = start.map(usize::try_from).transpose() else {
            return Err(fail(
                "seqpos_slice: it starts at positions counted from the end, which is not supported"
                    .into(),
            ));
        };
        let context = |place: &Place| usize::try_from(place.context_size.as_ref()?.as_u64()?).ok();
        let context = metadata.and_then(context).or_else(|| context(&keys.place));
        let architecture = keys.architecture().map_err(fail)?;
        keys.refuse_unknown(of).map_err(fail)?;
        Ok(Self {
            architecture,
            width: keys.d_in,
            features: keys.d_sae,
            centred: keys.apply_b_dec_to_input.unwrap_or(true),
            rescaled: keys.rescale_acts_by_decoder_norm == Some(true)
                && matches!(
                    architecture,
                    Architecture::TopK { .. } | Architecture::BatchTopK
                ),
            layer,
            of,
            skip_first,
            context,
            model: inner(|it| it.model_name.as_ref()),
        })
    }
}

impl Keys {
    fn architecture(&self) -> Result<Architecture, String> {
        if self.d_in == 0 || self.d_sae == 0 {
            return Err(format!(
                "d_in is {} and d_sae {}; expected at least 1",
                self.d_in, self.d_sae
            ));
        }
        let activation = self.activation_fn.as_ref();
        let activation = activation.or(self.activation_fn_str.as_ref());
        let activation = activation.map_or("relu", String::as_str);
        let name = self.architecture.as_deref().unwrap_or("standard");
        // Before version 6 this was a standard architecture with another activation.
        let name = match (name, activation) {
            ("standard", "topk") => "topk",
            _ => name,
        };
        if !matches!((name, activation), (_, "relu") | ("topk", "topk")) {
            return Err(format!(
                "activation_fn {activation:?} with architecture {name:?} is not supported; \"relu\" and \"topk\" are"
            ));
        }
        match name {
            "standard" => Ok(Architecture::Standard),
            "topk" => {
                let inner = self.activation_fn_kwargs.as_ref();
                let inner = inner.and_then(|it| it.get("k")).and_then(Value::as_f64);
                let most = self.d_sae as f64;
                match self.k.or(inner) {
                    Some(k) if k >= 1.0 && k <= most && k.fract() == 0.0 => {
                        Ok(Architecture::TopK { k: k as usize })
                    }
                    Some(k) => Err(format!(
                        "k is {k:?}; expected a whole number from 1 to {}",
                        self.d_sae
                    )),
                    None => Err("there is no k".into()),
                }
            }
            "jumprelu" => Ok(Architecture::JumpRelu),
            "batchtopk" => Ok(Architecture::BatchTopK),
            "gated" => Ok(Architecture::Gated),
            other => Err(format!(
                "architecture {other:?} is not supported; standard, topk, batchtopk, jumprelu and gated are"
            )),
        }
    }

    /// Refuses what would give other codes than the file means.
    fn refuse_unknown(&self, of: Representation) -> Result<(), String> {
        match &self.normalize_activations {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::String(text)) if text == "none" => {}
            Some(other) => {
                return Err(format!(
                    "normalize_activations {other} is not supported; {}",
                    instead(other)
                ));
            }
        }
        if self.finetuning_scaling_factor == Some(true) {
            return Err(
                "finetuning_scaling_factor is not supported; multiply W_dec by the factors and save without".into(),
            );
        }
        let shape = self.reshape_activations.as_deref().unwrap_or("none");
        let fits = match of {
            Representation::Heads => shape == "hook_z",
            Representation::Stream | Representation::Mlp => shape == "none",
        };
        if !fits && self.reshape_activations.is_some() {
            return Err(format!(
                "reshape_activations {shape:?} does not fit the hook; expected \"hook_z\" for heads, else \"none\""
            ));
        }
        Ok(())
    }
}

/// What to do about a dictionary whose inputs are normalised in some way.
fn instead(way: &Value) -> &'static str {
    match way.as_str() {
        // One number for all rows, which SAELens' `fold_activation_norm_scaling_factor` takes.
        Some("expected_average_only_in") => {
            "the factor that training scaled all inputs by is not in the file; fold it into the weights \
             (fold_activation_norm_scaling_factor of SAELens) and save with \"none\""
        }
        // Numbers of each row, which no weights can hold.
        Some("layer_norm") => {
            "it takes its own mean from each input and divides by its own deviation, which cannot be folded into weights; \
             use a dictionary trained with \"none\" or \"expected_average_only_in\""
        }
        Some("constant_norm_rescale") => {
            "it divides each input by its own norm, which cannot be folded into weights; use a dictionary trained with \
             \"none\" or \"expected_average_only_in\""
        }
        _ => "expected \"none\"",
    }
}

/// The layer and representation of a hook.
fn place_of(hook: &str) -> Result<(usize, Representation), String> {
    let parts = hook
        .strip_prefix("blocks.")
        .and_then(|rest| rest.split_once('.'));
    let place = parts.and_then(|(layer, name)| Some((layer.parse::<usize>().ok()?, name)));
    match place {
        Some((layer, "hook_resid_post")) => Ok((layer, Representation::Stream)),
        Some((layer, "hook_resid_pre")) if layer > 0 => Ok((layer - 1, Representation::Stream)),
        Some((layer, "hook_mlp_out")) => Ok((layer, Representation::Mlp)),
        Some((layer, "attn.hook_z")) => Ok((layer, Representation::Heads)),
        _ => Err(format!(
            "hook_name {hook:?} is not supported; blocks.N.hook_resid_post, blocks.N.hook_resid_pre (N above 0), \
             blocks.N.hook_mlp_out and blocks.N.attn.hook_z are"
        )),
    }
}
