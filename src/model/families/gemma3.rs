//! Gemma 3, text only: as Gemma 2, with a norm of each head's queries and keys instead of the soft caps, and another
//! rotary base in the layers that have a sliding window, by default five of six.

use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::rotary::{Defaults, rotary};
use super::{Description, Family, Load, gemma2, layers, llama, windows};
use crate::error::Result;
use crate::model::source::Gguf;
use crate::model::{AttentionConfig, LocalAttention, ModelConfig, Positions, Weights};

/// The family's registry entry.
pub(super) struct Gemma3;

const PATTERN: usize = 6;
const PATTERN_KEY: &str = "attention.sliding_window_pattern";
const GLOBAL_THETA: f64 = 1_000_000.0;
const LOCAL_THETA: f64 = 10_000.0;
/// Layers of the 27B model, the only one whose scores are scaled by the stream's share of a head.
const LAYERS_OF_27B: usize = 62;

impl Family for Gemma3 {
    fn name(&self) -> &'static str {
        "gemma3_text"
    }

    fn class(&self) -> &'static str {
        "Gemma3ForCausalLM"
    }

    fn architecture(&self) -> Option<&'static str> {
        Some("gemma3")
    }

    fn describe_config_json(&self, keys: &Keys) -> Result<Description> {
        keys.refuse_switches(&["use_bidirectional_attention"])?;
        let relative = llama::Relative {
            rotary: Defaults {
                theta: GLOBAL_THETA,
                layer_type: Some("full_attention"),
                ..Defaults::default()
            },
            ..gemma2::relative()
        };
        let config = llama::config_json(keys, self.name(), &relative)?;
        let pattern = keys.size("sliding_window_pattern")?.unwrap_or(PATTERN);
        let is = windows::sliding_layers(keys, &config, |layer| slides(layer, pattern))?;
        let window = gemma2::optional(keys, "sliding_window", 4096.0)?;
        let defaults = Defaults {
            theta: LOCAL_THETA,
            theta_key: "rope_local_base_freq",
            layer_type: Some("sliding_attention"),
            scaled: false,
            ..Defaults::default()
        };
        let rotary = rotary(keys, config.d_head, &defaults)?;
        if rotary.scaling.is_some() {
            return Err(keys.fail(
                "rope_parameters scale the rotary positions of sliding_attention layers, which is not supported",
            ));
        }
        let local = with_theta(
            &config,
            window.map(|window| window as usize),
            is,
            rotary.theta,
        );
        let attention = AttentionConfig {
            scale: Some(gemma2::score_scale(keys)?),
            soft_cap: keys.number("attn_logit_softcapping")?,
            query_key_norm: true,
            local,
            ..AttentionConfig::default()
        };
        let cap = keys.number("final_logit_softcapping")?;
        let config = gemma2::gemma(config, attention, cap);
        Description::new(keys.file(), config, llama::biases(keys)?)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "gemma3");
        let mut config = llama::gguf_config(&keys, self.name())?;
        if let Positions::Rotary { theta, .. } = &mut config.positions {
            *theta = keys.number("rope.freq_base")?.unwrap_or(GLOBAL_THETA);
        }
        let window = keys.size("attention.sliding_window")?;
        let listed = keys.integers(PATTERN_KEY);
        let pattern = match listed {
            Some(_) => PATTERN,
            None => keys.size(PATTERN_KEY)?.unwrap_or(PATTERN),
        };
        let is = |layer: usize| match listed {
            Some(listed) => listed.get(layer).is_some_and(|slides| *slides != 0),
            None => slides(layer, pattern),
        };
        let theta = keys.number("rope.freq_base_swa")?.unwrap_or(LOCAL_THETA);
        let local = with_theta(&config, window, is, theta);
        let attention = AttentionConfig {
            scale: Some(gemma2::gguf_score_scale(&config, LAYERS_OF_27B)),
            query_key_norm: true,
            local,
            ..AttentionConfig::default()
        };
        let cap = keys.number("final_logit_softcapping")?;
        let config = gemma2::gemma(config, attention, cap);
        Description::new(keys.file(), config, super::Biases::default())
    }

    fn weights(&self, of: &Description, load: &Load) -> Result<Weights<f32>> {
        layers::read(of, &gemma2::names(load.source.format()), load)
    }
}

/// Whether a layer has a window when every `pattern`-th has none.
fn slides(layer: usize, pattern: usize) -> bool {
    pattern > 0 && !(layer + 1).is_multiple_of(pattern)
}

/// Windowed layers with a rotary base of their own, be the window endless.
fn with_theta(
    config: &ModelConfig,
    window: Option<usize>,
    is: impl Fn(usize) -> bool,
    theta: f64,
) -> Option<LocalAttention> {
    let local = windows::local(config, window.or(Some(config.n_ctx)), is)?;
    Some(LocalAttention {
        theta: Some(theta),
        ..local
    })
}
