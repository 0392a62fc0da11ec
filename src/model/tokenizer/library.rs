//! The tokenizer library: the only place that calls it, and where its panics end.
//!
//! What a panic leaves behind in the library are caches, which it can do without.

use std::ops::Range;

use serde_json::{Map, Value};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    Model, ModelWrapper, OffsetReferential, OffsetType, PostProcessor, PostProcessorWrapper,
    PreTokenizer, PreTokenizerWrapper,
};

use super::backtracking;
use super::checked::{Growth, checked};
use crate::contain;

/// What a text may begin with without changing how the rest is cut: no token goes on after it.
const BEFORE: &str = "\n";

/// A tokenizer of the library.
#[derive(Debug, Clone)]
pub(super) struct Library {
    inner: Box<tokenizers::Tokenizer>,
    growth: Growth,
    /// Whether text gets a space in front that it does not have when it goes on after other text.
    prefixes: bool,
    /// Whether text may be lost without a word.
    drops: bool,
}

/// What the post-processor puts around a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Around {
    pub(super) front: Vec<u32>,
    pub(super) back: Vec<u32>,
}

impl Library {
    /// A tokenizer from the content of a tokenizer.json, and what its post-processor puts around a text, which it does no
    /// more.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn from_json(file: Map<String, Value>) -> Result<(Self, Around), String> {
        let (file, growth) = checked(file)?;
        let bytes = serde_json::to_vec(&file).map_err(|error| error.to_string())?;
        drop(file);
        backtracking::bound();
        let inner = contained(&bytes)?;
        Self::of(inner, growth)
    }

    /// The same, or one that cuts the special tokens in a text as any other text.
    pub(super) fn splitting_special(mut self, splits: bool) -> Self {
        self.inner.set_encode_special_tokens(splits);
        self
    }

    /// A tokenizer made elsewhere.
    ///
    /// # Errors
    /// When it cannot encode.
    pub(super) fn new(mut inner: tokenizers::Tokenizer) -> Result<Self, String> {
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| error.to_string())?;
        Ok(Self::of(inner, Growth::default())?.0)
    }

    fn of(mut inner: tokenizers::Tokenizer, growth: Growth) -> Result<(Self, Around), String> {
        let processor = inner.get_post_processor().cloned();
        let drops = drops(&inner);
        inner.with_post_processor(None::<PostProcessorWrapper>);
        let mut library = Self {
            inner: Box::new(inner),
            growth,
            prefixes: false,
            drops,
        };
        let around = match processor {
            Some(processor) => library.around(&processor)?,
            None => Around::default(),
        };
        let (before, both) = (library.ids(BEFORE)?, library.ids(&format!("{BEFORE}a"))?);
        let after = both.strip_prefix(before.as_slice());
        library.prefixes = match after.filter(|after| !after.is_empty()) {
            Some(after) => library.ids("a")? != after,
            None => false,
        };
        Ok((library, around))
    }

    /// What a post-processor puts around a text.
    fn around(&self, processor: &PostProcessorWrapper) -> Result<Around, String> {
        let mut whole = Vec::new();
        // A vocabulary of words may know few texts; one that has tokens is enough.
        for text in ["a", "the", "0", ""] {
            let encoding = caught(|| self.inner.encode_fast(text, false))?;
            let tokens = encoding.get_ids().to_vec();
            whole = caught(|| processor.process(encoding, None, true))?
                .get_ids()
                .to_vec();
            if !tokens.is_empty() {
                let places = whole.windows(tokens.len());
                let place = places.into_iter().rposition(|part| part == tokens);
                let place = place.ok_or("its post-processor changes the tokens of a text")?;
                let back = whole.split_off(place + tokens.len());
                whole.truncate(place);
                return Ok(Around { front: whole, back });
            }
        }
        // Where no text has tokens, what is put around it is taken to stand in front.
        Ok(Around {
            front: whole,
            back: Vec::new(),
        })
    }

    /// The tokens of a text that stands alone.
    ///
    /// # Errors
    /// When the library fails.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<u32>, String> {
        self.growth.encodes(text.len())?;
        // Without the places of tokens in the text, which take many times its size.
        let encoding = caught(|| self.inner.encode_fast(text, false))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The tokens of a text that goes on after another one.
    ///
    /// # Errors
    /// When the library fails.
    pub(super) fn ids_after(&self, text: &str) -> Result<Vec<u32>, String> {
        if self.prefixes {
            let before = self.ids(BEFORE)?;
            let both = self.ids(&format!("{BEFORE}{text}"))?;
            if let Some(after) = both.strip_prefix(before.as_slice()) {
                return Ok(after.to_vec());
            }
        }
        self.ids(text)
    }

    /// The tokens of a text with the bytes of it that they stand for.
    ///
    /// # Errors
    /// When the library fails.
    pub(super) fn tokens(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>, String> {
        self.growth.encodes(text.len())?;
        let encoding = caught(|| self.inner.encode(text, false))?;
        let tokens = encoding.get_ids().iter().copied();
        let places = encoding.get_offsets().iter();
        let places = places.map(|&(start, end)| start..end);
        Ok(tokens.zip(places).collect())
    }

    /// The text of tokens; of those that the library fails on, nothing.
    pub(super) fn text(&self, tokens: &[u32]) -> String {
        let lengths = tokens.iter().filter_map(|&id| self.inner.id_to_token(id));
        let bytes = lengths.map(|token| token.len()).sum();
        if self.growth.decodes(bytes).is_err() {
            return String::new();
        }
        caught(|| self.inner.decode(tokens, false)).unwrap_or_default()
    }

    /// The token of this name.
    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.inner.token_to_id(name)
    }

    /// The parts of a text of which something would become no token, though it is not ablated on purpose.
    pub(super) fn dropped(&self, text: &str) -> Vec<String> {
        let model = self.inner.get_model();
        if !self.drops || self.growth.encodes(text.len()).is_err() {
            return Vec::new();
        }
        let cut = || {
            let added = self.inner.get_added_vocabulary();
            let mut parts = added.extract_and_normalize(self.inner.get_normalizer(), text);
            if let Some(cut) = self.inner.get_pre_tokenizer() {
                cut.pre_tokenize(&mut parts)?;
            }
            Ok(parts)
        };
        let Ok(parts) = caught(cut) else {
            return Vec::new();
        };
        let parts = parts.get_splits(OffsetReferential::Original, OffsetType::Byte);
        let missing = |part: &str| part.chars().any(|letter| !has(model, letter));
        let of_vocabulary = |part: &str| model.token_to_id(part).is_some();
        let dropped = parts
            .into_iter()
            .filter(|(part, _, tokens)| tokens.is_none() && !of_vocabulary(part) && missing(part));
        let texts = dropped.filter_map(|(_, (start, end), _)| text.get(start..end));
        texts.map(|part| part.trim().to_owned()).collect()
    }

    /// The text of the token for unknown words.
    pub(super) fn unknown(&self) -> Option<String> {
        use ModelWrapper::{BPE, Unigram, WordLevel, WordPiece};
        match self.inner.get_model() {
            BPE(model) => model.get_unk_token().clone(),
            WordLevel(model) => Some(model.unk_token.clone()),
            WordPiece(model) => Some(model.unk_token.clone()),
            Unigram(_) => Some("<unk>".to_owned()),
        }
    }
}

