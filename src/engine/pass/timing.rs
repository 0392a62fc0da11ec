//! The engine's kernels, each with data of a given size, to be timed.

use std::hint::black_box;

use crate::engine::kernels::attention::{self, HeadGradients, HeadRows, Scoring, Sequence};
use crate::engine::kernels::matrix::Matrix;
use crate::engine::kernels::rope::RopeTable;
use crate::engine::kernels::{activation, matmul, norm, rows};
use crate::model::{Activation, Linear, Norm, NormWeights};

/// A kernel and the sizes of what it works on, in single precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kernel {
    /// A product of matrices, `[rows, inner]` by `[inner, columns]`, by all threads.
    Product {
        /// Rows of the left side.
        rows: usize,
        /// Columns of the left side.
        inner: usize,
        /// Columns of the right side.
        columns: usize,
        /// Whether the right side is stored by columns, as `nn.Linear` stores weights.
        transposed: bool,
    },
    /// `x W + b` for the columns of one of several heads.
    HeadLinear {
        /// Rows of `x`.
        rows: usize,
        /// Columns of `x`.
        inner: usize,
        /// Number of heads that `W` holds side by side.
        heads: usize,
        /// Columns of one head.
        d_head: usize,
        /// Whether `W` is stored by columns.
        transposed: bool,
    },
    /// A norm of every row.
    NormForward(Norm, Size),
    /// What the norm's vector-Jacobian product needs of the forward pass.
    NormTape(Norm, Size),
    /// The norm's vector-Jacobian product.
    NormBackward(Norm, Size),
    /// Hidden units of an MLP, with a gate or without.
    ActivationForward(Activation, Gate, Size),
    /// The vector-Jacobian product of these.
    ActivationBackward(Activation, Gate, Size),
    /// Causal attention of one head over sequences.
    AttentionForward(Heads),
    /// The vector-Jacobian product of it.
    AttentionBackward(Heads),
    /// Rotary position embedding of every head of a row.
    Rotate(Heads),
    /// The vector-Jacobian product of it.
    RotateBack(Heads),
    /// A matrix added to a matrix.
    Add(Size),
    /// One row added to every row.
    AddRow(Size),
    /// The dot product of every two rows at the same place.
    Dots(Size),
    /// The sum of all rows, each with a weight of its own.
    WeightedSum(Size),
}

/// Rows and columns of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Number of rows.
    pub rows: usize,
    /// Numbers in a row.
    pub width: usize,
}

/// Whether an MLP multiplies its hidden units with a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It has none.
    Plain,
    /// It does.
    Gated,
}

/// Sequences of queries, keys and values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heads {
    /// Number of sequences.
    pub sequences: usize,
    /// Positions of each.
    pub positions: usize,
    /// Heads side by side in a row; attention is computed for the first.
    pub heads: usize,
    /// Columns of one head.
    pub d_head: usize,
    /// Scores are capped softly at this.
    pub soft_cap: Option<f32>,
}

impl Kernel {
    /// The kernel on numbers that are always the same, ready to be called any number of times. Where it works in place,
    /// a call first copies its input anew.
    pub fn prepare(self) -> Box<dyn FnMut()> {
        match self {
            Self::Product {
                rows,
                inner,
                columns,
                transposed,
            } => product(rows, inner, columns, transposed),
            Self::HeadLinear {
                rows,
                inner,
                heads,
                d_head,
                transposed,
            } => {
                let x = numbers(rows * inner, 1);
                let map = map(inner, heads * d_head, transposed);
                let from = heads / 2 * d_head;
                Box::new(move || {
                    black_box(matmul::linear(&x, rows, &map, from, from + d_head));
                })
            }
            Self::NormForward(kind, size) => {
                let (x, weights) = (size.numbers(1), norm_weights(kind, size.width));
                Box::new(move || {
                    black_box(norm::forward(kind, &weights, &x));
                })
            }
            Self::NormTape(kind, size) => {
                let x = size.numbers(1);
                Box::new(move || {
                    black_box(norm::normalised(kind, size.width, &x));
                })
            }
            Self::NormBackward(kind, size) => {
                let weights = norm_weights(kind, size.width);
                let at = norm::normalised(kind, size.width, &size.numbers(1));
                in_place(size.numbers(2), move |gradient| {
                    norm::backward(kind, &weights, &at, gradient);
                })
            }
            Self::ActivationForward(kind, gate, size) => {
                let (x, gate) = (size.numbers(1), gate.numbers(size));
                Box::new(move || {
                    black_box(activation::hidden(kind, &x, gate.as_deref()));
                })
            }
            Self::ActivationBackward(kind, gate, size) => {
                let (x, gate) = (size.numbers(1), gate.numbers(size));
                in_place(size.numbers(2), move |gradient| match &gate {
                    None => activation::backward_plain(kind, &x, gradient),
                    Some(gate) => {
                        black_box(activation::backward_gated(kind, &x, gate, gradient));
                    }
                })
            }
            Self::AttentionForward(heads) => attention_forward(heads),
            Self::AttentionBackward(heads) => attention_backward(heads),
            Self::Rotate(heads) => {
                let (table, positions) = heads.rotary();
                in_place(heads.numbers(1), move |data| {
                    table.rotate(data, heads.d_head, &positions);
                })
            }
            Self::RotateBack(heads) => {
                let (table, positions) = heads.rotary();
                in_place(heads.numbers(1), move |data| {
                    table.rotate_back(data, heads.d_head, &positions);
                })
            }
            Self::Add(size) => {
                let (source, mut target) = (size.numbers(1), size.numbers(2));
                Box::new(move || rows::add(black_box(&mut target), &source))
            }
            Self::AddRow(size) => {
                let (row, mut target) = (numbers(size.width, 1), size.numbers(2));
                Box::new(move || rows::add_row(black_box(&mut target), &row))
            }
            Self::Dots(size) => {
                let (a, b) = (size.numbers(1), size.numbers(2));
                Box::new(move || {
                    for (a, b) in a.chunks_exact(size.width).zip(b.chunks_exact(size.width)) {
                        black_box(rows::dot(a, b));
                    }
                })
            }
            Self::WeightedSum(size) => {
                let (weights, x) = (numbers(size.rows, 1), size.numbers(2));
                let mut sum = vec![0.0; size.width];
                Box::new(move || {
                    sum.fill(0.0);
                    for (&weight, row) in weights.iter().zip(x.chunks_exact(size.width)) {
                        rows::add_scaled(black_box(&mut sum), weight, row);
                    }
                })
            }
        }
    }
}

