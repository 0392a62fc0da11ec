//! `scores.safetensors`: the matrix of scores.

use safetensors::{Dtype, SafeTensors};
use secateur::report::scores_safetensors;

use super::small;

#[test]
fn every_score_stands_at_its_writer_and_reader() {
    let (_, graph, _) = small();
    let scores: Vec<f64> = (0..graph.edge_count())
        .map(|edge| 0.1 * edge as f64 - 1.0)
        .collect();
    let bytes = scores_safetensors::<f64>(&graph, &scores).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor("scores").unwrap();
    assert_eq!(tensor.dtype(), Dtype::F64);
    let (writers, readers) = (graph.writers().len(), graph.readers().len());
    assert_eq!(tensor.shape(), [writers, readers]);
    let values: Vec<f64> = tensor
        .data()
        .chunks_exact(8)
        .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    for writer in 0..writers {
        for reader in 0..readers {
            let value = values[writer * readers + reader];
            match graph.edge(writer, reader) {
                Some(edge) => assert_eq!(value.to_bits(), scores[edge].to_bits()),
                None => assert!(value.is_nan()),
            }
        }
    }
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = metadata.metadata().clone().unwrap();
    let names = |key: &str| -> Vec<String> { serde_json::from_str(&metadata[key]).unwrap() };
    assert!(names("writers").iter().eq(&names_of(graph.writers())));
    assert!(names("readers").iter().eq(&names_of(graph.readers())));

    let single = scores_safetensors::<f32>(&graph, &scores).unwrap();
    let file = SafeTensors::deserialize(&single).unwrap();
    assert_eq!(file.tensor("scores").unwrap().dtype(), Dtype::F32);
    // The data begins at a multiple of eight bytes.
    assert_eq!((single.len() - 4 * writers * readers) % 8, 0);
}

fn names_of(nodes: &[impl ToString]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}
