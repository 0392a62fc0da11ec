//! Circuits of features: against a plain pass, derivatives by finite differences, and planted features that must be found.

mod plain;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secateur::analyze::FeatureCircuit;
use secateur::analyze::feature_circuit::{
    FeatureEvaluator, FeatureTask, Keep, Replacement, SaeAtSite, SaeNodes, feature_edges,
    find_features,
};
use secateur::analyze::sae::{Dictionary, SaeKind};
use secateur::discover::{Acdc, Method};
use secateur::engine::{Ablation, Evaluator, Representation, Spliced, Transformer, mean};
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, EdgeMask, Granularity, NeuronNodes};
use secateur::metric::Metric;
use secateur::model::{Block, ModelConfig, Norm, NormWeights, Table, Unembedding, Weights};
use secateur::score::{Eap, EapIgActivations, Exact};
use secateur::task::Example;

use crate::oracle::{self, Rows, gpt2, llama};

const METRIC: Metric = Metric::LogitDiff;
const REPRESENTATIONS: [(usize, Representation); 5] = [
    (0, Representation::Heads),
    (1, Representation::Mlp),
    (1, Representation::Stream),
    (3, Representation::Heads),
    (3, Representation::Stream),
];

fn graph_of(config: &ModelConfig) -> ComputationGraph {
    ComputationGraph::new(config, &Granularity::default(), &NeuronNodes::new()).expect("a graph")
}

