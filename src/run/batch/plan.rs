//! Jobs of a batch and the folders their results go to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::{added, model_name, plain_name};
use crate::paths::place;
use crate::spec::SpecFile;

/// One spec on one model.
#[derive(Debug, Clone)]
pub struct Job {
    /// The spec and its file.
    pub spec: Arc<SpecFile>,
    /// The model, as the spec names it.
    pub model: String,
    /// The model's name in the results.
    pub model_name: String,
    /// The folder of the results.
    pub folder: PathBuf,
}

impl Job {
    /// `spec on model`, for people.
    pub fn title(&self) -> String {
        format!("{} on {}", self.spec.spec.name(), self.model_name)
    }
}

/// The jobs of checked specs in order: spec by spec, each model as listed.
///
/// # Errors
/// When two models of a spec cannot be told apart by their paths.
pub fn plan(specs: &[SpecFile], out: &Path) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for spec in specs {
        let names = folder_names(spec.spec.models(), spec.base())?;
        let shared = Arc::new(spec.clone());
        for (model, name) in spec.spec.models().iter().zip(names) {
            jobs.push(Job {
                spec: Arc::clone(&shared),
                model: model.clone(),
                folder: out.join(spec.spec.name()).join(&name),
                model_name: name,
            });
        }
    }
    Ok(jobs)
}

/// A folder name for each model: its own name, with parent folders in front where names clash.
fn folder_names(models: &[String], base: &Path) -> Result<Vec<String>> {
    let parents: Vec<Vec<String>> = models.iter().map(|model| parents_of(model, base)).collect();
    let mut depth = vec![0; models.len()];
    loop {
        let names: Vec<String> = (0..models.len())
            .map(|index| {
                with_parents(
                    &model_name(&models[index], base),
                    &parents[index][..depth[index]],
                )
            })
            .collect();
        let mut sharing: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            sharing.entry(name).or_default().push(index);
        }
        let clashing: BTreeSet<usize> = sharing
            .into_values()
            .filter(|indices| indices.len() > 1)
            .flatten()
            .collect();
        let Some(&first) = clashing.first() else {
            return Ok(names);
        };
        let mut longer = false;
        for &index in &clashing {
            if depth[index] < parents[index].len() {
                depth[index] += 1;
                longer = true;
            }
        }
        if !longer {
            return Err(Error::Usage(format!(
                "model {}: another model of this spec has the same name and parent folders",
                models[first]
            )));
        }
    }
}

/// The folders around a local model, the innermost first; none for other models.
fn parents_of(model: &str, base: &Path) -> Vec<String> {
    if model.starts_with("builtin:") || model.starts_with("hf:") {
        return Vec::new();
    }
    let place = place(base, added::split(model, base).0);
    let place = std::path::absolute(&place).unwrap_or(place);
    let parent = place.parent().unwrap_or(Path::new(""));
    parent
        .components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(plain_name(&name.to_string_lossy())),
            _ => None,
        })
        .collect()
}

fn with_parents(name: &str, parents: &[String]) -> String {
    let name = if name.chars().all(|letter| letter == '.') {
        "model"
    } else {
        name
    };
    let mut parts: Vec<&str> = parents.iter().rev().map(String::as_str).collect();
    parts.push(name);
    parts.join("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(models: &[&str]) -> Vec<String> {
        let models: Vec<String> = models.iter().map(ToString::to_string).collect();
        folder_names(&models, Path::new("/specs")).unwrap()
    }

    #[test]
    fn names_are_last_components() {
        assert_eq!(
            names(&["builtin:toy-gpt2", "a/smol.gguf", "hf:gpt/two", "x y"]),
            ["toy-gpt2", "smol", "gpt--two", "x-y"]
        );
    }

    #[test]
    fn clashes_get_parent_folders() {
        assert_eq!(
            names(&["a/x/m.gguf", "b/x/m", "builtin:m", "other"]),
            ["a--x--m", "b--x--m", "m", "other"]
        );
    }

    #[test]
    fn models_that_cannot_be_told_apart_are_refused() {
        let models = ["m".to_owned(), "m.gguf".to_owned()];
        let error = folder_names(&models, Path::new("/specs")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
