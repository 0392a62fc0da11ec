//! Models that are part of the program.

use super::source::EmbeddedFolder;

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        &[$((
            $name,
            &[
                ("config.json", include_bytes!(concat!("../../circuits/models/", $name, "/config.json"))),
                ("model.safetensors", include_bytes!(concat!("../../circuits/models/", $name, "/model.safetensors"))),
                ("tokenizer.json", include_bytes!(concat!("../../circuits/models/", $name, "/tokenizer.json"))),
            ],
        )),+]
    };
}

/// Name and files, in the order of help texts.
static BUILTIN: &[(&str, EmbeddedFolder)] = embedded!["toy-gpt2", "toy-llama"];

/// The names of the built-in models, used as `builtin:NAME`.
pub fn builtin_models() -> Vec<&'static str> {
    BUILTIN.iter().map(|(name, _)| *name).collect()
}

/// The files of a built-in model.
pub(super) fn find(name: &str) -> Option<(&'static str, EmbeddedFolder)> {
    BUILTIN.iter().copied().find(|(known, _)| *known == name)
}
