//! The analysis of neurons against the plain forward pass, in double precision, and as a user runs it.

use std::collections::BTreeMap;

use secateur::analyze::AnalysisReport as _;
use secateur::analyze::Neurons;
use secateur::analyze::neurons::{
    Contrast, ContrastSets, NeuronReport, NeuronTask, Verdict, find_neurons,
};
use secateur::engine::{Ablation, AddAt, Resumable, Transformer, mean};
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Granularity, NeuronNodes, Node};
use secateur::metric::Metric;
use secateur::model::{Block, ModelConfig, Table, Unembedding, Weights, load_model};
use secateur::task::Example;

use crate::oracle::{self, gpt2, llama};
use crate::shapes::post_norms;
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
        let plain = graph_with(&config, &[]);
        let weights = oracle::random_weights(&config, 5);
        let examples = oracle::random_examples(&config, 3, 6);
        let metric = Metric::LogitDiff;
        let transformer = Transformer::new(&weights, &plain);
        let twin = Twin::new(&weights, &graph, &examples, metric, Ablation::Zero);
        let ready = Resumable::new(&transformer, &examples, AddAt::Every).expect("a run");
        let zeros = vec![vec![0.0; config.d_mlp]; config.n_layers];
        let attributions = transformer
            .hidden_attribution(&examples, metric, &zeros, &Silent)
            .expect("attributions");
        for unit in units {
            let factors = [-1.0, 0.0, 0.5, 1.0, 2.0];
            let own = ready.units(&[unit]).concat();
            for factor in &factors {
                let times = own.iter().map(|value| factor * value).collect();
                let found = ready.units_set(metric, [(unit, times)]).expect("metrics");
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
    let sides = ContrastSets::of_pairs(examples);
    let task = NeuronTask {
        discovery: &sides,
        held_out: &sides,
        compared: Contrast::Pairs,
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
    let examples = oracle::random_examples(&config, 6, 9);
    let question = Neurons {
        top: 3,
        dose_curves: 2,
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
        let sure = figures.p_effect.expect("prompts enough") <= 0.025;
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
    let [discovery, held_out] = [discovery, held_out].map(ContrastSets::of_pairs);
    let run = |threads: usize, room: Option<usize>| {
        let task = NeuronTask {
            discovery: &discovery,
            held_out: &held_out,
            compared: Contrast::Pairs,
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

/// The metric of an example with hidden units set to a value at every position, by the plain forward pass.
fn plainly_set(
    weights: &Weights<f64>,
    example: &Example,
    (metric, units): (Metric, &[(usize, usize)]),
    value: &dyn Fn((usize, usize), usize, f64) -> f64,
) -> f64 {
    let graph = graph_with(&weights.config, &[]);
    let logits = oracle::logits_changed(
        weights,
        &graph,
        &example.clean,
        &mut |layer, position, hidden| {
            for &(_, unit) in units.iter().filter(|unit| unit.0 == layer) {
                hidden[unit] = value((layer, unit), position, hidden[unit]);
            }
        },
    );
    let at = example.at.iter().enumerate();
    let values = at.map(|(place, &at)| {
        let answer = example.answers_at(place);
        let logits = &logits[at];
        let log_total = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        let mean_logit = |tokens: &[u32]| {
            let sum: f64 = tokens.iter().map(|&token| logits[token as usize]).sum();
            sum / tokens.len() as f64
        };
        match metric {
            Metric::LogitDiff => mean_logit(answer) - mean_logit(&example.wrong),
            Metric::Nll => {
                let right = answer.iter().map(|&token| logits[token as usize].exp());
                right.sum::<f64>().ln() - log_total
            }
            other => panic!("{other:?} is not needed here"),
        }
    });
    values.sum::<f64>() / example.at.len() as f64
}

/// The mean of hidden units over all positions of some prompts, by the plain forward pass, `[layers][d_mlp]`.
fn plain_means(weights: &Weights<f64>, prompts: &[&Example]) -> Vec<Vec<f64>> {
    let config = &weights.config;
    let graph = graph_with(config, &[]);
    let mut sums = vec![vec![0.0; config.d_mlp]; config.n_layers];
    let rows: usize = prompts.iter().map(|it| it.clean.len()).sum();
    for prompt in prompts {
        oracle::logits_changed(weights, &graph, &prompt.clean, &mut |layer, _, hidden| {
            for (sum, value) in sums[layer].iter_mut().zip(hidden) {
                *sum += *value / rows as f64;
            }
        });
    }
    sums
}

/// Models of the families that norm the MLP's output, and others: hidden units set together, in several layers.
#[test]
fn hidden_units_are_set_before_the_norm_that_follows_the_mlp() {
    let family = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/families")
            .join(name);
        load_model(".", &folder).expect("the model").weights.cast()
    };
    let random = |config: ModelConfig| oracle::random_weights(&config, 3);
    for (name, weights) in [
        ("gemma2", family("gemma2")),
        ("gemma3_text", family("gemma3_text")),
        ("post-norms", random(post_norms())),
        ("parallel", random(gpt2(true))),
        ("llama", random(llama())),
    ] {
        let config = &weights.config;
        let graph = graph_with(config, &[]);
        let transformer = Transformer::new(&weights, &graph);
        let examples = oracle::random_examples(config, 3, 4);
        let metric = Metric::LogitDiff;
        let ready = Resumable::new(&transformer, &examples, AddAt::Every).expect("a run");
        let last = config.n_layers - 1;
        let set = |unit: (usize, usize), position: usize| (unit.1 + position) as f64 * 0.3 - 0.4;
        for units in [
            vec![],
            vec![(0, 1)],
            vec![(last, 3)],
            vec![(0, 0), (last, 2), (last, 1)],
        ] {
            let values = units.iter().map(|&unit| {
                let rows = ready.unit_rows(unit.0);
                let values = rows.iter().map(|&(_, position)| set(unit, position));
                (unit, values.collect())
            });
            let found = ready.units_set(metric, values).expect("metrics");
            for (found, example) in found.iter().zip(&examples) {
                let value = |unit, position, _| set(unit, position);
                let wanted = plainly_set(&weights, example, (metric, &units), &value);
                assert!(
                    (found - wanted).abs() < 1e-9,
                    "{name}, {units:?}: {found}, not {wanted}"
                );
            }
        }
        // Attribution is the slope of scaling, through the norm as well.
        let zeros = vec![vec![0.0; config.d_mlp]; config.n_layers];
        let attributions = transformer
            .hidden_attribution(&examples, metric, &zeros, &Silent)
            .expect("attributions");
        for unit in [(0, 1), (last, 3)] {
            let at = |factor: f64| {
                let value = |_, _, own: f64| factor * own;
                let each = examples
                    .iter()
                    .map(|it| plainly_set(&weights, it, (metric, &[unit]), &value));
                mean(&each.collect::<Vec<_>>())
            };
            let slope = (at(1.0 + 1e-4) - at(1.0 - 1e-4)) / 2e-4;
            let found = attributions[unit.0][unit.1];
            assert!(
                (found - slope).abs() < 1e-6 * slope.abs().max(1.0),
                "{name}, {unit:?}: {found}, not {slope}"
            );
        }
    }
}

/// A prompt that is scored by its own tokens.
fn own_text(tokens: &[u32]) -> Example {
    let clean = tokens[..tokens.len() - 1].to_vec();
    Example {
        corrupt: clean.clone(),
        answer: tokens[1..].to_vec(),
        wrong: Vec::new(),
        at: (0..clean.len()).collect(),
        teacher_forced: true,
        spans: Vec::new(),
        text: None,
        clean,
    }
}

/// A prompt with the answers of an example, alone.
fn alone(example: &Example) -> Example {
    Example {
        corrupt: example.clean.clone(),
        ..example.clone()
    }
}

/// Three prompts and two are too few to be sure of anything.
fn assert_undecided(report: &NeuronReport) {
    for figures in &report.neurons {
        assert_eq!((figures.effect.interval, figures.p_effect), (None, None));
        assert_eq!(figures.verdict, Verdict::Undecided);
    }
    let finding = report.finding();
    let part = "too few prompts to call them causal or not";
    assert!(finding.contains(part), "{finding}");
}

/// Sets of unequal numbers and lengths: every figure by the plain forward pass, on a model that norms the MLP's output.
#[test]
fn effects_on_sets_and_texts_are_those_of_the_plain_forward_pass() {
    let config = post_norms();
    let weights = oracle::random_weights(&config, 8);
    let prompts = oracle::random_examples(&config, 12, 9);
    for (compared, metric) in [
        (Contrast::Sets, Metric::LogitDiff),
        (Contrast::Texts, Metric::Nll),
    ] {
        let prompts: Vec<Example> = prompts
            .iter()
            .map(|example| match compared {
                Contrast::Texts => own_text(&example.clean),
                _ => alone(example),
            })
            .collect();
        let part = |from: &[Example], split: usize| ContrastSets {
            behaviour: from[..split].to_vec(),
            other: from[split..].to_vec(),
        };
        let (discovery, held_out) = (part(&prompts[..7], 3), part(&prompts[7..], 3));
        let task = NeuronTask {
            discovery: &discovery,
            held_out: &held_out,
            compared,
            metric,
            bootstrap: 50,
            random_baselines: 2,
        };
        let question = Neurons {
            top: 3,
            dose_curves: 1,
            remaining: 0.5,
            ..Neurons::default()
        };
        let report =
            find_neurons((&weights, None), None, &task, &question, &Silent).expect("a report");
        assert_eq!([report.examples, report.examples_other], [3, 2]);
        let means = plain_means(&weights, &discovery.all().collect::<Vec<_>>());
        let replaced = |examples: &[Example], units: &[(usize, usize)], by: f64| -> f64 {
            let value =
                |unit: (usize, usize), _, own: f64| own + by * (means[unit.0][unit.1] - own);
            let each = examples
                .iter()
                .map(|it| plainly_set(&weights, it, (metric, units), &value));
            mean(&each.collect::<Vec<_>>())
        };
        let drop = |examples: &[Example], units: &[(usize, usize)], by: f64| {
            replaced(examples, &[], 0.0) - replaced(examples, units, by)
        };
        let effect = |sides: &ContrastSets, units: &[(usize, usize)], by: f64| match compared {
            Contrast::Texts => drop(&sides.behaviour, units, by) - drop(&sides.other, units, by),
            _ => drop(&sides.behaviour, units, by),
        };
        for figures in &report.neurons {
            let unit = [parse(&figures.neuron)];
            for (found, wanted) in [
                (figures.effect.mean, effect(&held_out, &unit, 1.0)),
                (figures.effect_discovery, effect(&discovery, &unit, 1.0)),
                (
                    figures.effect_other.expect("an effect").mean,
                    drop(&held_out.other, &unit, 1.0),
                ),
            ] {
                assert!((found - wanted).abs() < 1e-9, "{figures:?}, not {wanted}");
            }
            let slope = effect(&discovery, &unit, 1e-4) - effect(&discovery, &unit, -1e-4);
            let slope = slope / 2e-4;
            assert!(
                (figures.attribution - slope).abs() < 1e-6 * slope.abs().max(1.0),
                "{figures:?}, not {slope}"
            );
        }
        assert_undecided(&report);
        let Some(group) = &report.group else {
            assert_eq!(compared, Contrast::Sets);
            continue;
        };
        let units: Vec<_> = group.neurons.iter().map(|name| parse(name)).collect();
        let without = |sides: &ContrastSets| match compared {
            Contrast::Texts => {
                let needed: Vec<_> = report
                    .neurons
                    .iter()
                    .filter(|it| it.effect_discovery > 0.0)
                    .map(|it| parse(&it.neuron))
                    .collect();
                replaced(&sides.behaviour, &needed, 1.0)
            }
            _ => replaced(&sides.other, &[], 0.0),
        };
        let left = |sides: &ContrastSets| {
            let low = without(sides);
            let full = replaced(&sides.behaviour, &[], 0.0);
            (replaced(&sides.behaviour, &units, 1.0) - low) / (full - low)
        };
        assert!((group.remaining_discovery - left(&discovery)).abs() < 1e-8);
        if let Some(found) = group.remaining {
            assert!((found - left(&held_out)).abs() < 1e-8);
        }
    }
}

/// The model of known neurons asked by sets of prompts: the behaviour is that a word was seen, which one neuron tells.
#[test]
fn a_planted_neuron_is_found_by_sets_of_prompts() {
    let config = ModelConfig {
        n_layers: 1,
        ..llama()
    };
    let mut weights = oracle::random_weights(&config, 3);
    let planted = 7;
    let word = 5;
    let mut mlp = weights.mlp(0).expect("an MLP").as_ref().clone();
    let (row, column) = mlp.down.strides();
    let mut numbers = mlp.down.weight.to_vec();
    // The first number of the stream is the answer's logit, which the embeddings leave alone.
    let d_model = config.d_model;
    let all: Vec<usize> = (0..config.d_vocab).collect();
    let mut embeddings = weights.embedding.gather(&all);
    for row in embeddings.chunks_exact_mut(d_model) {
        row[0] = 0.0;
    }
    weights.embedding = Table::new(embeddings, d_model);
    let mut rows = vec![0.0; config.d_vocab * d_model];
    rows[9 * d_model] = 1.0;
    weights.unembedding = Some(Unembedding {
        table: Table::new(rows, d_model),
        bias: None,
    });
    // The direction of the word's embedding opens the planted neuron, which alone writes, and writes the answer.
    let word_row = weights.embedding.gather(&[word]);
    for unit in 0..config.d_mlp {
        for out in 0..d_model {
            let writes = unit == planted && out == 0;
            numbers[unit * row + out * column] = if writes { 0.01 } else { 0.0 };
        }
    }
    mlp.down.weight = numbers.into();
    for map in [Some(&mut mlp.up), mlp.gate.as_mut()].into_iter().flatten() {
        let (row, column) = map.strides();
        let mut numbers = map.weight.to_vec();
        for input in 0..config.d_model {
            numbers[input * row + planted * column] = word_row[input];
        }
        map.weight = numbers.into();
    }
    let mut attention = weights.attention(0).as_ref().clone();
    attention.o.weight = vec![0.0; attention.o.weight.to_vec().len()].into();
    weights.blocks = vec![Block {
        attention,
        mlp: Some(mlp),
    }]
    .into();
    let prompt = |last: u32, seed: u32| {
        let length = 2 + seed % 4;
        let mut clean: Vec<u32> = (0..length).map(|at| (7 * seed + 3 * at) % 23).collect();
        clean.push(last);
        Example {
            corrupt: clean.clone(),
            answer: vec![9],
            wrong: vec![2, 3],
            at: vec![clean.len() - 1],
            teacher_forced: false,
            spans: Vec::new(),
            text: None,
            clean,
        }
    };
    let sides = |from: u32| ContrastSets {
        behaviour: (from..from + 12)
            .map(|seed| prompt(word as u32, seed))
            .collect(),
        other: (from..from + 17)
            .map(|seed| prompt(10 + seed % 9, seed))
            .collect(),
    };
    let (discovery, held_out) = (sides(0), sides(50));
    let task = NeuronTask {
        discovery: &discovery,
        held_out: &held_out,
        compared: Contrast::Sets,
        metric: Metric::LogitDiff,
        bootstrap: 100,
        random_baselines: 4,
    };
    let question = Neurons {
        remaining: 0.5,
        ..Neurons::default()
    };
    let report = find_neurons((&weights, None), None, &task, &question, &Silent).expect("a report");
    let first = &report.neurons[0];
    assert_eq!(first.neuron, "m0.n7");
    assert_eq!(first.verdict, Verdict::CorrelatedAndCausal);
    assert!((first.association.auroc - 1.0).abs() < 1e-12);
    assert!(
        report.neurons[1..]
            .iter()
            .all(|it| it.effect.mean.abs() < 1e-9)
    );
    let group = report.group.expect("a group");
    assert_eq!(group.neurons, ["m0.n7"]);
    assert!(group.remaining.expect("a share") < 0.5);
    assert!(group.random.iter().all(|share| (share - 1.0).abs() < 1e-9));
}
