//! The floating-point operations that runs of circuits need at least beside the clean and the corrupt run.

use super::operations::{HeadOperations, Operations};
use crate::discover::Decision;
use crate::graph::{ComputationGraph, EdgeMask, Node};

/// Counts what runs of circuits need under patching: of every value on a path to `logits` that is neither the corrupt
/// run's nor that of a circuit whose run is there. Whether values are equal follows from the edges that they come from.
///
/// Each circuit is counted by itself: what several, or copies of keys and values, could share besides is not taken off.
pub(crate) struct CircuitOperations<'g> {
    graph: &'g ComputationGraph,
    /// Of each reader, from its input on: a projection, or all of an MLP.
    readers: Vec<f64>,
    /// Of each writer that a head is.
    heads: Vec<Option<HeadOperations>>,
    /// The readers that each writer is computed from, ascending.
    inputs: Vec<Vec<usize>>,
    /// Bits of the writers that no reader computes, and of those of them that are the same in the corrupt run.
    sources: Vec<u64>,
    alike: Vec<u64>,
}

/// A circuit whose run is there.
pub(crate) struct CachedCircuit {
    circuit: EdgeMask,
    /// Bits of the writers whose values are the corrupt run's.
    corrupt: Vec<u64>,
}

/// What is known of a value without computing it.
#[derive(Clone, Copy, Default)]
struct Value {
    /// It is the corrupt run's.
    corrupt: bool,
    /// It is that of the circuit whose run is there.
    same: bool,
}

impl<'g> CircuitOperations<'g> {
    pub(crate) fn new(count: &Operations<'_>, graph: &'g ComputationGraph) -> Self {
        let mut inputs = vec![Vec::new(); graph.writers().len()];
        for reader in 0..graph.readers().len() {
            for &writer in graph.outputs(reader) {
                inputs[writer].push(reader);
            }
        }
        let words = graph.writers().len().div_ceil(64);
        let (mut sources, mut alike) = (vec![0; words], vec![0; words]);
        for (writer, &node) in graph.writers().iter().enumerate() {
            if inputs[writer].is_empty() {
                set(&mut sources, writer);
            }
            if node == Node::Position {
                set(&mut alike, writer);
            }
        }
        let readers = graph.readers().iter().map(|&reader| count.reader(reader));
        let heads = graph.writers().iter().map(|&writer| count.head(writer));
        Self {
            graph,
            readers: readers.collect(),
            heads: heads.collect(),
            inputs,
            sources,
            alike,
        }
    }

    /// A circuit whose run is there.
    pub(crate) fn known(&self, circuit: &EdgeMask) -> CachedCircuit {
        let mut corrupt = self.alike.clone();
        let mut of_readers = vec![false; self.graph.readers().len()];
        for reader in 0..of_readers.len() {
            of_readers[reader] = only(circuit.row(reader), &corrupt);
            for writer in self.done_with(reader) {
                if self.inputs[writer].iter().all(|&input| of_readers[input]) {
                    set(&mut corrupt, writer);
                }
            }
        }
        CachedCircuit {
            circuit: circuit.clone(),
            corrupt,
        }
    }

    /// Operations of a circuit's run.
    pub(crate) fn run(&self, circuit: &EdgeMask, known: &CachedCircuit) -> f64 {
        let live = self.graph.live_readers(circuit);
        let (mut corrupt, mut same) = (self.alike.clone(), self.sources.clone());
        let mut values = vec![Value::default(); live.len()];
        let mut operations = 0.0;
        for reader in 0..live.len() {
            let kept = circuit.row(reader);
            values[reader] = Value {
                corrupt: only(kept, &corrupt),
                same: (0..same.len()).all(|word| {
                    let (kept, before) = (kept[word], known.circuit.row(reader)[word]);
                    let differs = (kept & before & !same[word])
                        | (kept & !before & !corrupt[word])
                        | (before & !kept & !known.corrupt[word]);
                    differs == 0
                }),
            };
            let new = |value: Value| !value.corrupt && !value.same;
            if live[reader] && new(values[reader]) {
                operations += self.readers[reader];
            }
            for writer in self.done_with(reader) {
                let inputs = &self.inputs[writer];
                let value = together(inputs.iter().map(|&input| values[input]));
                if value.corrupt {
                    set(&mut corrupt, writer);
                }
                if value.same {
                    set(&mut same, writer);
                }
                if let Some(head) = self.heads[writer]
                    && new(value)
                    && inputs.iter().all(|&input| live[input])
                {
                    // The values' reader is the last.
                    let pattern = inputs.split_last().map_or(&[][..], |(_, before)| before);
                    if pattern.is_empty() || new(together(pattern.iter().map(|&it| values[it]))) {
                        operations += head.scores;
                    }
                    operations += head.output;
                }
            }
        }
        operations
    }

