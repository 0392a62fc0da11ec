//! ACDC (Conmy et al., 2304.14997): greedy removal of edges in reverse topological order.
//!
//! An edge goes when the metric falls by less than `tau`; the metric base moves
//! with every removal. Readers without a kept path to `logits` lose their edges untested.

use serde::{Deserialize, Serialize};

use super::forecast::Forecast;
use super::sweep::{Removal, Rule, sweep};
use super::units::Units;
use super::walk::Walk;
use super::{Decision, EdgeOrder, Watcher};
use crate::engine::{Evaluator, mean};
use crate::error::{Error, Result};
use crate::events::{Observer, phase};
use crate::graph::{ComputationGraph, Dangling, EdgeMask};
use crate::score::EapIg;

/// Parameters of ACDC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acdc {
    /// An edge goes when its removal lowers the metric by less than this.
    pub tau: f64,
    /// The order in which edges are tested.
    #[serde(default, skip_serializing_if = "EdgeOrder::is_own")]
    pub order: EdgeOrder,
}

/// What ACDC found.
#[derive(Debug, Clone)]
pub struct AcdcResult {
    /// The circuit, without parts that have no path to `logits`.
    pub kept: EdgeMask,
    /// One decision per edge, in order.
    pub decisions: Vec<Decision>,
    /// Decisions closer to `tau` than 1e-5 of the metric's range.
    pub near_ties: usize,
}

impl Acdc {
    /// ACDC in its own order.
    pub fn new(tau: f64) -> Self {
        Self {
            tau,
            order: EdgeOrder::default(),
        }
    }

    /// Removes edges, one at a time.
    ///
    /// # Errors
    /// When the order is a list that does not fit the graph, a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One incremental forward pass an edge; the sparser the circuit gets, the cheaper.
    pub fn edges(
        &self,
        evaluator: &mut dyn Evaluator,
        start: &EdgeMask,
        observer: &dyn Observer,
    ) -> Result<AcdcResult> {
        let mut walk = Walk::new(evaluator, Watcher::unlimited(observer));
        let result = self.walk_edges(&mut walk, start)?;
        whole(&walk, result)
    }

    /// As [`Acdc::edges`]; where the search stops, edges that were not tested are kept.
    pub(super) fn walk_edges(&self, walk: &mut Walk<'_>, start: &EdgeMask) -> Result<AcdcResult> {
        let order = self.order.edges(&walk.graph(), start)?;
        self.run(walk, start, Units::Edges(order))
    }

    /// Removes whole nodes, one at a time, latest first, whatever the order of edges.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One incremental forward pass a node.
    pub fn nodes(
        &self,
        evaluator: &mut dyn Evaluator,
        observer: &dyn Observer,
    ) -> Result<AcdcResult> {
        let mut walk = Walk::new(evaluator, Watcher::unlimited(observer));
        let result = self.walk_nodes(&mut walk)?;
        whole(&walk, result)
    }

    /// As [`Acdc::nodes`]; where the search stops, nodes that were not tested are kept.
    pub(super) fn walk_nodes(&self, walk: &mut Walk<'_>) -> Result<AcdcResult> {
        let graph = walk.graph();
        let Units::Nodes(mut order) = Units::nodes(&graph) else {
            return Err(Error::Bug("nodes are nodes".into()));
        };
        order.reverse();
        let full = EdgeMask::full(&graph);
        let mut result = self.run(walk, &full, Units::Nodes(order.clone()))?;
        result.decisions = spread(&graph, &order, &result);
        Ok(result)
    }

