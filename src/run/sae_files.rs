//! The files of an autoencoder's result.

use std::collections::BTreeMap;

use super::analysis_job::Asked;
use crate::analyze::Sae;
use crate::analyze::sae::{Dictionary, LoadedFrom, Round, SaeReport};
use crate::engine::Representation;
use crate::error::Result;
use crate::report::{
    LensStamp, decomposed_csv, density_svg, effects_csv, effects_svg, sae_csv, sae_lens, sae_text,
    training_svg, written_text,
};

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
    asked: &Asked<'_>,
    question: &Sae,
    held: &Held,
    report: &SaeReport,
) -> Result<BTreeMap<&'static str, Vec<u8>>> {
    let (spec, at) = (asked.spec, held.at);
    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    let title = asked.title();
    add(
        "report.txt",
        sae_text(report, &about(asked, question, held)),
    );
    add("features.csv", sae_csv(report));
    add("density.svg", density_svg(report, &title));
    if !report.decomposed.is_empty() {
        add("prompts.csv", decomposed_csv(&report.decomposed));
    }
    if let Some(effects) = &report.effects {
        add("effects.csv", effects_csv(effects));
        let metric = spec.metric.axis_label();
        add("effects.svg", effects_svg(effects, &title, &metric));
        add("samples.txt", written_text(effects));
    }
    if held.loaded.is_none() {
        add("training.svg", training_svg(report, &title));
        let tokenizer = asked.model.tokenizer.as_ref();
        let stamp = LensStamp {
            model: &asked.job.model_name,
            hook: &hook(at),
            layer: at.0,
            context: question.context(),
            skip_first: question.skip_first(),
            prepend_bos: tokenizer.is_some_and(|it| it.prepends_bos(spec.prepend_bos)),
        };
        let [config, weights] = sae_lens(&held.dictionary, &stamp)?;
        files.insert("cfg.json", config);
        files.insert("sae_weights.safetensors", weights);
    }
    Ok(files)
}

/// What the report is about.
fn about(asked: &Asked<'_>, question: &Sae, held: &Held) -> String {
    let (layer, of) = held.at;
    let kind = match held.loaded {
        None => format!(", {:?}", held.dictionary.kind),
        Some(_) => format!(
            ", contexts of {} without the first {}",
            question.context(),
            question.skip_first()
        ),
    };
    let task = asked.spec.task.as_ref();
    let task = task.map_or_else(String::new, |_| format!(", {:?}", asked.spec.metric));
    format!("{}: {of:?} after layer {layer}{kind}{task}", asked.title())
}

/// The name of a place in `TransformerLens`.
fn hook((layer, of): (usize, Representation)) -> String {
    match of {
        Representation::Stream => format!("blocks.{layer}.hook_resid_post"),
        Representation::Mlp => format!("blocks.{layer}.hook_mlp_out"),
        Representation::Heads => format!("blocks.{layer}.attn.hook_z"),
    }
}
