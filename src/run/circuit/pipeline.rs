//! One job without files: model and examples in, circuit and its evaluation out.

use std::collections::BTreeSet;

use super::attention_patterns::AttentionPatterns;
use crate::discover::{
    Decision, Discovery, Method, Search, SearchRecord, Selected, StopReason, Target, Watcher,
    discover_within,
};
use crate::engine::{Ablation, AblationValues, Donors, Evaluator, ModelEvaluator, Transformer};
use crate::error::{Error, Result};
use crate::evaluate::{
    CircuitRequest, Evaluation, EvaluationPlan, SplitScores, circuit_doubts, evaluate, is_below,
    prompt_doubt,
};
use crate::events::{Event, Observer, phase};
use crate::graph::{
    Circuit, ComputationGraph, Dangling, EdgeMask, Granularity, Mlps, NeuronNodes, Node,
    PositionSplit, ranking,
};
use crate::model::{LoadedModel, Real, Weights};
use crate::setting::{Bound, Deadline, at_precision, misfit};
use crate::spec::{Output, RunSpec};
use crate::task::{Dataset, Example};

/// What a job found.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The graph the circuit is a part of.
    pub graph: ComputationGraph,
    /// The circuit, with the scores of all edges where the method gives them.
    pub circuit: Circuit,
    /// Scores on both splits.
    pub evaluation: Evaluation,
    /// The examples that the held-out figures are of.
    pub judged: Vec<Example>,
    /// Where heads of the circuit look on a few of these, where the page of the circuit is asked for.
    pub attention: Option<AttentionPatterns>,
    /// The decisions of a step-wise search, one per edge, in order.
    pub trace: Option<Vec<Decision>>,
    /// How the search went.
    pub search: SearchRecord,
    /// False when the spec has a target that the circuit does not reach on the discovery split.
    pub target_reached: bool,
    /// Whether the circuit reaches the target on the discovery split only.
    pub below_target: bool,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// Finds and evaluates the circuit a spec asks for.
///
/// # Errors
/// When the data does not fit the model, a number is not finite, or the observer interrupts.
pub fn find_circuit(
    spec: &RunSpec,
    model: &LoadedModel,
    dataset: &Dataset,
    observer: &dyn Observer,
) -> Result<Outcome> {
    find_keeping(spec, model, dataset, observer, &|_, _, _| ())
}

/// Is given the best circuit so far, and whether the search ends with it.
pub(super) type Keep<'a> = &'a dyn Fn(&ComputationGraph, &EdgeMask, bool);

/// As [`find_circuit`], giving the best circuit so far to `keep` again and again.
///
/// # Errors
/// As [`find_circuit`].
pub(super) fn find_keeping(
    spec: &RunSpec,
    model: &LoadedModel,
    dataset: &Dataset,
    observer: &dyn Observer,
    keep: Keep<'_>,
) -> Result<Outcome> {
    at_precision!(
        spec.precision,
        (model, dataset.bytes()),
        |weights, bound| find(spec, (weights, bound), dataset, observer, keep)
    )
}

/// Evaluates a given circuit on a spec's task; with remarks that belong to the result.
///
/// # Errors
/// As [`find_circuit`].
pub fn evaluate_circuit(
    spec: &RunSpec,
    model: &LoadedModel,
    dataset: &Dataset,
    graph: &ComputationGraph,
    circuit: &Circuit,
    observer: &dyn Observer,
) -> Result<(Evaluation, Vec<String>)> {
    at_precision!(
        spec.precision,
        (model, dataset.bytes()),
        |weights, bound| {
            let job = Job::new(spec, (weights, bound), dataset)?;
            let evaluation = job.evaluate_in(graph, circuit, observer)?;
            let warnings = job.warnings(&evaluation, &job.asked(true, (&[], false)));
            Ok((evaluation, warnings))
        }
    )
}

