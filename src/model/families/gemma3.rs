//! Gemma 3, text only: as Gemma 2, with a norm of each head's queries and keys instead of the soft caps, and another
//! rotary base in the layers that have a sliding window, by default five of six.

use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::llama::{self, Sizes};
use super::names::Names;
use super::rotary::{Defaults, Original, Parameters, rotary};
use super::{Biases, Description, Family, gemma2, windows};
use crate::error::Result;
use crate::model::source::{Format, Gguf};
use crate::model::{AttentionConfig, LocalAttention};

/// The family's registry entry.
pub(super) struct Gemma3;

const PATTERN: usize = 6;
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
        let defaults = |theta: f64, theta_key: &'static str| Defaults {
            theta,
            theta_key,
            share: None,
            original: Original::Beside,
        };
        let relative = llama::Relative {
            sizes: Sizes {
                d_vocab: 262_208,
                longest: 131_072,
                ..gemma2::relative().sizes
            },
            rotary: defaults(GLOBAL_THETA, "rope_theta"),
            ..gemma2::relative()
        };
        let global = Parameters::of_kind(keys, "full_attention", true)?;
        let config = llama::with_rotary(keys, self.name(), &relative, &global)?;
        gemma2::unread_activation(keys)?;
        let pattern = keys.size_or("sliding_window_pattern", PATTERN)?;
        let window = windows::window(keys)?;
        let local = windows::by_type(keys, &config, window, |layer| slides(layer, pattern))?;
        let own = Parameters::of_kind(keys, "sliding_attention", false)?;
        let rotary = rotary(
            keys,
            &own,
            (config.d_head, config.n_ctx),
            &defaults(LOCAL_THETA, "rope_local_base_freq"),
        )?;
        if rotary.scaling.is_some() {
            return Err(keys.fail(
                "rope_parameters scale the rotary positions of sliding_attention layers, which is not supported",
            ));
        }
        if let Some(all) = keys.object("rope_parameters")? {
            for (key, value) in all.unread() {
                keys.warn(&format!(
                    "{key} is {value}, which models of this family read under full_attention and sliding_attention only; \
                     it was ignored"
                ));
            }
        }
        if let Some(cap) = keys.number("attn_logit_softcapping")? {
            keys.warn(&format!(
                "attn_logit_softcapping is {cap}, which models of this family do not apply; it was ignored"
            ));
        }
        let attention = AttentionConfig {
            scale: Some(gemma2::score_scale(keys)?),
            query_key_norm: true,
            local: with_theta(local, rotary.theta),
            ..AttentionConfig::default()
        };
        let cap = keys.number("final_logit_softcapping")?;
        let config = gemma2::gemma(config, attention, cap);
        Description::new(keys.file(), config, llama::biases(keys)?)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "gemma3");
        let config = llama::gguf_config(&keys, self.name())?;
        let window = keys.size("attention.sliding_window")?;
        let slides = keys.sliding(PATTERN)?;
        let theta = keys.number("rope.freq_base_swa")?.unwrap_or(LOCAL_THETA);
        // Without a window all layers are alike.
        let window = window.filter(|window| *window > 0);
        let attention = AttentionConfig {
            scale: Some(gemma2::gguf_score_scale(&config, LAYERS_OF_27B)),
            query_key_norm: true,
            local: with_theta(windows::local(&config, window, slides), theta),
            ..AttentionConfig::default()
        };
        let cap = keys.number("final_logit_softcapping")?;
        let cap = cap.filter(|cap| *cap != 0.0);
        let config = gemma2::gemma(config, attention, cap);
        Description::new(keys.file(), config, Biases::default())
    }

    fn names(&self, format: Format) -> Names {
        gemma2::names(format)
    }
}

/// Whether a layer has a window when every `pattern`-th has none.
pub(super) fn slides(layer: usize, pattern: usize) -> bool {
    pattern > 0 && !(layer + 1).is_multiple_of(pattern)
}

/// Windowed layers with a rotary base of their own.
fn with_theta(local: Option<LocalAttention>, theta: f64) -> Option<LocalAttention> {
    local.map(|local| LocalAttention {
        theta: Some(theta),
        ..local
    })
}
