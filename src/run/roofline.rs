//! The limits of this machine: how fast it multiplies matrices and reads memory.

use super::provenance::Stopwatch;
use crate::engine::timing::Kernel;

/// Sizes of the product whose rate is measured, `[rows, inner] * [inner, columns]`: those of an MLP on many tokens.
const SIZES: (usize, usize, usize) = (768, 3072, 3072);
/// Numbers that are read to measure the bandwidth: far more than caches hold.
const NUMBERS: usize = 1 << 27;
/// Repetitions; the fastest counts.
const REPEAT: usize = 7;

/// What the machine can do at most, with the threads that the engine uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roofline {
    /// Floating-point operations a second of a large product of matrices in single precision.
    pub matrix_rate: f64,
    /// Bytes a second that are read from memory in order.
    pub bandwidth: f64,
}

/// Measures the limits of this machine; takes a few seconds.
pub fn roofline() -> Roofline {
    let (rows, inner, columns) = SIZES;
    let product = Kernel::Product {
        rows,
        inner,
        columns,
        transposed: false,
    };
    let seconds = fastest(product.prepare());
    let matrix_rate = 2.0 * (rows * inner * columns) as f64 / seconds;
    let numbers = vec![1.0_f32; NUMBERS];
    let seconds = fastest(|| {
        std::hint::black_box(sum(&numbers));
    });
    Roofline {
        matrix_rate,
        bandwidth: size_of_val(&numbers[..]) as f64 / seconds,
    }
}

fn fastest(mut work: impl FnMut()) -> f64 {
    work();
    let times = (0..REPEAT).map(|_| {
        let stopwatch = Stopwatch::start();
        work();
        stopwatch.seconds()
    });
    times.fold(f64::INFINITY, f64::min)
}

/// Sums numbers in lanes wide enough that memory, not addition, is what is waited for.
fn sum(numbers: &[f32]) -> f32 {
    use rayon::prelude::*;
    let of_chunk = |chunk: &[f32]| {
        let mut lanes = [0.0_f32; 64];
        for numbers in chunk.chunks_exact(64) {
            for (lane, number) in lanes.iter_mut().zip(numbers) {
                *lane += number;
            }
        }
        lanes.iter().sum::<f32>()
    };
    numbers.par_chunks(1 << 20).map(of_chunk).sum()
}
