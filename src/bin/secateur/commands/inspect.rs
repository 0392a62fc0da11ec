//! `secateur inspect`: the shape of a model and the size of its graph.

use std::path::Path;

use secateur::Result;
use secateur::graph::{ComputationGraph, Granularity, KeyValue, NeuronNodes};
use secateur::model::ModelConfig;
use secateur::model::read_header;
use secateur::report::thousands;
use serde_json::{Value, json};

use crate::args::InspectArgs;
use crate::output;

pub(crate) fn inspect(args: &InspectArgs) -> Result<u8> {
    let header = read_header(&args.model, Path::new("."))?;
    output::warnings(&header.warnings);
    let config = &header.config;
    let facts = [
        ("family", json!(config.family)),
        ("n_layers", json!(config.n_layers)),
        ("n_heads", json!(config.n_heads)),
        ("n_kv_heads", json!(config.n_kv_heads)),
        ("d_model", json!(config.d_model)),
        ("d_head", json!(config.d_head)),
        ("d_mlp", json!(config.d_mlp)),
        ("d_vocab", json!(config.d_vocab)),
        ("parameters", json!(header.parameters)),
        ("edges", json!(edges(config, KeyValue::Group)?)),
        ("edges_per_head", json!(edges(config, KeyValue::PerHead)?)),
        // Weights in memory are single precision, whatever their type on disk.
        ("memory_bytes", json!(header.parameters.saturating_mul(4))),
    ];
    let text = if args.json {
        object(&facts)
    } else {
        let line = |(key, value): &(&str, Value)| {
            let shown = match (value.as_str(), value.as_u64()) {
                (Some(word), _) => word.to_owned(),
                (_, Some(number)) => thousands(number as usize),
                _ => value.to_string(),
            };
            format!("{key:<15} {shown}\n")
        };
        facts.iter().map(line).collect()
    };
    output::data(text.as_bytes())?;
    Ok(0)
}

/// A JSON object with its keys in this order.
fn object(facts: &[(&str, Value)]) -> String {
    let lines: Vec<String> = facts
        .iter()
        .map(|(key, value)| format!("  \"{key}\": {value}"))
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// Edges of the model's whole graph.
fn edges(config: &ModelConfig, kv: KeyValue) -> Result<usize> {
    let granularity = Granularity {
        kv,
        ..Granularity::default()
    };
    Ok(ComputationGraph::new(config, &granularity, &NeuronNodes::new())?.edge_count())
}
