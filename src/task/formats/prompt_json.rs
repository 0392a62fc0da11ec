//! auto-circuit's prompt files: `{"prompts": [{"clean", "corrupt", "answers", "wrong_answers"}]}`, text or token ids.

use serde_json::Value;

use super::{Row, Rows};

/// The rows of such a file.
pub(super) fn rows(text: &str) -> Result<Rows, String> {
    let wanted = "write {\"prompts\": [{\"clean\": .., \"corrupt\": .., \"answers\": [..], \"wrong_answers\": [..]}]}, or \
                  name the file .jsonl for one object per line";
    let file = super::json(text, wanted)?;
    let prompts = file.get("prompts").and_then(Value::as_array);
    let prompts = prompts.ok_or_else(|| format!("no list `prompts`; {wanted}"))?;
    let rows = prompts.iter().enumerate();
    Ok(rows
        .map(|(index, prompt)| (index + 1, row(prompt)))
        .collect())
}

fn row(prompt: &Value) -> Result<Row, String> {
    let part = |key: &str| {
        let value = prompt.get(key).cloned();
        value.ok_or_else(|| format!("`{key}` is missing; add it"))
    };
    let answers = |key: &str| match part(key)? {
        Value::Array(answers) => Ok(answers),
        other => Err(format!("`{key}` is not a list; write [{other}]")),
    };
    Ok(super::row(
        part("clean")?,
        part("corrupt")?,
        answers("answers")?,
        answers("wrong_answers")?,
    ))
}
