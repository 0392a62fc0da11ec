//! The computation graph: sizes of known models, names, reachability, and which edges can never matter.

use std::collections::BTreeMap;

use proptest::prelude::*;
use secateur::engine::{
    Ablation, AblationValues, Evaluator, ModelEvaluator, Resample, Transformer,
};
use secateur::events::Silent;
use secateur::graph::{
    ComputationGraph, Dangling, EdgeMask, Granularity, Heads, KeyValue, Node, PositionEmbedding,
    Reader,
};
use secateur::metric::Metric;
use secateur::model::ModelConfig;

use crate::oracle::{self, gpt2, llama};
use crate::synthetic::{graph_of, named, shape, small_graph};

fn per_head() -> Granularity {
    Granularity {
        kv: KeyValue::PerHead,
        ..Granularity::default()
    }
}

fn sized(base: ModelConfig, n_layers: usize, n_heads: usize, n_kv_heads: usize) -> ModelConfig {
    ModelConfig {
        n_layers,
        n_heads,
        n_kv_heads,
        ..base
    }
}

#[test]
fn known_models_have_their_published_sizes() {
    let gpt2_small = graph_of(&sized(gpt2(false), 12, 12, 12), &Granularity::default());
    assert_eq!(gpt2_small.writers().len() + 1, 158);
    assert_eq!(gpt2_small.edge_count(), 32_491);
    for (config, group, copies) in [
        (sized(llama(), 30, 9, 3), 70_651, 123_211),
        (sized(llama(), 32, 32, 8), 805_681, 1_592_881),
    ] {
        let edges = |granularity: &Granularity| graph_of(&config, granularity).edge_count();
        assert_eq!(edges(&Granularity::default()), group);
        assert_eq!(edges(&per_head()), copies);
    }
}

#[test]
fn parallel_blocks_have_no_edge_from_a_head_to_its_own_mlp() {
    for parallel in [false, true] {
        let config = ModelConfig {
            parallel_blocks: parallel,
            ..shape(3, 2)
        };
        let graph = graph_of(&config, &Granularity::default());
        for layer in 0..3 {
            for head in 0..2 {
                let own = graph.find_edge(&format!("a{layer}.h{head}->m{layer}"));
                assert_eq!(own.is_err(), parallel);
                if layer < 2 {
                    let later = format!("a{layer}.h{head}->m{}", layer + 1);
                    assert!(graph.find_edge(&later).is_ok());
                }
            }
        }
        // The closed form: q, k and v of every head and the MLP of layer l see 1 + 3 l writers; own heads two more.
        let seen: usize = (0..3).map(|layer| 7 * (1 + 3 * layer)).sum();
        let own = if parallel { 0 } else { 3 * 2 };
        assert_eq!(graph.edge_count(), seen + own + 10);
    }
}

fn varied() -> Vec<ComputationGraph> {
    let whole = Granularity {
        heads: Heads::Whole,
        ..Granularity::default()
    };
    let positions = Granularity {
        position_embedding: PositionEmbedding::Writer,
        ..Granularity::default()
    };
    let neurons = BTreeMap::from([(0, vec![0, 19]), (2, (0..20).collect())]);
    vec![
        graph_of(&gpt2(false), &Granularity::default()),
        graph_of(&gpt2(true), &Granularity::default()),
        graph_of(&llama(), &Granularity::default()),
        graph_of(&llama(), &per_head()),
        graph_of(&llama(), &whole),
        graph_of(&gpt2(false), &positions),
        ComputationGraph::new(&gpt2(false), &Granularity::default(), &neurons).expect("a graph"),
    ]
}