fn find<T: Real>(
    spec: &RunSpec,
    (weights, bound): (&Weights<T>, Option<Bound>),
    dataset: &Dataset,
    observer: &dyn Observer,
    keep: Keep<'_>,
) -> Result<Outcome> {
    let job = Job::new(spec, (weights, bound), dataset)?;
    let neurons = job.choose_neurons(observer)?;
    let graph = ComputationGraph::new(&weights.config, &spec.granularity, &neurons)?;
    let graph = match spec.granularity.positions {
        PositionSplit::Merged => graph,
        PositionSplit::Spans => graph.split_by(dataset.spans()?)?,
    };
    let transformer = job.transformer(&graph, true)?;
    phase(observer, "clean and corrupt runs", 0);
    let ablated = AblationValues::new(&transformer, &job.discovery, spec.ablation, observer)?;
    let mut evaluator = ModelEvaluator::new(
        &transformer,
        &job.discovery,
        spec.metric,
        spec.ablation,
        &ablated,
    )?;
    let search = Search {
        method: spec.method.clone(),
        select: spec.select,
        target: spec.target,
        prune: spec.granularity.prune,
        dangling: dropped(spec),
    };
    let found = search_for(&mut evaluator, &search, spec, observer, keep)?;
    drop(evaluator);
    let circuit = Circuit {
        kept: found.kept,
        scores: Some(found.scores),
    };
    let mut evaluation = job.evaluate(&transformer, &ablated, &circuit, observer)?;
    evaluation.near_ties = found.near_ties;
    let reaches = |target: Target| {
        let faithfulness = evaluation.discovery.faithfulness;
        faithfulness.is_some_and(|value| value >= target.faithfulness)
    };
    let target_reached = spec.target.is_none_or(reaches);
    let attention = if spec.outputs.contains(&Output::Html) {
        Some(AttentionPatterns::new(
            &transformer,
            job.judged(),
            &circuit,
        )?)
    } else {
        None
    };
    let held_out = evaluation.held_out.faithfulness;
    let below_target = target_reached
        && spec
            .target
            .is_some_and(|target| is_below(held_out, target.faithfulness));
    let asked = job.asked(target_reached, (&found.selected, spec.keeps_everything()));
    let mut warnings = job.warnings(&evaluation, &asked);
    warnings.extend(found.warnings);
    warnings.extend(stop_warning(&found.record));
    if let Some(nodes) = nodes_unknown_to_eap_ig(&graph)
        && spec.outputs.contains(&Output::Json)
    {
        warnings.push(format!(
            "circuit.json is left out: EAP-IG's graph format has no {nodes}"
        ));
    }
    for warning in &warnings {
        observer.event(Event::Warning(warning.clone()));
    }
    Ok(Outcome {
        graph,
        circuit,
        evaluation,
        judged: job.judged().to_vec(),
        attention,
        trace: found.decisions,
        search: found.record,
        below_target,
        target_reached,
        warnings,
    })
}

/// Runs the search within the limit of the spec.
fn search_for<T: Real>(
    evaluator: &mut ModelEvaluator<'_, T>,
    search: &Search,
    spec: &RunSpec,
    observer: &dyn Observer,
    keep: Keep<'_>,
) -> Result<Discovery> {
    let graph = evaluator.graph().clone();
    let deadline = Deadline::new(observer, spec.limit.minutes);
    let watcher = Watcher {
        observer: &deadline,
        circuits: spec.limit.circuits,
        best: &|circuit| keep(&graph, circuit, false),
    };
    match discover_within(evaluator, search, watcher) {
        Err(Error::Interrupted) if deadline.has_passed() => Err(Error::Usage(format!(
            "the time limit passed before all edges were scored, and until then there is no circuit\nhint: raise limit.minutes, \
             or use method: EapIg(steps: 5) instead of {}",
            spec.method.name()
        ))),
        Ok(mut found) if found.record.stop == StopReason::Interrupted => {
            if deadline.has_passed() {
                found.record.stop = StopReason::TimeLimit;
                return Ok(found);
            }
            keep(&graph, &found.kept, true);
            Err(Error::Interrupted)
        }
        found => found,
    }
}

/// Says that a search was not done.
fn stop_warning(record: &SearchRecord) -> Option<String> {
    let why = record.stop.in_words()?;
    let during = record.iterations.last();
    let during = during.map_or_else(String::new, |it| format!(", in {}", it.name));
    Some(format!(
        "the search {why} after {} circuits{during}: this is the best circuit until then, and a smaller one may do as well",
        record.circuits
    ))
}

