//! The command line.

mod analysis;
mod figures;
mod repl;
mod superposition;

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use secateur::analyze::{
    AttentionRoles, Edit, FeatureCircuit, Lens, Neurons, Patchscope, Relation, Residual, Sae,
    Tracing, Vector,
};
use secateur::paths::written;

pub(crate) use analysis::AnalysisArgs;
pub(crate) use figures::{
    DetailArg, DirectionArg, FigureArgs, PictureArg, RenderArgs, ShowArgs, style,
};
pub(crate) use repl::ReplArgs;
pub(crate) use superposition::SuperpositionArgs;

/// Finds the circuit inside a transformer language model that does a task.
///
/// A MODEL is builtin:NAME, a folder in Hugging Face format, a .gguf file, or hf:ORG/NAME.
#[derive(Debug, Parser)]
#[command(name = "secateur", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Show errors only: no progress, no warnings, no table of jobs.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 success, 4 a target was not reached (results are written), \
2 wrong arguments or spec, 3 unusable model or data, 1 bug, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP (finished jobs are kept).";

/// How to make a dump; docs/parity.md has the same lines.
const PARITY: &str = r#"Agreement is |difference| <= tolerance * max(1, largest magnitude of the reference at that place). Exit code 4
when they differ. A dump of a Hugging Face model, with torch and transformers:

import torch, transformers
from safetensors.torch import save_file
model = transformers.AutoModelForCausalLM.from_pretrained("MODEL", dtype=torch.float32).eval()
rows = [[1, 5, 9, 2, 7], [3, 4]]  # token ids
width = max(map(len, rows))
tokens = torch.tensor([row + [0] * (width - len(row)) for row in rows])
mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
with torch.no_grad():
    out = model(tokens, attention_mask=mask, output_hidden_states=True)
dump = {f"resid.{layer}": stream.contiguous() for layer, stream in enumerate(out.hidden_states[:-1])}
save_file({"tokens": tokens, "attention_mask": mask, "logits": out.logits, **dump}, "golden.safetensors")"#;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run each spec on each model it lists, skipping jobs that are up to date.
    Run(RunArgs),
    /// Evaluate a circuit file on a spec's task.
    Eval(EvalArgs),
    /// Compare circuits across models and methods.
    Compare(CompareArgs),
    /// Draw a circuit, or convert a plot.
    Render(RenderArgs),
    /// Draw results with a circuit for a paper: circuits, curves, and their numbers as LaTeX commands.
    Figure(FigureArgs),
    /// Print a circuit as a tree, from the logits down.
    Show(ShowArgs),
    /// Show what a model is, its shape and the size of its graph.
    Inspect(InspectArgs),
    /// Write the logits at the last position of token rows.
    Logits(LogitsArgs),
    /// Compare a model with what another implementation computed, layer by layer.
    #[command(after_help = PARITY)]
    Parity(ParityArgs),
    /// Logit lens, tuned lens and direct logit attribution, layer by layer.
    Lens(Box<AnalysisArgs<Lens>>),
    /// Score heads by what they attend to and copy, and assign them roles.
    Attention(Box<AnalysisArgs<AttentionRoles>>),
    /// Show how the residual stream grows, and which components write into a direction.
    Residual(Box<AnalysisArgs<Residual>>),
    /// Find MLP neurons that correlate with a behaviour and neurons that it depends on.
    Neurons(Box<AnalysisArgs<Neurons>>),
    /// Swap one token's direction for another's in the residual stream.
    Edit(Box<AnalysisArgs<Edit>>),
    /// Patchscope: patch a representation of one prompt into another one and decode it.
    Patchscope(Box<AnalysisArgs<Patchscope>>),
    /// Test whether a relation, such as that of countries to capitals, is a linear map inside the model.
    Relation(Box<AnalysisArgs<Relation>>),
    /// Train or load a sparse autoencoder of a layer, describe its features and measure their effects.
    Sae(Box<AnalysisArgs<Sae>>),
    /// Test how well sparse autoencoders of every kind recover known features in superposition, without a model.
    Superposition(SuperpositionArgs),
    /// Causal tracing: corrupt the subject of a prompt with noise and restore hidden states.
    Trace(Box<AnalysisArgs<Tracing>>),
    /// Find the direction of the residual stream that carries a behaviour; add it and ablate it.
    Vector(Box<AnalysisArgs<Vector>>),
    /// Find the features of sparse autoencoders that a task needs, and how they act on each other.
    FeatureCircuit(Box<AnalysisArgs<FeatureCircuit>>),
    /// Try prompts, ablate or patch components and add vectors, line by line; `help` shows the commands.
    Repl(ReplArgs),
    /// Time the engine's work on a model and prompts, and compare it with the limits of this machine.
    Bench(BenchArgs),
    /// List the built-in models and those in the local cache.
    Models,
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Spec files, or folders of them (all *.ron below).
    #[arg(required = true, value_name = "SPEC_OR_DIR")]
    pub(crate) specs: Vec<PathBuf>,
    /// Jobs at a time; they share the threads.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) jobs: usize,
    /// Print what was found as JSON, a list with an entry for each job.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}