/// Dictionaries of all kinds with nothing at zero.
fn dictionaries(config: &ModelConfig, features: usize) -> SaeNodes<f64> {
    let kinds = [
        SaeKind::Relu { l1: 0.1 },
        SaeKind::TopK { k: 3 },
        SaeKind::JumpRelu {
            l0: 0.1,
            bandwidth: 0.1,
        },
        SaeKind::Gated { l1: 0.1 },
        SaeKind::Relu { l1: 0.1 },
    ];
    let placed = REPRESENTATIONS.iter().zip(kinds).zip(0..);
    let placed = placed.map(|((&(layer, of), kind), seed)| {
        let width = match of {
            Representation::Heads => config.n_heads * config.d_head,
            _ => config.d_model,
        };
        let mut dictionary = Dictionary::random(kind, width, features, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(100 + seed);
        let mut shift = |values: &mut [f64], by: f64| {
            for value in values {
                *value += by * (rng.random::<f64>() - 0.5);
            }
        };
        shift(&mut dictionary.encoder, 0.3);
        shift(&mut dictionary.encoder_bias, 0.4);
        shift(&mut dictionary.decoder_bias, 0.4);
        shift(&mut dictionary.sparsity, 0.4);
        dictionary.scale = 1.7;
        SaeAtSite {
            layer,
            of,
            dictionary,
            skip_first: 0,
        }
    });
    // Their order does not matter.
    let mut placed: Vec<_> = placed.collect();
    placed.reverse();
    SaeNodes::new(placed).expect("dictionaries")
}

/// What replaces the parts of a representation: features and error at each position.
type Replaced = Vec<(Vec<f64>, Vec<f64>)>;

/// The replaced values of an example, by dictionary.
fn replaced(
    weights: &Weights<f64>,
    placements: &SaeNodes<f64>,
    examples: &[Example],
    example: &Example,
    ablation: Ablation,
) -> Vec<Replaced> {
    let mut found: Vec<Replaced> = vec![Vec::new(); placements.all().len()];
    let prompts: Vec<&[u32]> = match ablation {
        Ablation::Patch => vec![&example.corrupt],
        Ablation::Mean => examples.iter().map(|it| &it.clean[..]).collect(),
        _ => Vec::new(),
    };
    for tokens in prompts {
        plain::logits(weights, tokens, &mut |site, rows| {
            if let Some(index) = placements.sites().iter().position(|it| *it == site) {
                let placed = &placements.all()[index];
                found[index].extend(
                    rows.iter()
                        .map(|row| (plain::features(placed, row), plain::error(placed, row))),
                );
            }
        });
    }
    for (placed, found) in placements.all().iter().zip(&mut found) {
        let (features, width) = (placed.dictionary.features, placed.dictionary.width);
        let mut constant = (vec![0.0; features], vec![0.0; width]);
        if ablation == Ablation::Patch {
            continue;
        }
        for (features, error) in found.iter() {
            for (sum, value) in constant.0.iter_mut().zip(features) {
                *sum += value / found.len() as f64;
            }
            for (sum, value) in constant.1.iter_mut().zip(error) {
                *sum += value / found.len() as f64;
            }
        }
        *found = vec![constant; example.clean.len()];
    }
    found
}

/// The metric of a circuit: every representation put together again from parts of the run and replaced ones.
fn plain_metric(
    weights: &Weights<f64>,
    placements: &SaeNodes<f64>,
    example: &Example,
    replaced: &[Replaced],
    keeps: &dyn Fn(usize) -> bool,
) -> f64 {
    let logits = plain::logits(weights, &example.clean, &mut |site, rows| {
        let Some(index) = placements.sites().iter().position(|it| *it == site) else {
            return;
        };
        let placed = &placements.all()[index];
        for (row, (features, error)) in rows.iter_mut().zip(&replaced[index]) {
            let mut own = plain::features(placed, row);
            let left = plain::error(placed, row);
            for (feature, own) in own.iter_mut().enumerate() {
                if !keeps(placements.first(index) + feature) {
                    *own = features[feature];
                }
            }
            let left = if keeps(placements.error(index)) {
                &left
            } else {
                error
            };
            *row = plain::made_of(placed, &own);
            for (value, left) in row.iter_mut().zip(left) {
                *value += left;
            }
        }
    });
    plain::logit_diff(example, &logits)
}

#[test]
fn circuits_equal_the_plain_twin() {
    for config in [gpt2(false), gpt2(true), llama()] {
        let (weights, graph) = (oracle::random_weights(&config, 3), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let examples = oracle::random_examples(&config, 18, 4);
        let placements = dictionaries(&config, 9);
        for ablation in [Ablation::Patch, Ablation::Mean, Ablation::Zero] {
            let replacement =
                Replacement::new(&transformer, &placements, &examples, ablation).expect("values");
            let mut evaluator =
                FeatureEvaluator::new(&transformer, &placements, &examples, METRIC, &replacement)
                    .expect("an evaluator");
            let nodes = evaluator.graph().clone();
            let circuits: Vec<EdgeMask> = (0..4)
                .map(|seed| oracle::random_mask(&nodes, [0.5, 0.2, 0.9, 0.97][seed as usize], seed))
                .chain([EdgeMask::full(&nodes), EdgeMask::empty(&nodes)])
                .collect();
            let found = evaluator.measure(&circuits).expect("metrics");
            for (circuit, found) in circuits.iter().zip(&found) {
                for (example, found) in examples.iter().zip(found) {
                    let replaced = replaced(&weights, &placements, &examples, example, ablation);
                    let keeps = |node: usize| circuit.contains(node, 0);
                    let wanted = plain_metric(&weights, &placements, example, &replaced, &keeps);
                    assert!(
                        (found - wanted).abs() < 1e-9 * wanted.abs().max(1.0),
                        "{ablation:?}: {found}, not {wanted}"
                    );
                }
            }
            // To the bit, whatever the dictionaries are.
            let plain = transformer.clean_metric(&examples, METRIC, &Silent);
            assert_eq!(found[4], plain.expect("metrics"), "{ablation:?}");
        }
    }
}

/// A dictionary of a stream sees all that comes after it.
#[test]
fn replacing_all_of_a_stream_is_the_corrupt_run() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 3), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let examples = oracle::random_examples(&config, 6, 4);
    let placements = SaeNodes::new(vec![SaeAtSite {
        layer: 1,
        of: Representation::Stream,
        dictionary: Dictionary::random(SaeKind::TopK { k: 2 }, config.d_model, 20, 1),
        skip_first: 0,
    }])
    .expect("a dictionary");
    let replacement = Replacement::new(&transformer, &placements, &examples, Ablation::Patch);
    let replacement = replacement.expect("values");
    let evaluator =
        FeatureEvaluator::new(&transformer, &placements, &examples, METRIC, &replacement);
    let mut evaluator = evaluator.expect("an evaluator");
    let empty = EdgeMask::empty(evaluator.graph());
    let found = evaluator.measure(&[empty]).expect("metrics");
    let corrupt: Vec<Example> = examples
        .iter()
        .map(|it| Example {
            clean: it.corrupt.clone(),
            corrupt: it.clean.clone(),
            ..it.clone()
        })
        .collect();
    let wanted = transformer
        .clean_metric(&corrupt, METRIC, &Silent)
        .expect("metrics");
    for (found, wanted) in found[0].iter().zip(&wanted) {
        assert!((found - wanted).abs() < 1e-9, "{found}, not {wanted}");
    }
}

