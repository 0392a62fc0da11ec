//! `circuit.ron`: a circuit that stands on its own.

use std::collections::BTreeMap;

use ron::extensions::Extensions;
use serde::{Deserialize, Serialize};

use super::limits::{EdgeIndex, check_number, check_shape};
use crate::discover::StopReason;
use crate::error::{Error, Result};
use crate::graph::{Circuit, ComputationGraph, EdgeMask, Granularity, PositionSplit};
use crate::model::{ModelConfig, ModelIdentity};

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
    /// Names of the token spans, in order; none where positions are merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<String>,
    /// Hash of the spec.
    pub spec_hash: String,
    /// Hash of the prompts' tokens and answers.
    pub data_hash: String,
    /// Named figures: metrics and faithfulness on both splits.
    pub figures: BTreeMap<String, f64>,
    /// Why the search for it stopped; of circuits of a search that was not done, not the best one.
    #[serde(default, skip_serializing_if = "StopReason::is_finished")]
    pub stop: StopReason,
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
    /// What its files say that it is; unknown in files of earlier versions and of other programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<ModelIdentity>,
    /// Its shape.
    pub config: ModelConfig,
}

impl ModelStamp {
    /// The name with what the model is, for people.
    pub fn label(&self) -> String {
        let label = |identity: &ModelIdentity| identity.label(&self.name);
        self.identity
            .as_ref()
            .map_or_else(|| self.name.clone(), label)
    }
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

/// What is wrong with a file, and the edge entry at fault.
struct Mistake {
    /// Which entry of `edges`.
    entry: Option<usize>,
    problem: String,
}

/// The part of the file that says how to read the rest.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl CircuitFile {
    /// The graph the circuit is a part of, and the circuit. Scores of edges that are not kept are 0.
    ///
    /// # Errors
    /// When the shape is impossible, or an edge is given twice, has a score that is not finite, or does not exist
    /// in a model of this shape.
    pub fn circuit(&self) -> Result<(ComputationGraph, Circuit)> {
        self.build()
            .map_err(|mistake| Error::data(self.name.clone(), mistake.problem))
    }

    /// The entries of [`CircuitFile::edges`] for the kept edges of a circuit.
    pub fn entries(graph: &ComputationGraph, circuit: &Circuit) -> Vec<EdgeEntry> {
        let entry = |edge| EdgeEntry {
            edge: graph.edge_name(edge),
            score: circuit.scores.as_ref().map(|scores| scores[edge]),
        };
        circuit.kept.edges(graph).into_iter().map(entry).collect()
    }

    /// The file's text: RON, one edge per line, the same bytes for the same circuit.
    ///
    /// # Errors
    /// Never for values of this type; the serialiser's signature allows it.
    pub fn to_ron(&self) -> Result<String> {
        let style = ron::ser::PrettyConfig::new()
            .new_line("\n")
            .depth_limit(2)
            .separate_tuple_members(true);
        let mut text = options()
            .to_string_pretty(self, style)
            .map_err(|error| Error::Bug(format!("circuit.ron: {error}")))?;
        text.push('\n');
        Ok(text)
    }

    /// Reads and checks the text of a `circuit.ron`. `file_name` is for messages only.
    ///
    /// # Errors
    /// When the text is not RON of this form (with line and column), of another format, or describes a circuit that
    /// [`CircuitFile::circuit`] refuses.
    pub fn from_ron(text: &str, file_name: &str) -> Result<Self> {
        let other_format = |format: u32| {
            Error::data(
                file_name,
                format!(
                    "circuit format {format} is not known; this version reads format {CIRCUIT_FORMAT}"
                ),
            )
        };
        let file: Self = options().from_str(text).map_err(|error| {
            match options().from_str::<Version>(text) {
                Ok(version) if version.format != CIRCUIT_FORMAT => other_format(version.format),
                _ => {
                    let place = error.span.start;
                    Error::data(
                        file_name,
                        format!("line {}, column {}: {}", place.line, place.col, error.code),
                    )
                }
            }
        })?;
        if file.format != CIRCUIT_FORMAT {
            return Err(other_format(file.format));
        }
        file.build().map_err(|mistake| {
            let place = mistake
                .entry
                .and_then(|entry| file.place(text, entry))
                .map_or_else(String::new, |(line, column)| {
                    format!("line {line}, column {column}: ")
                });
            Error::data(file_name, format!("{place}{}", mistake.problem))
        })?;
        Ok(file)
    }

    fn build(&self) -> Result<(ComputationGraph, Circuit), Mistake> {
        let whole = |problem: String| Mistake {
            entry: None,
            problem,
        };
        check_shape(&self.model.config, &self.neurons, self.spans.len()).map_err(whole)?;
        for (name, figure) in &self.figures {
            let problem = |problem| whole(format!("figure {name:?}: {problem}"));
            check_number(*figure).map_err(problem)?;
        }
        let graph = ComputationGraph::new(&self.model.config, &self.granularity, &self.neurons)
            .map_err(|error| whole(error.to_string()))?;
        let graph = match self.granularity.positions {
            PositionSplit::Spans => graph
                .split_by(self.spans.clone())
                .map_err(|error| whole(error.to_string()))?,
            PositionSplit::Merged if self.spans.is_empty() => graph,
            PositionSplit::Merged => {
                return Err(whole(
                    "it has spans, but its granularity has positions: Merged".into(),
                ));
            }
        };
        if graph.edge_count() != self.edges_total {
            return Err(whole(format!(
                "edges_total is {}, but a model of this shape has {} edges",
                self.edges_total,
                graph.edge_count()
            )));
        }
        let index = EdgeIndex::new(&graph);
        let mut kept = EdgeMask::empty(&graph);
        let mut scores = None;
        for (number, entry) in self.edges.iter().enumerate() {
            let mistake = |problem: String| Mistake {
                entry: Some(number),
                problem,
            };
            let edge = index
                .edge(&entry.edge)
                .map_err(|error| mistake(error.to_string()))?;
            let (writer, reader) = graph.ends(edge);
            if kept.contains(writer, reader) {
                return Err(mistake(format!("edge `{}` is given twice", entry.edge)));
            }
            kept.insert(writer, reader);
            if let Some(score) = entry.score {
                check_number(score).map_err(|problem| {
                    mistake(format!("edge `{}`: its score: {problem}", entry.edge))
                })?;
                scores.get_or_insert_with(|| vec![0.0; graph.edge_count()])[edge] = score;
            }
        }
        Ok((graph, Circuit { kept, scores }))
    }

    /// Line and column of an edge entry's name in the file's text.
    fn place(&self, text: &str, entry: usize) -> Option<(usize, usize)> {
        let name = &self.edges[entry].edge;
        let earlier = self.edges[..entry]
            .iter()
            .filter(|other| other.edge == *name)
            .count();
        let quoted = format!("\"{name}\"");
        let (offset, _) = text.match_indices(&quoted).nth(earlier)?;
        let line_start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[..offset].matches('\n').count() + 1;
        Some((line, text[line_start..offset].chars().count() + 1))
    }
}

/// The dialect of RON that specs and circuit files are written in.
fn options() -> ron::Options {
    ron::Options::default()
        .with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_VARIANT_NEWTYPES)
}
