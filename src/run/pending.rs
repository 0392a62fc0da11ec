//! Stand-ins for parts of the library that are written elsewhere; each says what replaces it.

use std::path::Path;

use crate::discover::Decision;
use crate::error::{Error, Result};
use crate::evaluate::{CurvePoint, Evaluation, Figures};
use crate::graph::{Circuit, ComputationGraph, KeyValue};
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
    pub weight_bytes: u64,
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
pub fn builtin_models() -> Vec<&'static str> {
    vec!["toy-gpt2", "toy-llama"]
}

/// References of the models in the local cache.
pub fn cached_models(_base: &Path) -> Vec<String> {
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

/// A format that a circuit can be drawn in.
pub trait Exporter: Sync {
    /// Name on the command line.
    fn name(&self) -> &'static str;

    /// The drawing.
    ///
    /// # Errors
    /// When the file describes no circuit.
    fn export(&self, file: &CircuitFile) -> Result<Vec<u8>>;
}

struct Named(&'static str);

impl Exporter for Named {
    fn name(&self) -> &'static str {
        self.0
    }

    fn export(&self, _file: &CircuitFile) -> Result<Vec<u8>> {
        missing("export")
    }
}

/// The formats, in the order of the help text.
pub fn exporters() -> &'static [&'static dyn Exporter] {
    &[&Named("dot"), &Named("svg")]
}

/// The format of this name.
///
/// # Errors
/// When there is none.
pub fn exporter(name: &str) -> Result<&'static dyn Exporter> {
    let found = exporters().iter().find(|format| format.name() == name);
    found
        .copied()
        .ok_or_else(|| Error::Usage(format!("there is no format `{name}`")))
}

/// Version of the format of `report.json`.
pub const REPORT_FORMAT: u32 = 1;

/// Where a result comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Version of the format, [`REPORT_FORMAT`].
    pub format: u32,
    /// Version of Secateur.
    pub secateur: String,
    /// Name of the spec.
    pub spec: String,
    /// Hash of the spec.
    pub spec_hash: String,
    /// Name of the model.
    pub model: String,
    /// Hash of the weights.
    pub model_hash: String,
    /// The prompts, as the spec writes them.
    pub task: String,
    /// Hash of the prompts' tokens and answers.
    pub data_hash: String,
    /// The method, as the spec writes it.
    pub method: String,
    /// What replaces a removed edge's contribution.
    pub ablation: String,
    /// The metric.
    pub metric: String,
}

/// The text of `report.json`.
///
/// # Errors
/// Never in practice.
pub fn report_json(
    _evaluation: &Evaluation,
    _provenance: &Provenance,
    _warnings: &[String],
) -> Result<String> {
    missing("report_json")
}

/// What follows from the figures of a split.
pub fn figure_warnings(_figures: &Figures) -> Vec<String> {
    Vec::new()
}

/// The text of `trace.jsonl`.
///
/// # Errors
/// Never in practice.
pub fn trace_lines(_graph: &ComputationGraph, _trace: &[Decision]) -> Result<String> {
    missing("trace_lines")
}

/// The text of `edges.csv`.
pub fn edges_csv(_graph: &ComputationGraph, _circuit: &Circuit) -> String {
    String::new()
}

/// The text of `curve.csv`.
pub fn curve_csv(_curve: &[CurvePoint]) -> String {
    String::new()
}

/// The text of `circuit.json`: EAP-IG's graph format, the full graph.
///
/// # Errors
/// When the graph has nodes the format does not know.
pub fn to_eap_json(
    _graph: &ComputationGraph,
    _circuit: &Circuit,
    _config: &ModelConfig,
) -> Result<String> {
    missing("to_eap_json")
}

/// A graph file of EAP-IG, as read.
#[derive(Debug)]
pub struct EapGraph;

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

impl EapGraph {
    /// Reads the text of such a file.
    ///
    /// # Errors
    /// When the text is not of this form.
    pub fn parse(_text: &str, _file_name: &str) -> Result<Self> {
        missing("EapGraph::parse")
    }

    /// The circuit in a model's graph.
    ///
    /// # Errors
    /// When the model has another shape.
    pub fn import(&self, _config: &ModelConfig, _kv: KeyValue) -> Result<Imported> {
        missing("EapGraph::import")
    }
}

/// One result in a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Name of the spec.
    pub name: String,
    /// Name of the model.
    pub model: String,
    /// How the circuit was found.
    pub method: String,
    /// Edges of the circuit.
    pub edges_kept: usize,
    /// Edges of the full graph.
    pub edges_total: usize,
    /// Faithfulness on held-out prompts.
    pub faithfulness: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// Accuracy of the circuit on held-out prompts.
    pub accuracy: Option<f64>,
    /// Mean faithfulness of random circuits.
    pub random: Option<f64>,
}

/// An aligned table for terminals.
pub fn compare_text(_rows: &[Comparison]) -> String {
    String::new()
}

/// A table for other programs.
pub fn compare_csv(_rows: &[Comparison]) -> String {
    String::new()
}

/// A Markdown table.
pub fn compare_markdown(_rows: &[Comparison]) -> String {
    String::new()
}

/// A LaTeX `tabular`.
pub fn compare_latex(_rows: &[Comparison]) -> String {
    String::new()
}