/// The parts that the circuit of a spec drops, and the random ones that it is compared with. Selections drop what is on no path
/// from `input` to `logits`; ACDC what has none to `logits`; a search for a target too, unless all that is ablated is of another
/// run of the model, where what has no path from `input` changes nothing.
fn dropped(spec: &RunSpec) -> Dangling {
    match (&spec.method, spec.target) {
        (Method::Acdc(_), _) => Dangling::NoPathToLogits,
        (_, Some(_)) if !spec.ablation.is_a_run() => Dangling::NoPathToLogits,
        _ => Dangling::NoPathEitherWay,
    }
}

/// The nodes of a graph that EAP-IG's format cannot hold, in words.
pub(crate) fn nodes_unknown_to_eap_ig(graph: &ComputationGraph) -> Option<&'static str> {
    if !graph.spans().is_empty() {
        Some("positions told apart by spans")
    } else if !graph.neurons().is_empty() {
        Some("hidden units as nodes")
    } else if graph.writers().contains(&Node::Position) {
        Some("node `pos`")
    } else {
        None
    }
}

/// A spec on a model, with its examples split.
struct Job<'j, T> {
    spec: &'j RunSpec,
    weights: &'j Weights<T>,
    /// The bound on memory, where there is one.
    bound: Option<Bound>,
    discovery: Vec<Example>,
    held_out: Vec<Example>,
}

