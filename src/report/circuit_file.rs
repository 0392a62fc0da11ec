//! `circuit.ron`: a circuit that stands on its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::{Circuit, ComputationGraph, EdgeMask, Granularity};
use crate::model::ModelConfig;

/// Version of the format of `circuit.ron`.
pub const CIRCUIT_FORMAT: u32 = 1;

/// Everything needed to draw a circuit or to evaluate it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitFile {
    /// Version of the format, [`CIRCUIT_FORMAT`].
    pub format: u32,
    /// Name of the spec.
    pub name: String,
    /// The model it was found in.
    pub model: ModelStamp,
    /// The prompts it was found on, in words, such as `Ioi(pairs: 64, seed: 0)`.
    pub task: String,
    /// Metric, ablation and method, as the spec writes them.
    pub metric: String,
    /// What replaces a removed edge's contribution.
    pub ablation: String,
    /// How it was found.
    pub method: String,
    /// Granularity of the graph.
    pub granularity: Granularity,
    /// Hidden units that are nodes, by layer.
    pub neurons: BTreeMap<usize, Vec<usize>>,
    /// Hash of the spec.
    pub spec_hash: String,
    /// Hash of the prompts' tokens and answers.
    pub data_hash: String,
    /// Named figures: metrics and faithfulness on both splits.
    pub figures: BTreeMap<String, f64>,
    /// Edges of the full graph.
    pub edges_total: usize,
    /// The kept edges in the graph's order.
    pub edges: Vec<EdgeEntry>,
}

/// Which model a circuit belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelStamp {
    /// Name as in the results folder.
    pub name: String,
    /// Hash of the weights.
    pub hash: String,
    /// Its shape.
    pub config: ModelConfig,
}

/// One kept edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeEntry {
    /// Name, such as `m0->a1.h2<q>`.
    pub edge: String,
    /// Score, where the method gives one.
    pub score: Option<f64>,
}

impl CircuitFile {
    /// The graph the circuit is a part of, and the circuit. Scores of edges that are not kept are 0.
    ///
    /// # Errors
    /// When an edge does not exist in a model of this shape.
    pub fn circuit(&self) -> Result<(ComputationGraph, Circuit)> {
        let graph = ComputationGraph::new(&self.model.config, &self.granularity, &self.neurons)?;
        let mut kept = EdgeMask::empty(&graph);
        let mut scores = vec![0.0; graph.edge_count()];
        let mut scored = false;
        for entry in &self.edges {
            let edge = graph
                .find_edge(&entry.edge)
                .map_err(|error| Error::data(self.name.clone(), error.to_string()))?;
            let (writer, reader) = graph.ends(edge);
            kept.insert(writer, reader);
            if let Some(score) = entry.score {
                scores[edge] = score;
                scored = true;
            }
        }
        Ok((
            graph,
            Circuit {
                kept,
                scores: scored.then_some(scores),
            },
        ))
    }
}