/// The metric of an example with one representation set to given rows, and what others are then fixed at.
fn with_rows(
    weights: &Weights<f64>,
    example: &Example,
    set: &dyn Fn((usize, Representation)) -> Option<Rows>,
) -> f64 {
    let logits = plain::logits(weights, &example.clean, &mut |site, rows| {
        if let Some(values) = set(site) {
            *rows = values;
        }
    });
    plain::logit_diff(example, &logits)
}

/// The clean run's representations, by dictionary.
fn clean_rows(weights: &Weights<f64>, placements: &SaeNodes<f64>, tokens: &[u32]) -> Vec<Rows> {
    let mut found = vec![Vec::new(); placements.all().len()];
    plain::logits(weights, tokens, &mut |site, rows| {
        if let Some(index) = placements.sites().iter().position(|it| *it == site) {
            found[index].clone_from(rows);
        }
    });
    found
}

/// What a node adds to its representation in a run above what it adds replaced, at every position.
fn node_difference(placements: &SaeNodes<f64>, node: usize, own: &Rows, other: &Rows) -> Rows {
    let (index, feature) = placements.place(node);
    let placed = &placements.all()[index];
    let width = placed.dictionary.width;
    let part = |row: &[f64]| match feature {
        Some(feature) => {
            let by = plain::features(placed, row)[feature];
            let direction = &placed.dictionary.decoder[feature * width..(feature + 1) * width];
            direction.iter().map(|value| by * value).collect()
        }
        None => plain::error(placed, row),
    };
    let rows = own.iter().zip(other);
    rows.map(|(own, other)| {
        let (own, other): (Vec<f64>, Vec<f64>) = (part(own), part(other));
        own.iter().zip(other).map(|(a, b)| a - b).collect()
    })
    .collect()
}

fn moved(rows: &Rows, by: f64, along: &Rows) -> Rows {
    let rows = rows.iter().zip(along);
    rows.map(|(row, along)| row.iter().zip(along).map(|(a, b)| a + by * b).collect())
        .collect()
}

