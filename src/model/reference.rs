//! What users call models: `builtin:NAME`, `hf:ORG/NAME`, a folder, a `.gguf` file.

use std::path::{Path, PathBuf};

use super::source::Folder;
use super::{added, builtin, cache};
use crate::error::{Error, Result};
use crate::paths::place;
use crate::visible::is_device;

/// Where the files of a model are.
#[derive(Debug)]
pub(super) enum Place {
    /// A folder in Hugging Face's layout.
    Folder(Folder),
    /// A GGUF file.
    Gguf(PathBuf),
}

/// Finds the files that a reference means; relative paths are relative to `base`.
///
/// # Errors
/// When there is no such model; the error names the path or the reference and what would work.
pub(super) fn resolve(reference: &str, base: &Path) -> Result<Place> {
    if let Some(name) = reference.strip_prefix("builtin:") {
        return builtin::find(name)
            .map(|(name, files)| Place::Folder(Folder::Embedded(name, files)))
            .ok_or_else(|| {
                let known = super::builtin_models().join(", ");
                let problem = format!("there is no such built-in model; there are {known}");
                Error::model(reference, problem)
            });
    }
    if let Some(repository) = reference.strip_prefix("hf:") {
        let folder = cache::find(reference, repository)?;
        return Ok(Place::Folder(Folder::Directory(folder)));
    }
    let path = place(base, reference);
    let label = path.display().to_string();
    if path.is_dir() {
        Ok(Place::Folder(Folder::Directory(path)))
    } else if !path.exists() {
        Err(Error::model(label, "there is no such file or folder"))
    } else if is_gguf(&path) {
        Ok(Place::Gguf(path))
    } else {
        let problem = "expected a folder with config.json and *.safetensors, or a .gguf file";
        Err(Error::model(label, problem))
    }
}

/// The name of a model in the results folder.
///
/// The last path component without `.gguf`; `builtin:x` becomes `x`, `hf:O/N` becomes `O--N`, and every character outside
/// `[A-Za-z0-9._-]` becomes `-`. Vectors added to a model follow its name. `base` is what paths are relative to.
pub fn model_name(reference: &str, base: &Path) -> String {
    let (alone, vectors) = added::split(reference, base);
    let with = |vector: &str| {
        // Vectors are often called the same; the folders of their results tell them apart.
        let parts: Vec<_> = Path::new(vector).iter().collect();
        let last = &parts[parts.len().saturating_sub(3)..];
        let last: Vec<_> = last.iter().map(|part| part.to_string_lossy()).collect();
        format!("-with-{}", last.join("-").replace(".safetensors", ""))
    };
    let suffix: String = vectors.map(with).collect();
    let reference = alone;
    let name = if let Some(name) = reference.strip_prefix("builtin:") {
        name.to_owned()
    } else if let Some(repository) = reference.strip_prefix("hf:") {
        repository.replace('/', "--")
    } else {
        let name = Path::new(reference).file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        name.strip_suffix(".gguf").unwrap_or(&name).to_owned()
    };
    plain_name(&format!("{name}{suffix}"))
}

/// A text as the name of a folder.
pub(crate) fn plain_name(text: &str) -> String {
    let name: String = text
        .chars()
        .map(|letter| match letter {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' | '-' => letter,
            _ => '-',
        })
        .collect();
    // `.` and `..` are no folder names.
    if name.chars().all(|letter| letter == '.') {
        "model".into()
    } else if is_device(&name) {
        format!("model-{name}")
    } else {
        name
    }
}

pub(super) fn is_gguf(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_last_component() {
        for (reference, name) in [
            ("models/smollm2-135m.gguf", "smollm2-135m"),
            ("../my model/", "my-model"),
            ("builtin:toy-gpt2", "toy-gpt2"),
            ("models/aux.gguf", "model-aux"),
            ("hf:openai-community/gpt2", "openai-community--gpt2"),
            ("/data/Llama-3.2:1B", "Llama-3.2-1B"),
            ("..", "model"),
            ("", "model"),
        ] {
            assert_eq!(
                model_name(reference, Path::new("/base")),
                name,
                "{reference}"
            );
        }
    }

    #[test]
    fn a_missing_path_is_named() {
        let error = resolve("no/such", Path::new("/base")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "model /base/no/such: there is no such file or folder"
        );
    }

    #[test]
    fn an_unknown_built_in_model_lists_those_there_are() {
        let error = resolve("builtin:x", Path::new(".")).unwrap_err();
        assert!(error.to_string().contains("toy-gpt2, toy-llama"), "{error}");
    }
}
