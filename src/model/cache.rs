//! Models that are already on this machine: the `models` folder and the local Hugging Face cache.

use std::path::{Path, PathBuf};

use super::reference::is_gguf;
use crate::error::{Error, Result};
use crate::input::{self, MIB};

/// References of the models found in `base`'s `models` folder and in the local Hugging Face cache, sorted.
pub fn cached_models(base: &Path) -> Vec<String> {
    let mut found: Vec<String> = entries(&base.join("models"))
        .into_iter()
        .filter(|path| path.join("config.json").is_file() || (path.is_file() && is_gguf(path)))
        .filter_map(|path| Some(format!("models/{}", path.file_name()?.to_str()?)))
        .collect();
    if let Some(hub) = hub() {
        found.extend(repositories(&hub));
    }
    found.sort();
    found
}

/// References of the usable repositories in a Hugging Face cache.
fn repositories(hub: &Path) -> impl Iterator<Item = String> {
    entries(hub).into_iter().filter_map(|path| {
        let (owner, name) = path
            .file_name()?
            .to_str()?
            .strip_prefix("models--")?
            .split_once("--")?;
        snapshot(&path)?;
        Some(format!("hf:{owner}/{name}"))
    })
}

/// The snapshot of a repository in the local Hugging Face cache.
///
/// # Errors
/// When the reference is malformed, or the repository is not in the cache.
pub(super) fn find(reference: &str, repository: &str) -> Result<PathBuf> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.chars().any(|letter| letter != '.')
            && part
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
    };
    let (owner, name) = repository
        .split_once('/')
        .filter(|(owner, name)| plain(owner) && plain(name))
        .ok_or_else(|| Error::model(reference, "expected hf:ORG/NAME"))?;
    let hub = hub().ok_or_else(|| {
        Error::model(
            reference,
            "neither HF_HOME nor HOME is set, so there is no cache",
        )
    })?;
    let folder = hub.join(format!("models--{owner}--{name}"));
    snapshot(&folder).ok_or_else(|| {
        let problem = format!(
            "not in the local Hugging Face cache ({}); fetch it with `hf download {repository}`, or name a folder that holds \
             config.json and *.safetensors",
            folder.display()
        );
        Error::model(reference, problem)
    })
}

/// The folder of the revision `main`, or else the first one with a configuration.
fn snapshot(repository: &Path) -> Option<PathBuf> {
    let snapshots = repository.join("snapshots");
    let main = input::read_text(&repository.join("refs/main"), MIB, "the name of a revision").ok();
    let main = main.map(|revision| snapshots.join(revision.trim()));
    main.into_iter()
        .chain(entries(&snapshots))
        .find(|folder| folder.join("config.json").is_file())
}

fn hub() -> Option<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("HF_HUB_CACHE")
        .or_else(|| Some(variable("HF_HOME")?.join("hub")))
        .or_else(|| Some(variable("HOME")?.join(".cache/huggingface/hub")))
}

/// What is in a folder, sorted; nothing where it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs_err::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_found_by_their_main_revision() {
        let hub = tempfile::tempdir().unwrap();
        let repository = hub.path().join("models--org--name");
        for revision in ["aaa", "bbb"] {
            let folder = repository.join("snapshots").join(revision);
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join("config.json"), "{}").unwrap();
        }
        fs_err::create_dir_all(hub.path().join("models--org--empty/snapshots")).unwrap();
        fs_err::create_dir_all(hub.path().join("datasets--org--rows")).unwrap();
        assert!(snapshot(&repository).unwrap().ends_with("aaa"));
        fs_err::create_dir_all(repository.join("refs")).unwrap();
        fs_err::write(repository.join("refs/main"), "bbb\n").unwrap();
        assert!(snapshot(&repository).unwrap().ends_with("bbb"));
        let found: Vec<String> = repositories(hub.path()).collect();
        assert_eq!(found, ["hf:org/name"]);
    }

    #[test]
    fn the_models_folder_is_listed() {
        let base = tempfile::tempdir().unwrap();
        let models = base.path().join("models");
        fs_err::create_dir_all(models.join("folder")).unwrap();
        fs_err::create_dir_all(models.join("no-model")).unwrap();
        fs_err::write(models.join("folder/config.json"), "{}").unwrap();
        fs_err::write(models.join("small.gguf"), "").unwrap();
        fs_err::write(models.join("notes.txt"), "").unwrap();
        let found = cached_models(base.path());
        let local: Vec<&String> = found
            .iter()
            .filter(|name| name.starts_with("models/"))
            .collect();
        assert_eq!(local, ["models/folder", "models/small.gguf"]);
    }
}
