//! Two sets of prompts that are no pairs: those that show a behaviour, and others.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Dataset, LoadRequest, Prompts, rows};
use crate::error::{Error, Result};
#[cfg(feature = "cli")]
use crate::flags::path;

/// Files of two sets of prompts, of any number and length. A `.txt` file has a prompt per line, any other a JSON object per
/// line: `{"prompt": .., "answer": [..], "wrong": [..], "at": [..]}`, all but the prompt may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields)]
pub struct PromptSets {
    /// Prompts that show a behaviour, instead of a task: one per line of a .txt file, or JSON objects with the key `prompt`.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", value_parser = path(), required = false, requires = "other", conflicts_with = "task"))]
    pub behaviour: PathBuf,
    /// Prompts that do not show it, likewise.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", value_parser = path(), required = false, requires = "behaviour"))]
    pub other: PathBuf,
    /// The answers that the behaviour would give, for prompts of both sets that have none of their own. Prompts without
    /// answers are scored by their own tokens. The flag may be repeated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "TEXT", requires = "behaviour")
    )]
    pub answer: Vec<String>,
    /// Wrong answers, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "TEXT", requires = "answer"))]
    pub wrong: Vec<String>,
}

/// The prompts of two sets, each an example whose clean and corrupt prompt are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedSets {
    /// The prompts that show the behaviour.
    pub behaviour: Dataset,
    /// The others.
    pub other: Dataset,
    /// Whether they are scored by their own tokens.
    pub texts: bool,
}

impl PromptSets {
    /// The prompts for a model, checked.
    ///
    /// # Errors
    /// When a file cannot be read, a row is wrong (up to ten are named), some rows have answers and others none, or the
    /// model has no tokenizer for text.
    pub fn load(&self, request: &LoadRequest<'_>) -> Result<LoadedSets> {
        let request = LoadRequest {
            prompts: Prompts::Sets,
            ..*request
        };
        let mut first: Option<(String, bool)> = None;
        let mut load = |path: &Path| -> Result<Dataset> {
            let prompts = rows::prompts(path, &request, |row| self.with_answers(row))?;
            for (index, prompt) in prompts.iter().enumerate() {
                let place = format!("{}, prompt {}", path.display(), index + 1);
                let (other, texts) = first.get_or_insert_with(|| (place.clone(), prompt.is_text));
                if *texts != prompt.is_text {
                    let (with, without) = if prompt.is_text {
                        (&*other, &place)
                    } else {
                        (&place, &*other)
                    };
                    return Err(Error::data(
                        with.clone(),
                        format!(
                            "it has answers and {without} has none, so that they are not measured alike; give all of \
                             them answers, or none"
                        ),
                    ));
                }
            }
            Ok(Dataset {
                examples: prompts.into_iter().map(|prompt| prompt.example).collect(),
                source: path.display().to_string(),
                prepend_bos: request
                    .tokenizer
                    .is_some_and(|it| it.prepends_bos(request.prepend_bos)),
            })
        };
        let (behaviour, other) = (load(&self.behaviour)?, load(&self.other)?);
        Ok(LoadedSets {
            behaviour,
            other,
            texts: first.is_some_and(|(_, texts)| texts),
        })
    }

    /// A row with the answers of all where it has none of its own.
    fn with_answers(&self, row: &mut Map<String, Value>) {
        if row.contains_key("answer") || self.answer.is_empty() {
            return;
        }
        row.insert("answer".into(), self.answer.clone().into());
        row.entry("wrong")
            .or_insert_with(|| self.wrong.clone().into());
    }

    /// About the bytes that the prompts take in memory, by the size of the files.
    pub fn expected_bytes(&self, base: &Path) -> usize {
        [&self.behaviour, &self.other]
            .into_iter()
            .fold(0, |sum, path| {
                rows::expected_bytes(base, path).saturating_add(sum)
            })
    }

    /// The files, for reports.
    pub fn label(&self) -> String {
        format!("{} and {}", self.behaviour.display(), self.other.display())
    }
}
