//! Why a folder has no configuration or no weights that can be read, from what is there instead.

use serde_json::Value;

use super::Folder;
use crate::error::Error;

const ADAPTER: &str = "adapter_config.json";
/// Names in a message; more are counted.
const NAMED: usize = 5;
/// Files that hold weights in other formats: the end of their names, and what they are.
const OTHER_WEIGHTS: [(&str, &str); 10] = [
    (".bin", "PyTorch weights"),
    (".bin.index.json", "sharded PyTorch weights"),
    (".pt", "PyTorch weights"),
    (".pth", "PyTorch weights"),
    (".ckpt", "a training checkpoint"),
    (".h5", "TensorFlow weights"),
    (".msgpack", "Flax weights"),
    (".onnx", "an ONNX graph"),
    (".npz", "NumPy or MLX weights"),
    (".mlpackage", "a Core ML model"),
];
/// What makes safetensors of the formats above.
const CONVERT: &str = "convert them to safetensors: in Python, \
     `transformers.AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)`";

/// The error for a folder without config.json.
pub(crate) fn config(folder: &Folder) -> Error {
    let fail = |problem: String| Error::model(folder.label(), problem);
    let names = folder.names();
    let has = |name: &str| names.iter().any(|other| other == name);
    if has(ADAPTER) {
        return adapter(folder);
    }
    if let Some(file) = names.iter().find(|name| is_gguf(name)) {
        return fail(format!(
            "there is no config.json in it; for the GGUF file, name the file itself: {}",
            folder.file(file)
        ));
    }
    if has("model_index.json") {
        return fail("is a pipeline of diffusers, not a language model".into());
    }
    if has("params.json") {
        return fail(
            "is in the format of the model's authors (params.json), which is not supported; use the version of it in Hugging \
             Face's format (config.json and model.safetensors)"
                .into(),
        );
    }
    fail("there is no config.json in it".into())
}

/// The error for a folder that holds an adapter without its base model.
fn adapter(folder: &Folder) -> Error {
    let text = folder.get(ADAPTER).ok().flatten();
    let json: Option<Value> = text.and_then(|text| serde_json::from_slice(&text).ok());
    let key = |name: &str| json.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let kind = key("peft_type").unwrap_or_else(|| "LORA".into());
    let base = key("base_model_name_or_path").map_or_else(
        || "a model that it does not name".into(),
        |name| format!("{name:?}"),
    );
    let problem = format!(
        "is an adapter ({kind}) of {base}, not a model; merge it into that model first (in Python, \
         `peft.AutoPeftModelForCausalLM.from_pretrained(FOLDER).merge_and_unload().save_pretrained(NEW_FOLDER)`)"
    );
    Error::model(folder.label(), problem)
}

/// The error for a folder with config.json and without `model.safetensors` or its index.
pub(super) fn weights(folder: &Folder) -> Error {
    let names = folder.names();
    let none = "there is neither model.safetensors nor model.safetensors.index.json in it";
    let of = |end: &str| -> Vec<&str> {
        let names = names.iter().map(String::as_str);
        names
            .filter(|name| name.ends_with(end) && !name.starts_with("training_args"))
            .collect()
    };
    let safetensors = of(".safetensors");
    let other = OTHER_WEIGHTS.iter().find_map(|(end, what)| {
        let found = of(end);
        (!found.is_empty()).then_some((found, what))
    });
    if names.iter().any(|name| name == ADAPTER) {
        return adapter(folder);
    }
    let instead = if let [only] = safetensors.as_slice() {
        format!("; rename {only} to model.safetensors where it is the whole model")
    } else if !safetensors.is_empty() {
        format!(
            "; there are shards ({}) without their index: fetch model.safetensors.index.json too",
            listed(&safetensors)
        )
    } else if let Some((found, what)) = other {
        format!("; there are {what} ({}): {CONVERT}", listed(&found))
    } else if let Some(file) = names.iter().find(|name| is_gguf(name)) {
        format!(
            "; for the GGUF file, name the file itself: {}",
            folder.file(file)
        )
    } else {
        String::new()
    };
    Error::model(folder.label(), format!("{none}{instead}"))
}

/// The error for shards that the index names and the folder lacks.
pub(super) fn shards(folder: &Folder, index: &str, missing: &[&str]) -> Error {
    let problem = format!(
        "names {}, not in the folder; fetch what is missing",
        listed(missing)
    );
    Error::model(folder.file(index), problem)
}

fn listed(names: &[&str]) -> String {
    let text = names[..names.len().min(NAMED)].join(", ");
    if names.len() > NAMED {
        format!("{text} and {} more", names.len() - NAMED)
    } else {
        text
    }
}

fn is_gguf(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".gguf")
}