#[test]
fn names_round_trip_for_every_edge() {
    let mut graphs = varied();
    graphs.push(graph_of(
        &sized(gpt2(false), 12, 12, 12),
        &Granularity::default(),
    ));
    for graph in graphs {
        for edge in 0..graph.edge_count() {
            let name = graph.edge_name(edge);
            assert_eq!(graph.find_edge(&name).ok(), Some(edge), "{name}");
            let (writer, reader) = graph.ends(edge);
            assert_eq!(graph.edge(writer, reader), Some(edge), "{name}");
        }
        let full = EdgeMask::full(&graph);
        assert_eq!(full.len(), graph.edge_count());
        assert_eq!(
            full.edges(&graph),
            (0..graph.edge_count()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn wrong_names_are_refused_with_the_end_at_fault() {
    let graph = graph_of(&shape(2, 2), &Granularity::default());
    for (name, problem) in [
        ("m1->m0", "does not come before"),
        ("m0->m0", "does not come before"),
        ("a0.h0", "writer->reader"),
        ("a0.h7->m1", "no writer a0.h7"),
        ("m0->a1.h0", "no reader a1.h0"),
        ("m0->a1.h0<z>", "<q>, <k> or <v>"),
        ("m0->input", "does not read"),
        ("pos->m0", "no writer pos"),
    ] {
        let error = graph.find_edge(name).expect_err(name).to_string();
        assert!(error.contains(problem), "{name}: {error}");
    }
}

#[test]
fn whole_heads_position_writer_and_neurons_have_their_places() {
    let graphs = varied();
    let whole = &graphs[4];
    assert_eq!(whole.readers().len(), 4 * (6 + 1) + 1);
    assert!(whole.find_edge("m0->a1.h5").is_ok());
    assert!(whole.find_edge("m0->a1.h5<q>").is_err());

    let (free, position) = (&graphs[0], &graphs[5]);
    assert_eq!(position.writers()[1], Node::Position);
    assert_eq!(
        position.edge_count(),
        free.edge_count() + free.readers().len()
    );
    let rotary = Granularity {
        position_embedding: PositionEmbedding::Writer,
        ..Granularity::default()
    };
    let llama_graph = graph_of(&llama(), &rotary);
    assert!(llama_graph.writer(Node::Position).is_none());

    let split = &graphs[6];
    let mlp = split.reader(Reader::Mlp { layer: 2 }).expect("a reader");
    assert_eq!(split.outputs(mlp).len(), 1 + 20);
    assert!(split.find_edge("m0.n19->a1.h0<v>").is_ok());
    assert!(split.find_edge("m0.n5->a1.h0<v>").is_err());
    assert!(split.find_edge("m0.n19->m0").is_err());
    let gone = BTreeMap::from([(1, vec![20])]);
    let error = ComputationGraph::new(&gpt2(false), &Granularity::default(), &gone)
        .expect_err("there are 20 hidden units");
    assert!(error.to_string().contains("m1.n20"), "{error}");
}

/// Reachability written down directly: writers reached from a source, readers that reach `logits`.
fn reach(graph: &ComputationGraph, mask: &EdgeMask) -> (Vec<bool>, Vec<bool>) {
    let mut reached: Vec<bool> = graph
        .writers()
        .iter()
        .map(|node| matches!(node, Node::Input | Node::Position))
        .collect();
    for reader in 0..graph.readers().len() {
        if mask.writers_into(reader).any(|writer| reached[writer]) {
            for &writer in graph.outputs(reader) {
                reached[writer] = true;
            }
        }
    }
    let mut reaching = vec![false; graph.readers().len()];
    for reader in (0..graph.readers().len()).rev() {
        reaching[reader] = graph.outputs(reader).is_empty()
            || (0..graph.readers().len()).any(|later| {
                reaching[later]
                    && graph
                        .outputs(reader)
                        .iter()
                        .any(|&writer| mask.contains(writer, later))
            });
    }
    (reached, reaching)
}

proptest! {
    #[test]
    fn both_reachabilities_agree(kind in 0usize..7, share in 0.0f64..1.0, seed in any::<u64>()) {
        let graph = &varied()[kind];
        let mask = oracle::random_mask(graph, share * share, seed);
        prop_assert_eq!(graph.reaching_logits(&mask), graph.reaching_logits_by_search(&mask));
        let (reached, reaching) = reach(graph, &mask);
        prop_assert_eq!(&graph.live_readers(&mask), &reaching);
        prop_assert_eq!(&graph.reached_from_input(&mask).writers, &reached);
    }

    #[test]
    fn dropping_dangling_parts_removes_exactly_edges_without_a_path(
        kind in 0usize..7, share in 0.0f64..0.7, seed in any::<u64>(),
    ) {
        let graph = &varied()[kind];
        let mask = oracle::random_mask(graph, share * share, seed);
        let (reached, reaching) = reach(graph, &mask);
        for dangling in [Dangling::NoPathToLogits, Dangling::NoPathEitherWay] {
            let wanted = mask.edges(graph).into_iter().filter(|&edge| {
                let (writer, reader) = graph.ends(edge);
                reaching[reader] && (dangling == Dangling::NoPathToLogits || reached[writer])
            });
            let wanted = EdgeMask::from_edges(graph, wanted);
            let left = graph.drop_dangling(&mask, dangling);
            prop_assert_eq!(&left, &wanted);
            prop_assert_eq!(&graph.drop_dangling(&left, dangling), &left);
        }
    }
}

fn measure(graph: &ComputationGraph, ablation: Ablation, masks: &[EdgeMask]) -> Vec<Vec<f64>> {
    let config = shape(2, 2);
    let weights = oracle::random_weights(&config, 31);
    let examples = oracle::paired_examples(&config, 4, 32);
    let transformer = Transformer::new(&weights, graph);
    let ablated = AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
    ModelEvaluator::new(
        &transformer,
        &examples,
        Metric::LogitDiff,
        ablation,
        &ablated,
    )
    .expect("an evaluator")
    .measure(masks)
    .expect("values")
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

#[test]
fn dangling_edges_never_matter_on_a_model() {
    let graph = small_graph(0);
    let masks: Vec<EdgeMask> = (0..40)
        .map(|seed| oracle::random_mask(&graph, 0.1 + 0.01 * seed as f64, seed))
        .collect();
    for (ablation, dangling) in [
        (Ablation::Patch, Dangling::NoPathEitherWay),
        (Ablation::Patch, Dangling::NoPathToLogits),
        (Ablation::Zero, Dangling::NoPathToLogits),
        (Ablation::Mean, Dangling::NoPathToLogits),
        (Ablation::MeanPositional, Dangling::NoPathToLogits),
        (
            Ablation::Resample(Resample { seed: 3 }),
            Dangling::NoPathEitherWay,
        ),
    ] {
        let pruned: Vec<EdgeMask> = masks
            .iter()
            .map(|mask| graph.drop_dangling(mask, dangling))
            .collect();
        assert!(
            pruned.iter().zip(&masks).filter(|(a, b)| a != b).count() > 10,
            "something must dangle"
        );
        let values = measure(&graph, ablation, &masks);
        for (full, pruned) in values.iter().zip(measure(&graph, ablation, &pruned)) {
            assert!(distance(full, &pruned) < 1e-9, "{ablation:?}");
        }
    }
}

/// The MLP's output bias flows without any input, so the edge matters under zero and mean ablation.
#[test]
fn an_edge_without_a_path_from_input_matters_where_values_are_no_run() {
    let graph = small_graph(0);
    let masks = [named(&graph, &["m0->logits"]), EdgeMask::empty(&graph)];
    assert!(
        graph
            .drop_dangling(&masks[0], Dangling::NoPathEitherWay)
            .is_empty()
    );
    for (ablation, matters) in [
        (Ablation::Patch, false),
        (Ablation::Zero, true),
        (Ablation::Mean, true),
        (Ablation::Resample(Resample { seed: 3 }), false),
    ] {
        let values = measure(&graph, ablation, &masks);
        let difference = distance(&values[0], &values[1]);
        assert_eq!(difference > 1e-3, matters, "{ablation:?}: {difference}");
        assert!(matters || difference < 1e-9, "{ablation:?}: {difference}");
    }
}
