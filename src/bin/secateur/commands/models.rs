//! `secateur models`: the models that can be named without a path.

use std::path::Path;

use secateur::Result;
use secateur::model::{builtin_models, cached_models};

use crate::output;

pub(crate) fn models() -> Result<u8> {
    let mut text = String::new();
    for name in builtin_models() {
        text.push_str("builtin:");
        text.push_str(name);
        text.push('\n');
    }
    for reference in cached_models(Path::new(".")) {
        text.push_str(&reference);
        text.push('\n');
    }
    output::text(&text)?;
    Ok(0)
}