    fn run(&self, walk: &mut Walk<'_>, start: &EdgeMask, units: Units) -> Result<AcdcResult> {
        let graph = walk.graph();
        let ends = walk.measure(&[EdgeMask::full(&graph), EdgeMask::empty(&graph)])?;
        let range = (mean(&ends[0]) - mean(&ends[1])).abs();
        phase(walk.observer(), "attribution", 0);
        let scores = EapIg::default().score(walk.evaluator)?;
        walk.begin("ACDC", units.len());
        let scores = units.scores(&graph, &scores);
        let kinds = scores.iter().map(|&score| Forecast::kind(score, self.tau));
        let mut rule = AcdcRule {
            tau: self.tau,
            tie: 1e-5 * range,
            units,
            kinds: kinds.collect(),
            forecast: Forecast::default(),
            decisions: Vec::new(),
            near_ties: 0,
        };
        let (kept, values) = sweep(walk, &mut rule, start)?;
        walk.end(&kept, Some(&values));
        Ok(AcdcResult {
            kept: graph.drop_dangling(&kept, Dangling::NoPathToLogits),
            decisions: rule.decisions,
            near_ties: rule.near_ties,
        })
    }
}

/// What a search without a limit found, unless it was interrupted.
fn whole(walk: &Walk<'_>, result: AcdcResult) -> Result<AcdcResult> {
    if walk.has_stopped() {
        return Err(Error::Interrupted);
    }
    Ok(result)
}

/// Decisions about nodes as decisions about their outgoing edges.
fn spread(graph: &ComputationGraph, order: &[usize], result: &AcdcResult) -> Vec<Decision> {
    let decision_of = |writer: usize| {
        let unit = order.iter().position(|&other| other == writer)?;
        result
            .decisions
            .iter()
            .find(|decision| decision.edge == unit)
    };
    let mut decisions = Vec::with_capacity(graph.edge_count());
    for writer in (0..graph.writers().len()).rev() {
        let found = decision_of(writer);
        for reader in 0..graph.readers().len() {
            if let Some(edge) = graph.edge(writer, reader) {
                decisions.push(Decision {
                    edge,
                    change: found.map_or(0.0, |decision| decision.change),
                    kept: result.kept.contains(writer, reader),
                    tested: found.is_some_and(|decision| decision.tested),
                });
            }
        }
    }
    decisions
}

struct AcdcRule {
    tau: f64,
    tie: f64,
    units: Units,
    /// Per unit: the kind of its attribution against tau.
    kinds: Vec<i32>,
    forecast: Forecast,
    decisions: Vec<Decision>,
    near_ties: usize,
}

impl AcdcRule {
    /// The edge of a unit; for nodes the unit itself, to be spread over its edges.
    fn subject(&self, candidate: usize) -> usize {
        match &self.units {
            Units::Edges(edges) => edges[candidate],
            Units::Nodes(_) => candidate,
        }
    }
}

impl Rule for AcdcRule {
    fn len(&self) -> usize {
        self.units.len()
    }

    fn removal(&self, graph: &ComputationGraph, circuit: &EdgeMask, candidate: usize) -> Removal {
        let mut without = circuit.clone();
        self.units.remove(graph, &mut without, candidate);
        let alive = graph.reaching_logits(circuit);
        let live = match &self.units {
            Units::Edges(edges) => {
                let (writer, reader) = graph.ends(edges[candidate]);
                alive.readers[graph.place(writer, reader)]
            }
            Units::Nodes(nodes) => alive.writers[nodes[candidate]],
        };
        if live {
            Removal::Test(without)
        } else {
            Removal::Free(without)
        }
    }

    fn chance(&self, candidate: usize) -> f64 {
        let kind = self.kinds[candidate];
        let below = kind < Forecast::kind(self.tau, self.tau);
        self.forecast.chance(kind, if below { 0.9 } else { 0.1 })
    }

    fn decide(&mut self, candidate: usize, before: &[f64], after: &[f64]) -> bool {
        let change = mean(before) - mean(after);
        let goes = change < self.tau;
        self.forecast.see(self.kinds[candidate], goes);
        if (change - self.tau).abs() < self.tie {
            self.near_ties += 1;
        }
        let edge = self.subject(candidate);
        self.decisions.push(Decision {
            edge,
            change,
            kept: !goes,
            tested: true,
        });
        goes
    }

    fn went_untested(&mut self, candidate: usize) {
        let edge = self.subject(candidate);
        self.decisions.push(Decision {
            edge,
            change: 0.0,
            kept: false,
            tested: false,
        });
    }
}
