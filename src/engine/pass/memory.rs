//! What runs take in memory, and how examples are grouped so that it stays within bounds.
//!
//! The numbers are upper bounds by the sizes of what is allocated. They decide only which whole examples are run together
//! and which runs are made again instead of kept, never a bit of a result.

use crate::engine::pass::transformer::Transformer;
use crate::engine::{Ablation, BLOCK};
use crate::model::Real;
use crate::task::{Example, SubjectPrompt};

/// Rows that one chunk of examples should have at most.
const CHUNK_ROWS: usize = 1024;

/// How many of some examples are run together: whole blocks, of about as many rows as are wanted at once.
pub(in crate::engine) fn examples_per_chunk(examples: &[Example]) -> usize {
    let lengths = examples.iter().map(|example| example.clean.len());
    let longest = lengths.max().unwrap_or(1).max(1);
    (CHUNK_ROWS / (longest * BLOCK)).max(1) * BLOCK
}

/// Share of the bounds that the allocator may lose to gaps.
const GAPS: f64 = 1.15;
/// Most that gradients of examples run together should take, where memory is not short.
const GRADIENTS: usize = 192 << 20;
/// Rows of gradients that are worth running together even so: products bring every weight into order once for them all.
const GRADIENT_ROWS: usize = 384;

/// Rows of outputs' gradients that one thread pulls back at a time: enough to read weights seldom, few enough to stay in its
/// cache.
const JACOBIAN_ROWS: usize = 384;

/// Sizes of the largest example.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    /// Tokens.
    pub tokens: usize,
    /// Tokens after the shared prefix, where it is not run again.
    pub rows: usize,
    /// Positions whose logits are read.
    pub reads: usize,
}

/// How the examples of a split are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Examples that are run together.
    pub examples: usize,
    /// Groups whose runs stay in memory; the others are made again when they are used.
    pub kept: usize,
    /// Whether what is derived from these runs stays as well.
    pub keep_derived: bool,
    /// Circuits that are run together.
    pub circuits: usize,
}

/// Numbers that parts of a run hold for one row.
struct Widths {
    /// Streams at all places.
    streams: usize,
    /// Queries, keys, values, heads and MLPs of all layers.
    layers: usize,
    /// What ablated runs hold of these.
    ablated: usize,
    /// What all writers write.
    writers: usize,
    /// What the backward pass needs of the MLPs.
    inner: usize,
    /// Gradients at the readers of one layer.
    readers: usize,
    /// Work on one layer.
    work: usize,
    /// A row of logits.
    logits: usize,
    /// Bytes of a number.
    number: usize,
}

impl Extent {
    /// The largest sizes among some examples; with `suffix`, shared prefixes are not run again.
    pub(crate) fn of(examples: &[Example], suffix: bool) -> Self {
        let mut extent = Self::default();
        for example in examples {
            let first = example.at.iter().copied().min().unwrap_or(0);
            let first = first.min(example.first_difference().unwrap_or(0));
            let start = if suffix { first } else { 0 };
            extent.tokens = extent.tokens.max(example.clean.len());
            extent.rows = extent.rows.max(example.clean.len() - start);
            extent.reads = extent.reads.max(example.at.len());
        }
        extent
    }
}