impl Size {
    fn numbers(self, seed: u64) -> Vec<f32> {
        numbers(self.rows * self.width, seed)
    }
}

impl Gate {
    fn numbers(self, size: Size) -> Option<Vec<f32>> {
        (self == Self::Gated).then(|| size.numbers(3))
    }
}

impl Heads {
    fn numbers(self, seed: u64) -> Vec<f32> {
        numbers(
            self.sequences * self.positions * self.heads * self.d_head,
            seed,
        )
    }

    /// The first head's columns.
    fn rows(self, data: &[f32]) -> HeadRows<'_, f32> {
        HeadRows {
            data,
            stride: self.heads * self.d_head,
            offset: 0,
            width: self.d_head,
        }
    }

    fn sequence(self, data: &[f32], start: usize) -> Sequence<'_, f32> {
        Sequence {
            prefix: self.rows(&[]),
            prefix_start: 0,
            prefix_len: 0,
            own: self.rows(data),
            own_start: start,
        }
    }

    fn scoring(self) -> Scoring<f32> {
        Scoring {
            scale: 1.0 / (self.d_head as f32).sqrt(),
            soft_cap: self.soft_cap,
        }
    }

    fn rotary(self) -> (RopeTable<f32>, Vec<usize>) {
        let table = RopeTable::new(10_000.0, self.d_head, None, self.positions);
        let positions = (0..self.sequences).flat_map(|_| 0..self.positions);
        (table, positions.collect())
    }
}

/// Numbers between -2 and 2 in a sequence that a seed fixes.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 22) as f32 - 2.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn map(inputs: usize, outputs: usize, transposed: bool) -> Linear<f32> {
    Linear {
        weight: numbers(inputs * outputs, 2).into(),
        transposed,
        inputs,
        outputs,
        bias: Some(numbers(outputs, 3)),
    }
}

fn norm_weights(kind: Norm, width: usize) -> NormWeights<f32> {
    NormWeights {
        gain: numbers(width, 4),
        bias: matches!(kind, Norm::LayerNorm { .. }).then(|| numbers(width, 5)),
    }
}

/// A call of a kernel that works in place.
fn in_place(input: Vec<f32>, kernel: impl Fn(&mut [f32]) + 'static) -> Box<dyn FnMut()> {
    let mut data = input.clone();
    Box::new(move || {
        data.copy_from_slice(&input);
        kernel(black_box(&mut data));
    })
}

fn product(rows: usize, inner: usize, columns: usize, transposed: bool) -> Box<dyn FnMut()> {
    let (x, map) = (numbers(rows * inner, 1), map(inner, columns, transposed));
    let mut out = vec![0.0; rows * columns];
    Box::new(move || {
        let left = Matrix::rows(&x, rows, inner);
        matmul::product(left, map.matrix(), black_box(&mut out), columns, false);
    })
}

fn attention_forward(heads: Heads) -> Box<dyn FnMut()> {
    let (q, k, v) = (heads.numbers(1), heads.numbers(2), heads.numbers(3));
    let mut scratch = Vec::new();
    let mut out = vec![0.0; heads.sequences * heads.positions * heads.d_head];
    Box::new(move || {
        out.fill(0.0);
        for (row, out) in out.chunks_exact_mut(heads.d_head).enumerate() {
            let position = row % heads.positions;
            attention::attend(
                heads.rows(&q).row(row),
                heads.sequence(&k, row - position),
                heads.sequence(&v, row - position),
                0..position + 1,
                heads.scoring(),
                &mut scratch,
                black_box(out),
            );
        }
    })
}

fn attention_backward(heads: Heads) -> Box<dyn FnMut()> {
    let (q, k, v) = (heads.numbers(1), heads.numbers(2), heads.numbers(3));
    let gradient = numbers(heads.sequences * heads.positions * heads.d_head, 4);
    let mut scratch = Vec::new();
    let of_sequence = heads.positions * heads.d_head;
    let mut into = vec![0.0; 3 * of_sequence];
    Box::new(move || {
        for (row, gradient) in gradient.chunks_exact(heads.d_head).enumerate() {
            let position = row % heads.positions;
            if position == 0 {
                into.fill(0.0);
            }
            let (queries, rest) = black_box(&mut into).split_at_mut(of_sequence);
            let (keys, values) = rest.split_at_mut(of_sequence);
            attention::attend_backward(
                heads.rows(&q).row(row),
                heads.sequence(&k, row - position),
                heads.sequence(&v, row - position),
                0..position + 1,
                heads.scoring(),
                &mut scratch,
                gradient,
                &mut HeadGradients {
                    query: &mut queries[position * heads.d_head..(position + 1) * heads.d_head],
                    keys,
                    values,
                },
            );
        }
    })
}
