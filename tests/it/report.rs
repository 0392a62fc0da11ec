//! Results as files: what is written reads back, drawings are well-formed, hostile input is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod drawing;
mod eap;
mod growth;
mod heat_map;
mod html;
mod paper;
mod pictures;
mod ron_file;
mod scores;
mod show;
mod sizes;
mod tables;
mod xml;

use std::collections::BTreeMap;

use proptest::prelude::*;
use secateur::discover::StopReason;
use secateur::graph::{
    Circuit, ComputationGraph, Dangling, EdgeMask, Granularity, KeyValue, NeuronNodes,
};
use secateur::model::{Activation, ModelConfig, Norm, Positions};
use secateur::report::{CIRCUIT_FORMAT, CircuitFile, ModelStamp};

/// A small model; `group` query heads share k and v.
fn config(n_layers: usize, n_heads: usize, group: usize) -> ModelConfig {
    ModelConfig {
        family: "llama".into(),
        n_layers,
        n_heads,
        n_kv_heads: n_heads / group,
        d_model: 8 * n_heads,
        d_head: 8,
        d_mlp: 32,
        d_vocab: 50,
        n_ctx: 64,
        norm: Norm::RmsNorm { eps: 1e-5 },
        positions: Positions::Rotary {
            theta: 1e4,
            dims: 8,
            scaling: None,
        },
        activation: Activation::Silu,
        gated_mlp: true,
        parallel_blocks: false,
        tied_unembedding: true,
        ..ModelConfig::default()
    }
}

/// The file of a circuit.
fn file(config: &ModelConfig, graph: &ComputationGraph, circuit: &Circuit) -> CircuitFile {
    CircuitFile {
        format: CIRCUIT_FORMAT,
        name: "ioi".into(),
        model: ModelStamp {
            name: "toy".into(),
            hash: "0f".into(),
            identity: None,
            config: config.clone(),
        },
        task: "Ioi(pairs: 4, seed: 0)".into(),
        metric: "LogitDiff".into(),
        ablation: "Patch".into(),
        method: "EapIg(steps: 5)".into(),
        granularity: graph.granularity().clone(),
        neurons: graph.neurons().clone(),
        spec_hash: "1e".into(),
        data_hash: "2d".into(),
        figures: BTreeMap::from([("faithfulness".into(), 0.875)]),
        spans: Vec::new(),
        stop: StopReason::Finished,
        edges_total: graph.edge_count(),
        edges: CircuitFile::entries(graph, circuit),
    }
}

/// A circuit of five edges with one negative score, in a model whose heads share k and v in pairs.
fn small() -> (ModelConfig, ComputationGraph, Circuit) {
    let config = config(2, 2, 2);
    let graph =
        ComputationGraph::new(&config, &Granularity::default(), &NeuronNodes::new()).unwrap();
    let names = [
        ("input->m0", 0.5),
        ("m0->a1.h0<k>", 0.25),
        ("input->a1.h1<q>", -0.125),
        ("a1.h1->m1", 1.0),
        ("m1->logits", 2.0),
    ];
    let mut scores = vec![0.0; graph.edge_count()];
    let mut kept = Vec::new();
    for (name, score) in names {
        let edge = graph.find_edge(name).unwrap();
        scores[edge] = score;
        kept.push(edge);
    }
    let circuit = Circuit {
        kept: EdgeMask::from_edges(&graph, kept),
        scores: Some(scores),
    };
    (config, graph, circuit)
}

/// Any circuit without dangling parts, with or without scores, neurons and shared k and v.
fn any_circuit() -> impl Strategy<Value = (ModelConfig, ComputationGraph, Circuit)> {
    (
        1usize..5,
        1usize..4,
        1usize..3,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_flat_map(|(layers, groups, group, per_head, neurons)| {
            let config = config(layers, groups * group, group);
            let granularity = Granularity {
                kv: if per_head {
                    KeyValue::PerHead
                } else {
                    KeyValue::Group
                },
                ..Granularity::default()
            };
            let neurons = if neurons {
                NeuronNodes::from([(0, vec![3, 17]), (layers - 1, vec![5, 31])])
            } else {
                NeuronNodes::new()
            };
            let graph = ComputationGraph::new(&config, &granularity, &neurons).unwrap();
            let edges = graph.edge_count();
            (
                proptest::collection::vec(0..edges, 0..60),
                proptest::option::of(proptest::collection::vec(-1e3..1e3, edges)),
            )
                .prop_map(move |(kept, scores)| {
                    let kept = EdgeMask::from_edges(&graph, kept);
                    let kept = graph.drop_dangling(&kept, Dangling::NoPathEitherWay);
                    (config.clone(), graph.clone(), Circuit { kept, scores })
                })
        })
}