    /// Operations of circuits that each lack one edge of all.
    pub(crate) fn without_each_edge(&self) -> f64 {
        let mut circuit = EdgeMask::full(self.graph);
        let known = self.known(&circuit);
        let edges = 0..self.graph.edge_count();
        let of_edge = |edge| {
            let (writer, reader) = self.graph.ends(edge);
            circuit.remove(writer, reader);
            let operations = self.run(&circuit, &known);
            circuit.insert(writer, reader);
            operations
        };
        edges.map(of_edge).sum()
    }

    /// Operations of a search's tests, each from the run of the circuit that it stood at.
    pub(crate) fn search(&self, decisions: &[Decision]) -> f64 {
        let mut circuit = EdgeMask::full(self.graph);
        let mut known = self.known(&circuit);
        let mut operations = 0.0;
        for decision in decisions {
            let (writer, reader) = self.graph.ends(decision.edge);
            circuit.remove(writer, reader);
            if decision.tested {
                operations += self.run(&circuit, &known);
            }
            if decision.kept {
                circuit.insert(writer, reader);
            } else {
                known = self.known(&circuit);
            }
        }
        operations
    }

    /// Writers of which this is the last reader that they are computed from.
    fn done_with(&self, reader: usize) -> impl Iterator<Item = usize> + '_ {
        let outputs = self.graph.outputs(reader).iter().copied();
        outputs.filter(move |&writer| self.inputs[writer].last() == Some(&reader))
    }
}

/// What is known of a value that is computed from others.
fn together(mut of: impl Iterator<Item = Value>) -> Value {
    let first = of.next().unwrap_or_default();
    of.fold(first, |all, one| Value {
        corrupt: all.corrupt && one.corrupt,
        same: all.same && one.same,
    })
}

/// Whether all of some writers are among others.
fn only(writers: &[u64], among: &[u64]) -> bool {
    let mut words = writers.iter().zip(among);
    words.all(|(writers, among)| writers & !among == 0)
}

