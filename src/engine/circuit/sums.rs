//! Sums over examples whose bits do not depend on which examples are run together.

use crate::engine::BLOCK;

/// Sums in blocks of 16 examples, the examples of a block one after the other and then the blocks.
pub(crate) struct BlockSums {
    total: Vec<f64>,
    /// Sum of the block at work.
    open: Vec<f64>,
    /// Examples in it.
    filled: usize,
}

/// The blocks that some examples belong to.
pub(crate) struct Blocks {
    sums: Vec<Vec<f64>>,
    first: usize,
}

impl BlockSums {
    /// Sums of `count` numbers each.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            total: vec![0.0; count],
            open: vec![0.0; count],
            filled: 0,
        }
    }

    /// The sums to which the next `examples` examples are added, in their order.
    pub(crate) fn begin(&mut self, examples: usize) -> Blocks {
        let count = self.total.len();
        let first = self.filled;
        let mut sums = vec![std::mem::take(&mut self.open)];
        sums.resize_with((first + examples).div_ceil(BLOCK).max(1), || {
            vec![0.0; count]
        });
        Blocks { sums, first }
    }

    /// Takes the sums back after `examples` examples were added.
    pub(crate) fn end(&mut self, blocks: Blocks, examples: usize) {
        self.filled = (blocks.first + examples) % BLOCK;
        let mut sums = blocks.sums;
        self.open = match sums.pop() {
            Some(open) if self.filled > 0 || examples == 0 => open,
            last => {
                sums.extend(last);
                vec![0.0; self.total.len()]
            }
        };
        for sum in sums {
            add(&mut self.total, &sum);
        }
    }

    /// The sums over all blocks.
    pub(crate) fn finish(mut self) -> Vec<f64> {
        if self.filled > 0 {
            add(&mut self.total, &self.open);
        }
        self.total
    }
}

impl Blocks {
    /// The sums of the block that holds an example, counted from the first one given.
    pub(crate) fn of(&mut self, example: usize) -> &mut [f64] {
        &mut self.sums[(self.first + example) / BLOCK]
    }
}

fn add(total: &mut [f64], sums: &[f64]) {
    for (total, sum) in total.iter_mut().zip(sums) {
        *total += sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grouping_does_not_change_a_bit() {
        let value = |example: usize| 1.0 / (1.0 + example as f64);
        let sum = |group: usize| {
            let mut sums = BlockSums::new(1);
            let examples: Vec<usize> = (0..83).collect();
            for group in examples.chunks(group) {
                let mut blocks = sums.begin(group.len());
                for (index, &example) in group.iter().enumerate() {
                    blocks.of(index)[0] += value(example);
                }
                sums.end(blocks, group.len());
            }
            sums.finish()[0].to_bits()
        };
        let blocks: Vec<f64> = (0..83).map(value).collect();
        let blocks = blocks.chunks(BLOCK).map(|block| block.iter().sum::<f64>());
        let expected = blocks.fold(0.0, |total, block| total + block).to_bits();
        for group in [1, 3, 16, 17, 32, 48, 83, 100] {
            assert_eq!(sum(group), expected, "{group}");
        }
    }
}
