//! Text to tokens and back.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Whether text gets a beginning-of-sequence token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrependBos {
    /// The tokenizer's own rule.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A model's tokenizer and its beginning-of-sequence rule.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    bos: Option<u32>,
    adds_bos: bool,
}

impl Tokenizer {
    /// Wraps a tokenizer; `bos` is its beginning-of-sequence token, put in front by its own rule if `adds_bos`.
    pub fn new(inner: tokenizers::Tokenizer, bos: Option<u32>, adds_bos: bool) -> Self {
        Self {
            inner,
            bos,
            adds_bos,
        }
    }

    /// Whether text gets a beginning-of-sequence token under this choice.
    pub fn prepends_bos(&self, choice: PrependBos) -> bool {
        match choice {
            PrependBos::Auto => self.adds_bos,
            PrependBos::Always => self.bos.is_some(),
            PrependBos::Never => false,
        }
    }

    /// The tokens of a prompt.
    ///
    /// # Errors
    /// When the tokenizer fails, or `Always` is asked of a tokenizer without such a token.
    pub fn encode(&self, text: &str, bos: PrependBos) -> Result<Vec<u32>> {
        let mut tokens = Vec::new();
        if bos == PrependBos::Always && self.bos.is_none() {
            let problem =
                "the tokenizer has no beginning-of-sequence token; use prepend_bos: Never";
            return Err(Error::model("tokenizer", problem));
        }
        if self.prepends_bos(bos) {
            tokens.extend(self.bos);
        }
        let encoding = self.inner.encode(text, false).map_err(|error| {
            Error::model("tokenizer", format!("cannot encode {text:?}: {error}"))
        })?;
        tokens.extend_from_slice(encoding.get_ids());
        Ok(tokens)
    }

    /// The token that this text is, when it is exactly one (without beginning-of-sequence token).
    pub fn single_token(&self, text: &str) -> Option<u32> {
        match self.encode(text, PrependBos::Never).as_deref() {
            Ok([token]) => Some(*token),
            _ => None,
        }
    }

    /// The text of tokens.
    pub fn decode(&self, tokens: &[u32]) -> String {
        self.inner.decode(tokens, false).unwrap_or_default()
    }
}
