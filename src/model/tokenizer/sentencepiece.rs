//! Byte-pair encoding of `SentencePiece`: pieces with scores instead of merges (Llama 2, Mistral, Gemma).
//!
//! Text is cut into characters, but for tokens that stand in it whole; then the neighbours whose union is the piece of the
//! highest score are joined, the leftmost ones first, until no union is a piece. Characters that are no piece become
//! bytes.
//!
//! Reference: Kudo and Richardson 2018, and the library's `bpe_model.cc`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

/// What stands for a space within pieces.
const SPACE: char = '\u{2581}';

/// What a piece is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Made by joining.
    Normal,
    /// Stands in text whole, and is never joined.
    Whole,
    /// A single byte.
    Byte,
    /// Never made from text.
    Unused,
}

/// A vocabulary with scores.
#[derive(Debug, Clone)]
pub(super) struct SentencePiece {
    pieces: Vec<String>,
    kinds: Vec<Kind>,
    scores: Vec<f32>,
    /// Tokens of the pieces made by joining, in the order of their text.
    normal: Vec<u32>,
    /// Pieces found in text as they stand.
    whole: BTreeMap<String, u32>,
    /// Bytes of the longest of them.
    longest: usize,
    /// Token of each byte.
    bytes: Vec<Option<u32>>,
    /// What stands for characters that have neither a piece nor bytes: none is left out.
    unknown: u32,
    /// Whether text gets a space in front.
    space_prefix: bool,
}

impl SentencePiece {
    /// A vocabulary; `pieces`, `kinds` and `scores` are equally long.
    pub(super) fn new(
        pieces: Vec<String>,
        kinds: Vec<Kind>,
        scores: Vec<f32>,
        unknown: u32,
        space_prefix: bool,
    ) -> Self {
        let mut new = Self {
            normal: Vec::new(),
            whole: BTreeMap::new(),
            longest: 0,
            bytes: vec![None; 256],
            pieces,
            kinds,
            scores,
            unknown,
            space_prefix,
        };
        for (id, (piece, kind)) in (0_u32..).zip(new.pieces.iter().zip(&new.kinds)) {
            match kind {
                Kind::Normal => new.normal.push(id),
                Kind::Whole => {
                    // They may be written with spaces.
                    let piece = spaced(piece);
                    new.longest = new.longest.max(piece.len());
                    new.whole.insert(piece, id);
                }
                Kind::Byte => {
                    if let Some(byte) = byte(piece) {
                        new.bytes[usize::from(byte)] = Some(id);
                    }
                }
                Kind::Unused => {}
            }
        }
        let pieces = &new.pieces;
        new.normal.sort_by_key(|id| &pieces[*id as usize]);
        new
    }

