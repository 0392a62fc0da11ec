//! Rows from a file: one JSON object per line, `{"clean": .., "corrupt": .., "answer": [..], "wrong": [..],
//! "at": [..], "spans": [..]}`. `wrong`, `at` and `spans` may be left out. Prompts and answers are text (`File`) or token ids (`Tokens`). A nested
//! list in `answer` is one answer of several tokens, `{"id": 17}` among texts a token by its id. Files of other tools are
//! turned into such rows by `formats`.

use std::path::Path;

use serde_json::{Map, Value};

use super::check::{self, Problems};
use super::row_spans::{spans_of_ids, spans_of_text};
use super::{Example, ExampleText, LoadRequest, Prompts, Span, formats, spans, text};
use crate::error::{Error, Result};
use crate::input::{self, GIB};
use crate::model::Tokenizer;
use crate::paths::place;

/// Largest file that is read, in bytes.
const LARGEST_FILE: u64 = GIB;

/// Bytes that rows take in memory for each byte of their file: lists and texts, and what is around them.
const BYTES_OF_ONE: usize = 8;

/// About the bytes that the rows of a file take in memory, by its size.
pub(super) fn expected_bytes(base: &Path, path: &Path) -> usize {
    let size = fs_err::metadata(place(base, path)).map_or(0, |it| it.len());
    usize::try_from(size).map_or(usize::MAX, |size| size.saturating_mul(BYTES_OF_ONE))
}

/// Reads rows of text.
pub(super) fn text(path: &Path, request: &LoadRequest<'_>) -> Result<Vec<Example>> {
    let tokenizer = text::tokenizer(request, &path.display().to_string())?;
    read(path, request, formats::rows, |row| {
        let example = text_row(row, request, tokenizer)?;
        check::one(&example, request)?;
        Ok(example)
    })
}

/// Reads rows of token ids.
pub(super) fn tokens(path: &Path, request: &LoadRequest<'_>) -> Result<Vec<Example>> {
    read(path, request, formats::rows, |row| {
        let example = id_row(row, request)?;
        check::one(&example, request)?;
        Ok(example)
    })
}

/// A prompt without a counterpart.
pub(super) struct Prompt {
    /// The prompt in both places.
    pub example: Example,
    /// Whether it is scored by its own tokens.
    pub is_text: bool,
}

/// Reads prompts without counterparts, of text or token ids, after `complete` added to their rows.
pub(super) fn prompts(
    path: &Path,
    request: &LoadRequest<'_>,
    complete: impl Fn(&mut Map<String, Value>),
) -> Result<Vec<Prompt>> {
    let name = path.display().to_string();
    read(path, request, formats::prompts::rows, |row| {
        let mut row = row.clone();
        complete(&mut row);
        let is_text = !row.contains_key("answer");
        if let Some(key) = ["wrong", "at"]
            .iter()
            .find(|key| row.contains_key(**key))
            .filter(|_| is_text)
        {
            return Err(format!(
                "`{key}` goes with `answer`; add an answer, or leave it out"
            ));
        }
        let found = if row["clean"].is_array() {
            id_row(&row, request)
        } else {
            let tokenizer = text::tokenizer(request, &name).map_err(|error| error.to_string())?;
            text_row(&row, request, tokenizer)
        };
        let example = found.and_then(|example| {
            let example = if is_text { own_text(example)? } else { example };
            check::one(&example, request)?;
            Ok(example)
        });
        // A lone prompt stands for both of a pair.
        let example = example.map_err(|problem| problem.replace("`clean`", "`prompt`"))?;
        Ok(Prompt { example, is_text })
    })
}

/// A prompt that is scored by its own tokens: each but the first is the answer at the one before it.
fn own_text(prompt: Example) -> Result<Example, String> {
    let (Some((_, answer)), Some((_, clean))) =
        (prompt.clean.split_first(), prompt.clean.split_last())
    else {
        return Err("the text is empty; write a text or remove the row".into());
    };
    if answer.is_empty() {
        return Err("the text is a single token; scored by its own tokens it needs two".into());
    }
    Ok(Example {
        clean: clean.to_vec(),
        corrupt: clean.to_vec(),
        answer: answer.to_vec(),
        wrong: Vec::new(),
        at: (0..clean.len()).collect(),
        teacher_forced: true,
        spans: Vec::new(),
        text: prompt.text,
    })
}