/// Whether some text may become no token at all without an error: byte pairs drop a character that is not in the vocabulary
/// where there is no token for unknown ones.
fn drops(inner: &tokenizers::Tokenizer) -> bool {
    let ModelWrapper::BPE(model) = inner.get_model() else {
        return false;
    };
    let marked = model.continuing_subword_prefix.is_some() || model.end_of_word_suffix.is_some();
    if model.unk_token.is_some() || model.byte_fallback || marked {
        return false;
    }
    let bytes = inner.get_pre_tokenizer().is_some_and(in_bytes);
    let all = || {
        ByteLevel::alphabet()
            .iter()
            .all(|letter| has(model, *letter))
    };
    !(bytes && all())
}

/// Whether text is cut into the letters that stand for its bytes.
fn in_bytes(cut: &PreTokenizerWrapper) -> bool {
    match cut {
        PreTokenizerWrapper::ByteLevel(_) => true,
        PreTokenizerWrapper::Sequence(parts) => parts.as_ref().iter().any(in_bytes),
        _ => false,
    }
}

fn has(model: &impl tokenizers::Model, letter: char) -> bool {
    let mut buffer = [0; 4];
    model.token_to_id(letter.encode_utf8(&mut buffer)).is_some()
}

/// A tokenizer that the library reads on a stack of its own.
fn contained(bytes: &[u8]) -> Result<tokenizers::Tokenizer, String> {
    contain::contained(|| caught(|| tokenizers::Tokenizer::from_bytes(bytes)))?
}

/// What the library gives, or what it says when it fails or panics.
fn caught<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match contain::caught(work) {
        Ok(found) => found.map_err(|error| error.to_string()),
        Err(panic) if panic.contains("retry-limit") => Err(
            "a regular expression of it takes too long: it has too many ways to match the text"
                .into(),
        ),
        Err(panic) => Err(format!("the tokenizer library fails on it ({panic})")),
    }
}