/// The options of every command that runs jobs.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// Folder of the results: DIR/<spec name>/<model name>/.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(crate) out: PathBuf,
    /// Threads of all jobs together [default: all cores].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) memory: Memory,
    /// Rerun finished jobs, overwriting their results and those of other specs.
    #[arg(long)]
    pub(crate) force: bool,
    /// Exit with 4 also where a target is reached on the discovery prompts, but not on the held-out ones.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) added: AddedVectors,
}

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// The circuit: circuit.ron, or a JSON file in EAP-IG's format.
    pub(crate) circuit: PathBuf,
    /// The spec that names the task, metric and ablation.
    #[arg(long)]
    pub(crate) spec: PathBuf,
    /// The model, relative to the working directory [default: the spec's].
    #[arg(long, value_parser = reference())]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) memory: Memory,
    /// Print the keys of report.json.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Folders of results with a circuit, or folders above them.
    #[arg(required = true, value_name = "RESULT")]
    pub(crate) results: Vec<PathBuf>,
    /// Folder for the tables as files: text, CSV, Markdown, LaTeX, and a page (HTML).
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Also replace files that secateur did not write, and those that are read.
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The model.
    #[arg(value_parser = reference())]
    pub(crate) model: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogitsArgs {
    /// The model.
    #[arg(value_parser = reference())]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) added: AddedVectors,
    /// A list of token ids per line.
    #[arg(long, value_name = "FILE.jsonl")]
    pub(crate) tokens: PathBuf,
    #[command(flatten)]
    pub(crate) memory: Memory,
    /// The file to write: tensor `logits`, `[rows, d_vocab]`.
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) out: PathBuf,
    /// Also replace files that secateur did not write, and those that are read.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ParityArgs {
    /// The model.
    #[arg(value_parser = reference())]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) added: AddedVectors,
    /// What the other implementation computed: tensors `tokens`, `attention_mask`, `logits`, `resid.LAYER`.
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) golden: PathBuf,
    #[command(flatten)]
    pub(crate) memory: Memory,
    /// Difference that is allowed, relative to the reference's largest magnitude where that is above 1.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1e-4,
        allow_negative_numbers = true
    )]
    pub(crate) tolerance: f64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The model.
    #[arg(value_parser = reference())]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) added: AddedVectors,
    /// Clean/corrupt pairs of token ids, as for the task `Tokens`.
    #[arg(long, value_name = "FILE.jsonl")]
    pub(crate) rows: PathBuf,
    /// What to time, separated by commas.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "forward,vjp,eap,eap-ig,evaluate"
    )]
    pub(crate) work: Vec<BenchWork>,
    /// Repetitions; the median is reported.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub(crate) repeat: usize,
    /// Steps of EAP-IG.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub(crate) steps: usize,
    /// Threshold of ACDC.
    #[arg(long, value_name = "X", default_value_t = 0.05, value_parser = finite, allow_negative_numbers = true)]
    pub(crate) tau: f64,
    /// Give each query head keys and values of its own, as EAP-IG's graph does.
    #[arg(long)]
    pub(crate) per_head: bool,
    /// Threads [default: all cores].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) threads: Option<usize>,
    /// Also measure the machine's matrix rate, before and after each repetition, and its memory bandwidth.
    #[arg(long)]
    pub(crate) roofline: bool,
    /// Print JSON, a line for each work.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `bench` times.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BenchWork {
    /// The full model on the clean prompts, with all logits.
    Forward,
    /// The metric's gradient pulled back through a clean run, which is not timed.
    Vjp,
    /// Edge attribution patching.
    Eap,
    /// EAP-IG over inputs.
    EapIg,
    /// The metric of circuits of ten sizes.
    Evaluate,
    /// Exact patching of every edge.
    Exact,
    /// ACDC from the full model to its end.
    Acdc,
}

impl BenchWork {
    /// Its name on the command line.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Vjp => "vjp",
            Self::Eap => "eap",
            Self::EapIg => "eap-ig",
            Self::Evaluate => "evaluate",
            Self::Exact => "exact",
            Self::Acdc => "acdc",
        }
    }
}

/// Vectors added to the model of a command.
#[derive(Debug, Args)]
pub(crate) struct AddedVectors {
    /// Add a vector to the residual stream after a layer, at every position; may be repeated. Layer and strength are by default
    /// those in the file that `vector` wrote.
    #[arg(long, value_name = "FILE.safetensors@LAYER:STRENGTH", value_parser = reference())]
    add: Vec<String>,
}

impl AddedVectors {
    /// The reference of a model with the vectors added to it.
    pub(crate) fn to(&self, model: &str) -> String {
        let vectors = self.add.iter().map(|vector| format!(" + {vector}"));
        std::iter::once(model.to_owned()).chain(vectors).collect()
    }

    /// The same with paths that hold wherever they are relative to.
    pub(crate) fn absolute(&self) -> Self {
        let absolute = |vector: &String| match std::path::absolute(vector) {
            Ok(path) => written(path),
            Err(_) => vector.clone(),
        };
        Self {
            add: self.add.iter().map(absolute).collect(),
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.add.is_empty()
    }
}

/// The memory of a command that runs models.
#[derive(Debug, Args)]
pub(crate) struct Memory {
    /// Memory limit for the whole process in GB (10^9 bytes), excluding memory-mapped files; results do not depend on it
    /// [default: 70% of what is available].
    #[arg(long, value_name = "GB", value_parser = gigabytes)]
    memory: Option<u64>,
}

impl Memory {
    /// Bytes, where there is a bound.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.memory.or_else(secateur::run::default_memory)
    }
}

/// The reference of a model, or of a vector, of which a path may be any bytes.
fn reference() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(written)
}

fn gigabytes(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e6 => Ok((number * 1e9) as u64),
        Ok(_) => Err("expected a number above 0 and at most 1000000".into()),
        Err(error) => Err(format!("{error}")),
    }
}

fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("not a finite number".into()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".into()),
        Ok(number) if number <= 4096 => Ok(number),
        Ok(_) => Err("expected at most 4096".into()),
        Err(error) => Err(format!("{error}")),
    }
}