    /// The tokens of a text; `first`: it begins a sequence, so that it may get a space in front.
    pub(super) fn encode(&self, text: &str, first: bool) -> Vec<u32> {
        if text.is_empty() {
            return Vec::new();
        }
        let text = spaced(text);
        let mut tokens = Vec::new();
        // Where the characters to be joined begin.
        let mut from = 0;
        let mut at = 0;
        // What stands after a whole token begins anew, as in llama.cpp and in tokenizer.json files of such models.
        let stretch = |from: usize, at: usize, tokens: &mut Vec<u32>| {
            let stretch = &text[from..at];
            if self.space_prefix && !stretch.is_empty() && (first || from > 0) {
                self.join(&format!("{SPACE}{stretch}"), tokens);
            } else {
                self.join(stretch, tokens);
            }
        };
        while at < text.len() {
            if let Some((length, id)) = self.whole_at(&text[at..]) {
                stretch(from, at, &mut tokens);
                tokens.push(id);
                at += length;
                from = at;
            } else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        stretch(from, text.len(), &mut tokens);
        tokens
    }

    /// The token of a piece made by joining.
    fn normal(&self, text: &str) -> Option<u32> {
        let piece = |id: &u32| self.pieces[*id as usize].as_str();
        let place = self.normal.binary_search_by_key(&text, piece).ok()?;
        Some(self.normal[place])
    }

    /// The longest token that a text begins with, of those that stand whole.
    fn whole_at(&self, text: &str) -> Option<(usize, u32)> {
        let longest = self.longest.min(text.len());
        (1..=longest)
            .rev()
            .filter(|length| text.is_char_boundary(*length))
            .find_map(|length| Some((length, *self.whole.get(&text[..length])?)))
    }

    /// Joins the characters of a text to pieces.
    fn join(&self, text: &str, tokens: &mut Vec<u32>) {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .map(|(start, letter)| Symbol {
                start,
                end: start + letter.len_utf8(),
                previous: 0,
                next: 0,
            })
            .collect();
        let count = symbols.len();
        for (index, symbol) in symbols.iter_mut().enumerate() {
            symbol.previous = index.wrapping_sub(1);
            symbol.next = index + 1;
        }
        let candidate = |symbols: &[Symbol], left: usize, right: usize| {
            let (first, second) = (symbols.get(left)?, symbols.get(right)?);
            let id = self.normal(&text[first.start..second.end])?;
            Some(Join {
                score: self.scores[id as usize],
                left,
                right,
                length: second.end - first.start,
            })
        };
        let mut joins: BinaryHeap<Join> = (1..count)
            .filter_map(|right| candidate(&symbols, right - 1, right))
            .collect();
        while let Some(join) = joins.pop() {
            let (left, right) = (symbols[join.left], symbols[join.right]);
            // One of the two may have been joined to something else meanwhile.
            let stale = left.is_gone() || right.is_gone() || right.end - left.start != join.length;
            if stale {
                continue;
            }
            symbols[join.left].end = right.end;
            symbols[join.left].next = right.next;
            symbols[join.right].end = right.start;
            if let Some(next) = symbols.get_mut(right.next) {
                next.previous = join.left;
            }
            joins.extend(candidate(&symbols, left.previous, join.left));
            joins.extend(candidate(&symbols, join.left, right.next));
        }
        for symbol in symbols.iter().filter(|symbol| !symbol.is_gone()) {
            let piece = &text[symbol.start..symbol.end];
            match self.normal(piece) {
                Some(id) => tokens.push(id),
                None => tokens.extend(self.fall_back(piece)),
            }
        }
    }

    /// The bytes of a character that is no piece, or the unknown token.
    fn fall_back(&self, piece: &str) -> Vec<u32> {
        let bytes: Option<Vec<u32>> = piece
            .bytes()
            .map(|byte| self.bytes[usize::from(byte)])
            .collect();
        bytes.unwrap_or_else(|| vec![self.unknown])
    }

    /// The token of what is not known.
    pub(super) fn unknown(&self) -> u32 {
        self.unknown
    }

    /// The first character of a text that has no piece, no bytes, and no token that it is part of.
    pub(super) fn unknown_in(&self, text: &str) -> Option<char> {
        let only_unknown = |letter: &char| {
            self.encode(&letter.to_string(), false) == [self.unknown]
                && !self.whole.keys().any(|piece| piece.contains(*letter))
        };
        text.chars().find(only_unknown)
    }

    /// The text of tokens.
    pub(super) fn decode(&self, tokens: &[u32]) -> String {
        let mut bytes = Vec::new();
        for token in tokens {
            let id = *token as usize;
            let (Some(piece), Some(kind)) = (self.pieces.get(id), self.kinds.get(id)) else {
                continue;
            };
            match byte(piece).filter(|_| *kind == Kind::Byte) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend(piece.replace(SPACE, " ").bytes()),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A text with its spaces as pieces have them.
fn spaced(text: &str) -> String {
    text.replace(' ', SPACE.encode_utf8(&mut [0; 4]))
}

/// The byte that a piece such as `<0x0A>` stands for.
fn byte(piece: &str) -> Option<u8> {
    let hex = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(hex, 16).ok()
}

/// A stretch of text, in a list of its neighbours; empty when it was joined to the one before it.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    end: usize,
    previous: usize,
    next: usize,
}

impl Symbol {
    fn is_gone(&self) -> bool {
        self.start == self.end
    }
}

/// Two neighbours whose union is a piece.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Join {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of the union, by which a join is known to be out of date.
    length: usize,
}

impl Eq for Join {}

impl Ord for Join {
    /// The higher score first, then the one further left.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
            .then(other.length.cmp(&self.length))
    }
}

impl PartialOrd for Join {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(space_prefix: bool) -> SentencePiece {
        let pieces = [
            ("<unk>", Kind::Whole, 0.0),
            ("<s>", Kind::Whole, 0.0),
            ("\u{2581}", Kind::Normal, -9.0),
            ("a", Kind::Normal, -10.0),
            ("b", Kind::Normal, -11.0),
            ("ab", Kind::Normal, -2.0),
            ("ba", Kind::Normal, -1.0),
            ("\u{2581}a", Kind::Normal, -3.0),
            ("  ", Kind::Whole, 0.0),
            ("aba", Kind::Normal, -5.0),
            ("<0xC3>", Kind::Byte, 0.0),
            ("<0xA4>", Kind::Byte, 0.0),
        ];
        SentencePiece::new(
            pieces.iter().map(|piece| piece.0.to_owned()).collect(),
            pieces.iter().map(|piece| piece.1).collect(),
            pieces.iter().map(|piece| piece.2).collect(),
            0,
            space_prefix,
        )
    }

    #[test]
    fn the_best_score_is_joined_first_and_the_left_one_among_equals() {
        let plain = vocabulary(false);
        assert_eq!(plain.encode("ab", true), [5]);
        assert_eq!(plain.encode("aba", true), [9]); // ba first, then a + ba
        assert_eq!(plain.encode("abab", true), [9, 4]);
        assert_eq!(plain.encode("baba", true), [6, 6]);
        assert_eq!(plain.encode(" ab", true), [2, 5]);
        assert_eq!(plain.encode("", true), Vec::<u32>::new());
    }

    #[test]
    fn whole_tokens_bytes_and_the_unknown() {
        let plain = vocabulary(false);
        assert_eq!(plain.encode("a  a", true), [3, 8, 3]);
        assert_eq!(plain.encode("a<s>b", true), [3, 1, 4]);
        assert_eq!(plain.encode("ä", true), [10, 11]);
        assert_eq!(plain.encode("ö", true), [0]);
        assert_eq!(plain.unknown_in("ab<s>ö"), Some('ö'));
        assert_eq!(plain.unknown_in("ab<s>ä"), None);
        assert_eq!(plain.decode(&[3, 8, 10, 11, 7]), "a  ä a");
    }

    #[test]
    fn a_space_goes_in_front_of_a_text_and_of_what_follows_a_whole_token() {
        let prefixed = vocabulary(true);
        assert_eq!(prefixed.encode("a", true), [7]);
        assert_eq!(prefixed.encode("a", false), [3]);
        assert_eq!(prefixed.encode("<s>a", true), [1, 7]);
        assert_eq!(prefixed.encode("a<s><s>a", false), [3, 1, 1, 7]);
    }
}
