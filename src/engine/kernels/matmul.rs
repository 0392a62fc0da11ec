//! The one matrix product, by the `gemm` crate.
//!
//! `gemm` takes other code paths for very small products, in which the bits of a row depend on the number of
//! rows. Products are padded to sizes from which on they do not; a property test guards this.

use std::ops::Range;

use gemm::Parallelism;
use rayon::prelude::*;

use super::matrix::Matrix;
use super::rows;
use crate::model::{Linear, Real};

/// Fewest rows from which on a row's bits do not depend on the others, for up to 64 columns.
const MIN_ROWS_NARROW: usize = 65;
/// The same for more than 64 columns.
const MIN_ROWS_WIDE: usize = 4;
/// Fewest columns for `gemm`; fewer are computed as dot products.
const MIN_COLUMNS: usize = 4;
/// Multiplications from which on a product is worth several threads.
const PARALLEL_FROM: usize = 1 << 22;
/// Elements of the right side from which on it is, however few rows there are: reading it takes the time.
const PARALLEL_FROM_RIGHT: usize = 1 << 18;
/// Fewest columns of a part of a product that one thread computes, so that `gemm` takes no other path for it.
const PART_COLUMNS: usize = 128;
/// Rows up to which a product whose right side lies column by column is computed as that of the transposes: `gemm` then
/// leaves the right side where it is, and there is little to transpose back. With more, ordering it costs less.
const FEW_ROWS: usize = 96;
/// Parts begin at multiples of this: vectors stay full, and 576 columns are halved evenly.
const PART_STEP: usize = 32;

/// `out = lhs rhs`, or `out += lhs rhs` when `accumulate`. `out` is row-major with `out_stride` elements a row.
///
/// # Panics
/// When the sizes do not fit.
pub(crate) fn product<T: Real>(
    lhs: Matrix<'_, T>,
    rhs: Matrix<'_, T>,
    out: &mut [T],
    out_stride: usize,
    accumulate: bool,
) {
    product_with(
        lhs,
        rhs,
        out,
        (out_stride, accumulate),
        rayon::current_num_threads(),
    );
}

/// `lhs rhs` as a matrix of its own, with a bias added to every row where there is one.
///
/// # Panics
/// When the sizes do not fit.
pub(crate) fn new_product<T: Real>(
    lhs: Matrix<'_, T>,
    rhs: Matrix<'_, T>,
    bias: Option<&[T]>,
) -> Vec<T> {
    made(lhs, rhs, bias, rayon::current_num_threads())
}

/// `lhs rhs` as a matrix of its own, for callers that are one of several threads themselves.
///
/// # Panics
/// When the sizes do not fit.
pub(crate) fn new_product_on_one_thread<T: Real>(lhs: Matrix<'_, T>, rhs: Matrix<'_, T>) -> Vec<T> {
    made(lhs, rhs, None, 1)
}

/// `x W + b` for the columns `from..to` of a linear map; `x` has `rows` rows.
pub(crate) fn linear<T: Real>(
    x: &[T],
    rows: usize,
    map: &Linear<T>,
    from: usize,
    to: usize,
) -> Vec<T> {
    let lhs = Matrix::rows(x, rows, map.inputs);
    let bias = map.bias.as_ref().map(|bias| &bias[from..to]);
    new_product(lhs, map.matrix().columns(from, to), bias)
}

