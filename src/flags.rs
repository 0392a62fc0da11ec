//! How flags of the command line become parameters: a value is written as in a spec.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::paths::{written, written_in_ron};
use crate::ron_line::{options, problem, ron_text};

/// The value of a key, in RON.
pub fn value<T>() -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    OsStringValueParser::new().try_map(|text| read(&written_in_ron(&text)))
}

/// The value of a key, in RON, or a path that stands for one. A file whose name looks like a value comes first. `keys` are what
/// may follow a name that is given alone.
pub fn value_or_path<T>(
    of: fn(PathBuf) -> T,
    keys: &'static str,
) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    OsStringValueParser::new().try_map(move |text| {
        let path = PathBuf::from(written(&text));
        let in_ron = written_in_ron(&text);
        if path.exists() || !is_value(&in_ron) {
            return Ok(of(path));
        }
        read(&in_ron).map_err(|problem| {
            if in_ron.contains('(') {
                problem
            } else {
                format!("{problem}, such as '{}{keys}'", in_ron.trim())
            }
        })
    })
}

/// A path, of any bytes.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(|text| PathBuf::from(written(text)))
}

/// A default, as a flag would give it.
pub(crate) fn shown(value: &impl Serialize) -> String {
    ron_text(value)
}

/// Whether a text begins with the name of a variant, rather than being a path.
fn is_value(text: &str) -> bool {
    let name = text.trim_start().split('(').next().unwrap_or_default();
    let name = name.trim_end();
    name.starts_with(|it: char| it.is_ascii_uppercase())
        && name.chars().all(|it| it.is_ascii_alphanumeric())
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    options().from_str(text).map_err(|error| problem(&error))
}
