//! The analysis of neurons against the plain forward pass, in double precision, and as a user runs it.

use std::collections::BTreeMap;

use secateur::analyze::Neurons;
use secateur::analyze::neurons::{NeuronReport, NeuronTask, Verdict, find_neurons};
use secateur::engine::{Ablation, Transformer, mean};
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Granularity, NeuronNodes, Node};
use secateur::metric::Metric;
use secateur::model::{Block, ModelConfig, Weights};
use secateur::task::Example;

use crate::oracle::{self, gpt2, llama};
use crate::twin::Twin;

/// Shares of all edges, those of one hidden unit with another.
fn scaled(graph: &ComputationGraph, unit: (usize, usize), share: f64) -> Vec<f64> {
    let (layer, neuron) = unit;
    let writer = graph.writer(Node::Neuron { layer, neuron });
    let edges = 0..graph.edge_count();
    edges
        .map(|edge| {
            if Some(graph.ends(edge).0) == writer {
                share
            } else {
                1.0
            }
        })
        .collect()
}

fn graph_with(config: &ModelConfig, units: &[(usize, usize)]) -> ComputationGraph {
    let mut nodes = NeuronNodes::new();
    for &(layer, neuron) in units {
        nodes.entry(layer).or_default().push(neuron);
    }
    ComputationGraph::new(config, &Granularity::default(), &nodes).expect("a graph")
}

/// Scaling a hidden unit, and the slope of that, which is what attribution against zero stands for.
#[test]
fn scaled_units_and_attributions_are_those_of_the_plain_forward_pass() {
    for config in [gpt2(false), gpt2(true), llama()] {
        let units = [(0, 2), (1, 5), (config.n_layers - 1, 0)];
        let graph = graph_with(&config, &units);
        let weights = oracle::random_weights(&config, 5);
        let examples = oracle::random_examples(&config, 3, 6);
        let metric = Metric::LogitDiff;
        let transformer = Transformer::new(&weights, &graph);
        let twin = Twin::new(&weights, &graph, &examples, metric, Ablation::Zero);
        let zeros = vec![vec![0.0; config.d_mlp]; config.n_layers];
        let attributions = transformer
            .hidden_attribution(&examples, metric, &zeros, &Silent)
            .expect("attributions");
        for unit in units {
            let factors = [-1.0, 0.0, 0.5, 1.0, 2.0];
            let found = transformer
                .scaled_neuron(&examples, metric, unit, &factors, &Silent)
                .expect("metrics");
            for (factor, found) in factors.iter().zip(found) {
                let wanted = twin.values(&scaled(&graph, unit, *factor));
                for (found, wanted) in found.iter().zip(wanted) {
                    assert!(
                        (found - wanted).abs() < 1e-9,
                        "{unit:?} x {factor}: {found}, not {wanted}"
                    );
                }
            }
            let step = 1e-4;
            let at = |share: f64| mean(&twin.values(&scaled(&graph, unit, share)));
            let slope = (at(1.0 + step) - at(1.0 - step)) / (2.0 * step);
            let found = attributions[unit.0][unit.1];
            assert!(
                (found - slope).abs() < 1e-6 * slope.abs().max(1.0),
                "{unit:?}: {found}, not {slope}"
            );
        }
    }
}

/// Both prompts of every pair as clean prompts: what means are taken over.
fn both(examples: &[Example]) -> Vec<Example> {
    let swapped = examples.iter().map(|example| Example {
        clean: example.corrupt.clone(),
        corrupt: example.clean.clone(),
        ..example.clone()
    });
    examples.iter().cloned().chain(swapped).collect()
}

fn report(weights: &Weights<f64>, examples: &[Example], question: &Neurons) -> NeuronReport {
    let task = NeuronTask {
        discovery: examples,
        held_out: examples,
        metric: Metric::LogitDiff,
        bootstrap: 50,
        random_baselines: 3,
    };
    find_neurons((weights, None), None, &task, question, &Silent).expect("a report")
}

