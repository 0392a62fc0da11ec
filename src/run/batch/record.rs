//! `run.json`: what a job was given, what it wrote, and when. Its presence marks a finished job.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::input::{self, MIB};
use crate::model::ModelIdentity;
use crate::output::Staged;
use crate::version::{SOURCES, VERSION};

/// Version of the format of results; a change makes finished jobs run again.
pub const RESULT_FORMAT: u32 = 1;
/// Name of the record.
pub(crate) const RECORD_FILE: &str = "run.json";
/// Largest record read back; the spec in it may have 1 MiB.
const MAX_BYTES: u64 = 8 * MIB;

/// The record of a finished job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What decides the result.
    pub inputs: Inputs,
    /// The spec, without what its hash leaves out; null in records of versions before it was kept.
    #[serde(default)]
    pub spec: serde_json::Value,
    /// Files written, with the hash of their contents.
    pub files: BTreeMap<String, String>,
    /// The figures of the table at the end of a batch.
    pub summary: Summary,
    /// What varies between runs.
    pub circumstances: RunEnvironment,
}

/// Everything that decides the bytes of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// [`RESULT_FORMAT`] of the program that wrote it.
    pub result_format: u32,
    /// Version of secateur.
    pub version: String,
    /// Hash of the sources of secateur; empty in records of versions before it was kept.
    #[serde(default)]
    pub sources: String,
    /// Hash of the spec.
    pub spec: String,
    /// Files asked for, by their names in the spec.
    pub outputs: Vec<String>,
    /// Name of the model in the results.
    pub model_name: String,
    /// Hash of the model.
    pub model: String,
    /// Hash of the tokenizer's files, where they are not part of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Hash of the data file, where the task has one.
    pub data_file: Option<String>,
}

/// What a finished job found, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Summary {
    /// Scores of a circuit.
    Circuit(CircuitSummary),
    /// The answer of an analysis.
    Analysis(AnalysisSummary),
}

impl Summary {
    /// Whether the job found what was asked for: false when a spec's target was not reached.
    pub fn target_reached(&self) -> bool {
        match self {
            Self::Circuit(summary) => summary.target_reached,
            Self::Analysis(summary) => summary.target_reached,
        }
    }

    /// Whether a target was reached on the discovery prompts, but not on the held-out ones.
    pub fn below_target(&self) -> bool {
        match self {
            Self::Circuit(summary) => summary.below_target,
            Self::Analysis(summary) => summary.below_target,
        }
    }

    /// Remarks that belong to the result.
    pub fn warnings(&self) -> &[String] {
        match self {
            Self::Circuit(summary) => &summary.warnings,
            Self::Analysis(summary) => &summary.warnings,
        }
    }
}

/// The answer of an analysis, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalysisSummary {
    /// One line for people.
    pub finding: String,
    /// False when the spec's target was not reached.
    pub target_reached: bool,
    /// Whether it was reached on the discovery prompts only.
    #[serde(default)]
    pub below_target: bool,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// Scores of a circuit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CircuitSummary {
    /// Edges of the circuit.
    pub edges_kept: usize,
    /// Edges of the full graph.
    pub edges_total: usize,
    /// Writers of the circuit.
    pub nodes_kept: usize,
    /// Faithfulness on the held-out split.
    pub faithfulness: Option<f64>,
    /// Its 95 % bootstrap interval.
    pub faithfulness_interval: Option<[f64; 2]>,
    /// Accuracy of the full model.
    pub accuracy_full: Option<f64>,
    /// Accuracy of the circuit.
    pub accuracy_circuit: Option<f64>,
    /// Mean faithfulness of random circuits of the same number of edges.
    pub random_mean: Option<f64>,
    /// False when the spec's target was not reached.
    pub target_reached: bool,
    /// Whether it was reached on the discovery prompts only.
    #[serde(default)]
    pub below_target: bool,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// What varies between runs of the same inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEnvironment {
    /// Wall time, in seconds.
    pub wall_seconds: f64,
    /// Parts of it, where they were measured, in seconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seconds: BTreeMap<String, f64>,
    /// Largest resident memory of the whole process until the job ended, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Largest anonymous memory (mapped files apart) of the whole process until the job ended, in bytes.
    #[serde(default)]
    pub peak_anonymous_bytes: Option<u64>,
    /// Name of the machine.
    pub host: Option<String>,
    /// Type of the processor.
    pub cpu: Option<String>,
    /// Threads the job had.
    pub threads: usize,
    /// When it ended, in UTC.
    pub date: String,
    /// The command line.
    pub command: Vec<String>,
    /// The spec file.
    pub spec_file: String,
    /// The model as the spec names it.
    pub model: String,
    /// What its files say that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_identity: Option<ModelIdentity>,
    /// Where the model was: its absolute path, or its name where it is built in or in the cache.
    #[serde(default)]
    pub model_place: String,
    /// Absolute paths of the files of `inputs.data_file`, in their order.
    #[serde(default)]
    pub data_places: Vec<String>,
}

impl Inputs {
    /// Inputs for this version of secateur.
    pub(crate) fn new(spec: String, outputs: Vec<String>, model_name: String) -> Self {
        Self {
            result_format: RESULT_FORMAT,
            version: VERSION.to_owned(),
            sources: SOURCES.to_owned(),
            spec,
            outputs,
            model_name,
            model: String::new(),
            tokenizer: None,
            data_file: None,
        }
    }
}

impl RunRecord {
    /// The record in a results folder; none when there is none or it cannot be read as one.
    pub fn read(folder: &Path) -> Option<Self> {
        let path = folder.join(RECORD_FILE);
        let bytes = input::read(&path, MAX_BYTES, "a record").ok()?;
        let record: Self = serde_json::from_slice(&bytes).ok()?;
        record.files.keys().all(|it| is_plain(it)).then_some(record)
    }

    /// Whether it is the record of these inputs and all files are as written.
    pub(crate) fn is_current(&self, inputs: &Inputs, folder: &Path) -> bool {
        self.inputs == *inputs && self.changed_file(folder).is_none()
    }

    /// A file of the result that is not as it was written, or not there.
    pub(crate) fn changed_file(&self, folder: &Path) -> Option<&str> {
        let as_written = |(name, hash): &(&String, &String)| {
            let found = input::hash(&folder.join(name));
            found.is_ok_and(|(found, _)| found.to_hex().as_str() == *hash)
        };
        let changed = self.files.iter().find(|file| !as_written(file));
        changed.map(|(name, _)| name.as_str())
    }

    /// The record as a file that is not yet in its place, where it marks the job as finished.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn stage(&self, folder: &Path) -> Result<Staged> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::Bug(format!("run.json: {error}")))?;
        text.push('\n');
        Staged::write(&folder.join(RECORD_FILE), text.as_bytes())
    }
}

/// Whether a name is that of a file in the folder itself.
pub(crate) fn is_plain(name: &str) -> bool {
    Path::new(name)
        .file_name()
        .is_some_and(|last| *last == *name)
}

/// Hash of a file's contents.
pub(crate) fn content_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
