//! Which layers attend to a sliding window only.

use super::keys::Keys;
use crate::error::Result;
use crate::model::{LocalAttention, ModelConfig};

const TYPES: &str = "layer_types";
const WINDOW: &str = "sliding_window";
/// The window where a file does not say otherwise.
const DEFAULT: usize = 4096;

/// Windowed attention in the layers that `is` names; nothing where there is no window.
pub(super) fn local(
    config: &ModelConfig,
    window: Option<usize>,
    is: impl Fn(usize) -> bool,
) -> Option<LocalAttention> {
    // An absurd number of layers is refused later.
    let layers: Vec<usize> = (0..config.n_layers.min(1 << 12))
        .filter(|layer| is(*layer))
        .collect();
    let window = window.filter(|_| !layers.is_empty())?;
    Some(LocalAttention {
        window,
        layers,
        theta: None,
    })
}

/// The window that `sliding_window` states: none where it is null, that of all families where it is absent.
///
/// # Errors
/// When it is something else.
pub(super) fn window(keys: &Keys) -> Result<Option<usize>> {
    if keys.mentions(WINDOW) {
        keys.size(WINDOW)
    } else {
        Ok(Some(DEFAULT))
    }
}

/// Windowed attention in the layers that `layer_types` calls `sliding_attention`; without it in those that `default`
/// names.
///
/// # Errors
/// When the list has another length than the model, or another kind of layer, or there is no window for such layers.
pub(super) fn by_type(
    keys: &Keys,
    config: &ModelConfig,
    window: Option<usize>,
    default: impl Fn(usize) -> bool,
) -> Result<Option<LocalAttention>> {
    let listed = keys.texts(TYPES)?;
    if let Some(types) = &listed {
        if types.len() != config.n_layers {
            let problem = format!("has {} entries for {} layers", types.len(), config.n_layers);
            return Err(keys.wrong(TYPES, &problem));
        }
        let known = ["full_attention", "sliding_attention"];
        if types.iter().any(|kind| !known.contains(kind)) {
            return Err(keys.unsupported(TYPES, "full_attention and sliding_attention only"));
        }
    }
    let listed: Option<Vec<bool>> = listed.map(|types| {
        let sliding = types.iter().map(|kind| *kind == "sliding_attention");
        sliding.collect()
    });
    let slides = |layer: usize| match &listed {
        Some(listed) => listed.get(layer).copied().unwrap_or_default(),
        None => default(layer),
    };
    if window.is_none() && local(config, Some(DEFAULT), slides).is_some() {
        return Err(keys.fail(format!(
            "there are layers with a sliding window, but {WINDOW} says that there is none, or is switched off; state the \
             window, or {TYPES} without sliding_attention"
        )));
    }
    Ok(local(config, window, slides))
}

/// Checks that `layer_types` says of all layers what `sliding_window` says, in a family whose layers are all alike.
///
/// # Errors
/// When it does not.
pub(super) fn same_type(keys: &Keys, windowed: bool) -> Result<()> {
    let types = keys.texts(TYPES)?.unwrap_or_default();
    let (wanted, because) = if windowed {
        ("sliding_attention", "is stated")
    } else {
        ("full_attention", "is null")
    };
    if types.iter().any(|kind| *kind != wanted) {
        let expected = format!("{wanted} in every layer, since {WINDOW} {because}");
        return Err(keys.unsupported(TYPES, &expected));
    }
    Ok(())
}

/// The windows of a family that may switch them off: `sliding_window` where `use_sliding_window`, from
/// `max_window_layers` on or as `layer_types` says (Qwen).
///
/// # Errors
/// As [`by_type`].
pub(super) fn switched(keys: &Keys, config: &ModelConfig) -> Result<Option<LocalAttention>> {
    let first = keys.size_or("max_window_layers", 28)?;
    let stated = window(keys)?;
    let on = keys.switch("use_sliding_window", false)?;
    let window = stated.filter(|_| on);
    by_type(keys, config, window, |layer| {
        window.is_some() && layer >= first
    })
}
