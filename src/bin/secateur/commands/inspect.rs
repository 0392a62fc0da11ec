//! `secateur inspect`: what a model is, its shape and the size of its graph.

use std::path::Path;

use secateur::graph::{ComputationGraph, Granularity, KeyValue, NeuronNodes};
use secateur::model::ModelConfig;
use secateur::model::{load_model_within, read_header};
use secateur::report::thousands;
use secateur::{Result, visible};
use serde_json::{Value, json};

use crate::args::InspectArgs;
use crate::output;

pub(crate) fn inspect(args: &InspectArgs) -> Result<u8> {
    let header = read_header(&args.model, Path::new("."))?;
    // Read as jobs read it, so that what they would refuse is refused here. With hardly any room, blocks are checked and not
    // kept.
    let model = load_model_within(&args.model, Path::new("."), Some(1))?;
    output::warnings(&model.warnings);
    let (config, identity) = (&header.config, &model.identity);
    let facts = [
        ("name", json!(identity.name())),
        ("name_in_file", json!(identity.own_name)),
        ("tuning", json!(identity.tuning)),
        ("weights", json!(identity.weights)),
        ("hash", json!(model.hash)),
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
                (Some(hash), _) if *key == "hash" => hash[..16].to_owned(),
                (Some(word), _) => word.to_owned(),
                (_, Some(number)) => thousands(number as usize),
                _ => value.to_string(),
            };
            visible(&format!("{key:<15} {shown}\n")).into_owned()
        };
        let known = facts.iter().filter(|(_, value)| !value.is_null());
        known.map(line).collect()
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
