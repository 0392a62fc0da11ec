//! RON text to a checked [`RunSpec`], with the place of every mistake.

use std::path::Path;

use super::position::{has_key, line_and_column};
use super::{AnalysisSpec, RunSpec, Spec, check, order};
use crate::discover::{EdgeOrder, Method};
use crate::error::{Error, Result, SpecMistake};
use crate::input::without_bom;
use crate::ron_line::{options, problem, ron_line};

/// Largest spec file read, in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// Reads a spec's syntax and types; `file` is named in mistakes.
///
/// # Errors
/// The first mistake, with line, column and what was expected.
pub fn parse_spec(bytes: &[u8], file: &Path) -> Result<RunSpec> {
    let text = text_of(bytes, file).map_err(|mistake| Error::Spec(vec![mistake]))?;
    options()
        .from_str(text)
        .map_err(|error| Error::Spec(vec![syntax_mistake(&error, file)]))
}

/// Reads and checks a spec of either kind: with the key `analysis`, or for a circuit.
///
/// # Errors
/// As [`check_spec`].
///
/// # Example
/// ```
/// use std::path::Path;
///
/// use secateur::spec::check_any_spec;
///
/// let text = b"(format: 1, name: \"facts\", models: [\"builtin:toy-llama\"], task: Agreement(pairs: 1), analysis: Tracing())";
/// let mistakes = check_any_spec(text, Path::new("facts.ron")).unwrap_err();
/// assert_eq!(
///     mistakes.to_string(),
///     "facts.ron:1:75: task.Agreement.pairs: expected 2 to 1000000, got 1"
/// );
/// ```
pub fn check_any_spec(bytes: &[u8], file: &Path) -> Result<Spec> {
    let text = text_of(bytes, file).map_err(|mistake| Error::Spec(vec![mistake]))?;
    if !has_key(text, "analysis") {
        return check_spec(bytes, file).map(|spec| Spec::Circuit(Box::new(spec)));
    }
    let spec: AnalysisSpec = options()
        .from_str(text)
        .map_err(|error| Error::Spec(vec![syntax_mistake(&error, file)]))?;
    let mistakes = check::analysis_mistakes(&spec, text, file);
    if mistakes.is_empty() {
        Ok(Spec::Analysis(Box::new(spec)))
    } else {
        Err(Error::Spec(mistakes))
    }
}

/// Reads a spec and checks every value and file it names; paths are relative to the folder of `file`.
///
/// # Errors
/// The first syntax or type mistake, or else all impossible values and missing files at once.
pub fn check_spec(bytes: &[u8], file: &Path) -> Result<RunSpec> {
    let mut spec = parse_spec(bytes, file)?;
    let text = text_of(bytes, file).map_err(|mistake| Error::Spec(vec![mistake]))?;
    let mut mistakes = check::mistakes(&spec, text, file);
    mistakes.append(&mut order::read(&mut spec, text, file));
    if mistakes.is_empty() {
        Ok(spec)
    } else {
        Err(Error::Spec(mistakes))
    }
}

impl RunSpec {
    /// A hash of everything in the spec that decides a job's result.
    ///
    /// `models` and `outputs` do not count: a job has one model, whose own hash is recorded next to this one, and
    /// the files written do not change what is found. A list of edges counts by its contents. Comments, layout and written-out defaults do not count either.
    pub fn hash(&self) -> String {
        let canonical = Self {
            models: Vec::new(),
            outputs: Vec::new(),
            ..self.clone()
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(ron_line(&canonical).as_bytes());
        if let Method::Acdc(acdc) = &self.method
            && let EdgeOrder::Listed(list) = &acdc.order
        {
            for name in list.names() {
                hasher.update(b"\n").update(name.as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl AnalysisSpec {
    /// A hash of everything in the spec that decides a job's result: all but the list of models.
    pub fn hash(&self) -> String {
        let canonical = Self {
            models: Vec::new(),
            ..self.clone()
        };
        blake3::hash(ron_line(&canonical).as_bytes())
            .to_hex()
            .to_string()
    }
}

fn text_of<'a>(bytes: &'a [u8], file: &Path) -> Result<&'a str, SpecMistake> {
    let mistake = |(line, column), problem: &str| SpecMistake {
        file: file.to_owned(),
        line,
        column,
        key: String::new(),
        problem: problem.to_owned(),
    };
    if bytes.len() > MAX_BYTES {
        return Err(mistake((0, 0), "larger than 1 MiB: this is not a run spec"));
    }
    let bytes = without_bom(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        mistake(line_and_column(valid, valid.len()), "not UTF-8 text")
    })
}

fn syntax_mistake(error: &ron::error::SpannedError, file: &Path) -> SpecMistake {
    SpecMistake {
        file: file.to_owned(),
        line: error.span.start.line,
        column: error.span.start.col,
        key: String::new(),
        problem: problem(error),
    }
}
