//! A set of kept edges as a dense bit matrix, one row of writers per reader.

use super::ComputationGraph;

/// The edges kept. Rows are readers, columns writers.
///
/// # Example
/// ```
/// use secateur::graph::{Granularity, NeuronNodes};
/// use secateur::{ComputationGraph, EdgeMask};
///
/// # let model = secateur::load_model("builtin:toy-llama", std::path::Path::new("."))?;
/// let graph = ComputationGraph::new(model.config(), &Granularity::default(), &NeuronNodes::new())?;
/// let (writer, reader) = graph.ends(graph.find_edge("a0.h0->m1")?);
/// let mut kept = EdgeMask::full(&graph);
/// kept.remove(writer, reader);
/// assert!(!kept.contains(writer, reader));
/// assert_eq!(kept.len(), graph.edge_count() - 1);
/// # Ok::<(), secateur::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EdgeMask {
    words: Vec<u64>,
    /// Words per reader.
    stride: usize,
}

impl EdgeMask {
    /// No edge kept.
    pub fn empty(graph: &ComputationGraph) -> Self {
        let stride = graph.writers().len().div_ceil(64);
        Self {
            words: vec![0; stride * graph.readers().len()],
            stride,
        }
    }

    /// Every edge kept.
    pub fn full(graph: &ComputationGraph) -> Self {
        let mut mask = Self::empty(graph);
        for reader in 0..graph.readers().len() {
            for writer in 0..graph.writers_before(reader) {
                mask.insert(writer, reader);
            }
        }
        mask
    }

    /// Keeps exactly these edges.
    pub fn from_edges(graph: &ComputationGraph, edges: impl IntoIterator<Item = usize>) -> Self {
        let mut mask = Self::empty(graph);
        for edge in edges {
            let (writer, reader) = graph.ends(edge);
            mask.insert(writer, reader);
        }
        mask
    }

    /// Whether the edge is kept.
    pub fn contains(&self, writer: usize, reader: usize) -> bool {
        self.words[reader * self.stride + writer / 64] >> (writer % 64) & 1 == 1
    }

    /// Keeps an edge.
    pub fn insert(&mut self, writer: usize, reader: usize) {
        self.words[reader * self.stride + writer / 64] |= 1 << (writer % 64);
    }

    /// Removes an edge.
    pub fn remove(&mut self, writer: usize, reader: usize) {
        self.words[reader * self.stride + writer / 64] &= !(1 << (writer % 64));
    }

    /// Number of edges kept.
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// True when no edge is kept.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Number of edges kept into a reader.
    pub fn kept_into(&self, reader: usize) -> usize {
        self.row(reader)
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// The writers kept into a reader, ascending.
    pub fn writers_into(&self, reader: usize) -> impl Iterator<Item = usize> + '_ {
        self.row(reader)
            .iter()
            .enumerate()
            .flat_map(|(word, &bits)| bits_of(word, bits))
    }

    /// The words of a reader's row: bit `w % 64` of word `w / 64` is writer `w`.
    pub fn row(&self, reader: usize) -> &[u64] {
        &self.words[reader * self.stride..(reader + 1) * self.stride]
    }

    /// The numbers of the kept edges, ascending.
    pub fn edges(&self, graph: &ComputationGraph) -> Vec<usize> {
        let mut edges: Vec<usize> = (0..graph.readers().len())
            .flat_map(|reader| {
                self.writers_into(reader)
                    .filter_map(move |writer| graph.edge(writer, reader))
            })
            .collect();
        edges.sort_unstable();
        edges
    }

    /// Whether `other` keeps every edge that this keeps.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.words
            .iter()
            .zip(&other.words)
            .all(|(mine, other)| mine & !other == 0)
    }

    /// Removes every edge that `other` does not keep.
    pub fn intersect(&mut self, other: &Self) {
        for (word, &mask) in self.words.iter_mut().zip(&other.words) {
            *word &= mask;
        }
    }
}

/// Positions of the set bits of `bits`, offset by `64 * word`.
fn bits_of(word: usize, mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (bits != 0).then(|| {
            let bit = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            word * 64 + bit
        })
    })
}