impl<T: Real> Transformer<'_, T> {
    /// Bytes that the runs of `examples` examples take while they are kept: full, ablated and empty, and once more where a
    /// search stands.
    fn kept_bytes(&self, extent: Extent, examples: usize) -> usize {
        let w = self.widths();
        let run = w.layers + w.streams;
        let row = 3 * run + w.ablated + w.streams + 4 * self.config().d_model;
        let prefix = (extent.tokens - extent.rows) * w.layers / 2;
        examples * (extent.rows * row + prefix + 2 * extent.reads * w.logits) * w.number
    }

    /// Bytes of what is derived from two of these runs.
    fn derived_bytes(&self, extent: Extent, examples: usize) -> usize {
        let w = self.widths();
        2 * examples * extent.rows * w.writers * w.number
    }

    /// Bytes that making these runs takes for a while.
    pub(in crate::engine) fn making_bytes(&self, extent: Extent, examples: usize) -> usize {
        let w = self.widths();
        examples * extent.tokens * (w.layers + w.streams + w.work) * w.number
    }

    /// Bytes that running a circuit, and recording its run, takes for a while, at most.
    fn circuit_bytes(&self, extent: Extent, examples: usize) -> usize {
        let w = self.widths();
        let row = w.writers + w.ablated + w.layers + w.readers + w.work;
        examples * (extent.rows * row + 3 * extent.reads * w.logits) * w.number
    }

    /// Bytes that gradients of `runs` runs take for a while.
    pub(crate) fn gradient_bytes(&self, extent: Extent, examples: usize, runs: usize) -> usize {
        let w = self.widths();
        let config = self.config();
        let post = if config.post_norms { w.ablated } else { 0 };
        let row = w.streams + w.layers + w.inner + w.work + w.readers + post;
        let once = w.writers + w.readers + w.ablated + 2 * (w.layers + w.streams);
        let rows = examples * extent.rows * (runs * row + once);
        let reads = examples * extent.reads * (2 * runs * w.logits + w.writers);
        // The projections of a layer's readers, transposed.
        let maps = w.readers * config.d_head;
        (rows + reads + maps) * w.number
    }

    fn widths(&self) -> Widths {
        let config = self.config();
        let (d, layers) = (config.d_model, config.n_layers);
        let heads = config.n_heads * config.d_head;
        let slots = self.layers.iter().map(|layer| layer.k.len());
        let slots = slots.max().unwrap_or(0);
        let own = slots.max(config.n_kv_heads) * config.d_head;
        let maps = if config.gated_mlp { 2 } else { 1 };
        let neurons: usize = self.layers.iter().map(|layer| layer.neurons.len()).sum();
        Widths {
            streams: (2 * layers + 1) * d,
            layers: layers * (2 * heads + 2 * own + d) + neurons,
            ablated: layers * (heads + d) + neurons,
            // A writer is there once per span, with the rows of this span.
            writers: self.graph().writers().len() / self.graph().span_count() * d,
            inner: layers * config.d_mlp * maps,
            readers: (config.n_heads + 2 * slots + 1) * d,
            work: 6 * d + 3 * heads + 2 * own + (maps + 2) * config.d_mlp,
            logits: config.d_out(),
            number: size_of::<T>(),
        }
    }

    /// Bytes of everything while one group of examples is at work.
    fn at_work(&self, extent: Extent, examples: usize, runs: usize) -> usize {
        let circuits = self.derived_bytes(extent, examples) + self.circuit_bytes(extent, examples);
        let gradients = self.gradient_bytes(extent, 1, runs);
        let work = circuits
            .max(gradients)
            .max(self.making_bytes(extent, examples));
        with_gaps(self.kept_bytes(extent, examples) + work)
    }

    /// Least room in which examples can be run, with gradients of so many runs at once.
    pub(crate) fn least_room(
        &self,
        examples: &[Example],
        ablation: Ablation,
        runs: usize,
    ) -> usize {
        let extent = self.extent(examples, ablation);
        let scores = 4 * self.graph().edge_count() * size_of::<f64>();
        self.at_work(extent, 1, runs) + scores
    }

    /// Bytes of the runs that a search stands at, for all examples.
    pub(crate) fn standing_bytes(&self, examples: &[Example], ablation: Ablation) -> usize {
        let w = self.widths();
        let rows: usize = examples
            .iter()
            .map(|example| self.rows_of(example, ablation))
            .sum();
        with_gaps(rows * (w.layers + w.streams) * w.number)
    }

    /// How examples are grouped within the room there is.
    pub(crate) fn plan(&self, examples: &[Example], extent: Extent, circuits: usize) -> Plan {
        let most = examples_per_chunk(examples);
        let Some(room) = self.room else {
            return Plan {
                examples: most,
                kept: usize::MAX,
                keep_derived: true,
                circuits,
            };
        };
        let fits = |count: usize| self.at_work(extent, count, self.gradient_runs) <= room;
        let together = (1..=most.min(examples.len().max(1)))
            .rev()
            .find(|&count| fits(count));
        let together = together.unwrap_or(1);
        let groups = examples.len().div_ceil(together).max(1);
        let kept = with_gaps(self.kept_bytes(extent, together));
        let derived = with_gaps(self.derived_bytes(extent, together));
        let circuit = with_gaps(self.circuit_bytes(extent, together)).max(1);
        // What is there while a group is at work leaves room for the others.
        let spare = room.saturating_sub(self.at_work(extent, together, self.gradient_runs));
        let keep_derived = (groups - 1) * (kept + derived) <= spare;
        let others = if keep_derived {
            groups - 1
        } else {
            spare / kept.max(1)
        };
        let used = others.min(groups - 1) * (kept + if keep_derived { derived } else { 0 });
        Plan {
            examples: together,
            kept: others + 1,
            keep_derived,
            circuits: ((spare.saturating_sub(used)) / circuit + 1).min(circuits),
        }
    }

    /// Bytes that runs of some examples with changed representations take, of whole blocks of them and with gradients;
    /// `width` numbers are kept of each row, and `rows` rows of circuits are run together.
    pub(crate) fn spliced_bytes(&self, examples: &[Example], width: usize, rows: usize) -> usize {
        let w = self.widths();
        let extent = Extent::of(examples, false);
        let together = BLOCK.min(examples.len());
        let tokens: usize = examples.iter().map(|it| it.clean.len()).sum();
        let rows = rows.max(together * extent.tokens);
        let circuits = rows * (w.streams + w.layers + w.work) * w.number;
        let work = circuits.max(self.gradient_bytes(extent, together, 1));
        let kept = tokens * (width + 3 * self.config().d_model) * w.number;
        with_gaps(
            kept + work + 3 * rows * extent.reads * w.logits * w.number / extent.tokens.max(1),
        )
    }

    /// How many examples have room for a plain run together, with gradients where they are wanted; at most `most`.
    pub(crate) fn plain_examples(&self, extent: Extent, most: usize, gradients: bool) -> usize {
        self.plain_examples_beside(extent, most, gradients, 0)
    }

    /// Examples in groups that are run together, with `beside` more numbers held for each of their positions, and with
    /// gradients where they are wanted.
    pub fn groups_beside<'e>(
        &self,
        examples: &'e [Example],
        gradients: bool,
        beside: usize,
    ) -> std::slice::Chunks<'e, Example> {
        let extent = Extent::of(examples, false);
        examples.chunks(self.plain_examples_beside(extent, BLOCK, gradients, beside))
    }

    fn plain_examples_beside(
        &self,
        extent: Extent,
        most: usize,
        gradients: bool,
        beside: usize,
    ) -> usize {
        let Some(room) = self.room else {
            return most;
        };
        let logits = extent.reads * self.config().d_out() * size_of::<T>();
        let beside = extent.tokens.saturating_mul(beside) * size_of::<T>();
        let mut one = self.making_bytes(extent, 1) + 3 * logits + beside;
        if gradients {
            one += self.gradient_bytes(extent, 1, 1);
        }
        (room / with_gaps(one).max(1)).clamp(1, most)
    }

    /// Bytes of a run of `tokens` tokens that is kept, and of `rows` rows that are run again with the logits of `reads`.
    pub(crate) fn rerun_bytes(&self, tokens: usize, rows: usize, reads: usize) -> usize {
        let w = self.widths();
        let run = w.layers + w.streams;
        with_gaps(((tokens + rows) * (run + w.work) + 4 * reads * w.logits) * w.number)
    }

    /// How many branches of so many rows and reads have room together beside a run of `tokens` tokens; at most `most`.
    pub(crate) fn branches(
        &self,
        tokens: usize,
        (rows, reads): (usize, usize),
        most: usize,
    ) -> usize {
        let Some(room) = self.room else {
            return most;
        };
        let left = room.saturating_sub(self.rerun_bytes(tokens, 0, 0));
        (left / self.rerun_bytes(0, rows, reads).max(1)).clamp(1, most)
    }

    /// How many outputs of a run of so many rows have their gradients taken side by side, and how many of these in one part of
    /// a layer's work.
    pub(crate) fn outputs_together(&self, rows: usize) -> (usize, usize) {
        let (w, config) = (self.widths(), self.config());
        let d_model = config.d_model;
        let wanted = JACOBIAN_ROWS.div_ceil(rows.max(1)).min(d_model);
        let Some(room) = self.room else {
            return (d_model, wanted);
        };
        // The stream's gradients before and after a layer and the rows shown, beside each thread's part of a layer.
        let side_by_side = with_gaps(3 * rows * d_model * w.number).max(1);
        let layer = 2 * (w.streams + w.layers + w.inner) / config.n_layers + 2 * w.work;
        let at_work = with_gaps(rayon::current_num_threads() * rows * layer * w.number).max(1);
        let fits = |one: usize| (room / 2 / one).clamp(1, d_model);
        let group = fits(side_by_side);
        (group, fits(at_work).min(wanted).min(group))
    }

    /// Bytes that prompts about subjects take while they are kept, one of them being at work.
    pub fn subject_bytes(&self, prompts: &[SubjectPrompt]) -> usize {
        let w = self.widths();
        let config = self.config();
        let longest = prompts.iter().map(|it| it.tokens.len()).max().unwrap_or(0);
        let rows: usize = prompts.iter().map(|it| it.tokens.len()).sum();
        let kept = (config.n_layers + 1) * config.d_model
            + 2 * config.n_layers * config.n_kv_heads * config.d_head;
        let at_work = longest * (2 * (w.streams + w.layers + w.inner) + w.work);
        with_gaps((rows * kept + at_work + w.logits) * w.number)
    }

    /// How many texts of a length have room to be run together with every scored position and `beside` more numbers held for
    /// each; at most `most`.
    pub fn texts_together(&self, length: usize, beside: usize, most: usize) -> usize {
        let Some(room) = self.room else {
            return most;
        };
        (room / with_gaps(self.text_bytes(length, beside)).max(1)).clamp(1, most)
    }

    /// Bytes that a text of a length takes while it is run with every scored position.
    pub fn text_bytes(&self, length: usize, beside: usize) -> usize {
        let extent = Extent {
            tokens: length,
            rows: length,
            reads: length,
        };
        let number = size_of::<T>();
        let logits = 3 * length.saturating_mul(self.config().d_out());
        let beside = length.saturating_mul(beside);
        let numbers = logits.saturating_add(beside).saturating_mul(number);
        self.making_bytes(extent, 1).saturating_add(numbers)
    }

    /// How many texts of a length have room to be drawn together; at most `most`.
    pub fn drawn_together(&self, length: usize, most: usize) -> usize {
        let Some(room) = self.room else {
            return most;
        };
        let config = self.config();
        let w = self.widths();
        let cache = 2 * config.n_layers * config.n_kv_heads * config.d_head * length;
        let row = w.streams + w.layers + w.work + 3 * w.logits;
        (room / with_gaps((cache + row) * w.number).max(1)).clamp(1, most)
    }

    /// How many examples of a group take gradients together.
    pub(crate) fn gradient_examples(&self, extent: Extent, examples: usize, runs: usize) -> usize {
        let enough = GRADIENT_ROWS.div_ceil((extent.rows * runs).max(1));
        let one = self.gradient_bytes(extent, 1, runs).max(1);
        let wanted = (GRADIENTS / one).max(enough).clamp(1, examples.max(1));
        let Some(room) = self.room else {
            return wanted;
        };
        let left = room.saturating_sub(with_gaps(self.kept_bytes(extent, examples)));
        (left / with_gaps(one)).clamp(1, wanted)
    }
}

fn with_gaps(bytes: usize) -> usize {
    (bytes as f64 * GAPS) as usize
}