fn set(bits: &mut [u64], writer: usize) {
    bits[writer / 64] |= 1 << (writer % 64);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::bench::operations::tests::example;
    use crate::graph::{Granularity, KeyValue, PositionEmbedding};
    use crate::model::{ModelConfig, Positions};

    fn config() -> ModelConfig {
        ModelConfig {
            n_layers: 3,
            n_heads: 4,
            n_kv_heads: 2,
            d_model: 3,
            d_head: 2,
            d_mlp: 5,
            d_vocab: 7,
            positions: Positions::Learned,
            ..ModelConfig::default()
        }
    }

    /// Numbers for what values are computed from: equal numbers, equal values.
    #[derive(Default)]
    struct Values(BTreeMap<(String, Vec<usize>), usize>);

    /// The numbers of a run's values.
    struct Run {
        readers: Vec<usize>,
        writers: Vec<usize>,
    }

    impl Values {
        fn number(&mut self, name: &str, of: Vec<usize>) -> usize {
            let next = self.0.len();
            *self.0.entry((name.to_owned(), of)).or_insert(next)
        }

        /// A circuit's run, or without one the corrupt run; every reader's input spelled out.
        fn run(&mut self, graph: &ComputationGraph, circuit: Option<(&EdgeMask, &Run)>) -> Run {
            let name = if circuit.is_some() {
                "clean"
            } else {
                "corrupt"
            };
            let mut writers = vec![usize::MAX; graph.writers().len()];
            writers[0] = self.number(name, vec![]);
            if graph.writers()[1] == Node::Position {
                writers[1] = self.number("positions", vec![]);
            }
            let mut readers = Vec::new();
            for reader in 0..graph.readers().len() {
                let read = |writer: usize| match circuit {
                    Some((mask, corrupt)) if !mask.contains(writer, reader) => {
                        corrupt.writers[writer]
                    }
                    _ => writers[writer],
                };
                let input = (0..graph.writers_before(reader)).map(read).collect();
                readers.push(self.number(&format!("reader {reader}"), input));
                for &writer in graph.outputs(reader) {
                    let is_input = |&it: &usize| graph.outputs(it).contains(&writer);
                    let inputs = (0..=reader).filter(is_input);
                    let inputs: Vec<usize> = inputs.map(|it| readers[it]).collect();
                    writers[writer] = self.number(&format!("writer {writer}"), inputs);
                }
            }
            Run { readers, writers }
        }
    }

    /// What [`CircuitOperations::run`] counts, by comparing every value with those of both runs that are there.
    fn plainly(
        count: &Operations<'_>,
        graph: &ComputationGraph,
        (circuit, known): (&EdgeMask, &EdgeMask),
    ) -> f64 {
        let mut values = Values::default();
        let corrupt = values.run(graph, None);
        let there = values.run(graph, Some((known, &corrupt)));
        let run = values.run(graph, Some((circuit, &corrupt)));
        let live = graph.live_readers(circuit);
        let mut operations = 0.0;
        for (reader, &place) in graph.readers().iter().enumerate() {
            let known = [corrupt.readers[reader], there.readers[reader]];
            if live[reader] && !known.contains(&run.readers[reader]) {
                operations += count.reader(place);
            }
        }
        for (writer, &node) in graph.writers().iter().enumerate() {
            let known = [corrupt.writers[writer], there.writers[writer]];
            let is_input = |&it: &usize| graph.outputs(it).contains(&writer);
            let inputs: Vec<usize> = (0..live.len()).filter(is_input).collect();
            let dead = inputs.iter().any(|&it| !live[it]);
            let Some(head) = count.head(node).filter(|_| !dead) else {
                continue;
            };
            if known.contains(&run.writers[writer]) {
                continue;
            }
            let pattern = |run: &Run| inputs[..2].iter().map(|&it| run.readers[it]).collect();
            let known: [Vec<usize>; 2] = [pattern(&corrupt), pattern(&there)];
            if !known.contains(&pattern(&run)) {
                operations += head.scores;
            }
            operations += head.output;
        }
        operations
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn operations_are_those_of_the_values_that_are_new(
            writer: bool, per_head: bool, share in 0.0..1.0_f64, lost in 0.0..0.3_f64, seed in 0u64..10_000,
        ) {
            let granularity = Granularity {
                kv: if per_head { KeyValue::PerHead } else { KeyValue::Group },
                position_embedding: if writer {
                    PositionEmbedding::Writer
                } else {
                    Granularity::default().position_embedding
                },
                ..Granularity::default()
            };
            let (config, examples) = (config(), [example()]);
            let count = Operations::new(&config, &examples);
            let graph = ComputationGraph::new(&config, &granularity, &BTreeMap::new()).expect("a graph");
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut chance = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 11) as f64 / (1u64 << 53) as f64
            };
            let edges = 0..graph.edge_count();
            let known: Vec<usize> = edges.filter(|_| chance() < share.sqrt()).collect();
            let kept = known.iter().copied().filter(|_| chance() >= lost);
            let circuit = EdgeMask::from_edges(&graph, kept);
            let known = EdgeMask::from_edges(&graph, known);
            let of_circuits = CircuitOperations::new(&count, &graph);
            for known in [known, EdgeMask::full(&graph)] {
                let expected = plainly(&count, &graph, (&circuit, &known));
                let found = of_circuits.run(&circuit, &of_circuits.known(&known));
                prop_assert_eq!(found as u64, expected as u64);
            }
        }
    }

    /// All of a model is new in a circuit that lacks what every reader reads, and nothing in the full model.
    #[test]
    fn a_model_that_is_new_costs_a_forward_pass() {
        let (config, examples) = (config(), [example()]);
        let count = Operations::new(&config, &examples);
        let granularity = Granularity::default();
        let graph =
            ComputationGraph::new(&config, &granularity, &BTreeMap::new()).expect("a graph");
        let of_circuits = CircuitOperations::new(&count, &graph);
        let full = EdgeMask::full(&graph);
        let none = of_circuits.known(&EdgeMask::empty(&graph));
        let suffix = count.attribution(&graph, 1, 0) - count.attribution(&graph, 0, 0);
        let whole = |operations: f64| operations as u64;
        assert_eq!(whole(of_circuits.run(&full, &none)), whole(suffix));
        assert_eq!(whole(of_circuits.run(&full, &of_circuits.known(&full))), 0);
        assert!(of_circuits.without_each_edge() < graph.edge_count() as f64 * suffix);
        let tested = |kept| Decision {
            edge: 0,
            change: 0.0,
            kept,
            tested: true,
        };
        let once = of_circuits.search(&[tested(true)]);
        let twice = of_circuits.search(&[tested(true), tested(true)]);
        assert_eq!(whole(twice), 2 * whole(once));
        // A run that became the search's own is there the next time.
        let moved = of_circuits.search(&[tested(false), tested(true)]);
        assert_eq!(whole(moved), whole(once));
    }
}
