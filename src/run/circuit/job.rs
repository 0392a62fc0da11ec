//! A job that finds a circuit, and the files of its result.

use std::collections::BTreeMap;

use super::page;
use super::pipeline::{Outcome, find_keeping, nodes_unknown_to_eap_ig};
use super::unfinished::Unfinished;
use crate::discover::StopReason;
use crate::engine::Precision;
use crate::error::Result;
use crate::evaluate::{Evaluation, SplitScores, figure_doubts};
use crate::graph::{Circuit, ComputationGraph, EdgeMask};
use crate::model::LoadedModel;
use crate::report::{
    CIRCUIT_FORMAT, CircuitFile, FigureOptions, ModelStamp, Provenance, REPORT_FORMAT, Rows,
    curve_csv, edges_csv, exporter, report_json, scores_safetensors, to_eap_json, trace_lines,
};
use crate::run::batch::job::Contents;
use crate::run::batch::plan::Job;
use crate::run::batch::record::{CircuitSummary, Summary};
use crate::setting::Listening;
use crate::setting::load_examples;
use crate::spec::{Output, RunSpec, ron_line};
use crate::task::{Dataset, Prompts};
use crate::version::VERSION;

/// Finds the circuit and writes its files down.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(crate) fn run(
    job: &Job,
    spec: &RunSpec,
    model: &LoadedModel,
    observer: &Listening<'_>,
) -> Result<Contents> {
    let dataset = load_examples(
        (&spec.task, Prompts::Pairs),
        spec.prepend_bos,
        model,
        job.spec.base(),
        observer,
    )?;
    let file_of = |graph: &ComputationGraph, circuit: &Circuit| {
        circuit_file(job, spec, model, &dataset, (graph, circuit))
    };
    let unfinished = Unfinished::new(&job.folder, observer, &file_of);
    let keep = |graph: &ComputationGraph, kept: &EdgeMask, last| unfinished.keep(graph, kept, last);
    let mut outcome = find_keeping(spec, model, &dataset, observer, &keep)?;
    observer.add_to(&mut outcome.warnings);
    let file = CircuitFile {
        figures: named_figures(&outcome.evaluation),
        stop: outcome.search.stop,
        ..file_of(&outcome.graph, &outcome.circuit)
    };
    let rows = Rows::split(dataset.split_rows(spec.evaluate.held_out));
    Ok(Contents {
        seconds: BTreeMap::new(),
        files: contents((spec, model), &file, &outcome, &rows)?,
        summary: Summary::Circuit(summary(&outcome)),
    })
}

/// The file of a circuit, without figures.
fn circuit_file(
    job: &Job,
    spec: &RunSpec,
    model: &LoadedModel,
    dataset: &Dataset,
    (graph, circuit): (&ComputationGraph, &Circuit),
) -> CircuitFile {
    CircuitFile {
        format: CIRCUIT_FORMAT,
        name: spec.name.clone(),
        model: ModelStamp {
            name: job.model_name.clone(),
            hash: model.hash.clone(),
            identity: Some(model.identity.clone()),
            config: model.config().clone(),
        },
        task: ron_line(&spec.task),
        metric: ron_line(&spec.metric),
        ablation: ron_line(&spec.ablation),
        method: ron_line(&spec.method),
        granularity: spec.granularity.clone(),
        neurons: graph.neurons().clone(),
        spec_hash: spec.hash(),
        data_hash: data_hash(dataset, graph),
        figures: BTreeMap::new(),
        spans: graph.spans().to_vec(),
        stop: StopReason::Finished,
        edges_total: graph.edge_count(),
        edges: CircuitFile::entries(graph, circuit),
    }
}

/// Hash of what circuits of a graph read of the prompts.
pub(crate) fn data_hash(dataset: &Dataset, graph: &ComputationGraph) -> String {
    if graph.spans().is_empty() {
        dataset.hash()
    } else {
        dataset.hash_with_spans()
    }
}

/// Where the result in a circuit file comes from, for `report.json`.
pub(crate) fn report_provenance(file: &CircuitFile) -> Provenance {
    Provenance {
        format: REPORT_FORMAT,
        secateur: VERSION.to_owned(),
        spec: file.name.clone(),
        spec_hash: file.spec_hash.clone(),
        model: file.model.name.clone(),
        model_hash: file.model.hash.clone(),
        model_identity: file.model.identity.clone(),
        task: file.task.clone(),
        data_hash: file.data_hash.clone(),
        method: file.method.clone(),
        ablation: file.ablation.clone(),
        metric: file.metric.clone(),
    }
}

