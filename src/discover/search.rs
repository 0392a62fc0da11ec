//! One discovery: scores, then selection, target search or ACDC, on edges, nodes, or nodes then edges.

use super::select::{Selected, select};
use super::target;
use super::units::Units;
use super::{Acdc, AcdcResult, Decision, Method, Select, Target};
use crate::engine::Evaluator;
use crate::error::Result;
use crate::events::{Observer, phase};
use crate::graph::{ComputationGraph, Dangling, EdgeMask, EdgeScores, Prune};

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
}

/// Runs a search.
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
    let scores = match &search.method {
        Method::Acdc(acdc) => return by_acdc(evaluator, acdc, search.prune, observer),
        Method::Exact(exact) => exact.score(evaluator, observer)?,
        Method::Eap(eap) => {
            phase(observer, "attribution", 0);
            eap.score(evaluator)?
        }
        Method::EapIg(eap_ig) => {
            phase(observer, "attribution", 0);
            eap_ig.score(evaluator)?
        }
        Method::CleanCorrupted(both) => {
            phase(observer, "attribution", 0);
            both.score(evaluator)?
        }
        Method::EapIgActivations(eap_ig) => {
            phase(observer, "attribution", 0);
            eap_ig.score(evaluator)?
        }
    };
    let graph = evaluator.graph().clone();
    let mut found = Discovery {
        kept: EdgeMask::full(&graph),
        scores,
        decisions: None,
        target_reached: true,
        selected: Vec::new(),
        near_ties: 0,
        warnings: Vec::new(),
    };
    if search.prune != Prune::Edges {
        step(
            evaluator,
            search,
            &graph,
            &Units::nodes(&graph),
            &mut found,
            observer,
        )?;
    }
    if search.prune != Prune::Nodes {
        let units = Units::edges(&graph, &found.kept);
        step(evaluator, search, &graph, &units, &mut found, observer)?;
    }
    Ok(found)
}

/// Selects among units, or searches the smallest set that reaches the target.
fn step(
    evaluator: &mut dyn Evaluator,
    search: &Search,
    graph: &ComputationGraph,
    units: &Units,
    found: &mut Discovery,
    observer: &dyn Observer,
) -> Result<()> {
    let scores = units.scores(graph, &found.scores);
    if let Some(target) = search.target {
        let result = target::search(evaluator, units, &scores, target, search.dangling, observer)?;
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

fn by_acdc(
    evaluator: &mut dyn Evaluator,
    acdc: &Acdc,
    prune: Prune,
    observer: &dyn Observer,
) -> Result<Discovery> {
    let graph = evaluator.graph().clone();
    let full = EdgeMask::full(&graph);
    let result = match prune {
        Prune::Edges => acdc.edges(evaluator, &full, observer)?,
        Prune::Nodes => acdc.nodes(evaluator, observer)?,
        Prune::NodesThenEdges => {
            let nodes = acdc.nodes(evaluator, observer)?;
            let edges = acdc.edges(evaluator, &nodes.kept, observer)?;
            both(&nodes, edges)
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
