//! What a small model has to know to do the generated tasks.

use super::words::{EVENTS, LOOSE, NAMES, NOUNS, OBJECTS, PLACES, PREPOSITIONS, VERBS};
use super::{agreement, ioi};

/// Pieces of text that together hold every word of the generators' prompts and answers, for making a word-level
/// tokenizer: words with their space in front, and templates with their gaps `{..}` removed. Numbers are left out.
pub fn vocabulary() -> Vec<String> {
    let mut pieces = Vec::new();
    for template in ioi::TEMPLATES.iter().chain(agreement::TEMPLATES) {
        pieces.extend(template.split('{').map(|part| match part.split_once('}') {
            Some((_, rest)) => rest.to_owned(),
            None => part.trim_end().to_owned(),
        }));
    }
    pieces.push("The".into());
    pieces.extend(["lasted", "from", "the", "year", "to"].map(|word| format!(" {word}")));
    let pairs = NOUNS
        .iter()
        .chain(VERBS)
        .flat_map(|(one, many)| [*one, *many]);
    let words = [NAMES, PLACES, OBJECTS, EVENTS, LOOSE, PREPOSITIONS].concat();
    pieces.extend(
        words
            .into_iter()
            .chain(pairs)
            .map(|word| format!(" {word}")),
    );
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}
