//! An evaluator with a known objective: gates over edges, each worth something per example while its edges lie on
//! paths from `input` to `logits`.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secateur::engine::{Evaluator, mean};
use secateur::graph::{
    ComputationGraph, Dangling, EdgeMask, EdgeScores, Granularity, Heads, NeuronNodes,
};
use secateur::model::ModelConfig;

use crate::oracle::{gpt2, llama};

/// When a term of the objective counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Gate {
    And,
    Or,
}

/// One term: a gate over edges.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub edges: Vec<usize>,
    pub gate: Gate,
    /// By example.
    pub worth: Vec<f64>,
}

/// The known objective as an evaluator; it checks that it is used as the trait says.
pub(crate) struct Synthetic {
    pub graph: ComputationGraph,
    pub terms: Vec<Term>,
    pub examples: usize,
    /// What attribution answers.
    pub estimates: Vec<f64>,
    pub batch: usize,
    /// Calls of `measure_near`.
    pub calls: usize,
    base: Option<EdgeMask>,
}

impl Synthetic {
    pub(crate) fn new(graph: ComputationGraph, terms: Vec<Term>, examples: usize) -> Self {
        let mut synthetic = Self {
            graph,
            terms,
            examples,
            estimates: Vec::new(),
            batch: 8,
            calls: 0,
            base: None,
        };
        synthetic.estimates = synthetic.effects();
        synthetic
    }

    /// One weight per edge, one example.
    pub(crate) fn additive(graph: ComputationGraph, weights: &[f64]) -> Self {
        let term = |(edge, &weight): (usize, &f64)| Term {
            edges: vec![edge],
            gate: Gate::And,
            worth: vec![weight],
        };
        Self::new(graph, weights.iter().enumerate().map(term).collect(), 1)
    }

    /// Random gates over one to three edges; some are worth less than nothing unless `positive`.
    pub(crate) fn random(
        graph: ComputationGraph,
        examples: usize,
        positive: bool,
        seed: u64,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let least = if positive { 0.0 } else { -0.5 };
        let edges = graph.edge_count();
        let terms = (0..30)
            .map(|_| Term {
                edges: (0..rng.random_range(1..4))
                    .map(|_| rng.random_range(0..edges))
                    .collect(),
                gate: if rng.random::<bool>() {
                    Gate::And
                } else {
                    Gate::Or
                },
                worth: (0..examples).map(|_| least + rng.random::<f64>()).collect(),
            })
            .collect();
        let mut synthetic = Self::new(graph, terms, examples);
        // Half right estimates: predictions hold now and then.
        for estimate in &mut synthetic.estimates {
            if rng.random::<bool>() {
                *estimate = rng.random::<f64>() - 0.3;
            }
        }
        synthetic
    }

    /// The objective of a circuit, per example.
    pub(crate) fn values(&self, circuit: &EdgeMask) -> Vec<f64> {
        let alive = self.graph.drop_dangling(circuit, Dangling::NoPathEitherWay);
        let kept = |&edge: &usize| {
            let (writer, reader) = self.graph.ends(edge);
            alive.contains(writer, reader)
        };
        let mut values = vec![0.0; self.examples];
        for term in &self.terms {
            let counts = match term.gate {
                Gate::And => term.edges.iter().all(kept),
                Gate::Or => term.edges.iter().any(kept),
            };
            if counts {
                for (value, worth) in values.iter_mut().zip(&term.worth) {
                    *value += worth;
                }
            }
        }
        values
    }

    pub(crate) fn mean(&self, circuit: &EdgeMask) -> f64 {
        mean(&self.values(circuit))
    }

    /// The drop of the objective without each edge.
    pub(crate) fn effects(&self) -> Vec<f64> {
        let full = EdgeMask::full(&self.graph);
        let all = self.mean(&full);
        (0..self.graph.edge_count())
            .map(|edge| {
                let (writer, reader) = self.graph.ends(edge);
                let mut without = full.clone();
                without.remove(writer, reader);
                all - self.mean(&without)
            })
            .collect()
    }
}

impl Evaluator for Synthetic {
    fn graph(&self) -> &ComputationGraph {
        &self.graph
    }

    fn examples(&self) -> usize {
        self.examples
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn measure(&mut self, circuits: &[EdgeMask]) -> secateur::Result<Vec<Vec<f64>>> {
        Ok(circuits
            .iter()
            .map(|circuit| self.values(circuit))
            .collect())
    }

    fn measure_near(&mut self, circuits: &[EdgeMask], _: bool) -> secateur::Result<Vec<Vec<f64>>> {
        let base = self.base.as_ref().expect("rebase comes first");
        assert!(
            circuits.iter().all(|circuit| circuit.is_subset(base)),
            "circuits near a base are subsets of it"
        );
        self.calls += 1;
        self.measure(circuits)
    }

    fn rebase(&mut self, circuit: &EdgeMask) -> secateur::Result<Vec<f64>> {
        self.base = Some(circuit.clone());
        Ok(self.values(circuit))
    }

    fn attribution(&mut self, points: &[f64]) -> secateur::Result<EdgeScores> {
        assert!(!points.is_empty(), "a gradient needs a point");
        Ok(self.estimates.clone())
    }

    fn activation_attribution(&mut self, points: &[f64]) -> secateur::Result<EdgeScores> {
        self.attribution(points)
    }
}

/// A model shape for small graphs.
pub(crate) fn shape(n_layers: usize, n_heads: usize) -> ModelConfig {
    ModelConfig {
        n_layers,
        n_heads,
        n_kv_heads: n_heads,
        ..gpt2(false)
    }
}

pub(crate) fn graph_of(config: &ModelConfig, granularity: &Granularity) -> ComputationGraph {
    ComputationGraph::new(config, granularity, &NeuronNodes::new()).expect("a graph")
}

/// Small graphs of several kinds, by number.
pub(crate) fn small_graph(kind: usize) -> ComputationGraph {
    let default = Granularity::default();
    match kind % 4 {
        0 => graph_of(&shape(2, 2), &default),
        1 => graph_of(
            &ModelConfig {
                n_layers: 2,
                n_heads: 4,
                ..llama()
            },
            &default,
        ),
        2 => graph_of(
            &shape(3, 2),
            &Granularity {
                heads: Heads::Whole,
                ..default
            },
        ),
        _ => graph_of(
            &ModelConfig {
                parallel_blocks: true,
                ..shape(3, 1)
            },
            &default,
        ),
    }
}

/// The circuit of named edges.
pub(crate) fn named(graph: &ComputationGraph, names: &[&str]) -> EdgeMask {
    EdgeMask::from_edges(
        graph,
        names
            .iter()
            .map(|name| graph.find_edge(name).expect("an edge of the graph")),
    )
}

/// A circuit without one edge.
pub(crate) fn without(graph: &ComputationGraph, circuit: &EdgeMask, edge: usize) -> EdgeMask {
    let (writer, reader) = graph.ends(edge);
    let mut circuit = circuit.clone();
    circuit.remove(writer, reader);
    circuit
}
