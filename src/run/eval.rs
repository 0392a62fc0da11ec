//! A circuit file on a spec's task: `secateur eval`.

use std::path::Path;

use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, figure_doubts};
use crate::events::Observer;
use crate::graph::{Circuit, ComputationGraph};
use crate::input::{self, GIB};
use crate::model::{LoadedModel, ModelConfig};
use crate::model::{load_model_within, model_name};
use crate::report::{AnyCircuit, CIRCUIT_FORMAT, CircuitFile, ModelStamp};
use crate::report::{Rows, report_json};
use crate::run::batch::job::without_panic;
use crate::run::circuit::job::{data_hash, named_figures, report_provenance};
use crate::run::circuit::pipeline::evaluate_circuit;
use crate::setting::Listening;
use crate::setting::load_examples;
use crate::spec::{RunSpec, Spec, SpecFile, ron_line};
use crate::task::Prompts;

/// Largest circuit file read, in bytes.
const MAX_BYTES: u64 = GIB;

/// A circuit evaluated again.
#[derive(Debug, Clone)]
pub struct Reevaluation {
    /// The circuit, stamped with the model, spec and data it was evaluated on.
    pub file: CircuitFile,
    /// The figures.
    pub evaluation: Evaluation,
    /// Which rows of the data are on which split.
    pub rows: Rows,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// Relative difference up to which means of the same prompts may differ: files keep figures as they are.
const SAME_METRIC: f64 = 1e-5;

impl Reevaluation {
    /// The keys of `report.json` for this circuit.
    ///
    /// # Errors
    /// Never for values of these types; the serialiser's signature allows it.
    pub fn report_json(&self) -> Result<String> {
        report_json(
            &self.evaluation,
            &self.rows,
            &report_provenance(&self.file),
            &self.warnings,
            None,
        )
    }

    /// All remarks: those of the run, and those that follow from the figures.
    pub fn all_warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        warnings.extend(figure_doubts(&self.evaluation, &self.evaluation.held_out));
        warnings
    }
}

/// The contents of a circuit file as text.
///
/// # Errors
/// When it cannot be read, is not text, or is absurdly large.
pub fn read_circuit_text(path: &Path) -> Result<String> {
    input::read_text(path, MAX_BYTES, "a circuit file")
}

/// Evaluates the circuit in a RON or EAP-IG JSON file on a spec's task.
///
/// The model is `model`, relative to the working directory, or else the spec's only model, or the one of the spec's
/// models that the circuit was found in. The work takes at most `memory` bytes, where it is bounded.
///
/// # Errors
/// When the circuit is of another shape than the model, or as [`super::run_batch`]'s jobs.
pub fn reevaluate(
    circuit: &Path,
    spec: &SpecFile,
    model: Option<&str>,
    memory: Option<u64>,
    observer: &dyn Observer,
) -> Result<Reevaluation> {
    without_panic(|| {
        let listening = Listening::new(observer);
        let mut result = evaluate_file(circuit, spec, (model, memory), &listening)?;
        listening.add_to(&mut result.warnings);
        Ok(result)
    })
}

fn evaluate_file(
    path: &Path,
    spec_file: &SpecFile,
    (model, memory): (Option<&str>, Option<u64>),
    observer: &dyn Observer,
) -> Result<Reevaluation> {
    let Spec::Circuit(spec) = &spec_file.spec else {
        return Err(Error::Usage(format!(
            "{} is an analysis; a circuit is evaluated on the task of a spec that finds circuits",
            spec_file.path.display()
        )));
    };
    let text = read_circuit_text(path)?;
    let name = path.display().to_string();
    let read = AnyCircuit::parse(&text, &name)?;
    let found = match &read {
        AnyCircuit::Own(file) => Some(file.as_ref()),
        AnyCircuit::Eap(_) | AnyCircuit::Features(_) => None,
    };
    let found_in = found.map(|file| file.model.name.as_str());
    let (reference, base) = if let Some(reference) = model {
        (reference, Path::new("."))
    } else {
        let chosen = choose_model(spec, &spec_file.path, found_in)?;
        (chosen, spec_file.base())
    };
    crate::events::phase(observer, "loading the model", 0);
    let model = load_model_within(reference, base, memory.map(|bytes| bytes as usize))?;
    let (graph, circuit, mut warnings) = match &read {
        AnyCircuit::Own(file) => {
            let warnings = compare_models(file, &model, &name)?;
            let (graph, circuit) = file.circuit()?;
            (graph, circuit, warnings)
        }
        AnyCircuit::Features(_) => {
            return Err(Error::Usage(format!(
                "{name} is a circuit of features, which needs its dictionaries: run the spec in it again; report.json beside \
                 it has the figures"
            )));
        }
        AnyCircuit::Eap(file) => {
            let read = file.import(model.config(), spec.granularity.kv)?;
            (read.graph, read.circuit, read.notes)
        }
    };
    let dataset = load_examples(
        (&spec.task, Prompts::Pairs),
        spec.prepend_bos,
        &model,
        spec_file.base(),
        observer,
    )?;
    warnings.extend(model.warnings.iter().cloned());
    if let Some(file) = found {
        warnings.extend(other_settings(file, spec));
    }
    let mut evaluated = circuit.clone();
    if found.is_some() && circuit.kept.len() < graph.edge_count() {
        // Only kept edges have scores in the file: no ranking of all edges, so no curve.
        evaluated.scores = None;
    }
    let evaluated = evaluate_circuit(spec, &model, &dataset, &graph, &evaluated, observer);
    model.check_unchanged()?;
    let (evaluation, doubts) = evaluated?;
    warnings.extend(doubts);
    let mut file = stamped(spec, &model, &graph, &circuit);
    file.data_hash = data_hash(&dataset, &graph);
    if let Some(found) = found {
        warnings.extend(seen_by_search(found, &file, &evaluation));
    }
    file.figures = named_figures(&evaluation);
    if let Some(found) = found {
        file.method.clone_from(&found.method);
    }
    Ok(Reevaluation {
        file,
        evaluation,
        rows: Rows::split(dataset.split_rows(spec.evaluate.held_out)),
        warnings,
    })
}