#[test]
fn attribution_is_the_derivative_along_each_node() {
    for config in [gpt2(false), llama()] {
        let (weights, graph) = (oracle::random_weights(&config, 5), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let examples = oracle::random_examples(&config, 3, 6);
        let placements = dictionaries(&config, 7);
        let replacement = Replacement::new(&transformer, &placements, &examples, Ablation::Patch)
            .expect("values");
        let evaluator =
            FeatureEvaluator::new(&transformer, &placements, &examples, METRIC, &replacement);
        let mut evaluator = evaluator.expect("an evaluator");
        let plain = evaluator.attribution(&[1.0]).expect("scores");
        let points = [1.0 / 3.0, 2.0 / 3.0, 1.0];
        let integrated = evaluator.activation_attribution(&points).expect("scores");
        let mut some = 0;
        for node in 0..placements.nodes() {
            let (index, _) = placements.place(node);
            let slope_at = |point: f64| {
                let slopes = examples.iter().map(|example| {
                    let clean = clean_rows(&weights, &placements, &example.clean)[index].clone();
                    let corrupt =
                        clean_rows(&weights, &placements, &example.corrupt)[index].clone();
                    let along = node_difference(&placements, node, &clean, &corrupt);
                    let whole = moved(&clean, -1.0, &corrupt);
                    let between = moved(&corrupt, point, &whole);
                    let step = 1e-5;
                    let at = |by: f64| {
                        with_rows(&weights, example, &|site| {
                            let here = placements.sites()[index] == site;
                            here.then(|| moved(&between, by, &along))
                        })
                    };
                    (at(step) - at(-step)) / (2.0 * step)
                });
                mean(&slopes.collect::<Vec<_>>())
            };
            let slopes = points.map(slope_at);
            let both = [
                (plain[node], slopes[2], "plain"),
                (integrated[node], mean(&slopes), "integrated"),
            ];
            for (found, wanted, what) in both {
                assert!(
                    (found - wanted).abs() < 1e-7,
                    "{what} {}: {found}, not {wanted}",
                    placements.node(node)
                );
            }
            some += usize::from(plain[node].abs() > 1e-3);
        }
        assert!(some > 10, "{some} nodes have a score");
    }
}

#[test]
fn edges_add_up_to_attribution_and_are_derivatives() {
    for config in [gpt2(false), gpt2(true), llama()] {
        let (weights, graph) = (oracle::random_weights(&config, 5), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let examples = oracle::random_examples(&config, 1, 6);
        let example = &examples[0];
        let placements = dictionaries(&config, 6);
        let replacement = Replacement::new(&transformer, &placements, &examples, Ablation::Patch)
            .expect("values");
        let evaluator =
            FeatureEvaluator::new(&transformer, &placements, &examples, METRIC, &replacement);
        let mut evaluator = evaluator.expect("an evaluator");
        let scores = evaluator.attribution(&[1.0]).expect("scores");
        let all: Vec<usize> = (0..placements.nodes()).collect();
        let edges = feature_edges(&evaluator, &placements, METRIC, &all, &Silent).expect("edges");
        for &node in &all {
            let name = placements.node(node).to_string();
            let out = edges.iter().filter(|edge| edge.from == name);
            let total: f64 = out.map(|edge| edge.score).sum();
            let score = scores[node];
            assert!((total - score).abs() < 1e-9, "{name}: {total}, not {score}");
        }
        // The strongest edges that do not end at the logits, one by one.
        let clean = clean_rows(&weights, &placements, &example.clean);
        let corrupt = clean_rows(&weights, &placements, &example.corrupt);
        let number = |name: &str| {
            let named = |&node: &usize| placements.node(node).to_string() == name;
            all.iter().copied().find(named).expect("a node")
        };
        let inner = edges.iter().filter(|edge| edge.to != "logits");
        for edge in inner.take(8) {
            let (from, to) = (number(&edge.from), number(&edge.to));
            let (source, target) = (placements.place(from).0, placements.place(to).0);
            let along = node_difference(&placements, from, &clean[source], &corrupt[source]);
            let step = 1e-5;
            // The later representation when the earlier one moves, and those between them do not.
            let later = |by: f64| {
                let mut found = Vec::new();
                plain::logits(&weights, &example.clean, &mut |site, rows| {
                    let Some(index) = placements.sites().iter().position(|it| *it == site) else {
                        return;
                    };
                    if index == source {
                        *rows = moved(rows, by, &along);
                    } else if index > source && index < target {
                        rows.clone_from(&clean[index]);
                    } else if index == target {
                        found.clone_from(rows);
                    }
                });
                found
            };
            let change = node_difference(&placements, to, &later(step), &later(-step));
            let change: Rows = moved(&change, 1.0 / (2.0 * step) - 1.0, &change);
            // The metric along that change.
            let at = |by: f64| {
                with_rows(&weights, example, &|site| {
                    let here = placements.sites()[target] == site;
                    here.then(|| moved(&clean[target], by, &change))
                })
            };
            let slope = (at(step) - at(-step)) / (2.0 * step);
            assert!(
                (edge.score - slope).abs() < 1e-5 * slope.abs().max(1.0),
                "{}->{}: {}, not {slope}",
                edge.from,
                edge.to,
                edge.score
            );
        }
    }
}

/// Unit vectors at right angles, drawn at random.
fn basis(width: usize) -> Vec<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    while basis.len() < width {
        let mut row: Vec<f64> = (0..width).map(|_| rng.random::<f64>() - 0.5).collect();
        for other in &basis {
            let along = oracle::dot(&row, other);
            for (value, other) in row.iter_mut().zip(other) {
                *value -= along * other;
            }
        }
        let norm = oracle::dot(&row, &row).sqrt();
        basis.push(row.iter().map(|value| value / norm).collect());
    }
    basis
}

/// A dictionary whose features are what a row has along a basis: `2 i` where that is positive, `2 i + 1` where negative.
/// Nothing is left of any row, and replacing both features of a vector replaces a coordinate.
fn coordinates(layer: usize, basis: &[Vec<f64>]) -> SaeAtSite<f64> {
    let width = basis.len();
    let relu = SaeKind::Relu { l1: 1.0 };
    let mut dictionary = Dictionary::random(relu, width, 2 * width, 0);
    for (index, vector) in basis.iter().enumerate() {
        for (input, &value) in vector.iter().enumerate() {
            for (feature, value) in [(2 * index, value), (2 * index + 1, -value)] {
                dictionary.decoder[feature * width + input] = value;
                dictionary.encoder[input * 2 * width + feature] = value;
            }
        }
    }
    SaeAtSite {
        layer,
        of: Representation::Stream,
        dictionary,
        skip_first: 0,
    }
}

/// The vectors that the planted model's logits depend on.
const PLANTED: [usize; 2] = [2, 7];

/// A model without norms whose last layer adds nothing and whose logits depend on two vectors of a basis only.
fn planted(basis: &[Vec<f64>]) -> Weights<f64> {
    let config = ModelConfig {
        norm: Norm::None,
        ..llama()
    };
    let weights = oracle::random_weights(&config, 11);
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let mut table = Vec::new();
    for _ in 0..config.d_vocab {
        let by = PLANTED.map(|_| rng.random::<f64>() - 0.5);
        let column = |at: usize| by[0] * basis[PLANTED[0]][at] + by[1] * basis[PLANTED[1]][at];
        table.extend((0..config.d_model).map(column));
    }
    let blocks = (0..config.n_layers).map(|layer| {
        let mut block = Block {
            attention: (*weights.attention(layer)).clone(),
            mlp: weights.mlp(layer).map(|mlp| (*mlp).clone()),
        };
        if layer + 1 == config.n_layers {
            let maps = [
                Some(&mut block.attention.o),
                block.mlp.as_mut().map(|it| &mut it.down),
            ];
            for map in maps.into_iter().flatten() {
                map.weight = vec![0.0; map.weight.len()].into();
                map.bias = None;
            }
        }
        block
    });
    Weights {
        blocks: blocks.collect::<Vec<_>>().into(),
        unembedding: Some(Unembedding {
            table: Table::new(table, config.d_model),
            bias: None,
        }),
        final_norm: NormWeights {
            gain: vec![1.0; config.d_model],
            bias: None,
        },
        ..weights.clone()
    }
}

/// The vector of the basis that a feature is of.
fn vector_of(name: &str) -> usize {
    let (_, feature) = name
        .split_once(".f")
        .unwrap_or_else(|| panic!("{name} is no feature"));
    feature.parse::<usize>().expect("a feature") / 2
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one planted model, looked at by every method"
)]
fn planted_features_are_found_by_every_method() {
    let basis = basis(12);
    let weights = planted(&basis);
    let graph = graph_of(&weights.config);
    let transformer = Transformer::new(&weights, &graph);
    let placements = SaeNodes::new(vec![coordinates(2, &basis), coordinates(3, &basis)]);
    let placements = placements.expect("dictionaries");
    let examples = oracle::random_examples(&weights.config, 40, 13);
    let task = FeatureTask {
        discovery: &examples[..24],
        held_out: &examples[24..],
        metric: METRIC,
        bootstrap: 100,
        random_baselines: 10,
    };
    // All but the search is linear here, so estimates are exact.
    let replacement =
        Replacement::new(&transformer, &placements, &examples, Ablation::Patch).expect("values");
    let evaluator = FeatureEvaluator::new(
        &transformer,
        &placements,
        task.discovery,
        METRIC,
        &replacement,
    );
    let mut evaluator = evaluator.expect("an evaluator");
    let estimated = Eap {}.score(&mut evaluator).expect("scores");
    let integrated = EapIgActivations { steps: 3 }
        .score(&mut evaluator)
        .expect("scores");
    let exact = Exact {}.score(&mut evaluator, &Silent).expect("scores");
    for node in 0..placements.nodes() {
        let name = placements.node(node);
        for score in [estimated[node], integrated[node]] {
            assert!(
                (score - exact[node]).abs() < 1e-9,
                "{name}: {score}, not {}",
                exact[node]
            );
        }
        let planted = placements
            .place(node)
            .1
            .is_some_and(|it| PLANTED.contains(&(it / 2)));
        assert_eq!(exact[node].abs() > 1e-9, planted, "{name}: {}", exact[node]);
    }
    for (method, keep) in [
        (Method::Eap(Eap {}), Some(Keep::Faithfulness(0.99))),
        (Method::Exact(Exact {}), Some(Keep::Top(8))),
        (
            Method::EapIgActivations(EapIgActivations { steps: 2 }),
            Some(Keep::Threshold(1e-9)),
        ),
        (Method::Acdc(Acdc::new(1e-9)), None),
    ] {
        let question = FeatureCircuit {
            method,
            keep,
            ..question()
        };
        let found = find_features(&transformer, None, &placements, &task, &question, &Silent);
        let report = found.expect("a report");
        assert!(report.target_reached);
        assert!(
            !report.nodes.is_empty() && report.nodes.len() <= 8,
            "{:?}",
            report.nodes
        );
        for node in &report.nodes {
            assert!(PLANTED.contains(&vector_of(&node.node)), "{}", node.node);
            let effect = node.effect.expect("an effect");
            assert!(effect.interval.is_some());
        }
        let value =
            |share: &secateur::analyze::feature_circuit::Share| share.value.expect("a share");
        assert!((report.all_features.value.expect("a share") - 1.0).abs() < 1e-9);
        // Nothing is left to the errors, so with and without them it is the same run.
        let apart = value(&report.without_errors) - value(&report.faithfulness);
        assert!(apart.abs() < 1e-12, "{apart}");
        assert!(value(&report.errors_alone).abs() < 1e-9);
        if report.nodes.len() == 8 {
            assert!((value(&report.faithfulness) - 1.0).abs() < 1e-9);
            assert!(value(&report.complement).abs() < 1e-9);
            assert!(mean(&report.random).abs() < 0.5, "{:?}", report.random);
        } else if let Method::Acdc(_) = question.method {
            // It also removes what the metric rises without; where effects add up, what helps is left.
            let helpful = (0..placements.nodes()).filter(|node| exact[*node] > 1e-9);
            let mut helpful: Vec<String> = helpful
                .map(|node| placements.node(node).to_string())
                .collect();
            let mut kept: Vec<String> = report.nodes.iter().map(|it| it.node.clone()).collect();
            helpful.sort_unstable();
            kept.sort_unstable();
            assert_eq!(kept, helpful);
        } else {
            assert!(report.faithfulness_discovery >= Some(0.99 - 1e-9));
        }
        assert!(!report.edges.is_empty());
        for edge in &report.edges {
            if edge.to == "logits" {
                assert!(
                    edge.from.starts_with("r3."),
                    "{edge:?} passes the later dictionary"
                );
            } else {
                assert!(
                    edge.from.starts_with("r2.") && edge.to.starts_with("r3."),
                    "{edge:?}"
                );
                assert_eq!(vector_of(&edge.from), vector_of(&edge.to), "{edge:?}");
            }
        }
    }
}