#[test]
fn effects_are_those_of_the_plain_forward_pass() {
    let config = llama();
    let weights = oracle::random_weights(&config, 8);
    let examples = oracle::random_examples(&config, 4, 9);
    let question = Neurons {
        top: 3,
        dosed: 2,
        ..Neurons::default()
    };
    let report = report(&weights, &examples, &question);
    assert_eq!(report.neurons_screened, config.n_layers * config.d_mlp);
    assert!(report.neurons.len() >= 3);
    let metric = Metric::LogitDiff;
    for figures in &report.neurons {
        let unit = parse(&figures.neuron);
        let graph = graph_with(&config, &[unit]);
        let full = Twin::new(&weights, &graph, &examples, metric, Ablation::Zero);
        let full = mean(&full.values(&vec![1.0; graph.edge_count()]));
        // The means of all prompts, clean and corrupt, as constants.
        let means = Twin::new(&weights, &graph, &both(&examples), metric, Ablation::Mean);
        let without = means.values(&scaled(&graph, unit, 0.0));
        let effect = full - mean(&without[..examples.len()]);
        assert!(
            (figures.effect.mean - effect).abs() < 1e-9,
            "{figures:?}, not {effect}"
        );
        assert!((figures.effect_discovery - effect).abs() < 1e-9);
        let zero = Twin::new(&weights, &graph, &examples, metric, Ablation::Zero);
        let zero = full - mean(&zero.values(&scaled(&graph, unit, 0.0)));
        assert!((figures.effect_zero.mean - zero).abs() < 1e-9);
        let [low, high] = figures.effect.interval.expect("an interval");
        assert!(low <= figures.effect.mean && figures.effect.mean <= high);
    }
    // A dose of nothing is the effect of zero; a dose of one is none.
    for dose in &report.doses {
        let figures = report.neurons.iter().find(|it| it.neuron == dose.neuron);
        let figures = figures.expect("a neuron that was measured");
        let nothing = dose.points[0].metric.mean;
        assert!((report.metric_clean - nothing - figures.effect_zero.mean).abs() < 1e-9);
        let one = dose
            .points
            .iter()
            .find(|point| (point.factor - 1.0).abs() < 1e-12);
        assert!((one.expect("a dose of one").metric.mean - report.metric_clean).abs() < 1e-9);
    }
}

fn parse(name: &str) -> (usize, usize) {
    let (layer, neuron) = name[1..].split_once(".n").expect("a neuron's name");
    (
        layer.parse().expect("a layer"),
        neuron.parse().expect("a number"),
    )
}

/// A model with known neurons: all others are cut off from the stream, so they may go along with the behaviour but
/// cannot cause it.
#[test]
fn planted_neurons_are_found_and_the_others_are_not_called_causal() {
    let config = ModelConfig {
        n_layers: 1,
        ..llama()
    };
    let mut weights = oracle::random_weights(&config, 3);
    let planted = [4, 11];
    let mut mlp = weights.mlp(0).expect("an MLP").as_ref().clone();
    let (row, column) = mlp.down.strides();
    let mut numbers = mlp.down.weight.to_vec();
    for unit in (0..config.d_mlp).filter(|unit| !planted.contains(unit)) {
        for out in 0..config.d_model {
            numbers[unit * row + out * column] = 0.0;
        }
    }
    mlp.down.weight = numbers.into();
    let attention = weights.attention(0).as_ref().clone();
    weights.blocks = vec![Block {
        attention,
        mlp: Some(mlp),
    }]
    .into();
    let examples = oracle::random_examples(&config, 24, 4);
    let question = Neurons {
        top: config.d_mlp,
        ..Neurons::default()
    };
    let report = report(&weights, &examples, &question);
    let mut causal: Vec<usize> = report
        .neurons
        .iter()
        .filter(|it| it.effect.mean.abs() > 1e-9)
        .map(|it| parse(&it.neuron).1)
        .collect();
    causal.sort_unstable();
    assert_eq!(causal, planted);
    for figures in &report.neurons {
        if !planted.contains(&parse(&figures.neuron).1) {
            let not_causal = [Verdict::CorrelatedNotCausal, Verdict::Neither];
            assert!(not_causal.contains(&figures.verdict), "{figures:?}");
        }
    }
    for figures in report.neurons.iter().take(2) {
        let causal = [Verdict::CorrelatedAndCausal, Verdict::CausalNotCorrelated];
        let [low, high] = figures.effect.interval.expect("an interval");
        let sure =
            (low > 0.0 || high < 0.0) && figures.effect.mean * figures.effect_discovery > 0.0;
        assert_eq!(causal.contains(&figures.verdict), sure, "{figures:?}");
    }
    let names: BTreeMap<&str, f64> = report
        .neurons
        .iter()
        .map(|it| (&it.neuron[..], it.attribution))
        .collect();
    assert!(names["m0.n4"].abs() > 1e-9 && names["m0.n5"].abs() < 1e-12);
}

