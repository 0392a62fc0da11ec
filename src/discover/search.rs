//! One discovery: scores, then selection, target search or ACDC, on edges, nodes, or nodes then edges.

use super::select::{Selected, select};
use super::target;
use super::units::Units;
use super::walk::{Walk, Watcher};
use super::{Acdc, AcdcResult, Decision, Method, SearchRecord, Select, Target};
use crate::engine::Evaluator;
use crate::error::{Error, Result};
use crate::events::{Observer, phase};
use crate::graph::{ComputationGraph, Dangling, EdgeMask, EdgeScores, Prune};

/// Fewest circuits with which a stage of a search can do anything: the full model, the empty circuit, and another one.
const STAGE: u64 = 3;

/// What is searched for, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// The method.
    pub method: Method,
    /// How a circuit is selected from scores.
    pub select: Option<Select>,
    /// The faithfulness to reach.
    pub target: Option<Target>,
    /// What pruning removes.
    pub prune: Prune,
    /// Parts that never matter under the ablation at hand.
    pub dangling: Dangling,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// The edges kept.
    pub kept: EdgeMask,
    /// Scores of all edges; for ACDC the recorded changes.
    pub scores: EdgeScores,
    /// Decisions of a step-wise method, one per edge.
    pub decisions: Option<Vec<Decision>>,
    /// False when a target was searched and the circuit's faithfulness on all examples is below it.
    pub target_reached: bool,
    /// How selections by scores turned out: of nodes, of edges, or one after the other.
    pub selected: Vec<Selected>,
    /// Decisions within rounding of their threshold.
    pub near_ties: usize,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
    /// How the search went.
    pub record: SearchRecord,
}

/// Runs a search to its end.
///
/// # Errors
/// When a number is not finite, full and empty do not differ, or the observer interrupts.
///
/// # Example
/// ```
/// # use std::path::Path;
/// # use secateur::engine::AblationValues;
/// # use secateur::events::Silent;
/// # use secateur::graph::{Granularity, NeuronNodes};
/// # use secateur::model::PrependBos;
/// # use secateur::task::{Agreement, LoadRequest, Prompts};
/// # use secateur::{Ablation, ComputationGraph, Metric, TaskSource, Transformer, load_model};
/// # let model = load_model("builtin:toy-llama", Path::new("."))?;
/// # let task = TaskSource::Agreement(Agreement { pairs: 16, seed: 0 });
/// # let request = LoadRequest {
/// #     prompts: Prompts::Pairs,
/// #     tokenizer: model.tokenizer.as_ref(),
/// #     config: model.config(),
/// #     prepend_bos: PrependBos::Auto,
/// #     base: Path::new("."),
/// #     observer: &Silent,
/// # };
/// # let examples = task.load(&request)?.examples;
/// # let graph = ComputationGraph::new(model.config(), &Granularity::default(), &NeuronNodes::new())?;
/// # let transformer = Transformer::new(&model.weights, &graph);
/// # let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
/// # let ablated = AblationValues::new(&transformer, &examples, ablation, &Silent)?;
/// use secateur::graph::{Dangling, Prune};
/// use secateur::{Method, ModelEvaluator, Search, discover};
///
/// let mut evaluator = ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)?;
/// let search = Search {
///     method: Method::Eap(secateur::score::Eap {}),
///     select: Some(secateur::discover::Select::Greedy { edges: 10 }),
///     target: None,
///     prune: Prune::Edges,
///     dangling: Dangling::NoPathEitherWay,
/// };
/// let found = discover(&mut evaluator, &search, &Silent)?;
/// assert!(found.kept.len() <= 10);
/// # Ok::<(), secateur::Error>(())
/// ```
pub fn discover(
    evaluator: &mut dyn Evaluator,
    search: &Search,
    observer: &dyn Observer,
) -> Result<Discovery> {
    let found = discover_within(evaluator, search, Watcher::unlimited(observer))?;
    if found.record.stop.is_finished() {
        Ok(found)
    } else {
        Err(Error::Interrupted)
    }
}

/// Runs a search until it is done, reaches a limit, or is interrupted. What it returns is the best circuit until then; why it
/// stopped is in [`SearchRecord::stop`].
///
/// # Errors
/// As [`discover`], and when the limit is too small for exact patching, which has no circuit before every edge is scored, so that
/// an interruption of it is an error too.
pub fn discover_within(
    evaluator: &mut dyn Evaluator,
    search: &Search,
    watcher: Watcher<'_>,
) -> Result<Discovery> {
    let mut walk = Walk::new(evaluator, watcher);
    let mut found = match &search.method {
        Method::Acdc(acdc) => by_acdc(&mut walk, acdc, search.prune)?,
        _ => by_scores(&mut walk, search)?,
    };
    found.record = walk.into_record();
    Ok(found)
}

