//! `circuit.json`: EAP-IG's graph format.

use proptest::prelude::*;
use secateur::graph::{
    Circuit, ComputationGraph, EdgeMask, Granularity, Heads, KeyValue, NeuronNodes,
};
use secateur::report::{AnyCircuit, EapGraph, to_eap_json};

use super::{any_circuit, config, small};

#[test]
fn the_format_is_that_of_eap_ig() {
    let (config, graph, circuit) = small();
    let text = to_eap_json(&graph, &circuit, &config).unwrap();
    insta::assert_snapshot!(text);
    let read = EapGraph::parse(&text, "x").unwrap();
    assert_eq!(read.model_config().n_layers, 2);
}

#[test]
fn parallel_blocks_have_no_edge_from_heads_to_the_mlp_beside_them() {
    let mut config = config(3, 2, 1);
    config.parallel_blocks = true;
    let graph =
        ComputationGraph::new(&config, &Granularity::default(), &NeuronNodes::new()).unwrap();
    let circuit = Circuit {
        kept: EdgeMask::full(&graph),
        scores: None,
    };
    let text = to_eap_json(&graph, &circuit, &config).unwrap();
    assert!(!text.contains("a1.h0->m1\""));
    let read = EapGraph::parse(&text, "x").unwrap();
    let imported = read.import(&config, KeyValue::Group).unwrap();
    assert_eq!(imported.circuit.kept, circuit.kept);
}