impl<'j, T: Real> Job<'j, T> {
    fn new(
        spec: &'j RunSpec,
        (weights, bound): (&'j Weights<T>, Option<Bound>),
        dataset: &Dataset,
    ) -> Result<Self> {
        let (discovery, held_out) = dataset.split(spec.evaluate.held_out);
        dataset.some_discovery(discovery.len())?;
        let donors = match spec.ablation {
            Ablation::Resample(resample) => Some(Donors::new(&discovery, resample)),
            _ => None,
        };
        for (index, example) in dataset.examples.iter().enumerate() {
            if let Some(problem) = misfit(spec.metric, donors.as_ref(), example) {
                let row = format!("{}, row {}", dataset.source, index + 1);
                return Err(Error::data(row, problem));
            }
        }
        Ok(Self {
            spec,
            weights,
            bound,
            discovery,
            held_out,
        })
    }

    /// The neurons that become nodes: those with the largest attribution.
    fn choose_neurons(&self, observer: &dyn Observer) -> Result<NeuronNodes> {
        let Mlps::Neurons { layers, top } = &self.spec.granularity.mlps else {
            return Ok(NeuronNodes::new());
        };
        let config = &self.weights.config;
        let all: NeuronNodes = layers
            .iter()
            .map(|&layer| (layer, (0..config.d_mlp).collect()))
            .collect();
        let granularity = Granularity {
            mlps: Mlps::Whole,
            positions: PositionSplit::Merged,
            ..self.spec.granularity.clone()
        };
        let graph = ComputationGraph::new(config, &granularity, &all)?;
        let transformer =
            Transformer::new(self.weights, &graph).within(self.bound.map(Bound::room));
        // Learning a constant for every hidden unit, to keep a few of them, would cost more than the search.
        let ablation = match self.spec.ablation {
            Ablation::Optimal(_) => Ablation::Mean,
            ablation => ablation,
        };
        let ablated = AblationValues::new(&transformer, &self.discovery, ablation, observer)?;
        let mut evaluator = ModelEvaluator::new(
            &transformer,
            &self.discovery,
            self.spec.metric,
            ablation,
            &ablated,
        )?;
        let points = match &self.spec.method {
            Method::EapIg(eap_ig) => eap_ig.points(),
            Method::Eap(_) => vec![1.0],
            Method::CleanCorrupted(both) => both.points(),
            Method::Exact(_) | Method::Acdc(_) | Method::EapIgActivations(_) => {
                crate::score::EapIg::default().points()
            }
        };
        let scores = evaluator.neuron_attribution(&points)?;
        let mut chosen = NeuronNodes::new();
        let order = ranking(&scores, true);
        let neurons = order
            .into_iter()
            .filter_map(|writer| match graph.writers()[writer] {
                Node::Neuron { layer, neuron } => Some((layer, neuron)),
                _ => None,
            });
        for (layer, neuron) in neurons.take(*top) {
            chosen.entry(layer).or_default().push(neuron);
        }
        for neurons in chosen.values_mut() {
            neurons.sort_unstable();
        }
        Ok(chosen)
    }

    /// The model at a granularity, ready to run within the memory there is.
    fn transformer<'g>(
        &'g self,
        graph: &'g ComputationGraph,
        search: bool,
    ) -> Result<Transformer<'g, T>> {
        let transformer = Transformer::new(self.weights, graph);
        let ablation = self.spec.ablation;
        let runs = if search { self.spec.method.runs() } else { 0 };
        let least = [&self.discovery, &self.held_out].map(|examples| {
            let kept = if search && (self.spec.target.is_some() || self.spec.method.rebases()) {
                // Where a search stands is kept for all examples.
                transformer.standing_bytes(&self.discovery, ablation)
            } else {
                0
            };
            (
                transformer.least_room(examples, ablation, runs) + kept,
                kept,
            )
        });
        let (least, kept) = least[0].max(least[1]);
        let Some(bound) = self.bound else {
            return Ok(transformer);
        };
        bound.check(least)?;
        let transformer = transformer.within(Some(bound.room() - kept));
        Ok(transformer.with_gradients(runs.max(1)))
    }

    /// Evaluates a circuit of a graph that no search has worked on.
    fn evaluate_in(
        &self,
        graph: &ComputationGraph,
        circuit: &Circuit,
        observer: &dyn Observer,
    ) -> Result<Evaluation> {
        let transformer = self.transformer(graph, false)?;
        let ablation = self.spec.ablation;
        let ablated = AblationValues::new(&transformer, &self.discovery, ablation, observer)?;
        self.evaluate(&transformer, &ablated, circuit, observer)
    }

    /// The held-out examples; where there are none, those of discovery.
    fn judged(&self) -> &[Example] {
        if self.held_out.is_empty() {
            &self.discovery
        } else {
            &self.held_out
        }
    }

    fn evaluate(
        &self,
        transformer: &Transformer<'_, T>,
        ablated: &AblationValues<T>,
        circuit: &Circuit,
        observer: &dyn Observer,
    ) -> Result<Evaluation> {
        let graph = transformer.graph();
        let figures = |examples: &[Example], whole: bool| -> Result<SplitScores> {
            let mut evaluator = ModelEvaluator::new(
                transformer,
                examples,
                self.spec.metric,
                self.spec.ablation,
                ablated,
            )?;
            let plan = EvaluationPlan {
                metric: self.spec.metric,
                curve: self.spec.evaluate.curve && whole,
                random_baselines: if whole {
                    self.spec.evaluate.random_baselines
                } else {
                    0
                },
                bootstrap: self.spec.evaluate.bootstrap,
                dangling: dropped(self.spec),
            };
            evaluate(&mut evaluator, graph, circuit, &plan, observer)
        };
        phase(observer, "evaluation", 0);
        Ok(Evaluation {
            held_out: figures(self.judged(), true)?,
            discovery: figures(&self.discovery, false)?,
            edges_kept: circuit.kept.len(),
            edges_total: graph.edge_count(),
            nodes_kept: circuit.writers(graph).len(),
            nodes_total: graph.writers().len(),
            near_ties: 0,
        })
    }

    /// What the circuit is to be, where so much was selected for it.
    fn asked<'a>(
        &self,
        target_reached: bool,
        (selected, whole): (&'a [Selected], bool),
    ) -> CircuitRequest<'a> {
        CircuitRequest {
            target_reached,
            metric: self.spec.metric,
            target: self.spec.target.map(|target| target.faithfulness),
            selected,
            whole,
        }
    }

    /// What a reader of the result should know.
    fn warnings(&self, evaluation: &Evaluation, asked: &CircuitRequest<'_>) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.held_out.is_empty() {
            warnings.push(
                "held_out is 0: the results are on the discovery prompts, which the search saw"
                    .into(),
            );
        }
        let prompts: BTreeSet<_> = self.judged().iter().map(Example::prompt).collect();
        warnings.extend(prompt_doubt(self.judged().len(), prompts.len()));
        warnings.extend(circuit_doubts(evaluation, asked));
        warnings
    }
}
