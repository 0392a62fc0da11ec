//! Text within HTML, and JSON within a script element.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::report::text::markup;
use crate::visible::is_hidden;

/// Escapes text for HTML content and quoted attributes; line breaks stay, other hidden characters are replaced.
pub(crate) fn html(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => character,
        other if is_hidden(other) => '\u{fffd}',
        other => other,
    };
    markup(&text.chars().map(shown).collect::<String>())
}

/// A value as JSON that no text in it can break out of a script element with: `<`, `>` and `&` stand in strings only, and
/// are written as escape sequences there.
///
/// # Errors
/// Never for the types here; the serialiser's signature allows it.
pub(crate) fn json<V: Serialize>(value: &V) -> Result<String> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::Bug(format!("the data of a page: {error}")))?;
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            // The page shows it as what it is, not by what it does to its neighbours.
            other if is_hidden(other) => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_closes_a_script_and_json_stays_the_same_value() {
        let hostile = "</script><img src=x onerror=alert(1)> & <!-- \"'";
        let text = json(&hostile).expect("JSON");
        assert!(!text.contains(['<', '>', '&']), "{text}");
        let back: String = serde_json::from_str(&text).expect("the same value");
        assert_eq!(back, hostile);
        let shown = html(hostile);
        assert!(!shown.contains(['<', '>', '"', '\'']), "{shown}");
        assert_eq!(html("a\u{0}b\nc"), "a\u{fffd}b\nc");
        let hidden = "a\u{2028}\u{202e}b\nc";
        assert_eq!(html(hidden), "a\u{fffd}\u{fffd}b\nc");
        assert_eq!(json(&hidden).expect("JSON"), "\"a\u{fffd}\u{fffd}b\\nc\"");
    }
}
