//! One JSON object per line: our own rows, or MIB's.

use serde_json::Value;

use super::{Row, Rows, mib};

/// The keys of a row.
const KEYS: [&str; 6] = ["clean", "corrupt", "answer", "wrong", "at", "spans"];

/// The rows of such a file; its lines, each a row.
pub(super) fn rows(body: &[u8]) -> Rows {
    if body.is_empty() {
        return Vec::new();
    }
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    lines.map(|(index, line)| (index + 1, row(line))).collect()
}

/// A line as an object with known keys.
fn row(line: &[u8]) -> Result<Row, String> {
    let line = super::text(line)?;
    if line.trim().is_empty() {
        return Err("the line is empty; remove it".into());
    }
    let value = super::json(line, "write one object per line, such as {\"clean\": ..}")?;
    let Value::Object(row) = value else {
        return Err(
            "not a JSON object; write {\"clean\": .., \"corrupt\": .., \"answer\": [..]}".into(),
        );
    };
    if mib::is_row(&row) {
        return mib::row(&row);
    }
    let unknown: Vec<String> = row
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()))
        .map(|key| format!("`{key}`"))
        .collect();
    if !unknown.is_empty() {
        return Err(format!(
            "unknown key{} {}; the keys are {}",
            if unknown.len() == 1 { "" } else { "s" },
            unknown.join(", "),
            KEYS.join(", ")
        ));
    }
    if let Some(key) = KEYS[..3].iter().find(|key| !row.contains_key(**key)) {
        return Err(format!("`{key}` is missing; add it"));
    }
    Ok(row)
}