/// Attribution stands for what the ablation puts in a neuron's place.
#[test]
fn attribution_is_the_slope_towards_what_replaces_the_neuron() {
    let config = llama();
    let weights = oracle::random_weights(&config, 12);
    let examples = oracle::random_examples(&config, 4, 13);
    let metric = Metric::LogitDiff;
    for ablation in [Ablation::Mean, Ablation::MeanPositional, Ablation::Zero] {
        let question = Neurons {
            top: 2,
            ablation,
            ..Neurons::default()
        };
        let report = report(&weights, &examples, &question);
        for figures in &report.neurons {
            let unit = parse(&figures.neuron);
            let graph = graph_with(&config, &[unit]);
            let twin = Twin::new(&weights, &graph, &both(&examples), metric, ablation);
            let at = |share: f64| {
                let values = twin.values(&scaled(&graph, unit, share));
                mean(&values[..examples.len()])
            };
            let step = 1e-4;
            let slope = (at(1.0 + step) - at(1.0 - step)) / (2.0 * step);
            let found = figures.attribution;
            assert!(
                (found - slope).abs() < 1e-6 * slope.abs().max(1.0),
                "{ablation:?}, {}: {found}, not {slope}",
                figures.neuron
            );
            let effect = at(1.0) - at(0.0);
            assert!((figures.effect.mean - effect).abs() < 1e-9, "{ablation:?}");
        }
    }
}

/// A group is what the search says: replaced together, little is left; with any of them back, more.
#[test]
fn a_group_leaves_little_and_none_of_it_can_stay() {
    let config = llama();
    let metric = Metric::LogitDiff;
    let mut found = 0;
    for seed in 0..6 {
        let weights = oracle::random_weights(&config, 40 + seed);
        let examples = oracle::random_examples(&config, 5, 60 + seed);
        let question = Neurons {
            top: 12,
            remaining: 0.7,
            ..Neurons::default()
        };
        let report = report(&weights, &examples, &question);
        let Some(group) = &report.group else {
            continue;
        };
        found += 1;
        let units: Vec<(usize, usize)> = group.neurons.iter().map(|name| parse(name)).collect();
        let graph = graph_with(&config, &units);
        let twin = Twin::new(&weights, &graph, &both(&examples), metric, Ablation::Mean);
        let left = |units: &[(usize, usize)]| {
            let mut kept = vec![1.0; graph.edge_count()];
            for &(layer, neuron) in units {
                let writer = graph.writer(Node::Neuron { layer, neuron });
                for (edge, kept) in kept.iter_mut().enumerate() {
                    if Some(graph.ends(edge).0) == writer {
                        *kept = 0.0;
                    }
                }
            }
            let value = mean(&twin.values(&kept)[..examples.len()]);
            (value - report.metric_corrupt) / (report.metric_clean - report.metric_corrupt)
        };
        assert!((group.remaining_discovery - left(&units)).abs() < 1e-8);
        assert!((group.remaining.expect("a share") - left(&units)).abs() < 1e-8);
        assert!(group.remaining_discovery <= 0.7);
        for index in 0..units.len() {
            let mut others = units.clone();
            others.remove(index);
            assert!(others.is_empty() || left(&others) > 0.7 - 1e-9, "{group:?}");
        }
        assert_eq!(group.random.len(), 3);
    }
    assert!(found > 0, "no seed has a group");
}

/// What no split can show is said, not divided by.
#[test]
fn a_model_that_does_not_show_the_behaviour_has_no_group_and_no_share() {
    let config = llama();
    let weights = oracle::random_weights(&config, 21);
    let metric = Metric::LogitDiff;
    let graph = graph_with(&config, &[]);
    let transformer = Transformer::new(&weights, &graph);
    let examples = oracle::random_examples(&config, 6, 22);
    let at = |examples: &[Example]| {
        mean(
            &transformer
                .clean_metric(examples, metric, &Silent)
                .expect("metrics"),
        )
    };
    let turned = &both(&examples)[examples.len()..];
    let wrong_way = if at(&examples) > at(turned) {
        turned
    } else {
        &examples
    };
    let report = report(&weights, wrong_way, &Neurons::default());
    assert!(report.group.is_none() && report.remaining_without_all.is_none());
    assert!(
        report.warnings.iter().any(|it| it.contains("wrong roles")),
        "{:?}",
        report.warnings
    );
    assert!(report.finding().contains("does not show the behaviour"));
}

/// Every figure is the same whatever the number of threads.
#[test]
fn the_report_does_not_depend_on_the_threads() {
    let config = gpt2(false);
    let weights = oracle::random_weights(&config, 30).cast::<f32>();
    let examples = oracle::random_examples(&config, 6, 31);
    let (discovery, held_out) = examples.split_at(3);
    let run = |threads: usize, room: Option<usize>| {
        let task = NeuronTask {
            discovery,
            held_out,
            metric: Metric::LogitDiff,
            bootstrap: 20,
            random_baselines: 2,
        };
        let question = Neurons {
            top: 4,
            ..Neurons::default()
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let found = pool
            .expect("a pool")
            .install(|| find_neurons((&weights, room), None, &task, &question, &Silent));
        format!("{:?}", found.expect("a report"))
    };
    let one = run(1, None);
    assert_eq!(one, run(3, None));
    // Room for one example at a time.
    assert_eq!(one, run(2, Some(1)));
}
