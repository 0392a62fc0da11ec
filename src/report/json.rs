//! `report.json` and the lines of `trace.jsonl`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Rows;
use crate::discover::{Decision, SearchRecord, TraceLine};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, SplitScores, figure_doubts};
use crate::graph::ComputationGraph;
use crate::model::ModelIdentity;

/// Version of the format of `report.json`.
pub const REPORT_FORMAT: u32 = 1;

/// The ranking of `curve`, as files name it: by `|score|`.
pub(super) const MAGNITUDE: &str = "magnitude";
/// The ranking of `curve_signed`: by score, edges that hurt last.
pub(super) const SIGNED: &str = "signed";

/// Where a result comes from: everything it depends on, nothing that varies between runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
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
    /// What the model's files say that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_identity: Option<ModelIdentity>,
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

/// The text of `report.json`: held-out figures at the top, the same keys under `discovery`, then `split` and `provenance`.
/// Undefined figures are `null`.
///
/// `warnings` are the run's own; those that follow from the figures of a split are added. `search` is how the search for the
/// circuit went, where there was one.
///
/// # Errors
/// Never for values of these types; the serialiser's signature allows it.
pub fn report_json(
    evaluation: &Evaluation,
    rows: &Rows,
    provenance: &Provenance,
    warnings: &[String],
    search: Option<&SearchRecord>,
) -> Result<String> {
    let split = |figures, warnings| Split {
        figures,
        evaluation,
        warnings,
        rest: None,
    };
    let discovery = split(&evaluation.discovery, &[]);
    let report = Split {
        rest: Some(Rest {
            discovery: &discovery,
            search,
            rows,
            provenance,
        }),
        ..split(&evaluation.held_out, warnings)
    };
    let mut text = serde_json::to_string_pretty(&report)
        .map_err(|error| Error::Bug(format!("report.json: {error}")))?;
    text.push('\n');
    Ok(text)
}

/// The lines of `trace.jsonl`, one per decision, in their order.
///
/// # Errors
/// Never for values of these types; the serialiser's signature allows it.
///
/// # Panics
/// When a decision is about an edge that the graph does not have.
pub fn trace_lines(graph: &ComputationGraph, decisions: &[Decision]) -> Result<String> {
    let mut out = String::new();
    for decision in decisions {
        let line = TraceLine {
            edge: graph.edge_name(decision.edge),
            change: decision.change,
            kept: decision.kept,
            tested: (!decision.tested).then_some(false),
        };
        out += &serde_json::to_string(&line)
            .map_err(|error| Error::Bug(format!("trace.jsonl: {error}")))?;
        out.push('\n');
    }
    Ok(out)
}

/// The keys of one split, and at the top level what comes after them.
struct Split<'a> {
    figures: &'a SplitScores,
    evaluation: &'a Evaluation,
    warnings: &'a [String],
    rest: Option<Rest<'a>>,
}

/// What comes after the keys of the held-out split.
#[derive(Clone, Copy)]
struct Rest<'a> {
    discovery: &'a Split<'a>,
    /// How the search went, where there was one.
    search: Option<&'a SearchRecord>,
    rows: &'a Rows,
    provenance: &'a Provenance,
}

impl Serialize for Split<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (figures, evaluation) = (self.figures, self.evaluation);
        let warnings = [self.warnings, &figure_doubts(evaluation, figures)].concat();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("examples", &figures.examples)?;
        map.serialize_entry("metric_full", &figures.metric_full)?;
        map.serialize_entry("metric_empty", &figures.metric_empty)?;
        map.serialize_entry("metric_circuit", &figures.metric_circuit)?;
        map.serialize_entry("faithfulness", &figures.faithfulness)?;
        map.serialize_entry("faithfulness_interval", &figures.faithfulness_interval)?;
        map.serialize_entry("accuracy_full", &figures.accuracy_full)?;
        map.serialize_entry("accuracy_full_interval", &figures.accuracy_full_interval)?;
        map.serialize_entry("accuracy_circuit", &figures.accuracy_circuit)?;
        map.serialize_entry(
            "accuracy_circuit_interval",
            &figures.accuracy_circuit_interval,
        )?;
        map.serialize_entry("kl_circuit", &figures.kl_circuit)?;
        map.serialize_entry("edges_kept", &evaluation.edges_kept)?;
        map.serialize_entry("edges_total", &evaluation.edges_total)?;
        map.serialize_entry("nodes_kept", &evaluation.nodes_kept)?;
        map.serialize_entry("nodes_total", &evaluation.nodes_total)?;
        map.serialize_entry("curve", &figures.curve)?;
        let ranking = figures.curve.as_ref().map(|_| MAGNITUDE);
        map.serialize_entry("curve_ranking", &ranking)?;
        map.serialize_entry("curve_signed", &figures.curve_signed)?;
        map.serialize_entry("cpr", &figures.cpr)?;
        map.serialize_entry("cpr_interval", &figures.cpr_interval)?;
        map.serialize_entry("cmd", &figures.cmd)?;
        map.serialize_entry("cmd_interval", &figures.cmd_interval)?;
        map.serialize_entry("random", &figures.random)?;
        map.serialize_entry("permuted", &figures.permuted)?;
        map.serialize_entry("near_ties", &evaluation.near_ties)?;
        map.serialize_entry("warnings", &warnings)?;
        if let Some(rest) = self.rest {
            map.serialize_entry("discovery", rest.discovery)?;
            if let Some(search) = rest.search {
                map.serialize_entry("search", search)?;
            }
            map.serialize_entry("split", rest.rows)?;
            map.serialize_entry("provenance", rest.provenance)?;
        }
        map.end()
    }
}
