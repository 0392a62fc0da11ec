//! Which layers attend to a sliding window only.

use super::keys::Keys;
use crate::error::Result;
use crate::model::{LocalAttention, ModelConfig};

/// Windowed attention in the layers that `is` names; nothing where there is no window, or it never ends.
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

/// The layers that `layer_types` calls `sliding_attention`; without it those that `default` names.
///
/// # Errors
/// When the list has another length than the model, or another kind of layer.
pub(super) fn sliding_layers(
    keys: &Keys,
    config: &ModelConfig,
    default: impl Fn(usize) -> bool,
) -> Result<impl Fn(usize) -> bool> {
    const KEY: &str = "layer_types";
    let listed = keys.texts(KEY)?;
    if let Some(types) = &listed {
        if types.len() != config.n_layers {
            let problem = format!("has {} entries for {} layers", types.len(), config.n_layers);
            return Err(keys.wrong(KEY, &problem));
        }
        let known = ["full_attention", "sliding_attention"];
        if types.iter().any(|kind| !known.contains(kind)) {
            return Err(keys.unsupported(KEY, "full_attention and sliding_attention only"));
        }
    }
    let listed: Option<Vec<bool>> = listed.map(|types| {
        let sliding = types.iter().map(|kind| *kind == "sliding_attention");
        sliding.collect()
    });
    Ok(move |layer: usize| match &listed {
        Some(listed) => listed.get(layer).copied().unwrap_or_default(),
        None => default(layer),
    })
}

/// The window of a family that may switch it off: `sliding_window` where `use_sliding_window`, from
/// `max_window_layers` on or as `layer_types` says (Qwen).
///
/// # Errors
/// When a key is malformed.
pub(super) fn switched(keys: &Keys, config: &ModelConfig) -> Result<Option<LocalAttention>> {
    let first = keys.size("max_window_layers")?.unwrap_or(28);
    let is = sliding_layers(keys, config, |layer| layer >= first)?;
    if !keys.switch("use_sliding_window", false)? {
        // Without the switch windowed layers have no window.
        return Ok(None);
    }
    let window = if keys.mentions("sliding_window") {
        keys.size("sliding_window")?
    } else {
        Some(4096)
    };
    Ok(local(config, window, is))
}
