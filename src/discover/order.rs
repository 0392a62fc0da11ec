//! The order in which ACDC tests edges: its own, or a list from a file.
//!
//! ACDC's result depends on the order. A list replays the run of another tool, decision by decision.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, EdgeMask};
use crate::input::{self, GIB};
use crate::paths::place;

/// Largest list read, in bytes.
const LARGEST_FILE: u64 = GIB;
/// Mistakes of a list that are written out; the rest is counted.
const SHOWN: usize = 10;

/// The order in which edges are tested.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum EdgeOrder {
    /// Readers from `logits` down, within a layer the MLP, then values, keys and queries, heads descending; into
    /// each reader the latest writer first.
    #[default]
    ReverseTopological,
    /// The edges of a file, one name a line, each edge of the graph once: `Listed("order.txt")`.
    Listed(ListedEdges),
}

/// A list of edges from a file. In a spec it is the path alone; reading the spec reads the list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListedEdges {
    path: PathBuf,
    /// Names of edges with their lines, counted from 1.
    edges: Vec<(usize, String)>,
}

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListMistake {
    /// Line, counted from 1; 0 when the mistake is what is not there.
    pub line: usize,
    /// What is wrong and what to do.
    pub problem: String,
}

impl ListedEdges {
    /// A list by its text: a name a line; empty lines do not count. `path` names it in messages and specs.
    pub fn new(path: impl Into<PathBuf>, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().enumerate();
        Self {
            path: path.into(),
            edges: lines
                .map(|(index, line)| (index + 1, line.trim().to_owned()))
                .filter(|(_, line)| !line.is_empty())
                .collect(),
        }
    }

    /// Reads the list; its path is relative to `base`.
    ///
    /// # Errors
    /// When the file cannot be read, is not text, or is absurdly large.
    pub fn read(&self, base: &Path) -> Result<Self> {
        let path = place(base, &self.path);
        let text = input::read_text(&path, LARGEST_FILE, "a list of edges")?;
        Ok(Self::new(self.path.clone(), &text))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.edges.iter().map(|(_, name)| name.as_str())
    }

    /// The edges by number.
    ///
    /// # Errors
    /// Names that the graph does not have, edges listed twice, and edges left out; up to ten, and how many more.
    pub fn resolve(&self, graph: &ComputationGraph) -> Result<Vec<usize>, Vec<ListMistake>> {
        let numbers: BTreeMap<String, usize> = (0..graph.edge_count())
            .map(|edge| (graph.edge_name(edge), edge))
            .collect();
        let mut mistakes = Mistakes::default();
        let mut first_line = vec![0; graph.edge_count()];
        let mut order = Vec::with_capacity(self.edges.len());
        for (line, name) in &self.edges {
            let found = match numbers.get(name) {
                Some(&edge) => Ok(edge),
                None => graph.find_edge(name),
            };
            match found {
                Ok(edge) if first_line[edge] > 0 => mistakes.add(
                    *line,
                    format!(
                        "edge `{name}` is listed in line {} already",
                        first_line[edge]
                    ),
                ),
                Ok(edge) => {
                    first_line[edge] = *line;
                    order.push(edge);
                }
                Err(error) => {
                    mistakes.unknown = true;
                    mistakes.add(*line, error.to_string());
                }
            }
        }
        let left_out = first_line.iter().filter(|&&line| line == 0).count();
        if let Some(first) = first_line.iter().position(|&line| line == 0) {
            mistakes.add(
                0,
                format!(
                    "{left_out} of the graph's {} edges are not listed, the first is `{}`",
                    graph.edge_count(),
                    graph.edge_name(first)
                ),
            );
        }
        let shared = (0..graph.readers().len()).any(|reader| graph.outputs(reader).len() > 1);
        if mistakes.unknown && shared {
            mistakes.hint = Some(
                "hint: with granularity: (kv: PerHead) every query head has keys and values of its own, as in EAP-IG, \
                 auto-circuit and ACDC",
            );
        }
        mistakes.done(order)
    }
}

impl EdgeOrder {
    /// Whether it is ACDC's own.
    pub fn is_own(&self) -> bool {
        *self == Self::ReverseTopological
    }

    /// The edges of a circuit in this order.
    ///
    /// # Errors
    /// When a list does not hold every edge of the graph once.
    pub(super) fn edges(&self, graph: &ComputationGraph, within: &EdgeMask) -> Result<Vec<usize>> {
        let Self::Listed(list) = self else {
            return Ok(reverse_topological(graph, within));
        };
        let mut order = list.resolve(graph).map_err(|mistakes| {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            Error::data(list.path.display().to_string(), lines.join("\n"))
        })?;
        order.retain(|&edge| {
            let (writer, reader) = graph.ends(edge);
            within.contains(writer, reader)
        });
        Ok(order)
    }
}

/// Edges of a circuit in ACDC's own order.
fn reverse_topological(graph: &ComputationGraph, within: &EdgeMask) -> Vec<usize> {
    let mut order = Vec::new();
    for reader in (0..graph.readers().len()).rev() {
        let mut writers: Vec<usize> = within.writers_into(reader).collect();
        writers.reverse();
        order.extend(
            writers
                .into_iter()
                .filter_map(|writer| graph.edge(writer, reader)),
        );
    }
    order
}

/// The first mistakes, and how many more there are.
#[derive(Default)]
struct Mistakes {
    shown: Vec<ListMistake>,
    more: usize,
    /// Whether the graph lacks an edge that is listed.
    unknown: bool,
    hint: Option<&'static str>,
}

impl Mistakes {
    fn add(&mut self, line: usize, problem: String) {
        if self.shown.len() < SHOWN {
            self.shown.push(ListMistake { line, problem });
        } else {
            self.more += 1;
        }
    }

    fn done(mut self, order: Vec<usize>) -> Result<Vec<usize>, Vec<ListMistake>> {
        if self.more > 0 {
            let problem = format!("and {} more mistakes", self.more);
            self.shown.push(ListMistake { line: 0, problem });
        }
        if let Some(hint) = self.hint {
            let problem = hint.to_owned();
            self.shown.push(ListMistake { line: 0, problem });
        }
        if self.shown.is_empty() {
            Ok(order)
        } else {
            Err(self.shown)
        }
    }
}

impl std::fmt::Display for ListMistake {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 {
            write!(out, "line {}: ", self.line)?;
        }
        out.write_str(&self.problem)
    }
}

impl Serialize for ListedEdges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.path.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ListedEdges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        Ok(Self {
            path,
            edges: Vec::new(),
        })
    }
}