fn question() -> FeatureCircuit {
    FeatureCircuit {
        dictionaries: Vec::new(),
        method: Method::Eap(Eap {}),
        keep: None,
        ablation: Ablation::Patch,
        described: 30,
        contexts: 2,
        edges: 100,
        edge_pairs: 8,
    }
}

#[test]
fn dictionaries_that_do_not_fit_are_refused() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 3), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let examples = oracle::random_examples(&config, 4, 4);
    let task = FeatureTask {
        discovery: &examples,
        held_out: &examples,
        metric: METRIC,
        bootstrap: 0,
        random_baselines: 0,
    };
    let placed = |layer, width| SaeAtSite {
        layer,
        of: Representation::Stream,
        dictionary: Dictionary::<f64>::random(SaeKind::TopK { k: 2 }, width, 5, 1),
        skip_first: 0,
    };
    for (layer, width, part) in [(4, 12, "the model has 4 layers"), (1, 11, "of 11 numbers")] {
        let placements = SaeNodes::new(vec![placed(layer, width)]).expect("one dictionary");
        let found = find_features(&transformer, None, &placements, &task, &question(), &Silent);
        let error = found.expect_err("it does not fit").to_string();
        assert!(error.contains(part), "{error}");
    }
    let twice = SaeNodes::new(vec![placed(1, 12), placed(1, 12)]);
    let error = twice.expect_err("the same place").to_string();
    assert!(error.contains("Stream of layer 1"), "{error}");
}

