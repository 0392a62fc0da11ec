//! Models that are seen to be none of ours before a tensor is looked for: quantised, with another head, or of more than text.

use serde_json::Value;

use super::{Keys, ModelConfig};
use crate::error::{Error, Result};
use crate::model::source::TensorSource;

/// Keys under which files say how they are quantised.
const QUANTISATION: [&str; 3] = ["quantization_config", "compression_config", "quant_config"];
/// Ends of class names, and what these models have in the place of an unembedding.
const HEADS: [(&str, &str); 9] = [
    ("ForSequenceClassification", "a classification head"),
    ("ForTokenClassification", "a head that labels tokens"),
    ("ForQuestionAnswering", "a head that marks answers"),
    ("ForMultipleChoice", "a head that chooses among answers"),
    ("DoubleHeadsModel", "a second head"),
    ("ForMaskedLM", "a head that fills in masked tokens"),
    ("RewardModel", "a reward head"),
    ("ForSequenceRegression", "a reward head"),
    ("WithValueHead", "a value head"),
];
/// Parts of configurations that language models lack, and what they make of a model.
const OTHER_PARTS: [(&str, &str); 6] = [
    ("vision_config", "text and images"),
    ("visual", "text and images"),
    ("mm_vision_tower", "text and images"),
    ("audio_config", "text and sound"),
    ("thinker_config", "text, images and sound"),
    ("perceiver_config", "text and images"),
];
/// Parts of tensor names, and what they mean.
const TENSORS: [(&str, &str); 17] = [
    (
        ".qweight",
        "its weights are quantised by GPTQ or AWQ (.qweight)",
    ),
    (
        ".quant_state.",
        "its weights are quantised to 4 bits by bitsandbytes (.quant_state)",
    ),
    (
        ".absmax",
        "its weights are quantised to 4 bits by bitsandbytes (.absmax)",
    ),
    (
        ".SCB",
        "its weights are quantised to 8 bits by bitsandbytes (.SCB)",
    ),
    (
        ".weight_scale_inv",
        "its weights are quantised to fp8 (.weight_scale_inv)",
    ),
    (
        ".weight_packed",
        "its weights are quantised by compressed-tensors (.weight_packed)",
    ),
    (
        ".weight_scale",
        "its weights are quantised, with scales beside them (.weight_scale)",
    ),
    (
        "_proj_scales",
        "its weights are quantised to MXFP4 (_scales)",
    ),
    ("._qdata", "its weights are quantised by quanto (._qdata)"),
    (
        ".lora_A",
        "it holds the tensors of a LoRA adapter (.lora_A), which have to be merged into the weights first",
    ),
    (
        "v_head.",
        "it has a value head (v_head), as a model in training by reinforcement has",
    ),
    (
        "score.weight",
        "it has a classification or reward head (score.weight)",
    ),
    (
        "classifier.weight",
        "it has a classification head (classifier.weight)",
    ),
    (
        "vision_tower.",
        "it is a model of text and images (vision_tower)",
    ),
    ("visual.", "it is a model of text and images (visual)"),
    (
        "language_model.",
        "it is the language part of a model of more than text (language_model)",
    ),
    (
        "base_model.model.",
        "its tensors are named as peft names them (base_model.model.); save the model that merge_and_unload gives",
    ),
];
/// What to do about quantised weights.
const FULL: &str = "use the model in full precision (F32, F16 or BF16), or a GGUF file of it";

/// Refuses a configuration whose model cannot be one of ours, whatever its family.
///
/// # Errors
/// When it is quantised or has another head than an unembedding; the error names the key.
pub(super) fn refuse(keys: &Keys) -> Result<()> {
    let inner = keys.peek("text_config").and_then(Value::as_object);
    for key in QUANTISATION {
        let within = inner.and_then(|inner| inner.get(key));
        let of = keys.get(key).or(within).filter(|of| !of.is_null());
        if let Some(of) = of {
            return Err(keys.fail(format!(
                "the model is quantised by {} ({key}), which is not supported; {FULL}",
                method(of)
            )));
        }
    }
    let classes = keys.texts("architectures")?;
    if let Some(class) = classes.and_then(|classes| classes.first().copied())
        && let Some((_, head)) = HEADS.iter().find(|(end, _)| class.ends_with(end))
    {
        return Err(keys.fail(format!(
            "architectures is {class:?}: the model has {head} and no unembedding, so it has no logits of next tokens; use the \
             language model it was made from"
        )));
    }
    Ok(())
}

/// What a model of more than text is of, where its configuration shows that it is one.
pub(super) fn other_parts(keys: &Keys) -> Option<String> {
    let (key, of) = OTHER_PARTS
        .iter()
        .find(|(key, _)| keys.get(key).is_some())?;
    Some(format!("it is a model of {of} ({key})"))
}

/// How a model is quantised, as its configuration says it.
fn method(of: &Value) -> String {
    let text = |key: &str| of.get(key).and_then(Value::as_str);
    let switch = |key: &str| of.get(key).and_then(Value::as_bool) == Some(true);
    let name = text("quant_method").or_else(|| text("quant_algo"));
    let bits = of.get("bits").and_then(Value::as_u64);
    let bits = match bits {
        Some(bits) => format!(", {bits} bits"),
        None if switch("load_in_4bit") || switch("_load_in_4bit") => ", 4 bits".into(),
        None if switch("load_in_8bit") || switch("_load_in_8bit") => ", 8 bits".into(),
        None => String::new(),
    };
    format!("{}{bits}", name.unwrap_or("a method that it does not name"))
}

/// Refuses weights whose names show that they are not those of a language model in full precision.
///
/// # Errors
/// As said; the error names a tensor.
pub(crate) fn refuse_tensors(config: &ModelConfig, source: &dyn TensorSource) -> Result<()> {
    let names = source.names();
    for (part, what) in TENSORS {
        // Heads stand at the top, with or without what wraps the model.
        let found = |name: &&&str| {
            let here = name.strip_prefix("model.").unwrap_or(name);
            if part.starts_with(['.', '_']) {
                name.contains(part)
            } else {
                here.starts_with(part) || here.starts_with(&format!("pretrained_model.{part}"))
            }
        };
        if let Some(name) = names.iter().find(found) {
            let hint = if what.contains("quantised") {
                format!("; {FULL}")
            } else {
                String::new()
            };
            let problem = format!("{what}, which is not supported{hint}; see tensor {name}");
            return Err(Error::model(source.file(name), problem));
        }
    }
    let unembedding = |name: &&str| {
        let last = name.rsplit_once(".weight").map_or(*name, |(name, _)| name);
        ["lm_head", "embed_out", "unembed.W_U"]
            .iter()
            .any(|known| last == *known || last.ends_with(&format!(".{known}")))
    };
    if !config.tied_unembedding && !names.iter().any(unembedding) {
        let problem = "tensor lm_head.weight is missing: there is no unembedding, and tie_word_embeddings is not true, so the \
                       model has no logits of next tokens. Embedding models and models saved without their head are such; \
                       use the language model it was made from";
        return Err(Error::model(source.file(""), problem));
    }
    Ok(())
}
