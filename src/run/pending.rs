//! Stand-ins for parts of the library that are written elsewhere; each says what replaces it.

use std::path::Path;

use crate::discover::Decision;
use crate::error::{Error, Result};
use crate::evaluate::{CurvePoint, Evaluation};
use crate::graph::{Circuit, ComputationGraph, Granularity};
use crate::model::{LoadedModel, ModelConfig, PrependBos, Tokenizer};
use crate::report::CircuitFile;
use crate::task::{Dataset, TaskSource};

fn missing<T>(what: &str) -> Result<T> {
    Err(Error::Bug(format!("{what} is not written yet")))
}

// model/

/// Loads a model; a path is relative to `base`.
///
/// # Errors
/// When the model cannot be used.
pub fn load_model(_reference: &str, _base: &Path) -> Result<LoadedModel> {
    missing("load_model")
}

/// What a model's headers say.
#[derive(Debug, Clone)]
pub struct ModelHeader {
    /// The shape.
    pub config: ModelConfig,
    /// Size of the weights as stored.
    pub bytes: u64,
}

/// Reads a model's headers only.
///
/// # Errors
/// When the model cannot be used.
pub fn read_header(_reference: &str, _base: &Path) -> Result<ModelHeader> {
    missing("read_header")
}

/// The name of a model in the results folder.
pub fn model_name(reference: &str) -> String {
    let name = if let Some(name) = reference.strip_prefix("builtin:") {
        name.to_owned()
    } else if let Some(name) = reference.strip_prefix("hf:") {
        name.replace('/', "--")
    } else {
        let path = Path::new(reference);
        let last = path.file_name().unwrap_or_default().to_string_lossy();
        last.strip_suffix(".gguf").unwrap_or(&last).to_owned()
    };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    name.chars()
        .map(|letter| if allowed(letter) { letter } else { '-' })
        .collect()
}

/// Names of the built-in models, without `builtin:`.
pub fn builtin_models() -> &'static [&'static str] {
    &["toy-gpt2", "toy-llama"]
}

/// References of the models in the local cache.
pub fn cached_models() -> Vec<String> {
    Vec::new()
}

// task/

/// What loading a task's examples needs to know.
#[derive(Debug, Clone, Copy)]
pub struct LoadRequest<'a> {
    /// The model's tokenizer, where it has one.
    pub tokenizer: Option<&'a Tokenizer>,
    /// The model's shape.
    pub config: &'a ModelConfig,
    /// Whether text gets a beginning-of-sequence token.
    pub prepend_bos: PrependBos,
    /// The folder that paths are relative to.
    pub base: &'a Path,
}

impl TaskSource {
    /// The examples for a model.
    ///
    /// # Errors
    /// When they do not fit the model.
    pub fn load(&self, _request: &LoadRequest<'_>) -> Result<Dataset> {
        missing("TaskSource::load")
    }
}

impl Dataset {
    /// Hash of the prompts' tokens and answers.
    pub fn hash(&self) -> String {
        String::new()
    }
}

// report/

impl CircuitFile {
    /// The text of `circuit.ron`.
    ///
    /// # Errors
    /// When it has no RON form.
    pub fn to_ron(&self) -> Result<String> {
        missing("CircuitFile::to_ron")
    }

    /// The entries of [`CircuitFile::edges`] for the kept edges of a circuit.
    pub fn entries(_graph: &ComputationGraph, _circuit: &Circuit) -> Vec<crate::report::EdgeEntry> {
        Vec::new()
    }

    /// Reads `circuit.ron`.
    ///
    /// # Errors
    /// When the text is not a circuit file.
    pub fn from_ron(_text: &str, _file_name: &str) -> Result<Self> {
        missing("CircuitFile::from_ron")
    }
}

/// Names of the formats that [`render`] knows.
pub fn render_formats() -> Vec<&'static str> {
    vec!["dot", "svg"]
}

/// Draws a circuit.
///
/// # Errors
/// When the format is unknown or the circuit does not fit its own model.
pub fn render(_format: &str, _file: &CircuitFile) -> Result<Vec<u8>> {
    missing("render")
}

/// The text of `report.json`.
///
/// # Errors
/// Never in practice.
pub fn report_json(
    _file: &CircuitFile,
    _evaluation: &Evaluation,
    _warnings: &[String],
) -> Result<String> {
    missing("report_json")
}

/// The text of `trace.jsonl`.
///
/// # Errors
/// Never in practice.
pub fn trace_lines(_graph: &ComputationGraph, _trace: &[Decision]) -> Result<String> {
    missing("trace_lines")
}

/// The text of `edges.csv`.
///
/// # Errors
/// Never in practice.
pub fn edges_csv(_graph: &ComputationGraph, _circuit: &Circuit) -> Result<String> {
    missing("edges_csv")
}

/// The text of `curve.csv`.
///
/// # Errors
/// Never in practice.
pub fn curve_csv(_curve: &[CurvePoint]) -> Result<String> {
    missing("curve_csv")
}

/// The text of `circuit.json`: EAP-IG's graph format, the full graph.
///
/// # Errors
/// When the graph has nodes the format does not know.
pub fn eap_json(
    _config: &ModelConfig,
    _graph: &ComputationGraph,
    _circuit: &Circuit,
) -> Result<String> {
    missing("eap_json")
}

/// A circuit read from EAP-IG's graph format, with remarks on what reading it changed.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The graph.
    pub graph: ComputationGraph,
    /// The circuit.
    pub circuit: Circuit,
    /// Remarks.
    pub notes: Vec<String>,
}

/// Reads EAP-IG's graph format for a model of this shape.
///
/// # Errors
/// When the text is not such a file or is of another shape.
pub fn from_eap_json(
    _text: &str,
    _file_name: &str,
    _config: &ModelConfig,
    _granularity: &Granularity,
) -> Result<Imported> {
    missing("from_eap_json")
}

/// One row of a comparison.
#[derive(Debug, Clone)]
pub struct ComparedResult {
    /// Name of the spec.
    pub spec: String,
    /// Name of the model.
    pub model: String,
    /// Name of the method.
    pub method: String,
    /// The contents of `report.json`.
    pub report: serde_json::Value,
}

/// A comparison in one format: text (first), CSV, Markdown, LaTeX, SVG; file name and contents.
///
/// # Errors
/// When a report lacks a figure.
pub fn compare(_results: &[ComparedResult]) -> Result<Vec<(String, String)>> {
    missing("compare")
}
