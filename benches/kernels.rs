//! Every kernel, at the sizes of GPT-2 small.

use criterion::{Criterion, Throughput};
use secateur::engine::timing::{Gate, Heads, Kernel, Size};
use secateur::model::{Activation, Norm};

const D_MODEL: usize = 768;
const D_MLP: usize = 3072;
const HEADS: usize = 12;
const D_HEAD: usize = 64;

/// Rows of an ablated run of 16 pairs that share their first tokens, and of a whole batch of prompts.
const ROWS: [usize; 2] = [80, 400];
const NORMS: [(&str, Norm); 2] = [
    ("layer", Norm::LayerNorm { eps: 1e-5 }),
    ("RMS", Norm::RmsNorm { eps: 1e-5 }),
];
const ACTIVATIONS: [(&str, Activation); 4] = [
    ("tanh GELU", Activation::GeluTanh),
    ("GELU", Activation::Gelu),
    ("SiLU", Activation::Silu),
    ("ReLU", Activation::Relu),
];

pub(crate) fn benches(criterion: &mut Criterion) {
    products(criterion);
    norms(criterion);
    activations(criterion);
    attention(criterion);
    rotary(criterion);
    rows(criterion);
}

/// Times some kernels, each with its name and the numbers it counts its rate in.
fn group(criterion: &mut Criterion, name: &str, kernels: Vec<(String, Kernel, usize)>) {
    let mut group = criterion.benchmark_group(name);
    for (name, kernel, count) in kernels {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |bencher| {
            let mut call = kernel.prepare();
            bencher.iter(&mut call);
        });
    }
    group.finish();
}

/// Rates are in multiplications.
fn products(criterion: &mut Criterion) {
    let mut kernels = Vec::new();
    for rows in ROWS {
        for (layout, transposed) in [("by rows", false), ("by columns", true)] {
            let wholes = [
                (D_MODEL, D_MODEL),
                (D_MODEL, 3 * D_MODEL),
                (D_MODEL, D_MLP),
                (D_MLP, D_MODEL),
            ];
            for (inner, columns) in wholes {
                kernels.push((
                    format!("{rows}x{inner}x{columns} {layout}"),
                    Kernel::Product {
                        rows,
                        inner,
                        columns,
                        transposed,
                    },
                    rows * inner * columns,
                ));
            }
            kernels.push((
                format!("one head {rows}x{D_MODEL}x{D_HEAD} {layout}"),
                Kernel::HeadLinear {
                    rows,
                    inner: D_MODEL,
                    heads: HEADS,
                    d_head: D_HEAD,
                    transposed,
                },
                rows * D_MODEL * D_HEAD,
            ));
            kernels.push((
                format!("one head's output {rows}x{D_HEAD}x{D_MODEL} {layout}"),
                Kernel::Product {
                    rows,
                    inner: D_HEAD,
                    columns: D_MODEL,
                    transposed,
                },
                rows * D_MODEL * D_HEAD,
            ));
        }
    }
    group(criterion, "product", kernels);
}

fn norms(criterion: &mut Criterion) {
    let mut kernels = Vec::new();
    for rows in ROWS {
        let size = Size {
            rows,
            width: D_MODEL,
        };
        for (name, norm) in NORMS {
            let passes = [
                ("forward", Kernel::NormForward(norm, size)),
                ("tape", Kernel::NormTape(norm, size)),
                ("backward", Kernel::NormBackward(norm, size)),
            ];
            for (pass, kernel) in passes {
                kernels.push((
                    format!("{name} {pass} {rows}x{D_MODEL}"),
                    kernel,
                    rows * D_MODEL,
                ));
            }
        }
    }
    group(criterion, "norm", kernels);
}

fn activations(criterion: &mut Criterion) {
    let size = Size {
        rows: ROWS[0],
        width: D_MLP,
    };
    let mut kernels = Vec::new();
    for (name, activation) in ACTIVATIONS {
        for (kind, gate) in [("plain", Gate::Plain), ("gated", Gate::Gated)] {
            let passes = [
                ("forward", Kernel::ActivationForward(activation, gate, size)),
                (
                    "backward",
                    Kernel::ActivationBackward(activation, gate, size),
                ),
            ];
            for (pass, kernel) in passes {
                let count = size.rows * size.width;
                kernels.push((format!("{name} {kind} {pass}"), kernel, count));
            }
        }
    }
    group(criterion, "activation", kernels);
}

/// Rates are in pairs of a query and a key that it sees.
fn attention(criterion: &mut Criterion) {
    let mut kernels = Vec::new();
    for (sequences, positions, soft_cap) in [(16, 16, None), (16, 16, Some(50.0)), (1, 256, None)] {
        let heads = Heads {
            sequences,
            positions,
            heads: HEADS,
            d_head: D_HEAD,
            soft_cap,
        };
        let capped = if soft_cap.is_some() { ", soft cap" } else { "" };
        let passes = [
            ("forward", Kernel::AttentionForward(heads)),
            ("backward", Kernel::AttentionBackward(heads)),
        ];
        for (pass, kernel) in passes {
            let pairs = sequences * positions * (positions + 1) / 2;
            kernels.push((
                format!("{pass} {sequences}x{positions}{capped}"),
                kernel,
                pairs,
            ));
        }
    }
    group(criterion, "attention of one head", kernels);
}

fn rotary(criterion: &mut Criterion) {
    let heads = Heads {
        sequences: 16,
        positions: 16,
        heads: HEADS,
        d_head: D_HEAD,
        soft_cap: None,
    };
    let count = 16 * 16 * HEADS * D_HEAD;
    let kernels = vec![
        ("forward".to_owned(), Kernel::Rotate(heads), count),
        ("backward".to_owned(), Kernel::RotateBack(heads), count),
    ];
    group(criterion, "rotary", kernels);
}

fn rows(criterion: &mut Criterion) {
    let mut kernels = Vec::new();
    for rows in ROWS {
        let size = Size {
            rows,
            width: D_MODEL,
        };
        let every = [
            ("sum of matrices", Kernel::Add(size)),
            ("row added to all", Kernel::AddRow(size)),
            ("dot products", Kernel::Dots(size)),
            ("weighted sum", Kernel::WeightedSum(size)),
        ];
        for (name, kernel) in every {
            kernels.push((format!("{name} {rows}x{D_MODEL}"), kernel, rows * D_MODEL));
        }
    }
    group(criterion, "rows", kernels);
}
