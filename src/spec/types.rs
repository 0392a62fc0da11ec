//! The specs: what a `.ron` file says.

use std::path::{Path, PathBuf};

use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};

use crate::analyze::{AnyAnalysis, Shared, SharedKeys};
use crate::discover::{Limit, Method, Select, Target};
use crate::engine::Ablation;
use crate::engine::Precision;
use crate::graph::Granularity;
use crate::metric::Metric;
use crate::model::PrependBos;
use crate::task::TaskSource;

/// What a spec file asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {
    /// The circuit of a task.
    Circuit(Box<RunSpec>),
    /// The answer to another question: a spec with the key `analysis`.
    Analysis(Box<AnalysisSpec>),
}

impl Spec {
    /// Its name; the folder of the results.
    pub fn name(&self) -> &str {
        match self {
            Self::Circuit(spec) => &spec.name,
            Self::Analysis(spec) => &spec.name,
        }
    }

    /// The models; each is one job.
    pub fn models(&self) -> &[String] {
        match self {
            Self::Circuit(spec) => &spec.models,
            Self::Analysis(spec) => &spec.models,
        }
    }

    /// The models, to be changed.
    pub fn models_mut(&mut self) -> &mut [String] {
        match self {
            Self::Circuit(spec) => &mut spec.models,
            Self::Analysis(spec) => &mut spec.models,
        }
    }

    /// The prompts.
    pub fn task(&self) -> Option<&TaskSource> {
        match self {
            Self::Circuit(spec) => Some(&spec.task),
            Self::Analysis(spec) => spec.task.as_ref(),
        }
    }

    /// The files that it takes prompts and text from, relative to the spec file.
    pub fn data_files(&self) -> Vec<PathBuf> {
        let task = self.task().and_then(TaskSource::file);
        let mut files: Vec<PathBuf> = task.map(Path::to_owned).into_iter().collect();
        if let Self::Analysis(spec) = self {
            let other = spec.analysis.other_task().and_then(|(_, task)| task.file());
            files.extend(other.map(Path::to_owned));
            let of_analysis = spec.analysis.inputs().into_iter();
            files.extend(of_analysis.map(|(_, file)| file));
        }
        files
    }

    /// What [`Spec::hash`] is of, as JSON: the spec without models and outputs.
    pub fn question(&self) -> serde_json::Value {
        let value = match self {
            Self::Circuit(spec) => serde_json::to_value(spec),
            Self::Analysis(spec) => serde_json::to_value(spec),
        };
        let mut value = value.unwrap_or_default();
        if let Some(keys) = value.as_object_mut() {
            for key in ["models", "outputs"] {
                keys.remove(key);
            }
        }
        value
    }

    /// A hash of everything in the spec that decides a job's result.
    pub fn hash(&self) -> String {
        match self {
            Self::Circuit(spec) => spec.hash(),
            Self::Analysis(spec) => spec.hash(),
        }
    }
}

/// An analysis spec: a question, the prompts to answer it on, and the models to ask. It is written without the shared keys that
/// the question does not read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalysisSpec {
    /// Version of the spec format, 1.
    pub format: u32,
    /// Name; the folder of the results.
    pub name: String,
    /// Models; each is one job.
    pub models: Vec<String>,
    /// The prompts: clean ones show the behaviour, corrupt ones do not. `Attention`, `Patchscope` and `Sae` may have none, nor
    /// do `Lens` and `Residual` of texts and `Neurons` of two sets need them; `Prompt` and `Relation` have none.
    #[serde(default)]
    pub task: Option<TaskSource>,
    /// The measure of the behaviour.
    #[serde(default = "default_metric")]
    pub metric: Metric,
    /// The question.
    pub analysis: AnyAnalysis,
    /// Share of the examples that are held out for evaluation what was found on the others; 0 judges on the same.
    #[serde(default = "default_held_out")]
    pub held_out: f64,
    /// Resamples of the bootstrap intervals; 0 gives none.
    #[serde(default = "default_bootstrap")]
    pub bootstrap: usize,
    /// Number of random baselines to compare with.
    #[serde(default = "default_random_baselines")]
    pub random_baselines: usize,
    /// Precision of the engine.
    #[serde(default)]
    pub precision: Precision,
    /// Whether text gets a beginning-of-sequence token.
    #[serde(default)]
    pub prepend_bos: PrependBos,
}

impl AnalysisSpec {
    /// A question about a model, without a task and a name, everything else left as it is.
    pub fn new(model: &str, analysis: AnyAnalysis) -> Self {
        Self {
            format: 1,
            name: String::new(),
            models: vec![model.to_owned()],
            task: None,
            metric: default_metric(),
            analysis,
            held_out: default_held_out(),
            bootstrap: default_bootstrap(),
            random_baselines: default_random_baselines(),
            precision: Precision::default(),
            prepend_bos: PrependBos::default(),
        }
    }

