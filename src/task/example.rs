//! Examples: a clean and a corrupt prompt of equal length, with the answers that are scored.

/// One clean/corrupt pair of token sequences.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Example {
    /// Tokens of the prompt that shows the behaviour.
    pub clean: Vec<u32>,
    /// Tokens of its counterpart, of the same length.
    pub corrupt: Vec<u32>,
    /// Right answers, single tokens.
    pub answer: Vec<u32>,
    /// Wrong answers, single tokens; may be empty where the metric needs none.
    pub wrong: Vec<u32>,
    /// Positions whose logits the metric reads, ascending; by default the last one.
    pub at: Vec<usize>,
    /// The prompts as text, where the task has text.
    pub text: Option<ExampleText>,
}

/// An example as its reader would see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExampleText {
    /// The clean prompt.
    pub clean: String,
    /// The corrupt prompt.
    pub corrupt: String,
}

impl Example {
    /// First position at which clean and corrupt differ.
    pub fn first_difference(&self) -> Option<usize> {
        self.clean
            .iter()
            .zip(&self.corrupt)
            .position(|(clean, corrupt)| clean != corrupt)
    }
}

/// The examples of a task for one model, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The examples.
    pub examples: Vec<Example>,
    /// Where they come from, for reports: a generator with its parameters, or a file name.
    pub source: String,
    /// Whether a beginning-of-sequence token was put in front of text.
    pub prepend_bos: bool,
}
