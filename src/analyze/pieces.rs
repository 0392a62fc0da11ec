//! Text files as tokens, a piece at a time: what is held does not grow with the file, and what is not setting for is not read.

use std::io::Read;
use std::path::Path;

use crate::analyze::{Setting, known};
use crate::error::{Error, Result};
use crate::events::{Event, Observer};
use crate::input::{self, without_bom};
use crate::model::{ModelConfig, Tokenizer};

/// Longest piece, in bytes.
const PIECE: usize = 1 << 16;
/// Share of unknown tokens from which on they are worth a warning.
const MANY_UNKNOWN: f64 = 0.01;

/// Opens a text file.
///
/// # Errors
/// When it is not a regular file or cannot be opened.
fn open(path: &Path) -> Result<std::fs::File> {
    let opened = input::open(path);
    let (file, _) = opened.map_err(|problem| Error::data(path.display().to_string(), problem))?;
    Ok(file)
}

/// A text file as tokens, without beginning-of-sequence token.
pub(super) struct TokenFile<'a> {
    pieces: Pieces<std::fs::File>,
    tokenizer: &'a Tokenizer,
    config: &'a ModelConfig,
    tokens: usize,
    unknown: usize,
}

impl<'a> TokenFile<'a> {
    /// Opens a file.
    ///
    /// # Errors
    /// When there is no such file, or the model has no tokenizer.
    pub(super) fn open(setting: &Setting<'a>, path: &Path) -> Result<Self> {
        Ok(Self {
            tokenizer: setting.model.require_tokenizer()?,
            config: setting.model.config(),
            pieces: Pieces::new(open(path)?, path.display().to_string()),
            tokens: 0,
            unknown: 0,
        })
    }

    /// The tokens of the next piece, each piece being tokenised by itself; none at the end.
    ///
    /// # Errors
    /// When the piece is not UTF-8, or has a token that the model does not have.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u32>>> {
        let first = self.pieces.is_first;
        let Some(piece) = self.pieces.next()? else {
            return Ok(None);
        };
        let part = self.tokenizer.encode_part(&piece, first)?;
        known(
            &part.tokens,
            (self.tokenizer, self.config),
            &self.pieces.name,
        )?;
        self.tokens += part.tokens.len();
        self.unknown += part.unknown;
        Ok(Some(part.tokens))
    }

    /// Tells of the share of what was read that the tokenizer does not know, where it is not small.
    pub(super) fn finish(self, observer: &dyn Observer) {
        let share = self.unknown as f64 / self.tokens.max(1) as f64;
        if share >= MANY_UNKNOWN {
            let warning = format!(
                "{}: {:.1} % of its tokens stand for words that this tokenizer does not know",
                self.pieces.name,
                100.0 * share
            );
            observer.event(Event::Warning(warning));
        }
    }
}

/// A text in pieces of at most [`PIECE`] bytes.
///
/// A piece ends before a single space between two words, so that most tokenizers give the same tokens for the pieces as for
/// the whole; where there is none, before other white space; where there is none either, between two characters.
struct Pieces<R> {
    reader: R,
    name: String,
    /// What was read and not given yet.
    buffer: Vec<u8>,
    /// Whether no piece was given yet.
    is_first: bool,
}

impl<R: Read> Pieces<R> {
    fn new(reader: R, name: String) -> Self {
        Self {
            reader,
            name,
            buffer: Vec::new(),
            is_first: true,
        }
    }

    fn next(&mut self) -> Result<Option<String>> {
        // One byte more shows whether the text goes on.
        let wanted = (PIECE + 1).saturating_sub(self.buffer.len());
        let mut reader = self.reader.by_ref().take(wanted as u64);
        reader.read_to_end(&mut self.buffer)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let end = if self.buffer.len() <= PIECE {
            self.buffer.len()
        } else {
            end_of_piece(&self.buffer)
        };
        let rest = self.buffer.split_off(end);
        let piece = std::mem::replace(&mut self.buffer, rest);
        let text = if self.is_first {
            without_bom(&piece)
        } else {
            &piece
        };
        self.is_first = false;
        let text =
            std::str::from_utf8(text).map_err(|_| Error::data(&self.name, "not UTF-8 text"))?;
        Ok(Some(text.to_owned()))
    }
}