#[expect(unsafe_code, reason = "what gemm writes is not cleared before")]
fn made<T: Real>(
    lhs: Matrix<'_, T>,
    rhs: Matrix<'_, T>,
    bias: Option<&[T]>,
    threads: usize,
) -> Vec<T> {
    assert_eq!(lhs.columns, rhs.rows, "inner sizes of a product");
    assert!(
        bias.is_none_or(|bias| bias.len() == rhs.columns),
        "bias of a product"
    );
    let (rows, columns) = (lhs.rows, rhs.columns);
    if columns < MIN_COLUMNS || lhs.columns == 0 || rows < least_rows(columns) {
        let mut out = vec![T::ZERO; rows * columns];
        product_with(lhs, rhs, &mut out, (columns, false), threads);
        if let Some(bias) = bias {
            rows::add_row(&mut out, bias);
        }
        return out;
    }
    let mut out: Vec<T> = Vec::with_capacity(rows * columns);
    let target = Output {
        first: out.spare_capacity_mut().as_mut_ptr().cast(),
        stride: columns,
        accumulate: false,
        bias,
    };
    target.compute(lhs, rhs, threads);
    // SAFETY: the parts of the product cover all rows and columns, and `gemm` writes each without reading it first.
    unsafe { out.set_len(rows * columns) };
    out
}

/// Fewest rows for `gemm` with these columns.
fn least_rows(columns: usize) -> usize {
    if columns > 64 {
        MIN_ROWS_WIDE
    } else {
        MIN_ROWS_NARROW
    }
}

fn product_with<T: Real>(
    lhs: Matrix<'_, T>,
    rhs: Matrix<'_, T>,
    out: &mut [T],
    (out_stride, accumulate): (usize, bool),
    threads: usize,
) {
    assert_eq!(lhs.columns, rhs.rows, "inner sizes of a product");
    let (rows, inner, columns) = (lhs.rows, lhs.columns, rhs.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(
        columns <= out_stride && out.len() > (rows - 1) * out_stride + columns - 1,
        "output of a product"
    );
    if inner == 0 || columns < MIN_COLUMNS {
        return dots(lhs, rhs, out, out_stride, accumulate);
    }
    let least = least_rows(columns);
    if rows >= least {
        let target = Output {
            first: out.as_mut_ptr(),
            stride: out_stride,
            accumulate,
            bias: None,
        };
        return target.compute(lhs, rhs, threads);
    }
    let mut padded = vec![T::ZERO; least * inner];
    for row in 0..rows {
        for column in 0..inner {
            padded[row * inner + column] =
                lhs.data[row * lhs.row_stride + column * lhs.column_stride];
        }
    }
    let result = made(Matrix::rows(&padded, least, inner), rhs, None, threads);
    for row in 0..rows {
        let target = &mut out[row * out_stride..row * out_stride + columns];
        for (target, &value) in target.iter_mut().zip(&result[row * columns..]) {
            *target = if accumulate { *target + value } else { value };
        }
    }
}

fn dots<T: Real>(
    lhs: Matrix<'_, T>,
    rhs: Matrix<'_, T>,
    out: &mut [T],
    out_stride: usize,
    accumulate: bool,
) {
    for row in 0..lhs.rows {
        for column in 0..rhs.columns {
            let sum: T = (0..lhs.columns)
                .map(|inner| {
                    lhs.data[row * lhs.row_stride + inner * lhs.column_stride]
                        * rhs.data[inner * rhs.row_stride + column * rhs.column_stride]
                })
                .sum();
            let target = &mut out[row * out_stride + column];
            *target = if accumulate { *target + sum } else { sum };
        }
    }
}

/// Where a product goes: a whole matrix that nothing else reads or writes meanwhile, and that no input overlaps.
struct Output<'b, T> {
    first: *mut T,
    stride: usize,
    accumulate: bool,
    /// What is added to every row.
    bias: Option<&'b [T]>,
}

#[expect(unsafe_code, reason = "threads write disjoint parts of one matrix")]
// SAFETY: a part is written by one thread, and whoever made this holds the whole matrix mutably while they work.
unsafe impl<T: Send + Sync> Sync for Output<'_, T> {}

