//! Bounds on what a circuit file may ask for, checked before anything is allocated.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, MOST_SPANS, NeuronNodes, Node, Reader};
use crate::model::ModelConfig;

/// Largest score or figure of a file: sums and squares of any number of them are finite.
pub(crate) const LARGEST: f64 = 1e100;
const MAX_LAYERS: usize = 1_000;
const MAX_HEADS: usize = 1_024;
const MAX_WIDTH: usize = 1 << 24;
/// Largest graph a file may describe; a model of 70 billion parameters has 40 million edges.
const MAX_EDGES: usize = 1 << 26;

/// Refuses a number with which nothing can be computed or drawn.
///
/// # Errors
/// In words, when it is not finite or too large.
pub fn check_number(number: f64) -> Result<(), String> {
    if !number.is_finite() {
        return Err(format!("{number} is not a finite number"));
    }
    if number.abs() > LARGEST {
        return Err(format!(
            "{number:e} is too large; numbers up to {LARGEST:e} can be drawn"
        ));
    }
    Ok(())
}

/// A value of JSON whose numbers can all be drawn. `name` is for messages.
///
/// # Errors
/// When the text is no JSON of this form, or holds a number that is too large.
pub fn read_figures<T: DeserializeOwned>(text: &str, name: &str) -> Result<T> {
    let fail = |problem: String| Error::data(name, problem);
    let value = serde_json::from_str(text).map_err(|error| fail(error.to_string()))?;
    let all: Value = serde_json::from_str(text).map_err(|error| fail(error.to_string()))?;
    check_numbers(&all).map_err(fail)?;
    Ok(value)
}

/// The first number that is too large, with its key.
fn check_numbers(value: &Value) -> Result<(), String> {
    match value {
        Value::Number(number) => number.as_f64().map_or(Ok(()), check_number),
        Value::Array(values) => values.iter().try_for_each(check_numbers),
        Value::Object(keys) => keys.iter().try_for_each(|(key, value)| {
            check_numbers(value).map_err(|problem| format!("`{key}`: {problem}"))
        }),
        _ => Ok(()),
    }
}

/// Refuses shapes that no model has, in words.
pub(crate) fn check_shape(
    config: &ModelConfig,
    neurons: &NeuronNodes,
    spans: usize,
) -> Result<(), String> {
    let sizes = [
        ("n_layers", config.n_layers, MAX_LAYERS),
        ("n_heads", config.n_heads, MAX_HEADS),
        ("n_kv_heads", config.n_kv_heads, MAX_HEADS),
        ("d_model", config.d_model, MAX_WIDTH),
        ("d_head", config.d_head, MAX_WIDTH),
        ("d_mlp", config.d_mlp, MAX_WIDTH),
        ("d_vocab", config.d_vocab, MAX_WIDTH),
        ("n_ctx", config.n_ctx, MAX_WIDTH),
    ];
    for (key, value, largest) in sizes {
        let smallest = usize::from(matches!(key, "n_layers" | "n_heads" | "n_kv_heads"));
        if !(smallest..=largest).contains(&value) {
            return Err(format!(
                "{key} is {value}, expected {smallest} to {largest}"
            ));
        }
    }
    if !config.n_heads.is_multiple_of(config.n_kv_heads) {
        return Err(format!(
            "n_kv_heads is {}, which does not divide n_heads, {}",
            config.n_kv_heads, config.n_heads
        ));
    }
    let mut writers = 2 + config.n_layers * (config.n_heads + 1);
    for (layer, hidden) in neurons {
        if !hidden.is_sorted_by(|a, b| a < b) {
            return Err(format!(
                "the neurons of layer {layer} are not in ascending order, each once"
            ));
        }
        writers = writers.saturating_add(hidden.len());
    }
    let readers = 1 + config.n_layers * (3 * config.n_heads + 1);
    if spans > MOST_SPANS {
        return Err(format!(
            "it has {spans} spans, and {MOST_SPANS} are the most"
        ));
    }
    writers = writers.saturating_mul(spans.max(1));
    if writers.saturating_mul(readers) / 2 > MAX_EDGES {
        return Err(format!(
            "a graph of {} layers of {} heads has more than {MAX_EDGES} edges",
            config.n_layers, config.n_heads
        ));
    }
    Ok(())
}

/// Finds edges by name without a walk over the graph.
pub(crate) struct EdgeIndex<'a> {
    graph: &'a ComputationGraph,
    writers: BTreeMap<Node, usize>,
    readers: BTreeMap<Reader, usize>,
}

impl<'a> EdgeIndex<'a> {
    pub(crate) fn new(graph: &'a ComputationGraph) -> Self {
        let writers = graph.writers().iter().enumerate();
        let readers = graph.readers().iter().enumerate();
        Self {
            graph,
            writers: writers
                .step_by(graph.span_count())
                .map(|(index, &node)| (node, index))
                .collect(),
            readers: readers.map(|(index, &reader)| (reader, index)).collect(),
        }
    }

    pub(crate) fn edge(&self, name: &str) -> Result<usize> {
        let found = || {
            let (ends, span) = self.graph.split_span(name).ok()?;
            let (from, to) = ends.split_once("->")?;
            let writer = self.writers.get(&from.parse().ok()?)?;
            let reader = self.readers.get(&to.parse().ok()?)?;
            self.graph.edge(writer + span, *reader)
        };
        found().map_or_else(|| self.graph.find_edge(name), Ok)
    }
}
