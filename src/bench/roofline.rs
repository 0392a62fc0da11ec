//! The limits of this machine: how fast it multiplies matrices and reads memory.

use crate::engine::timing::Kernel;
use crate::setting::Stopwatch;

/// Sizes of the product whose rate is measured, `[rows, inner] * [inner, columns]`: those of an MLP on many tokens.
const SIZES: (usize, usize, usize) = (768, 3072, 3072);
/// Numbers that are read to measure the bandwidth: far more than caches hold.
const NUMBERS: usize = 1 << 27;
/// Repetitions of reading; the fastest counts.
const REPEAT: usize = 7;

/// The rate at which this machine multiplies matrices in single precision, with the threads that the engine uses. It goes up and
/// down with the clock of the processor and with what else runs, so it is measured again next to what is compared with it.
pub struct MatrixRate(Box<dyn FnMut()>);

impl MatrixRate {
    /// Makes the matrices, and multiplies them once to warm up.
    pub fn new() -> Self {
        let (rows, inner, columns) = SIZES;
        let product = Kernel::Product {
            rows,
            inner,
            columns,
            transposed: false,
        };
        let mut product = product.prepare();
        product();
        Self(product)
    }

    /// Floating-point operations a second of a large product, the faster of two.
    pub fn measure(&mut self) -> f64 {
        let (rows, inner, columns) = SIZES;
        2.0 * (rows * inner * columns) as f64 / fastest(2, &mut self.0)
    }
}

impl Default for MatrixRate {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes a second that are read from memory in order; takes a second.
pub fn bandwidth() -> f64 {
    let numbers = vec![1.0_f32; NUMBERS];
    let read = || {
        std::hint::black_box(sum(&numbers));
    };
    read();
    size_of_val(&numbers[..]) as f64 / fastest(REPEAT, read)
}

fn fastest(times: usize, mut work: impl FnMut()) -> f64 {
    let times = (0..times).map(|_| {
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
