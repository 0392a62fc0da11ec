//! Text to tokens and back.

mod backtracking;
mod checked;
mod cuts;
pub(super) mod folder;
pub(super) mod gguf;
mod library;
mod sentencepiece;
mod settings;

use serde::{Deserialize, Serialize};

use self::library::Library;
use self::sentencepiece::SentencePiece;
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
    /// What stands in front of a text; most tokenizers have one such token.
    front: Vec<u32>,
    adds_front: bool,
    eos: Option<u32>,
}

/// The tokenizer of a model's files, or why there is none, and what users should know of it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) tokenizer: Result<Tokenizer, String>,
    pub(super) warnings: Vec<String>,
}

impl Found {
    /// There is none.
    fn none(reason: impl Into<String>) -> Self {
        Self {
            tokenizer: Err(reason.into()),
            warnings: Vec::new(),
        }
    }

    /// There is one that cannot be used: token ids can, and results show them instead of text.
    fn unusable(reason: String) -> Self {
        let warning = format!("the tokenizer is not used, and results show token ids: {reason}");
        Self {
            tokenizer: Err(reason),
            warnings: vec![warning],
        }
    }
}

/// A part of a long text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPart {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// How many of them stand for something that the tokenizer does not know.
    pub unknown: usize,
}

#[derive(Debug, Clone)]
enum Inner {
    Library(Library),
    SentencePiece(Box<SentencePiece>),
}

impl Tokenizer {
    /// Wraps a tokenizer; `bos` is its beginning-of-sequence token, put in front by its own rule if `adds_bos`.
    ///
    /// Truncation, padding and what its post-processor adds are left out.
    ///
    /// # Errors
    /// When it cannot encode a letter.
    pub fn new(inner: tokenizers::Tokenizer, bos: Option<u32>, adds_bos: bool) -> Result<Self> {
        let inner = Library::new(inner).map_err(|problem| Error::model("tokenizer", problem))?;
        Ok(Self::of(
            Inner::Library(inner),
            bos.into_iter().collect(),
            adds_bos,
        ))
    }

    fn of(inner: Inner, front: Vec<u32>, adds_front: bool) -> Self {
        Self {
            inner,
            front,
            adds_front,
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

    /// The beginning-of-sequence token, where there is one.
    pub fn bos(&self) -> Option<u32> {
        self.front.first().copied()
    }

    /// Whether tokens begin with what stands in front of a text twice.
    pub fn begins_twice(&self, tokens: &[u32]) -> bool {
        let after = tokens.strip_prefix(self.front.as_slice());
        !self.front.is_empty() && after.is_some_and(|it| it.starts_with(&self.front))
    }

    /// Whether text gets a beginning-of-sequence token under this choice.
    pub fn prepends_bos(&self, choice: PrependBos) -> bool {
        match choice {
            PrependBos::Auto => self.adds_front && !self.front.is_empty(),
            PrependBos::Always => !self.front.is_empty(),
            PrependBos::Never => false,
        }
    }

    /// The tokens of a prompt.
    ///
    /// # Errors
    /// When the tokenizer fails, or `Always` is asked of a tokenizer without such a token.
    pub fn encode(&self, text: &str, bos: PrependBos) -> Result<Vec<u32>> {
        if bos == PrependBos::Always && self.front.is_empty() {
            let problem =
                "the tokenizer has no beginning-of-sequence token; use prepend_bos: Never";
            return Err(Error::model("tokenizer", problem));
        }
        let own = match &self.inner {
            Inner::Library(inner) => inner.ids(text).map_err(|problem| cannot(text, &problem))?,
            Inner::SentencePiece(inner) => inner.encode(text, true),
        };
        let front = if self.prepends_bos(bos) {
            self.front.as_slice()
        } else {
            &[]
        };
        Ok([front, &own].concat())
    }

    /// The tokens of a part of a text, without beginning-of-sequence token; `first`: the text begins with it.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn encode_part(&self, part: &str, first: bool) -> Result<TextPart> {
        let mut dropped = 0;
        let (tokens, unknown, written) = match &self.inner {
            Inner::Library(inner) => {
                dropped = inner.dropped(part).len();
                let tokens = if first {
                    inner.ids(part)
                } else {
                    inner.ids_after(part)
                };
                let tokens = tokens.map_err(|problem| cannot(part, &problem))?;
                let name = inner.unknown().filter(|name| !name.is_empty());
                let written = name.as_ref().map_or(0, |name| part.matches(name).count());
                (tokens, name.and_then(|name| inner.id(&name)), written)
            }
            Inner::SentencePiece(inner) => (inner.encode(part, first), Some(inner.unknown()), 0),
        };
        let unknown = tokens.iter().filter(|token| Some(**token) == unknown);
        // Where the token stands in the text by its name, it is known.
        let unknown = unknown.count().saturating_sub(written) + dropped;
        Ok(TextPart { tokens, unknown })
    }

    /// The token that this text is, when it is exactly one (without beginning-of-sequence token), as it would go on
    /// another text.
    pub fn single_token(&self, text: &str) -> Option<u32> {
        match self.encode_part(text, false).ok()?.tokens[..] {
            [token] => Some(token),
            _ => None,
        }
    }

    /// The first part of a text that only has the token for unknown words, or no token at all.
    pub fn unknown_in(&self, text: &str) -> Option<String> {
        match &self.inner {
            Inner::Library(inner) => {
                let Some(unknown) = inner.unknown() else {
                    return inner.dropped(text).into_iter().next();
                };
                let id = inner.id(&unknown)?;
                let tokens = inner.tokens(text).ok()?;
                tokens.into_iter().find_map(|(token, place)| {
                    let part = text.get(place).filter(|_| token == id)?;
                    let shown = if part.trim().is_empty() {
                        part
                    } else {
                        part.trim()
                    };
                    (shown != unknown).then(|| shown.to_owned())
                })
            }
            Inner::SentencePiece(inner) => inner.unknown_in(text).map(String::from),
        }
    }

    /// The text of tokens.
    pub fn decode(&self, tokens: &[u32]) -> String {
        match &self.inner {
            Inner::Library(inner) => inner.text(tokens),
            Inner::SentencePiece(inner) => inner.decode(tokens),
        }
    }
}

/// A text that a tokenizer fails on; of a long one the beginning.
fn cannot(text: &str, problem: &str) -> Error {
    const SHOWN: usize = 60;
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { ".." } else { "" };
    Error::model(
        "tokenizer",
        format!("cannot encode {shown:?}{more}: {problem}"),
    )
}
