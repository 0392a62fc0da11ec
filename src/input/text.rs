//! Text that people and other programs write: it may begin with a byte order mark, and no JSON key may stand twice.

use serde_json::Value;

use super::json::refuse_repeated_keys;

/// What some editors put at the beginning of UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The bytes of a text without the byte order mark that it may begin with.
pub(crate) fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// The text of a file, without the byte order mark that it may begin with.
///
/// # Errors
/// When it is not UTF-8; the error says where.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, String> {
    let bytes = without_bom(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("not UTF-8 text, from line {line} on; save the file as UTF-8")
    })
}

/// A JSON value in which no object has a key twice.
///
/// # Errors
/// When the text is not JSON, or a key is given twice: which of the two values counts would depend on the reader.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, String> {
    let bytes = without_bom(bytes);
    let value = serde_json::from_slice(bytes).map_err(|error| format!("not JSON ({error})"))?;
    refuse_repeated_keys(bytes).map_err(|problem| format!("{problem}; remove one"))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_given_twice_is_refused() {
        assert_eq!(
            json(b"\xef\xbb\xbf{\"a\": [1]} ").unwrap(),
            serde_json::json!({"a": [1]})
        );
        let error = json(br#"{"b": {"a": 1, "a": 2}}"#).unwrap_err();
        assert!(error.contains("the key \"a\" is there twice"), "{error}");
        assert!(json(b"{} {}").unwrap_err().contains("not JSON"));
    }

    #[test]
    fn text_is_utf_8_with_or_without_a_mark() {
        assert_eq!(text(b"\xef\xbb\xbfa"), Ok("a"));
        assert!(text(b"a\n\xff").unwrap_err().contains("line 2"));
    }
}