impl<T: Real> Output<'_, T> {
    /// Calls `gemm`, in parts for several threads when that is worth it. `gemm`'s own threads wait for each other at every
    /// panel; parts do not, which is up to twice as fast for the few rows of an ablated run.
    fn compute(&self, lhs: Matrix<'_, T>, rhs: Matrix<'_, T>, threads: usize) {
        assert!(lhs.last_index() < lhs.data.len(), "left side of a product");
        assert!(rhs.last_index() < rhs.data.len(), "right side of a product");
        let elements = rhs.rows * rhs.columns;
        if threads == 1 || (elements < PARALLEL_FROM_RIGHT && lhs.rows * elements < PARALLEL_FROM) {
            return self.fill(lhs, rhs, 0, 0);
        }
        let (rows, columns) = (lhs.rows, rhs.columns);
        let steps = columns / PART_STEP;
        let parts = threads.min(columns / PART_COLUMNS);
        if parts > 1 {
            (0..parts).into_par_iter().for_each(|part| {
                let from = steps * part / parts * PART_STEP;
                let to = match part + 1 {
                    next if next < parts => steps * next / parts * PART_STEP,
                    _ => columns,
                };
                self.fill(lhs, rhs.columns(from, to), 0, from);
            });
            return;
        }
        let parts = threads.min(rows / MIN_ROWS_NARROW).max(1);
        (0..parts).into_par_iter().for_each(|part| {
            let (from, to) = (rows * part / parts, rows * (part + 1) / parts);
            self.fill(lhs.row_range(from, to), rhs, from, 0);
        });
    }

    /// Computes the part of the output that starts at a row and a column.
    fn fill(&self, lhs: Matrix<'_, T>, rhs: Matrix<'_, T>, row: usize, column: usize) {
        let by_column = rhs.row_stride == 1 && rhs.column_stride != 1;
        if by_column && lhs.rows <= FEW_ROWS && !self.accumulate {
            self.fill_transposed(lhs, rhs, row, column);
        } else {
            self.fill_directly(lhs, rhs, row, column);
        }
        self.add_bias(row..row + lhs.rows, column..column + rhs.columns);
    }

    /// As [`Self::fill_directly`], by the product of the transposes, with the same bits.
    #[expect(unsafe_code, reason = "rows are written where nothing is yet")]
    fn fill_transposed(&self, lhs: Matrix<'_, T>, rhs: Matrix<'_, T>, row: usize, column: usize) {
        let (rows, columns) = (lhs.rows, rhs.columns);
        let mut turned: Vec<T> = Vec::with_capacity(rows * columns);
        let target = Output {
            first: turned.spare_capacity_mut().as_mut_ptr().cast(),
            stride: rows,
            accumulate: false,
            bias: None,
        };
        target.fill_directly(rhs.transpose(), lhs.transpose(), 0, 0);
        // SAFETY: the product has just written all of it.
        unsafe { turned.set_len(rows * columns) };
        let turned = Matrix::rows(&turned, columns, rows).transpose();
        turned.tiles(|at_row, at_column, width, tile| {
            for (index, numbers) in tile.enumerate() {
                // SAFETY: the tile lies in this part of the output, which has room for it and is this thread's.
                unsafe {
                    let place = (row + at_row + index) * self.stride + column + at_column;
                    std::ptr::copy_nonoverlapping(numbers.as_ptr(), self.first.add(place), width);
                }
            }
        });
    }

    #[expect(unsafe_code, reason = "gemm takes raw pointers")]
    #[expect(
        clippy::cast_possible_wrap,
        reason = "strides are far below isize::MAX"
    )]
    fn fill_directly(&self, lhs: Matrix<'_, T>, rhs: Matrix<'_, T>, row: usize, column: usize) {
        // SAFETY: the asserts in `compute` bound every index of the inputs that gemm forms from these sizes and strides;
        // whoever made this output saw that it has room for the whole product, of which this is a part of its own.
        unsafe {
            gemm::gemm(
                lhs.rows,
                rhs.columns,
                lhs.columns,
                self.first.add(row * self.stride + column),
                1,
                self.stride as isize,
                self.accumulate,
                lhs.data.as_ptr(),
                lhs.column_stride as isize,
                lhs.row_stride as isize,
                rhs.data.as_ptr(),
                rhs.column_stride as isize,
                rhs.row_stride as isize,
                T::ONE,
                T::ONE,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }

    /// Adds the bias to a part that was computed.
    #[expect(unsafe_code, reason = "rows of a part as slices")]
    fn add_bias(&self, rows: Range<usize>, columns: Range<usize>) {
        let Some(bias) = self.bias else {
            return;
        };
        let bias = &bias[columns.clone()];
        for row in rows {
            // SAFETY: these are the numbers of one row of the part, which were just written.
            let row = unsafe {
                let first = self.first.add(row * self.stride + columns.start);
                std::slice::from_raw_parts_mut(first, bias.len())
            };
            rows::add(row, bias);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(count: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..count)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
            })
            .collect()
    }

    fn check<T: Real>(rows: usize, inner: usize, columns: usize, transposed: bool, seed: u64) {
        let x: Vec<T> = numbers(rows * inner, seed)
            .iter()
            .map(|&v| T::from_f64(v))
            .collect();
        let w: Vec<T> = numbers(inner * columns, seed + 1)
            .iter()
            .map(|&v| T::from_f64(v))
            .collect();
        let rhs = if transposed {
            Matrix::rows(&w, columns, inner).transpose()
        } else {
            Matrix::rows(&w, inner, columns)
        };
        let mut all = vec![T::ZERO; rows * columns];
        product(Matrix::rows(&x, rows, inner), rhs, &mut all, columns, false);
        let bias: Vec<T> = numbers(columns, seed + 2)
            .iter()
            .map(|&v| T::from_f64(v))
            .collect();
        let with_bias = new_product(Matrix::rows(&x, rows, inner), rhs, Some(&bias));
        assert_eq!(with_bias.len(), all.len());
        for (index, (&with, &without)) in with_bias.iter().zip(&all).enumerate() {
            assert_eq!(with, without + bias[index % columns]);
        }
        // Each row alone, and each half of the columns alone, must have the same bits.
        for row in 0..rows {
            let mut one = vec![T::ZERO; columns];
            let lhs = Matrix::rows(&x[row * inner..(row + 1) * inner], 1, inner);
            product(lhs, rhs, &mut one, columns, false);
            assert_eq!(one, all[row * columns..(row + 1) * columns]);
            let half = columns / 2;
            if half > 0 {
                let mut narrow = vec![T::ZERO; half];
                product(lhs, rhs.columns(0, half), &mut narrow, half, false);
                if half >= MIN_COLUMNS {
                    assert_eq!(narrow, all[row * columns..row * columns + half]);
                }
            }
            let exact: f64 = (0..inner)
                .map(|i| x[row * inner + i].to_f64() * rhs.data[i * rhs.row_stride].to_f64())
                .sum();
            assert!((exact - one[0].to_f64()).abs() < 1e-4 * (inner as f64).sqrt());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn a_rows_bits_do_not_depend_on_the_batch(
            rows in 1usize..140, inner in 1usize..900, columns in 1usize..150,
            transposed: bool, seed in 0u64..1000,
        ) {
            check::<f32>(rows, inner, columns, transposed, seed);
            check::<f64>(rows, inner, columns, transposed, seed);
        }
    }

    /// Products large enough to be computed in parts, by columns and by rows.
    #[test]
    fn parts_have_the_bits_of_the_whole() {
        for (rows, inner, columns) in [
            (80, 300, 301),
            (80, 200, 576),
            (51, 633, 130),
            (9, 2100, 400),
            (1100, 130, 40),
            (5, 576, 576),
            (3, 640, 2048),
            (2, 1030, 257),
        ] {
            for (transposed, threads) in [(false, 2), (true, 2), (false, 3), (true, 5)] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                pool.build().expect("a pool").install(|| {
                    check::<f32>(rows, inner, columns, transposed, 1);
                    check::<f64>(rows, inner, columns, transposed, 2);
                });
            }
        }
    }
}