/// The model of the spec that is meant when none is named.
fn choose_model<'a>(spec: &'a RunSpec, path: &Path, found_in: Option<&str>) -> Result<&'a str> {
    let models = &spec.models;
    if let [only] = models.as_slice() {
        return Ok(only);
    }
    let base = path.parent().unwrap_or(Path::new(""));
    let same = |model: &&String| found_in == Some(model_name(model, base).as_str());
    let mut fitting = models.iter().filter(same);
    match (fitting.next(), fitting.next()) {
        (Some(model), None) => Ok(model),
        _ => Err(Error::Usage(format!(
            "{} has several models\nhint: choose one with --model: {}",
            path.display(),
            models.join(", ")
        ))),
    }
}

/// Refuses a model of another shape; warns of other weights.
fn compare_models(file: &CircuitFile, model: &LoadedModel, name: &str) -> Result<Vec<String>> {
    let different = shape_differences(&file.model.config, model.config());
    if !different.is_empty() {
        return Err(Error::data(
            name,
            format!(
                "the circuit is of another shape than model {}: {}",
                model.name,
                different.join(", ")
            ),
        ));
    }
    let same = file.model.hash == model.hash;
    Ok(if same {
        Vec::new()
    } else {
        vec![format!(
            "the circuit was found in {} with other weights than {} has now",
            file.model.name, model.name
        )]
    })
}

/// What makes the graphs of two shapes different, in words.
fn shape_differences(circuit: &ModelConfig, model: &ModelConfig) -> Vec<String> {
    let number = |name: &str, of: fn(&ModelConfig) -> usize| {
        let (there, here) = (of(circuit), of(model));
        (there != here).then(|| format!("{name} {there}, not {here}"))
    };
    let mut different: Vec<String> = [
        number("n_layers", |config| config.n_layers),
        number("n_heads", |config| config.n_heads),
        number("n_kv_heads", |config| config.n_kv_heads),
        number("d_model", |config| config.d_model),
        number("d_head", |config| config.d_head),
        number("d_mlp", |config| config.d_mlp),
    ]
    .into_iter()
    .flatten()
    .collect();
    if circuit.parallel_blocks != model.parallel_blocks {
        different.push("parallel blocks in one of them only".into());
    }
    different
}

/// Settings of the spec that are not those the circuit was found with.
/// Says that prompts that are held out here may be those that the circuit was found on.
fn seen_by_search(
    found: &CircuitFile,
    now: &CircuitFile,
    evaluation: &Evaluation,
) -> Option<String> {
    if found.data_hash != now.data_hash {
        return Some(format!(
            "the circuit was found on other data than these ({}): prompts that are in both were not held out from its search",
            found.task
        ));
    }
    // The full model's metric tells splits of the same prompts apart.
    let full = *found.figures.get("discovery.metric_full")?;
    let same = (full - evaluation.discovery.metric_full).abs() <= SAME_METRIC * full.abs().max(1.0);
    let comparable = (&found.metric, &found.model.hash) == (&now.metric, &now.model.hash);
    (comparable && !same).then(|| {
        "the circuit was found with these prompts split in another way: the held-out ones are not all held out from its search"
            .to_owned()
    })
}

fn other_settings(file: &CircuitFile, spec: &RunSpec) -> Vec<String> {
    [
        ("metric", &file.metric, ron_line(&spec.metric)),
        ("ablation", &file.ablation, ron_line(&spec.ablation)),
    ]
    .into_iter()
    .filter(|(_, found, now)| *found != now)
    .map(|(what, found, now)| format!("the circuit was found with {what} {found}, not {now}"))
    .collect()
}

fn stamped(
    spec: &RunSpec,
    model: &LoadedModel,
    graph: &ComputationGraph,
    circuit: &Circuit,
) -> CircuitFile {
    CircuitFile {
        format: CIRCUIT_FORMAT,
        name: spec.name.clone(),
        model: ModelStamp {
            name: model.name.clone(),
            hash: model.hash.clone(),
            identity: Some(model.identity.clone()),
            config: model.config().clone(),
        },
        task: ron_line(&spec.task),
        metric: ron_line(&spec.metric),
        ablation: ron_line(&spec.ablation),
        method: "imported".into(),
        granularity: graph.granularity().clone(),
        neurons: graph.neurons().clone(),
        spec_hash: spec.hash(),
        data_hash: String::new(),
        figures: std::collections::BTreeMap::new(),
        spans: graph.spans().to_vec(),
        stop: crate::discover::StopReason::Finished,
        edges_total: graph.edge_count(),
        edges: CircuitFile::entries(graph, circuit),
    }
}