/// The figures of both splits by name, those of the discovery split with `discovery.` in front.
pub(crate) fn named_figures(evaluation: &Evaluation) -> BTreeMap<String, f64> {
    let named = |prefix: &str, figures: &SplitScores| {
        [
            ("metric_full", Some(figures.metric_full)),
            ("metric_empty", Some(figures.metric_empty)),
            ("metric_circuit", Some(figures.metric_circuit)),
            ("faithfulness", figures.faithfulness),
            ("accuracy_full", figures.accuracy_full),
            ("accuracy_circuit", figures.accuracy_circuit),
            ("kl_circuit", figures.kl_circuit),
            ("cpr", figures.cpr),
            ("cmd", figures.cmd),
        ]
        .map(|(name, value)| value.map(|value| (format!("{prefix}{name}"), value)))
    };
    named("", &evaluation.held_out)
        .into_iter()
        .chain(named("discovery.", &evaluation.discovery))
        .flatten()
        .collect()
}

/// All files of a result but the record, by name.
fn contents(
    (spec, model): (&RunSpec, &LoadedModel),
    file: &CircuitFile,
    outcome: &Outcome,
    rows: &Rows,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    let mut add = |name: &str, bytes: Vec<u8>| contents.insert(name.to_owned(), bytes);
    add("circuit.ron", file.to_ron()?.into_bytes());
    let report = report_json(
        &outcome.evaluation,
        rows,
        &report_provenance(file),
        &outcome.warnings,
        Some(&outcome.search),
    )?;
    add("report.json", report.into_bytes());
    if let Some(trace) = &outcome.trace {
        add(
            "trace.jsonl",
            trace_lines(&outcome.graph, trace)?.into_bytes(),
        );
    }
    for output in &spec.outputs {
        match output {
            Output::Dot => add(
                "circuit.dot",
                exporter("dot")?.export(file, &FigureOptions::default())?,
            ),
            Output::Svg => add(
                "circuit.svg",
                exporter("svg")?.export(file, &FigureOptions::default())?,
            ),
            Output::Html => add(
                "report.html",
                page::page(spec, model, file, outcome)?.into_bytes(),
            ),
            // The pipeline warns of it.
            Output::Json if nodes_unknown_to_eap_ig(&outcome.graph).is_some() => None,
            Output::Json => {
                let text = to_eap_json(&outcome.graph, &outcome.circuit, &file.model.config)?;
                add("circuit.json", text.into_bytes())
            }
            Output::Scores => match &outcome.circuit.scores {
                Some(scores) => {
                    let bytes = match spec.precision {
                        Precision::F32 => scores_safetensors::<f32>(&outcome.graph, scores)?,
                        Precision::F64 => scores_safetensors::<f64>(&outcome.graph, scores)?,
                    };
                    add("scores.safetensors", bytes)
                }
                None => None,
            },
            Output::Csv => {
                let figures = &outcome.evaluation.held_out;
                if figures.curve.is_some() {
                    add("curve.csv", curve_csv(figures).into_bytes());
                }
                let text = edges_csv(&outcome.graph, &outcome.circuit);
                add("edges.csv", text.into_bytes())
            }
        };
    }
    Ok(contents)
}

fn summary(outcome: &Outcome) -> CircuitSummary {
    let evaluation = &outcome.evaluation;
    let figures = &evaluation.held_out;
    let mut warnings = outcome.warnings.clone();
    warnings.extend(figure_doubts(evaluation, figures));
    CircuitSummary {
        edges_kept: evaluation.edges_kept,
        edges_total: evaluation.edges_total,
        nodes_kept: evaluation.nodes_kept,
        faithfulness: figures.faithfulness,
        faithfulness_interval: figures.faithfulness_interval,
        accuracy_full: figures.accuracy_full,
        accuracy_circuit: figures.accuracy_circuit,
        random_mean: figures.random.as_ref().map(|baseline| baseline.mean),
        target_reached: outcome.target_reached,
        below_target: outcome.below_target,
        warnings,
    }
}
