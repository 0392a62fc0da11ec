//! Text to tokens and back.

use serde::{Deserialize, Serialize};

use super::sentencepiece::SentencePiece;
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
    inner: Inner,
    bos: Option<u32>,
    adds_bos: bool,
    eos: Option<u32>,
}

/// A part of a long text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPart {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// How many of them stand for something that the tokenizer does not know.
    pub unknown: usize,
}

/// The text of a tokenizer's token for unknown words.
fn unknown_token(inner: &tokenizers::Tokenizer) -> Option<String> {
    use tokenizers::ModelWrapper::{BPE, Unigram, WordLevel, WordPiece};
    match inner.get_model() {
        BPE(model) => model.get_unk_token().clone(),
        WordLevel(model) => Some(model.unk_token.clone()),
        WordPiece(model) => Some(model.unk_token.clone()),
        Unigram(_) => Some("<unk>".to_owned()),
    }
}

#[derive(Debug, Clone)]
enum Inner {
    HuggingFace(Box<tokenizers::Tokenizer>),
    SentencePiece(Box<SentencePiece>),
}

impl Tokenizer {
    /// Wraps a tokenizer; `bos` is its beginning-of-sequence token, put in front by its own rule if `adds_bos`.
    pub fn new(inner: tokenizers::Tokenizer, bos: Option<u32>, adds_bos: bool) -> Self {
        Self {
            inner: Inner::HuggingFace(Box::new(inner)),
            bos,
            adds_bos,
            eos: None,
        }
    }

    /// A vocabulary with scores.
    pub(super) fn sentencepiece(inner: SentencePiece, bos: Option<u32>, adds_bos: bool) -> Self {
        Self {
            inner: Inner::SentencePiece(Box::new(inner)),
            bos,
            adds_bos,
            eos: None,
        }
    }

    /// The same with a token that ends generated text.
    #[must_use]
    pub fn ending_with(self, eos: Option<u32>) -> Self {
        Self { eos, ..self }
    }

    /// The token that ends generated text, where there is one.
    pub fn eos(&self) -> Option<u32> {
        self.eos
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
        match &self.inner {
            Inner::HuggingFace(inner) => {
                let encoding = inner.encode(text, false).map_err(|error| {
                    Error::model("tokenizer", format!("cannot encode {text:?}: {error}"))
                })?;
                tokens.extend_from_slice(encoding.get_ids());
            }
            Inner::SentencePiece(inner) => tokens.extend(inner.encode(text, true)),
        }
        Ok(tokens)
    }

    /// The tokens of a part of a text, without beginning-of-sequence token; `first`: the text begins with it.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn encode_part(&self, part: &str, first: bool) -> Result<TextPart> {
        let (tokens, unknown, written) = match &self.inner {
            Inner::HuggingFace(inner) => {
                // Without the places of tokens in the text, which take many times its size.
                let encoding = inner
                    .encode_fast(part, false)
                    .map_err(|error| Error::model("tokenizer", error.to_string()))?;
                let name = unknown_token(inner).filter(|name| !name.is_empty());
                let written = name.as_ref().map_or(0, |name| part.matches(name).count());
                let id = name.and_then(|name| inner.token_to_id(&name));
                (encoding.get_ids().to_vec(), id, written)
            }
            Inner::SentencePiece(inner) => (inner.encode(part, first), inner.unknown(), 0),
        };
        let unknown = tokens.iter().filter(|token| Some(**token) == unknown);
        // Where the token stands in the text by its name, it is known.
        let unknown = unknown.count().saturating_sub(written);
        Ok(TextPart { tokens, unknown })
    }

    /// The token that this text is, when it is exactly one (without beginning-of-sequence token), as it would go on
    /// another text.
    pub fn single_token(&self, text: &str) -> Option<u32> {
        let tokens = match &self.inner {
            Inner::HuggingFace(_) => self.encode(text, PrependBos::Never).ok()?,
            Inner::SentencePiece(inner) => inner.encode(text, false),
        };
        match tokens[..] {
            [token] => Some(token),
            _ => None,
        }
    }

    /// The first part of a text that only has the token for unknown words.
    pub fn unknown_in(&self, text: &str) -> Option<String> {
        match &self.inner {
            Inner::HuggingFace(inner) => {
                let unknown = unknown_token(inner)?;
                let id = inner.token_to_id(&unknown)?;
                let encoding = inner.encode(text, false).ok()?;
                let mut tokens = encoding.get_ids().iter().zip(encoding.get_offsets());
                tokens.find_map(|(token, &(start, end))| {
                    let part = text.get(start..end).filter(|_| *token == id)?;
                    (part.trim() != unknown).then(|| part.trim().to_owned())
                })
            }
            Inner::SentencePiece(inner) => inner.unknown_in(text).map(String::from),
        }
    }

    /// The text of tokens.
    pub fn decode(&self, tokens: &[u32]) -> String {
        match &self.inner {
            Inner::HuggingFace(inner) => inner.decode(tokens, false).unwrap_or_default(),
            Inner::SentencePiece(inner) => inner.decode(tokens),
        }
    }
}
