//! Edges between the nodes of a circuit: how much of a node's attribution goes through another one.
//!
//! The score of an edge is the difference of the earlier node from its replaced value, times the derivative of the later
//! node along it on the clean run, times the derivative of the metric along the later node; a sum over positions, a mean
//! over examples. Derivatives of the later node leave out what passes an autoencoder between the two, so that the edges
//! out of a node to all later nodes and to `logits` add up to its attribution.

use crate::report::FeatureEdge;

use super::decomposition::merged;
use super::evaluator::{FeatureEvaluator, Group, product};
use super::placed::SaeNodes;
use crate::engine::{Evaluator, Start};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::Node;
use crate::metric::Metric;
use crate::model::Real;

/// The edges between some nodes of the evaluator's graph, and from these to `logits`; those with score 0 apart. Largest
/// `|score|` first.
///
/// # Errors
/// When a gradient is not finite, or the observer interrupts.
///
/// # Complexity
/// One forward and two backward passes, and for each node one backward pass to the first autoencoder.
pub fn feature_edges<T: Real>(
    evaluator: &FeatureEvaluator<'_, '_, T>,
    placements: &SaeNodes<T>,
    metric: Metric,
    nodes: &[usize],
    observer: &dyn Observer,
) -> Result<Vec<FeatureEdge>> {
    let work = evaluator.groups().len() * (nodes.len() + 1);
    phase(observer, "edges", work as u64);
    // By later node, `logits` last, and earlier node.
    let mut scores = vec![vec![0.0; nodes.len()]; nodes.len() + 1];
    let mut done = 0;
    for group in evaluator.groups() {
        let run = group.spliced.taped(None);
        let at_metric = run.gradients(Start::Metric(metric), false);
        let to_logits = run.gradients(Start::Metric(metric), true);
        add_scores(
            placements,
            group,
            nodes,
            &to_logits,
            &mut scores[nodes.len()],
        );
        for (&node, scores) in nodes.iter().zip(&mut scores) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let (index, _) = placements.place(node);
            if index > 0 {
                let gradient = at_node(placements, group, node, &at_metric[index]);
                let into_node = run.gradients(Start::Site(index, &gradient), true);
                add_scores(placements, group, nodes, &into_node, scores);
            }
            done += 1;
            observer.event(Event::Step {
                done,
                note: String::new(),
            });
        }
    }
    let count = evaluator.examples() as f64;
    let mut edges = Vec::new();
    for (to, scores) in scores.iter().enumerate() {
        let to = nodes
            .get(to)
            .map_or(Node::Logits, |&node| placements.node(node));
        for (&from, score) in nodes.iter().zip(scores) {
            let from = placements.node(from).to_string();
            if !score.is_finite() {
                return Err(Error::NotFinite {
                    node: from,
                    problem: "the gradient of an edge is not finite; try precision: F64".into(),
                });
            }
            if *score != 0.0 {
                edges.push(FeatureEdge {
                    from,
                    to: to.to_string(),
                    score: score / count,
                });
            }
        }
    }
    // Stable, so that equal scores stay in the order of the nodes.
    edges.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
    Ok(edges)
}

/// The gradient, at the representation that a node is of, of the node times the metric's derivative along it.
fn at_node<T: Real>(
    placements: &SaeNodes<T>,
    group: &Group<'_, '_, T>,
    node: usize,
    at_metric: &[T],
) -> Vec<T> {
    let (index, feature) = placements.place(node);
    let placed = &placements.all()[index];
    let dictionary = &placed.dictionary;
    let (width, features) = (dictionary.width, dictionary.features);
    let mut gradient = match feature {
        Some(_) => vec![T::ZERO; at_metric.len()],
        // What is left is the representation without what its features make.
        None => at_metric.to_vec(),
    };
    let rows = gradient.chunks_exact_mut(width);
    let rows = rows.zip(at_metric.chunks_exact(width)).enumerate();
    for (row, (gradient, at_metric)) in rows {
        for &(active, _) in &group.clean[index].active[row] {
            if feature.is_some_and(|feature| feature != active) {
                continue;
            }
            let along =
                product(placed.direction(active), at_metric) * placed.slope(active).to_f64();
            let by = T::from_f64(if feature.is_some() { along } else { -along });
            for (input, value) in gradient.iter_mut().enumerate() {
                *value += by * dictionary.encoder[input * features + active];
            }
        }
    }
    gradient
}

/// Adds the nodes' differences times gradients at their representations.
fn add_scores<T: Real>(
    placements: &SaeNodes<T>,
    group: &Group<'_, '_, T>,
    nodes: &[usize],
    gradients: &[Vec<T>],
    scores: &mut [f64],
) {
    for (&node, score) in nodes.iter().zip(scores) {
        let (index, feature) = placements.place(node);
        let placed = &placements.all()[index];
        let width = placed.dictionary.width;
        let (clean, replaced) = (&group.clean[index], &group.replaced[index]);
        for (row, gradient) in gradients[index].chunks_exact(width).enumerate() {
            let other = row % replaced.active.len();
            if let Some(feature) = feature {
                let mut both = merged(&clean.active[row], &replaced.active[other]);
                if let Some((_, own, other)) = both.find(|it| it.0 == feature) {
                    let along = product(placed.direction(feature), gradient);
                    *score += (own - other).to_f64() * along;
                }
            } else {
                let at = |row: usize| row * width..(row + 1) * width;
                *score += product(&clean.error[at(row)], gradient)
                    - product(&replaced.error[at(other)], gradient);
            }
        }
    }
}
