//! A view of a matrix wherever its numbers lie.

use std::borrow::Cow;

use super::dispatch::dispatched;
use crate::model::{Linear, Real};

/// Rows and columns that are put in order at a time.
const TILE: usize = 16;

/// A view of a matrix: element `(i, j)` is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub data: &'a [T],
    pub rows: usize,
    pub columns: usize,
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A row-major matrix.
    pub(crate) fn rows(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self {
            data,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The transpose.
    pub(crate) fn transpose(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// Columns `from..to`.
    pub(crate) fn columns(self, from: usize, to: usize) -> Self {
        let data = &self.data[from * self.column_stride..];
        Self {
            data,
            columns: to - from,
            ..self
        }
    }

    /// Rows `from..to`.
    pub(crate) fn row_range(self, from: usize, to: usize) -> Self {
        let data = &self.data[from * self.row_stride..];
        Self {
            data,
            rows: to - from,
            ..self
        }
    }

    /// The elements row by row: where they are if they lie so, else copied. Products with few rows are faster with it, and
    /// those that share a right side can share the copy.
    pub(crate) fn row_by_row(self) -> Cow<'a, [T]>
    where
        T: Real,
    {
        let (rows, columns) = (self.rows, self.columns);
        if self.column_stride == 1 && self.row_stride == columns {
            return Cow::Borrowed(&self.data[..rows * columns]);
        }
        let mut out = vec![T::ZERO; rows * columns];
        self.tiles(|row, column, width, tile| {
            for (index, numbers) in tile.enumerate() {
                out[(row + index) * columns + column..][..width].copy_from_slice(&numbers[..width]);
            }
        });
        Cow::Owned(out)
    }

    /// Hands over tiles, so that each cache line is read and written once: the first row and column of each, its width, and
    /// its rows, which are at least that long.
    pub(super) fn tiles(
        self,
        mut take: impl FnMut(usize, usize, usize, std::slice::ChunksExact<'_, T>),
    ) where
        T: Real,
    {
        let mut tile = [T::ZERO; TILE * TILE];
        for row in (0..self.rows).step_by(TILE) {
            for column in (0..self.columns).step_by(TILE) {
                let height = TILE.min(self.rows - row);
                let width = TILE.min(self.columns - column);
                let from = &self.data[row * self.row_stride + column * self.column_stride..];
                if self.row_stride == 1 && height == TILE && width == TILE {
                    transpose_tile(from, self.column_stride, &mut tile);
                } else {
                    for (index, to) in tile.chunks_exact_mut(TILE).take(height).enumerate() {
                        let from = from[index * self.row_stride..].iter();
                        let from = from.step_by(self.column_stride).take(width);
                        for (to, from) in to.iter_mut().zip(from) {
                            *to = *from;
                        }
                    }
                }
                take(row, column, width, tile[..height * TILE].chunks_exact(TILE));
            }
        }
    }

    /// The place of the last element.
    pub(super) fn last_index(&self) -> usize {
        (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride
    }
}

dispatched! {
    /// A whole tile of a matrix that lies column by column, row by row.
    fn transpose_tile<T: Real>(from: &[T], column_stride: usize, tile: &mut [T; TILE * TILE]) {
        for column in 0..TILE {
            let from = &from[column * column_stride..][..TILE];
            for row in 0..TILE {
                tile[row * TILE + column] = from[row];
            }
        }
    }
}

impl<T: Real> Linear<T> {
    /// `W` as `[inputs, outputs]`.
    pub(crate) fn matrix(&self) -> Matrix<'_, T> {
        let (row_stride, column_stride) = self.strides();
        Matrix {
            data: &self.weight,
            rows: self.inputs,
            columns: self.outputs,
            row_stride,
            column_stride,
        }
    }
}
