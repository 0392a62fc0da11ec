//! What an analysis is: its parameters, what it reads, how it answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Setting, Shared, SharedKeys};
use crate::error::Result;
use crate::report::Rows;
use crate::task::TaskSource;

/// An analysis of a model: the type holds its parameters, and its folder everything else about it.
pub trait Analysis: Serialize + DeserializeOwned {
    /// Its name in specs.
    const NAME: &'static str;
    /// The shared keys that it reads; others are refused.
    const USES: &'static [Shared];
    /// Its report, as `report.json` has it.
    type Report: AnalysisReport;

    /// Values that make no sense, each with its key in the spec.
    fn mistakes(&self, keys: &SharedKeys) -> Vec<(String, String)>;

    /// On what condition it reads a shared key, where the parameters do not meet it; `with_task`: the spec has a task.
    fn unmet_condition(&self, _key: Shared, _with_task: bool) -> Option<&'static str> {
        None
    }

    /// Where its prompts come from.
    fn prompts(&self) -> PromptSource<'_> {
        PromptSource::Task
    }

    /// Files that it reads, each with its key in the spec; that of the spec's task is not among them.
    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        Vec::new()
    }

    /// Another task whose prompts it reads, with its key.
    fn other_task(&self) -> Option<(&'static str, &TaskSource)> {
        None
    }

    /// Runs the analysis.
    ///
    /// # Errors
    /// When the model, the data or a file cannot be used, or the observer interrupts.
    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<Self::Report>>;
}

/// Where the prompts of an analysis come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptSource<'a> {
    /// From the task of the spec.
    Task,
    /// From the task of the spec, if it has one.
    OptionalTask,
    /// From the task of the spec or from these texts, one of the two.
    TaskOrTexts(&'a [String]),
    /// From elsewhere: a task is refused, for this reason.
    Own(&'static str),
}

/// What all reports of analyses have.
pub trait AnalysisReport: Serialize {
    /// The result in one line.
    fn finding(&self) -> String;

    /// Remarks that belong to the result.
    fn warnings(&self) -> &[String];

    /// Whether the target of the spec was reached on the discovery set; true where there is none.
    fn target_reached(&self) -> bool {
        true
    }

    /// Whether it was reached on the discovery set only.
    fn below_target(&self) -> bool {
        false
    }
}

/// What an analysis returns.
#[derive(Debug)]
pub struct AnalysisOutput<R> {
    /// The report.
    pub report: R,
    /// Which rows of the data were used for what.
    pub rows: Rows,
    /// Hash of the data.
    pub data_hash: String,
    /// The files of the result, without `report.json` and `report.html`.
    pub files: Files,
    /// Seconds by part of the work, where they are known.
    pub seconds: BTreeMap<String, f64>,
}

/// Files by name.
pub type Files = BTreeMap<&'static str, Vec<u8>>;

/// Mistakes with keys that are known beforehand.
pub(crate) fn keyed(found: Vec<(&'static str, String)>) -> Vec<(String, String)> {
    let found = found.into_iter();
    found
        .map(|(key, problem)| (key.to_owned(), problem))
        .collect()
}