fn by_scores(walk: &mut Walk<'_>, search: &Search) -> Result<Discovery> {
    let scores = scores(walk, &search.method)?;
    let graph = walk.graph();
    let mut found = Discovery {
        kept: EdgeMask::full(&graph),
        scores,
        decisions: None,
        target_reached: true,
        selected: Vec::new(),
        near_ties: 0,
        warnings: Vec::new(),
        record: SearchRecord::default(),
    };
    if search.prune != Prune::Edges {
        step(walk, search, &graph, &Units::nodes(&graph), &mut found)?;
    }
    if search.prune != Prune::Nodes && walk.goes_on_for(STAGE) {
        let units = Units::edges(&graph, &found.kept);
        step(walk, search, &graph, &units, &mut found)?;
    }
    Ok(found)
}

/// The scores of all edges.
fn scores(walk: &mut Walk<'_>, method: &Method) -> Result<EdgeScores> {
    if let Method::Exact(exact) = method {
        let edges = walk.graph().edge_count();
        walk.allow(edges)?;
        walk.begin("exact patching", edges);
        let observer = walk.observer();
        let scores = exact.score(walk.evaluator, observer)?;
        walk.count(edges);
        let full = EdgeMask::full(&walk.graph());
        walk.end(&full, None);
        return Ok(scores);
    }
    phase(walk.observer(), "attribution", 0);
    let evaluator = &mut *walk.evaluator;
    match method {
        Method::Eap(eap) => eap.score(evaluator),
        Method::EapIg(eap_ig) => eap_ig.score(evaluator),
        Method::CleanCorrupted(both) => both.score(evaluator),
        Method::EapIgActivations(eap_ig) => eap_ig.score(evaluator),
        Method::Exact(_) | Method::Acdc(_) => Err(Error::Bug("not an attribution".into())),
    }
}

/// Selects among units, or searches the smallest set that reaches the target.
fn step(
    walk: &mut Walk<'_>,
    search: &Search,
    graph: &ComputationGraph,
    units: &Units,
    found: &mut Discovery,
) -> Result<()> {
    let scores = units.scores(graph, &found.scores);
    if let Some(target) = search.target {
        let result = target::search(walk, units, &scores, target, search.dangling)?;
        found.kept = result.kept;
        // Of nodes and then edges, what the edges leave is the circuit.
        found.target_reached = result.reached;
        found.near_ties += result.near_ties;
        if let Some(warning) = result.unvalidated
            && !found.warnings.contains(&warning)
        {
            found.warnings.push(warning);
        }
    } else if let Some(how) = search.select {
        let (kept, selected) = select(graph, units, &scores, how);
        found.kept = kept;
        found.selected.push(selected);
    }
    Ok(())
}

fn by_acdc(walk: &mut Walk<'_>, acdc: &Acdc, prune: Prune) -> Result<Discovery> {
    let graph = walk.graph();
    let full = EdgeMask::full(&graph);
    let result = match prune {
        Prune::Edges => acdc.walk_edges(walk, &full)?,
        Prune::Nodes => acdc.walk_nodes(walk)?,
        Prune::NodesThenEdges => {
            let nodes = acdc.walk_nodes(walk)?;
            if walk.goes_on_for(STAGE) {
                let edges = acdc.walk_edges(walk, &nodes.kept)?;
                both(&nodes, edges)
            } else {
                nodes
            }
        }
    };
    let mut scores = vec![0.0; graph.edge_count()];
    for decision in &result.decisions {
        scores[decision.edge] = decision.change;
    }
    Ok(Discovery {
        kept: result.kept,
        scores,
        decisions: Some(result.decisions),
        target_reached: true,
        selected: Vec::new(),
        near_ties: result.near_ties,
        warnings: Vec::new(),
        record: SearchRecord::default(),
    })
}

/// Joins the two stages: edges that went with their node keep that decision, the others have their own.
fn both(nodes: &AcdcResult, mut edges: AcdcResult) -> AcdcResult {
    let own: std::collections::BTreeSet<usize> = edges
        .decisions
        .iter()
        .map(|decision| decision.edge)
        .collect();
    let mut decisions: Vec<Decision> = nodes
        .decisions
        .iter()
        .filter(|decision| !own.contains(&decision.edge))
        .copied()
        .collect();
    decisions.append(&mut edges.decisions);
    AcdcResult {
        decisions,
        near_ties: nodes.near_ties + edges.near_ties,
        ..edges
    }
}