/// Reads a file row by row and gathers what is wrong with it.
fn read<R>(
    path: &Path,
    request: &LoadRequest<'_>,
    rows: fn(&Path, &[u8]) -> Result<formats::Rows, String>,
    mut parse: impl FnMut(&Map<String, Value>) -> Result<R, String>,
) -> Result<Vec<R>> {
    let path = place(request.base, path);
    let name = path.display().to_string();
    let bytes = input::read(&path, LARGEST_FILE, "a file of prompts; split it")?;
    let rows = rows(&path, &bytes).map_err(|problem| Error::data(&name, problem))?;
    let mut problems = Problems::default();
    let mut examples = Vec::new();
    for (number, row) in rows {
        request.go_on()?;
        match row.and_then(|row| parse(&row)) {
            Ok(example) => examples.push(example),
            Err(problem) => problems.add(number, problem),
        }
    }
    problems.report(&name)?;
    Ok(examples)
}

fn text_row(
    row: &Map<String, Value>,
    request: &LoadRequest<'_>,
    tokenizer: &Tokenizer,
) -> Result<Example, String> {
    let prompt = |key: &str| match &row[key] {
        Value::String(text) if text.is_empty() => Err(format!(
            "`{key}` is empty; write a prompt or remove the row"
        )),
        Value::String(text) => Ok(text.clone()),
        _ => Err(format!(
            "`{key}` is not text; put it in quotes, or use a `Tokens` task for token ids"
        )),
    };
    let text = ExampleText {
        clean: prompt("clean")?,
        corrupt: prompt("corrupt")?,
    };
    let encode = |text: &str| {
        tokenizer
            .encode(text, request.prepend_bos)
            .map_err(|error| error.to_string())
    };
    let word = |key: &str, value: &Value| {
        let word = value.as_str().map(str::to_owned);
        word.ok_or_else(|| format!("`{key}` has {value}, which is not text; put it in quotes"))
    };
    let alternatives = |key: &str| {
        set(row, key, |value| {
            if let Some(id) = token_id(value) {
                return Ok(id);
            }
            let answer = word(key, value)?;
            let token = text::continuation(tokenizer, &text.clean, &answer)
                .map_err(|error| error.to_string())?;
            token.ok_or_else(|| several_tokens(key, tokenizer, &answer))
        })
    };
    let answer = match forced(row)? {
        Some(pieces) => {
            let pieces: Vec<String> = pieces
                .iter()
                .map(|piece| word("answer", piece))
                .collect::<Result<_, _>>()?;
            let answer = pieces.concat();
            let tokens = text::continuations(tokenizer, &text.clean, &answer)
                .map_err(|error| error.to_string())?;
            Answer::Forced(tokens.ok_or_else(|| {
                format!("`answer` has {answer:?}, which this tokenizer does not know")
            })?)
        }
        None => Answer::Alternatives(alternatives("answer")?, alternatives("wrong")?),
    };
    for (key, prompt) in [("clean", &text.clean), ("corrupt", &text.corrupt)] {
        if let Some(word) = tokenizer.unknown_in(prompt) {
            return Err(format!(
                "`{key}` has {word:?}, which this tokenizer does not know; the model would not see it"
            ));
        }
    }
    let (clean, corrupt) = (encode(&text.clean)?, encode(&text.corrupt)?);
    let spans = spans_of_text(row, (request, tokenizer), &text.clean, &clean)?;
    example(
        (row, request),
        (clean, corrupt),
        answer,
        (Some(text), spans),
    )
}

fn id_row(row: &Map<String, Value>, request: &LoadRequest<'_>) -> Result<Example, String> {
    let id = |key: &str, value: &Value| {
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        id.or_else(|| token_id(value)).ok_or_else(|| {
            format!("`{key}` has {value}, which is not a token id; ids are whole numbers from 0")
        })
    };
    let ids = |key: &str| set(row, key, |value| id(key, value));
    let prompts = (ids("clean")?, ids("corrupt")?);
    let answer = match forced(row)? {
        Some(tokens) => {
            let tokens = tokens.iter().map(|token| id("answer", token));
            Answer::Forced(tokens.collect::<Result<_, _>>()?)
        }
        None => Answer::Alternatives(ids("answer")?, ids("wrong")?),
    };
    let spans = spans_of_ids(row, prompts.0.len())?;
    example((row, request), prompts, answer, (None, spans))
}

/// The token of an answer written as `{"id": 17}`.
fn token_id(value: &Value) -> Option<u32> {
    u32::try_from(value.get("id")?.as_u64()?).ok()
}

/// What a row scores.
enum Answer {
    /// Right and wrong alternatives of one token each.
    Alternatives(Vec<u32>, Vec<u32>),
    /// The tokens of one answer.
    Forced(Vec<u32>),
}

