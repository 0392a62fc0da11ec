//! The files of an autoencoder's result.

use std::collections::BTreeMap;

use super::{Dictionary, LoadedFrom, Round, SaeReport};
use super::{
    LensStamp, decomposed_csv, density_svg, effects_csv, effects_svg, sae_csv, sae_lens, sae_text,
    training_svg, written_text,
};
use crate::analyze::Sae;
use crate::analyze::Setting;
use crate::engine::Representation;
use crate::error::Result;

/// A dictionary and where it belongs, trained or loaded.
pub(super) struct Held {
    pub dictionary: Dictionary<f32>,
    pub at: (usize, Representation),
    pub loaded: Option<LoadedFrom>,
    /// Steps and rounds of its training.
    pub trained: (usize, Vec<Round>),
}

/// All files but `report.json`.
pub(super) fn files(
    setting: &Setting<'_>,
    parameters: &Sae,
    held: &Held,
    report: &SaeReport,
) -> Result<BTreeMap<&'static str, Vec<u8>>> {
    let (keys, at) = (setting.keys, held.at);
    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    let title = setting.title;
    add(
        "report.txt",
        sae_text(report, &about(setting, parameters, held)),
    );
    add("features.csv", sae_csv(report));
    add("density.svg", density_svg(report, title));
    if !report.decomposed.is_empty() {
        add("prompts.csv", decomposed_csv(&report.decomposed));
    }
    if let Some(effects) = &report.effects {
        add("effects.csv", effects_csv(effects));
        let metric = keys.metric.axis_label();
        add("effects.svg", effects_svg(effects, title, &metric));
        add("samples.txt", written_text(effects));
    }
    if held.loaded.is_none() {
        add("training.svg", training_svg(report, title));
        let tokenizer = setting.model.tokenizer.as_ref();
        let stamp = LensStamp {
            model: setting.model_name,
            hook: &hook(at),
            layer: at.0,
            context: parameters.context(),
            skip_first: parameters.skip_first(),
            prepend_bos: tokenizer.is_some_and(|it| it.prepends_bos(keys.prepend_bos)),
        };
        let [config, weights] = sae_lens(&held.dictionary, &stamp)?;
        files.insert("cfg.json", config);
        files.insert("sae_weights.safetensors", weights);
    }
    Ok(files)
}

/// What the report is about.
fn about(setting: &Setting<'_>, parameters: &Sae, held: &Held) -> String {
    let (layer, of) = held.at;
    let kind = match held.loaded {
        None => format!(", {:?}", held.dictionary.kind),
        Some(_) => format!(
            ", contexts of {} without the first {}",
            parameters.context(),
            parameters.skip_first()
        ),
    };
    let task = setting.keys.task.as_ref();
    let task = task.map_or_else(String::new, |_| format!(", {:?}", setting.keys.metric));
    format!("{}: {of:?} after layer {layer}{kind}{task}", setting.title)
}

/// The name of a place in `TransformerLens`.
fn hook((layer, of): (usize, Representation)) -> String {
    match of {
        Representation::Stream => format!("blocks.{layer}.hook_resid_post"),
        Representation::Mlp => format!("blocks.{layer}.hook_mlp_out"),
        Representation::Heads => format!("blocks.{layer}.attn.hook_z"),
    }
}
