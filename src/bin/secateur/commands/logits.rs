//! `secateur logits`: the logits at the last position of token rows, for parity checks.

use std::path::Path;

use secateur::input;
use secateur::model::load_model_within;
use secateur::paths::place;
use secateur::report::{OwnFile, logits_safetensors};
use secateur::run::AskedFiles;
use secateur::setting::last_logits;
use secateur::{Error, Result};

use crate::args::LogitsArgs;
use crate::output;

/// Bytes of the file with the rows.
const LARGEST_ROWS: u64 = 1 << 30;

pub(crate) fn logits(args: &LogitsArgs) -> Result<u8> {
    let model_file = place(Path::new("."), &args.model);
    let files = AskedFiles::new(vec![&args.tokens, &model_file], args.force);
    // Not after all the work.
    files.check(&args.out, Some(OwnFile::Logits))?;
    let rows = read_rows(&args.tokens)?;
    let memory = args.memory.bytes().map(|bytes| bytes as usize);
    let model = load_model_within(&args.added.to(&args.model), Path::new("."), memory)?;
    output::warnings(&model.warnings);
    let logits = last_logits(&model, &rows);
    model.check_unchanged()?;
    let logits = logits?;
    let width = model.config().d_out();
    let file = logits_safetensors(&logits, width)?;
    files.write(&[(args.out.clone(), file)])?;
    Ok(0)
}

/// A list of token ids per line; empty lines are skipped.
fn read_rows(path: &Path) -> Result<Vec<Vec<u32>>> {
    let name = path.display().to_string();
    let text = input::read_text(path, LARGEST_ROWS, "a list of token rows")?;
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let place = || format!("{name}:{}", index + 1);
        let row: Vec<u32> = serde_json::from_str(line).map_err(|error| {
            Error::data(place(), format!("expected a list of token ids: {error}"))
        })?;
        if row.is_empty() {
            return Err(Error::data(place(), "expected at least one token id"));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(Error::data(
            name,
            "expected a list of token ids per line, found none",
        ));
    }
    Ok(rows)
}
