//! A target prompt as tokens, with the place of its placeholder.

use crate::error::{Error, Result};
use crate::model::{ModelConfig, PrependBos, Tokenizer};

/// A target prompt as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetTokens {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// The position that a representation is put at.
    pub position: usize,
}

impl TargetTokens {
    /// Finds the last token of `text` that is `placeholder`, apart from space around it.
    ///
    /// # Errors
    /// When there is none, a word is unknown to the tokenizer, or the text is longer than the model reads.
    pub fn new(
        text: &str,
        placeholder: &str,
        (tokenizer, bos, config): (&Tokenizer, PrependBos, &ModelConfig),
    ) -> Result<Self> {
        let fail = |problem: String| Err(Error::data(format!("the prompt {text:?}"), problem));
        if let Some(word) = tokenizer.unknown_in(text) {
            return fail(format!(
                "it has {word:?}, which this tokenizer does not know\nhint: prompt: Text(\"..\") of words that it knows"
            ));
        }
        let tokens = tokenizer.encode(text, bos)?;
        if tokens.len() > config.n_ctx {
            return fail(format!(
                "it has {} tokens and the model reads at most {}",
                tokens.len(),
                config.n_ctx
            ));
        }
        if let Some(token) = tokens.iter().find(|it| **it as usize >= config.d_vocab) {
            return fail(format!(
                "it has {:?} (token {token}), which the tokenizer knows and the model does not",
                tokenizer.decode(&[*token])
            ));
        }
        let pieces: Vec<String> = tokens.iter().map(|&it| tokenizer.decode(&[it])).collect();
        match pieces.iter().rposition(|it| it.trim() == placeholder) {
            Some(position) => Ok(Self { tokens, position }),
            None => fail(format!(
                "none of its tokens is the placeholder {placeholder:?}; they are {pieces:?}"
            )),
        }
    }
}
