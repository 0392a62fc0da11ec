//! A bound on memory, and what is there beside runs.

use crate::error::{Error, Result};
use crate::model::{LoadedModel, Real, Weights};

/// Bytes of the program itself: its heap, stacks and threads.
const PROGRAM: usize = 24 << 20;
/// Bytes that a tokenizer takes for each token.
const TOKEN: usize = 640;
/// How often a job holds its rows: as they were loaded, split, and as figures and lines of reports.
const COPIES: usize = 3;

/// The weights of a model in another precision, within the memory that work with it may take.
pub(crate) fn cast<U: Real>(model: &LoadedModel) -> Weights<U> {
    let config = model.config();
    let block =
        4 * config.d_model * config.n_heads * config.d_head + 3 * config.d_model * config.d_mlp;
    let bytes = size_of::<U>() * (config.n_layers * block + 2 * config.d_vocab * config.d_model);
    let held = model.weights.held_bytes();
    let too_much = |memory: usize| 2 * (bytes + held) > memory;
    model.weights.cast_in(model.memory.is_some_and(too_much))
}

/// A bound on memory, and what is there beside runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    memory: usize,
    beside: usize,
}

impl Bound {
    /// The bound on work with a model, where there is one; `cast` are its weights in another precision, and `rows` the bytes of
    /// the rows that the work is about.
    pub(crate) fn new<U: Real>(
        model: &LoadedModel,
        cast: Option<&Weights<U>>,
        rows: usize,
    ) -> Option<Self> {
        let tokens = model
            .tokenizer
            .as_ref()
            .map_or(0, |_| model.config().d_vocab);
        let weights = model.weights.held_bytes() + cast.map_or(0, Weights::held_bytes);
        Some(Self {
            memory: model.memory?,
            beside: (PROGRAM + TOKEN * tokens + weights)
                .saturating_add(COPIES.saturating_mul(rows)),
        })
    }

    /// Bytes that runs may take.
    pub(crate) fn room(self) -> usize {
        self.memory.saturating_sub(self.beside)
    }

    /// Refuses rows that take more by themselves, before they are made.
    ///
    /// # Errors
    /// When they do; the error names the least memory that will do.
    pub(crate) fn check_rows(self, source: &str, rows: usize) -> Result<()> {
        let least = COPIES.saturating_mul(rows);
        if least == 0 || least < self.room() {
            return Ok(());
        }
        let wanted = gigabytes_up(self.beside.saturating_add(least));
        Err(Error::Usage(format!(
            "{:.2} GB of memory are too little for the model and the rows of {source}; more than {wanted:.2} GB are needed\nhint: \
             fewer rows, or more --memory",
            gigabytes(self.memory)
        )))
    }

    /// Refuses work whose runs take more.
    ///
    /// # Errors
    /// When they do; the error names the least memory that will do.
    pub(crate) fn check(self, least: usize) -> Result<()> {
        if least <= self.room() {
            return Ok(());
        }
        let wanted = gigabytes_up(self.beside.saturating_add(least));
        Err(Error::Usage(format!(
            "{:.2} GB of memory are too little for one example at a time; at least {wanted:.2} GB are needed\nhint: \
             --memory {wanted:.2}, or shorter or fewer prompts",
            gigabytes(self.memory)
        )))
    }
}

/// Bytes of a prompt's lists of tokens, with those of the lists themselves.
pub(crate) fn bytes_of_tokens(lists: &[&Vec<u32>]) -> usize {
    lists
        .iter()
        .map(|list| 2 * size_of::<Vec<u32>>() + size_of_val(&list[..]))
        .sum()
}

fn gigabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e9
}

/// Gigabytes with two digits, not less than there are bytes.
fn gigabytes_up(bytes: usize) -> f64 {
    (100.0 * gigabytes(bytes)).ceil() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_is_refused_with_the_least_that_will_do() {
        let bound = |memory: usize| Bound {
            memory,
            beside: 100_000_000,
        };
        assert!(bound(800_000_000).check(700_000_000).is_ok());
        for memory in [1, 100_000_001, 799_999_999] {
            let error = bound(memory).check(700_000_000).unwrap_err();
            assert!(error.to_string().contains("at least 0.80 GB"), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