    /// The keys that specs of all analyses share.
    pub fn shared(&self) -> SharedKeys {
        SharedKeys {
            task: self.task.clone(),
            metric: self.metric,
            held_out: self.held_out,
            bootstrap: self.bootstrap,
            random_baselines: self.random_baselines,
            precision: self.precision,
            prepend_bos: self.prepend_bos,
        }
    }
}

impl Serialize for AnalysisSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reads = |key| {
            let ignored = self.analysis.ignores(key, self.task.is_some());
            ignored.is_none()
        };
        let read = Shared::ALL.into_iter().filter(|&key| reads(key));
        let fields = 4 + usize::from(self.task.is_some()) + read.clone().count();
        let mut out = serializer.serialize_struct("AnalysisSpec", fields)?;
        out.serialize_field("format", &self.format)?;
        out.serialize_field("name", &self.name)?;
        out.serialize_field("models", &self.models)?;
        if self.task.is_some() {
            out.serialize_field("task", &self.task)?;
        }
        out.serialize_field("analysis", &self.analysis)?;
        for key in read {
            let name = key.key();
            match key {
                Shared::Metric => out.serialize_field(name, &self.metric)?,
                Shared::HeldOut => out.serialize_field(name, &self.held_out)?,
                Shared::Bootstrap => out.serialize_field(name, &self.bootstrap)?,
                Shared::RandomBaselines => out.serialize_field(name, &self.random_baselines)?,
                Shared::Precision => out.serialize_field(name, &self.precision)?,
                Shared::PrependBos => out.serialize_field(name, &self.prepend_bos)?,
            }
        }
        out.end()
    }
}

fn default_metric() -> Metric {
    Metric::LogitDiff
}

fn default_held_out() -> f64 {
    Evaluate::default().held_out
}

fn default_bootstrap() -> usize {
    Evaluate::default().bootstrap
}

fn default_random_baselines() -> usize {
    Evaluate::default().random_baselines
}

/// A run spec: a task, how to find its circuit, and on which models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Version of the spec format, 1.
    pub format: u32,
    /// Name; the folder of the results.
    pub name: String,
    /// Models; each is one job.
    pub models: Vec<String>,
    /// The task.
    pub task: TaskSource,
    /// The metric.
    pub metric: Metric,
    /// What replaces a removed edge's contribution.
    pub ablation: Ablation,
    /// How the circuit is found.
    pub method: Method,
    /// What becomes a node or an edge.
    #[serde(default)]
    pub granularity: Granularity,
    /// How a circuit is selected from scores; excludes `target`.
    #[serde(default)]
    pub select: Option<Select>,
    /// The smallest circuit found that reaches this; excludes `select`.
    #[serde(default)]
    pub target: Option<Target>,
    /// When the search stops before it is done.
    #[serde(default, skip_serializing_if = "Limit::is_none")]
    pub limit: Limit,
    /// The evaluation.
    #[serde(default)]
    pub evaluate: Evaluate,
    /// Precision of the engine.
    #[serde(default)]
    pub precision: Precision,
    /// Whether text gets a beginning-of-sequence token.
    #[serde(default)]
    pub prepend_bos: PrependBos,
    /// Files written besides `circuit.ron`, `report.json`, `run.json` and `trace.jsonl`.
    #[serde(default = "default_outputs")]
    pub outputs: Vec<Output>,
}

impl RunSpec {
    /// Whether nothing in it says which edges to keep.
    pub fn keeps_everything(&self) -> bool {
        let decides = matches!(self.method, Method::Acdc(_));
        !decides && self.select.is_none() && self.target.is_none()
    }
}

/// How a circuit is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluate {
    /// Share of the examples that the search never sees; 0 evaluates on the discovery examples.
    pub held_out: f64,
    /// Whether to evaluate the ranking at ten sizes.
    pub curve: bool,
    /// Number of random circuits, and of permuted scores, to compare with.
    pub random_baselines: usize,
    /// Resamples of the bootstrap interval; 0 gives none.
    pub bootstrap: usize,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self {
            held_out: 0.5,
            curve: true,
            random_baselines: 20,
            bootstrap: 200,
        }
    }
}

/// A file to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// `circuit.dot`.
    Dot,
    /// `circuit.svg`.
    Svg,
    /// `report.html`, a page to look through.
    Html,
    /// `circuit.json`, EAP-IG's graph format.
    Json,
    /// `edges.csv` and, with a ranking, `curve.csv`.
    Csv,
    /// `scores.safetensors`, the scores as a matrix of writers and readers.
    Scores,
}

fn default_outputs() -> Vec<Output> {
    vec![
        Output::Dot,
        Output::Svg,
        Output::Html,
        Output::Json,
        Output::Csv,
    ]
}