#[test]
fn figures_leave_out_the_positions_that_training_did() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 3), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let examples = oracle::random_examples(&config, 4, 4);
    let task = FeatureTask {
        discovery: &examples,
        held_out: &examples,
        metric: METRIC,
        bootstrap: 0,
        random_baselines: 0,
    };
    let question = FeatureCircuit {
        ablation: Ablation::Mean,
        ..question()
    };
    let width = config.d_model;
    let dictionary = Dictionary::<f64>::random(SaeKind::TopK { k: 2 }, width, 20, 1);
    let sites = [(1, Representation::Stream)];
    let spliced = Spliced::new(&transformer, &examples, &sites, false).expect("a run");
    let mut seen = Vec::new();
    for skip_first in [0, 1, 3] {
        let placed = SaeAtSite {
            layer: 1,
            of: Representation::Stream,
            dictionary: dictionary.clone(),
            skip_first,
        };
        let placements = SaeNodes::new(vec![placed]).expect("one dictionary");
        let report = find_features(&transformer, None, &placements, &task, &question, &Silent);
        let found = &report.expect("a report").dictionaries[0];
        // The rows of the clean runs one after the other, each prompt without its first ones.
        let mut rows = Vec::new();
        let mut all = spliced.clean()[0].chunks_exact(width);
        for example in &examples {
            let of_prompt: Vec<&[f64]> = all.by_ref().take(example.clean.len()).collect();
            rows.extend(of_prompt.into_iter().skip(skip_first).map(<[f64]>::to_vec));
        }
        let squares = |row: &[f64], from: &[f64]| -> f64 {
            row.iter().zip(from).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let count = rows.len() as f64;
        let center: Vec<f64> = (0..width)
            .map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / count)
            .collect();
        let around: f64 = rows.iter().map(|row| squares(row, &center)).sum();
        let left: f64 = rows
            .iter()
            .map(|row| squares(row, &dictionary.reconstruct(row)))
            .sum();
        let explained = found.variance_explained.expect("rows that differ");
        assert!(
            (explained - (1.0 - left / around)).abs() < 1e-9,
            "{explained}"
        );
        seen.push(explained);
    }
    let differ = seen.windows(2).all(|two| (two[0] - two[1]).abs() > 1e-3);
    assert!(differ, "{seen:?}");
}
