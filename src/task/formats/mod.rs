//! Files of prompts: our own rows and those of other tools, all turned into our own rows.
//!
//! The name decides: `.json` is auto-circuit's prompt file, `.csv` a table as EAP-IG has them, all else one JSON
//! object per line, ours or MIB's.

mod csv;
mod json_lines;
mod mib;
mod prompt_json;
pub(super) mod prompts;

use std::path::Path;

use serde_json::{Map, Value};

use crate::input::{self, without_bom};

/// A row in our own form, with the keys `clean`, `corrupt`, `answer`, `wrong` and `at`.
pub(super) type Row = Map<String, Value>;

/// Rows by their number, counted from 1; or what is wrong with a row.
pub(super) type Rows = Vec<(usize, Result<Row, String>)>;

/// The rows of a file.
///
/// # Errors
/// When the file as a whole is not of its format.
pub(super) fn rows(path: &Path, bytes: &[u8]) -> Result<Rows, String> {
    let body = without_bom(bytes).trim_ascii_end();
    let (rows, row) = match ending(path).as_deref() {
        Some("json") => (prompt_json::rows(text(body)?)?, "a prompt into `prompts`"),
        Some("csv") => (csv::rows(text(body)?)?, "one line per row below the header"),
        _ => (json_lines::rows(body), "one JSON object per line"),
    };
    if rows.is_empty() {
        return Err(format!("the file has no rows; write {row}"));
    }
    Ok(rows)
}

/// What the name of a file ends in, in small letters.
fn ending(path: &Path) -> Option<String> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.map(str::to_ascii_lowercase)
}

fn text(body: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(body).map_err(|_| "not UTF-8 text; save the file as UTF-8".into())
}

/// The JSON value of a line or file; `wanted` says what it should be.
fn json(text: &str, wanted: &str) -> Result<Value, String> {
    input::json(text.as_bytes()).map_err(|problem| format!("{problem}; {wanted}"))
}

/// An answer that is a token id among answers of text.
fn token(id: u64) -> Value {
    serde_json::json!({ "id": id })
}

/// A row of its parts; `wrong` may be empty.
fn row(clean: Value, corrupt: Value, answer: Vec<Value>, wrong: Vec<Value>) -> Row {
    let parts = [
        ("clean", clean),
        ("corrupt", corrupt),
        ("answer", Value::Array(answer)),
        ("wrong", Value::Array(wrong)),
    ];
    parts
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