#[test]
fn whole_heads_become_three_copies() {
    let config = config(2, 2, 1);
    let granularity = Granularity {
        heads: Heads::Whole,
        ..Granularity::default()
    };
    let graph = ComputationGraph::new(&config, &granularity, &NeuronNodes::new()).unwrap();
    let edges = ["input->a0.h1", "a0.h1->logits"].map(|name| graph.find_edge(name).unwrap());
    let circuit = Circuit {
        kept: EdgeMask::from_edges(&graph, edges),
        scores: None,
    };
    let text = to_eap_json(&graph, &circuit, &config).unwrap();
    for part in ["q", "k", "v"] {
        let line = format!("\"input->a0.h1<{part}>\": {{\"score\": 0.0, \"in_graph\": true}}");
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn neurons_are_refused() {
    let config = config(1, 1, 1);
    let neurons = NeuronNodes::from([(0, vec![1])]);
    let graph = ComputationGraph::new(&config, &Granularity::default(), &neurons).unwrap();
    let circuit = Circuit {
        kept: EdgeMask::full(&graph),
        scores: None,
    };
    let error = to_eap_json(&graph, &circuit, &config).unwrap_err();
    assert!(error.to_string().contains("hidden units"), "{error}");
}

#[test]
fn copies_that_differ_load_per_head_with_a_note() {
    let (config, graph, mut circuit) = small();
    let keep = |circuit: &mut Circuit, name: &str| {
        let (writer, reader) = graph.ends(graph.find_edge(name).unwrap());
        circuit.kept.insert(writer, reader);
    };
    keep(&mut circuit, "a1.h0->logits");
    let text = to_eap_json(&graph, &circuit, &config).unwrap();
    let both = EapGraph::parse(&text, "x").unwrap();
    let imported = both.import(&config, KeyValue::Group).unwrap();
    assert_eq!(imported.circuit.kept, circuit.kept);
    assert!(imported.notes.is_empty());

    let copy = "\"m0->a1.h1<k>\": {\"score\": 0.25, \"in_graph\": true}";
    assert!(text.contains(copy));
    let text = text.replace(copy, &copy.replace("true", "false"));
    let one = EapGraph::parse(&text, "x").unwrap();
    let imported = one.import(&config, KeyValue::Group).unwrap();
    assert_eq!(imported.graph.granularity().kv, KeyValue::PerHead);
    assert_eq!(
        imported.notes,
        [
            "loaded with `kv: PerHead`: the heads that share the input of `m0->a1.h0<k>` do not all keep it"
        ]
    );
}

/// Before its version 2, EAP-IG wrote a node's membership alone, and `null` where an edge has no score.
#[test]
fn older_files_are_read() {
    let (config, graph, mut circuit) = small();
    circuit.scores = None;
    let text = to_eap_json(&graph, &circuit, &config).unwrap();
    let older = text
        .replace(": {\"in_graph\": true}", ": true")
        .replace(": {\"in_graph\": false}", ": false")
        .replace("\"score\": 0.0", "\"score\": null");
    assert_ne!(older, text);
    let read = EapGraph::parse(&older, "x").unwrap();
    let imported = read.import(&config, KeyValue::Group).unwrap();
    assert_eq!(imported.circuit.kept, circuit.kept);
    assert_eq!(imported.circuit.scores, None);
}

#[test]
fn edges_without_a_score_are_counted() {
    let (config, graph, circuit) = small();
    let text = to_eap_json(&graph, &circuit, &config).unwrap();
    let fewer = text.replacen("\"score\": 0.5", "\"score\": null", 1);
    assert_ne!(fewer, text);
    let read = EapGraph::parse(&fewer, "x").unwrap();
    let notes = read.import(&config, KeyValue::PerHead).unwrap().notes;
    assert!(
        notes[0].starts_with("edges without a score, which count as 0: 1 of"),
        "{notes:?}"
    );
}

/// Scores come back as the very numbers that were written.
#[test]
fn scores_round_trip_to_the_bit() {
    let config = config(2, 2, 1);
    let graph =
        ComputationGraph::new(&config, &Granularity::default(), &NeuronNodes::new()).unwrap();
    let scores: Vec<f64> = (0..graph.edge_count())
        .map(|edge| (edge as f64 + 0.1).sin() * 10f64.powf((edge % 40) as f64 - 20.0))
        .collect();
    let circuit = Circuit {
        kept: EdgeMask::full(&graph),
        scores: Some(scores.clone()),
    };
    let text = to_eap_json(&graph, &circuit, &config).unwrap();
    let read = EapGraph::parse(&text, "x").unwrap();
    let found = read
        .import(&config, KeyValue::Group)
        .unwrap()
        .circuit
        .scores
        .unwrap();
    for (found, wanted) in found.iter().zip(&scores) {
        assert_eq!(found.to_bits(), wanted.to_bits(), "{found} {wanted}");
    }
}

#[test]
fn mistakes_are_named() {
    let (config, graph, circuit) = small();
    let text = to_eap_json(&graph, &circuit, &config).unwrap();
    let refusal = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let text = text.replacen(from, to, 1);
        let read = EapGraph::parse(&text, "circuit.json");
        let error = read.and_then(|read| read.import(&config, KeyValue::Group));
        let error = error.err().unwrap();
        assert_eq!(error.exit_code(), 3);
        error.to_string()
    };
    let messages = [
        refusal("\"n_layers\": 2", "\"n_layers\": 1000000000"),
        refusal("\"n_layers\": 2", "\"n_layers\": 3"),
        refusal("\"d_model\": 16", "\"d_model\": 32"),
        refusal("\"n_heads\": 2", "\"n_heads\": 0"),
        refusal("\"score\": 0.5", "\"score\": NaN"),
        refusal("\"score\": 0.5", "\"score\": 1e999"),
        refusal("\"input->m0\"", "\"input->m7\""),
        refusal("\"input->m0\"", "\"m1->logits\""),
        refusal("\"a0.h0\"", "\"a0.h9\""),
        refusal(
            "\"m0\": {\"in_graph\": true}",
            "\"m0\": {\"in_graph\": true, \"neurons\": [true, false]}",
        ),
        refusal("{\"cfg\"", ""),
        AnyCircuit::parse(" \n", "circuit.json")
            .unwrap_err()
            .to_string(),
        AnyCircuit::parse("x", "circuit.JSON")
            .unwrap_err()
            .to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn circuits_round_trip((config, graph, circuit) in any_circuit()) {
        prop_assume!(graph.neurons().is_empty());
        let text = to_eap_json(&graph, &circuit, &config).unwrap();
        let kv = graph.granularity().kv;
        let imported = EapGraph::parse(&text, "x").unwrap().import(&config, kv).unwrap();
        // The format has no word for a circuit without scores but a score of 0 for every edge.
        let scored = circuit.scores.as_ref().is_some_and(|scores| scores.iter().any(|score| score.abs() > 0.0));
        prop_assert_eq!(imported.notes.len(), usize::from(!scored));
        prop_assert_eq!(imported.graph.granularity().kv, kv);
        prop_assert_eq!(imported.circuit.kept, circuit.kept);
        prop_assert_eq!(imported.circuit.scores.is_some(), scored);
        for (edge, &score) in imported.circuit.scores.iter().flatten().enumerate() {
            // Every copy has the group's score, and scores are added.
            let copies = if kv == KeyValue::Group { graph.outputs(graph.ends(edge).1).len().max(1) } else { 1 };
            let expected = circuit.scores.as_ref().map_or(0.0, |scores| scores[edge]);
            let expected = expected * copies as f64;
            prop_assert!((score - expected).abs() <= 1e-15 * expected.abs(), "{score} {expected}");
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[\\s\\S]{0,200}") {
        let _ = EapGraph::parse(&text, "x").is_ok();
    }

    #[test]
    fn damaged_files_never_panic(at in 0usize..4000, length in 0usize..30, with in "[\\[\\]{},:\"0-9a-z.<>-]{0,12}") {
        let (config, graph, circuit) = small();
        let mut text = to_eap_json(&graph, &circuit, &config).unwrap();
        let at = at % text.len();
        let end = (at + length).min(text.len());
        text.replace_range(at..end, &with);
        if let Ok(read) = EapGraph::parse(&text, "x") {
            let _ = read.import(&config, KeyValue::Group).is_ok();
        }
    }
}
