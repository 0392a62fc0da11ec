//! Prompts that are no pairs: one JSON object per line, or lines of plain text.

use std::path::Path;

use serde_json::Value;

use super::{Row, Rows, ending, json, text};
use crate::input::without_bom;

/// The keys of a row.
const KEYS: [&str; 4] = ["prompt", "answer", "wrong", "at"];

/// The rows of a file; a lone prompt stands for both of a pair.
///
/// # Errors
/// When the file as a whole is not of its format.
pub(in crate::task) fn rows(path: &Path, bytes: &[u8]) -> Result<Rows, String> {
    let body = text(without_bom(bytes).trim_ascii_end())?;
    let row: fn(&str) -> Result<Row, String> = match ending(path).as_deref() {
        Some("txt") => |line| Ok(pair(&line.trim_end_matches('\r').into())),
        _ => object,
    };
    let lines = body.split('\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let rows: Rows = lines.map(|(index, line)| (index + 1, row(line))).collect();
    if rows.is_empty() {
        return Err("the file has no prompts; write one per line".into());
    }
    Ok(rows)
}

fn pair(prompt: &Value) -> Row {
    let keys = ["clean", "corrupt"].map(str::to_owned);
    keys.into_iter().map(|key| (key, prompt.clone())).collect()
}

fn object(line: &str) -> Result<Row, String> {
    let value = json(
        line,
        "write one object per line, such as {\"prompt\": ..}, or name the file .txt",
    )?;
    let Value::Object(mut row) = value else {
        return Err("not a JSON object; write {\"prompt\": ..}".into());
    };
    if let Some(key) = row.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!(
            "unknown key `{key}`; the keys are {}",
            KEYS.join(", ")
        ));
    }
    let prompt = row.remove("prompt").ok_or("`prompt` is missing; add it")?;
    row.extend(pair(&prompt));
    Ok(row)
}
