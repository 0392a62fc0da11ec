//! Mean activations of clean runs, for mean ablation.

use crate::engine::circuit::ablated::Means;
use crate::engine::pass::forward::FullRun;
use crate::engine::pass::layout::Layout;
use crate::engine::pass::memory::Extent;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::model::Real;
use crate::task::Example;

/// Examples whose activations are in memory at once, at most.
const AT_ONCE: usize = 16;

impl<T: Real> Means<T> {
    /// Means over the clean runs of `examples`: over all positions, or per position counted from the left.
    pub(crate) fn over(
        transformer: &Transformer<'_, T>,
        examples: &[Example],
        positional: bool,
    ) -> Self {
        let longest = examples
            .iter()
            .map(|example| example.clean.len())
            .max()
            .unwrap_or(0);
        let positions = if positional { longest } else { 1 };
        let mut sums = Sums {
            positional,
            positions,
            counts: vec![0.0; positions],
            parts: Vec::new(),
        };
        let extent = Extent {
            reads: 0,
            ..Extent::of(examples, false)
        };
        let at_once = transformer.plain_examples(extent, AT_ONCE, false);
        for block in examples.chunks(at_once) {
            // Every row is read, so that the last layer's queries and MLP exist at every position.
            let all: Vec<Vec<usize>> = block
                .iter()
                .map(|example| (0..example.clean.len()).collect())
                .collect();
            let sequences = block
                .iter()
                .zip(&all)
                .map(|(example, at)| (&example.clean[..], &at[..]));
            let layout = Layout::whole(sequences);
            let tokens = block
                .iter()
                .flat_map(|example| example.clean.iter().copied());
            let embedded = transformer.embed(tokens);
            let run = transformer.forward(&layout, &embedded, &Prefix::default(), false);
            sums.add(transformer, &layout, &embedded, &run);
        }
        sums.into_means(transformer)
    }
}

/// Sums in f64 of every part's rows, by position.
struct Sums {
    positional: bool,
    positions: usize,
    counts: Vec<f64>,
    /// Sources, then z, MLP and neurons of each layer; each `[positions, width]`.
    parts: Vec<Vec<f64>>,
}

impl Sums {
    fn add<T: Real>(
        &mut self,
        transformer: &Transformer<'_, T>,
        layout: &Layout,
        embedded: &[T],
        run: &FullRun<T>,
    ) {
        let sources = transformer.sources(layout, embedded);
        let mut parts: Vec<&[T]> = sources.iter().map(Vec::as_slice).collect();
        for layer in &run.layers {
            parts.extend([&layer.z[..], &layer.mlp[..], &layer.neurons[..]]);
        }
        let rows = layout.rows();
        let at = |position: usize| if self.positional { position } else { 0 };
        if self.parts.is_empty() {
            self.parts = parts
                .iter()
                .map(|part| vec![0.0; part.len() / rows * self.positions])
                .collect();
        }
        for (sum, part) in self.parts.iter_mut().zip(parts) {
            let width = part.len() / rows;
            for (row, &position) in layout.positions.iter().enumerate() {
                let target = at(position) * width;
                for column in 0..width {
                    sum[target + column] += part[row * width + column].to_f64();
                }
            }
        }
        for &position in &layout.positions {
            self.counts[at(position)] += 1.0;
        }
    }

    fn into_means<T: Real>(self, transformer: &Transformer<'_, T>) -> Means<T> {
        let counts = self.counts;
        let mut parts = self.parts.into_iter().map(|sum| {
            let width = sum.len() / counts.len();
            sum.iter()
                .enumerate()
                .map(|(index, sum)| T::from_f64(sum / counts[index / width]))
                .collect::<Vec<T>>()
        });
        let count = if transformer.position_is_writer() {
            2
        } else {
            1
        };
        let sources = parts.by_ref().take(count).collect();
        let mut means = Means {
            positions: self.positions,
            positional: self.positional,
            sources,
            z: Vec::new(),
            mlp: Vec::new(),
            neurons: Vec::new(),
        };
        while let (Some(z), Some(mlp), Some(neurons)) = (parts.next(), parts.next(), parts.next()) {
            means.z.push(z);
            means.mlp.push(mlp);
            means.neurons.push(neurons);
        }
        means
    }
}