/// The parts of the nested list in `answer`: one answer of several tokens, scored by teacher forcing.
fn forced(row: &Map<String, Value>) -> Result<Option<&[Value]>, String> {
    let nested = |key: &str| {
        let values = row.get(key).and_then(Value::as_array);
        values.and_then(|values| values.iter().find(|value| value.is_array()))
    };
    if let Some(value) = nested("wrong") {
        return Err(format!(
            "`wrong` has the nested list {value}: an answer of several tokens is scored alone; leave `wrong` out"
        ));
    }
    let Some(Value::Array(parts)) = nested("answer") else {
        return Ok(None);
    };
    let alternatives = row["answer"].as_array().map_or(0, Vec::len);
    if alternatives > 1 {
        return Err(format!(
            "`answer` has {alternatives} alternatives, one of several tokens; a row can have one such answer and no \
             other, so make it a row of its own"
        ));
    }
    if parts.is_empty() {
        return Err("`answer` has an empty nested list; give the answer's tokens".into());
    }
    if !set(row, "wrong", |_| Ok(()))?.is_empty() {
        return Err("`wrong` goes with answers of one token: one of several is scored alone; leave `wrong` out".into());
    }
    if row.contains_key("at") {
        return Err("`at` goes with answers of one token: the tokens of a longer one set the positions; leave `at` out".into());
    }
    Ok(Some(parts))
}

/// An example of parts; the tokens of a teacher-forced answer, all but the last, go after both prompts.
fn example(
    (row, request): (&Map<String, Value>, &LoadRequest<'_>),
    (mut clean, mut corrupt): (Vec<u32>, Vec<u32>),
    answer: Answer,
    (text, spans): (Option<ExampleText>, Vec<Span>),
) -> Result<Example, String> {
    let mut at = positions(row, clean.len())?;
    let mut spans = spans;
    let (answer, wrong, teacher_forced) = match answer {
        Answer::Alternatives(answer, wrong) => (answer, wrong, false),
        Answer::Forced(tokens) => (tokens, Vec::new(), true),
    };
    // Prompts that are empty, or of unequal lengths as a pair, are refused as they stand.
    let fit = clean.len() == corrupt.len() || request.prompts == Prompts::Sets;
    if teacher_forced && !clean.is_empty() && fit {
        let last = clean.len() - 1;
        at = (last..last + answer.len()).collect();
        clean.extend_from_slice(&answer[..answer.len() - 1]);
        corrupt.extend_from_slice(&answer[..answer.len() - 1]);
        if !spans.is_empty() {
            spans::push(&mut spans, spans::ANSWER, answer.len() - 1);
        }
    }
    Ok(Example {
        clean,
        corrupt,
        answer,
        wrong,
        at,
        teacher_forced,
        text,
        spans,
    })
}

/// The elements of a list; none when the key is left out.
fn set<T>(
    row: &Map<String, Value>,
    key: &str,
    element: impl FnMut(&Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let Some(value) = row.get(key) else {
        return Ok(Vec::new());
    };
    let Value::Array(values) = value else {
        if value.is_string() && (key == "clean" || key == "corrupt") {
            return Err(format!(
                "`{key}` is text and not a list of token ids; use a `File` task for text"
            ));
        }
        return Err(format!("`{key}` is not a list; write [{value}]"));
    };
    values.iter().map(element).collect()
}

/// The positions the metric reads: those of the row, by default the last.
fn positions(row: &Map<String, Value>, length: usize) -> Result<Vec<usize>, String> {
    if !row.contains_key("at") {
        return Ok(length.checked_sub(1).into_iter().collect());
    }
    set(row, "at", |value| {
        let position = value
            .as_u64()
            .and_then(|position| usize::try_from(position).ok());
        position.ok_or_else(|| {
            format!("`at` has {value}, which is not a position; positions count from 0")
        })
    })
}

fn several_tokens(key: &str, tokenizer: &Tokenizer, answer: &str) -> String {
    let hint = if answer.starts_with(' ') {
        "give an alternative of one token"
    } else {
        "give an alternative of one token; words usually need their space in front"
    };
    let count = tokenizer
        .encode(answer, crate::model::PrependBos::Never)
        .map_or(0, |tokens| tokens.len());
    if count < 2 {
        return format!("`{key}` has {answer:?}, which this tokenizer does not know; {hint}");
    }
    let nested = if key == "answer" {
        format!(", or [[{answer:?}]] to have its tokens scored in turn")
    } else {
        String::new()
    };
    format!("`{key}` has {answer:?}, which is not a single token but {count}; {hint}{nested}")
}
