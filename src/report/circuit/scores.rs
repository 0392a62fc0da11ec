//! `scores.safetensors`: every edge's score in one matrix, for Python.

use serde_json::json;

use crate::error::{Error, Result};
use crate::graph::ComputationGraph;
use crate::model::Real;

/// The bytes of `scores.safetensors`: a tensor `scores` `[writers, readers]` of `T`, NaN where there is no edge, and in
/// the metadata the names of `writers` and `readers`, each a JSON list in the order of the matrix.
///
/// # Errors
/// Never for a graph's names; the serialiser's signature allows it.
///
/// # Panics
/// When `scores` has not one number per edge.
pub fn scores_safetensors<T: Real>(graph: &ComputationGraph, scores: &[f64]) -> Result<Vec<u8>> {
    assert_eq!(scores.len(), graph.edge_count(), "one score per edge");
    let bug = |error: serde_json::Error| Error::Bug(format!("scores.safetensors: {error}"));
    let names = |names: Vec<String>| serde_json::to_string(&names).map_err(bug);
    let (writers, readers) = (graph.writers(), graph.readers());
    let width = size_of::<T>();
    let length = writers.len() * readers.len() * width;
    // Written by hand: the crate keeps metadata in a hash table, whose order differs between runs.
    let header = json!({
        "__metadata__": {
            "readers": names(readers.iter().map(ToString::to_string).collect())?,
            "writers": names((0..writers.len()).map(|writer| graph.writer_name(writer)).collect())?,
        },
        "scores": {
            "data_offsets": [0, length],
            "dtype": T::NAME.to_uppercase(),
            "shape": [writers.len(), readers.len()],
        },
    });
    let mut header = serde_json::to_vec(&header).map_err(bug)?;
    // The data begins at a multiple of eight bytes, as readers that map the file want it.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + length);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.append(&mut header);
    for writer in 0..writers.len() {
        for reader in 0..readers.len() {
            let score = graph
                .edge(writer, reader)
                .map_or(f64::NAN, |edge| scores[edge]);
            T::from_f64(score).write_le(&mut bytes);
        }
    }
    Ok(bytes)
}