/// Where to cut a text: above 0, and below its length.
fn end_of_piece(text: &[u8]) -> usize {
    let is_word = |byte: u8| !byte.is_ascii_whitespace();
    let single = |three: &[u8]| is_word(three[0]) && three[1] == b' ' && is_word(three[2]);
    let white = || text[1..].iter().rposition(u8::is_ascii_whitespace);
    let is_start = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    let space = text.windows(3).rposition(single).or_else(white);
    let before = space.or_else(|| text[1..].iter().rposition(is_start));
    before.map_or(text.len() - 1, |before| before + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::PrependBos;

    fn pieces(text: &[u8]) -> Result<Vec<String>> {
        let mut pieces = Pieces::new(text, "a.txt".into());
        let mut all = Vec::new();
        while let Some(piece) = pieces.next()? {
            all.push(piece);
        }
        Ok(all)
    }

    #[test]
    fn pieces_are_bounded_and_give_the_text_again() {
        let words = "The dogs\nnear the  tree, \u{e9}t\u{e9} \u{65e5}\u{672c}. ".repeat(9000);
        let lines = "word\n".repeat(40_000);
        let letters = "\u{65e5}".repeat(60_000);
        let broken = format!("a b{}", "\n\n".repeat(PIECE));
        for text in ["", "a", &words, &lines, &letters, &broken] {
            let pieces = pieces(text.as_bytes()).unwrap();
            assert_eq!(pieces.concat(), text);
            assert!(
                pieces
                    .iter()
                    .all(|piece| (1..=PIECE).contains(&piece.len()))
            );
            assert!(pieces.len() >= text.len().div_ceil(PIECE));
        }
        // Whatever fits stays whole.
        for more in [0, 1] {
            let text = "ab ".repeat(PIECE)[..PIECE + more].to_owned();
            assert_eq!(pieces(text.as_bytes()).unwrap().len(), 1 + more);
        }
        for piece in &pieces(words.as_bytes()).unwrap()[1..] {
            assert!(
                piece.starts_with(' ') && !piece.starts_with("  "),
                "{piece:.20}"
            );
        }
        assert!(
            pieces(lines.as_bytes()).unwrap()[1..]
                .iter()
                .all(|it| it.starts_with('\n'))
        );
        assert!(
            pieces(&[b'a', 0xff])
                .unwrap_err()
                .to_string()
                .contains("a.txt")
        );
    }

    /// Tokens of pieces, one after the other, are those of the whole text.
    #[test]
    fn tokens_of_pieces_are_those_of_the_text() {
        let text =
            "The dogs near the tree are red.\n\nThe war lasted  from 1732 to 1740. ".repeat(5000);
        let pieces = pieces(text.as_bytes()).unwrap();
        assert!(pieces.len() > 4);
        let toy = crate::model::load_model("builtin:toy-llama", Path::new(".")).unwrap();
        for tokenizer in [toy.require_tokenizer().unwrap(), &byte_pairs(&text)] {
            let mut joined = Vec::new();
            for (index, piece) in pieces.iter().enumerate() {
                joined.extend(tokenizer.encode_part(piece, index == 0).unwrap().tokens);
            }
            assert!(joined == tokenizer.encode(&text, PrependBos::Never).unwrap());
        }
    }

    /// A tokenizer like that of GPT-2, for the characters of a text.
    fn byte_pairs(text: &str) -> Tokenizer {
        let letter = |letter: char| match letter {
            ' ' => '\u{120}',
            '\n' => '\u{10a}',
            letter => letter,
        };
        let letters: BTreeSet<char> = text.chars().map(letter).collect();
        let mut pieces: Vec<String> = letters.iter().map(char::to_string).collect();
        let merges = [
            "t h",
            "th e",
            "\u{120} the",
            "\u{120} \u{120}",
            "\u{10a} \u{10a}",
            "o g",
        ];
        pieces.extend(merges.iter().map(|merge| merge.replace(' ', "")));
        let vocabulary: serde_json::Map<String, serde_json::Value> = pieces
            .into_iter()
            .zip(0_u32..)
            .map(|(piece, id)| (piece, id.into()))
            .collect();
        let json = serde_json::json!({
            "version": "1.0",
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
        });
        let inner = tokenizers::Tokenizer::from_bytes(json.to_string()).unwrap();
        Tokenizer::new(inner, None, false).unwrap()
    }

    /// What is not known is counted, but for its name where that stands in the text.
    #[test]
    fn unknown_words_are_counted() {
        let toy = crate::model::load_model("builtin:toy-llama", Path::new(".")).unwrap();
        let tokenizer = toy.require_tokenizer().unwrap();
        let unknown = |text: &str| tokenizer.encode_part(text, true).unwrap().unknown;
        assert_eq!(unknown("The dogs near the tree are red."), 0);
        assert_eq!(unknown("The zebras near the quagga are red."), 2);
        assert_eq!(unknown("<unk> zebras"), 1);
    }
}
