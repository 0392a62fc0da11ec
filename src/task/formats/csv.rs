//! Tables as EAP-IG has them: `clean`, `corrupted`, and columns of answers, token ids or text.
//!
//! | column | holds |
//! |---|---|
//! | `correct_idx`, `country_idx`, `clean_answer_idx`, `answers_idx` | right answers, a token id or a list of them |
//! | `incorrect_idx`, `corrupted_country_idx`, `corrupted_answer_idx`, `corrupted_answers_idx` | wrong ones |
//! | `answer`, `answers`; `wrong`, `wrong_answers` | the same as text, one answer or a JSON list |
//! | `label` | of greater-than, two digits: larger ones are right, the others wrong |
//!
//! Other columns are not read.

use ::csv::StringRecord;
use serde_json::Value;

use super::{Row, Rows, token};

const CORRUPT: [&str; 2] = ["corrupted", "corrupt"];
const ANSWER_IDS: [&str; 4] = [
    "correct_idx",
    "country_idx",
    "clean_answer_idx",
    "answers_idx",
];
const WRONG_IDS: [&str; 4] = [
    "incorrect_idx",
    "corrupted_country_idx",
    "corrupted_answer_idx",
    "corrupted_answers_idx",
];
const ANSWER_TEXT: [&str; 2] = ["answer", "answers"];
const WRONG_TEXT: [&str; 2] = ["wrong", "wrong_answers"];
const YEARS: &str = "label";

/// The rows below the header, counted from 1.
pub(super) fn rows(text: &str) -> Result<Rows, String> {
    if text.trim().is_empty() {
        return Err(
            "the file is empty; write a header such as clean,corrupted,answer,wrong and rows below"
                .into(),
        );
    }
    let mut reader = ::csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?;
    let table = Table::new(&header.iter().map(str::to_owned).collect::<Vec<_>>())?;
    let row = |record: Result<StringRecord, ::csv::Error>| {
        table.row(&record.map_err(|error| error.to_string())?)
    };
    Ok(reader
        .records()
        .enumerate()
        .map(|(index, record)| (index + 1, row(record)))
        .collect())
}

/// Where the parts of a row stand.
struct Table {
    columns: usize,
    clean: usize,
    corrupt: usize,
    answer: Column,
    wrong: Option<Column>,
}

/// A column of answers, with its name.
struct Column {
    name: String,
    place: usize,
    kind: Kind,
}

#[derive(PartialEq)]
enum Kind {
    Ids,
    Text,
    Years,
}

impl Table {
    fn new(header: &[String]) -> Result<Self, String> {
        let twice = header.iter().enumerate().find(|(place, name)| {
            let name = name.trim();
            !name.is_empty() && header[..*place].iter().any(|before| before.trim() == name)
        });
        if let Some((_, name)) = twice {
            let name = name.trim();
            return Err(format!("two columns are called `{name}`; remove one"));
        }
        let find = |names: &[&str]| {
            let mut places = header.iter().enumerate();
            let found = places.find(|(_, name)| names.contains(&name.trim()));
            found.map(|(place, name)| (place, name.trim().to_owned()))
        };
        let column = |ids: &[&str], text: &[&str]| {
            let of = |names: &[&str], kind| {
                find(names).map(|(place, name)| Column { name, place, kind })
            };
            of(ids, Kind::Ids).or_else(|| of(text, Kind::Text))
        };
        let need = |names: &[&str]| {
            find(names).map(|(place, _)| place).ok_or_else(|| {
                format!(
                    "no column `{}`; the columns are {}",
                    names[0],
                    header.join(", ")
                )
            })
        };
        let years = || {
            find(&[YEARS]).map(|(place, name)| Column {
                name,
                place,
                kind: Kind::Years,
            })
        };
        let answer = column(&ANSWER_IDS, &ANSWER_TEXT)
            .or_else(years)
            .ok_or_else(|| {
                format!(
                    "no column of answers, such as `{}`, `{}` or `{YEARS}`; the columns are {}",
                    ANSWER_IDS[0],
                    ANSWER_TEXT[0],
                    header.join(", ")
                )
            })?;
        Ok(Self {
            columns: header.len(),
            clean: need(&["clean"])?,
            corrupt: need(&CORRUPT)?,
            answer,
            wrong: column(&WRONG_IDS, &WRONG_TEXT),
        })
    }

    fn row(&self, record: &StringRecord) -> Result<Row, String> {
        if record.len() != self.columns {
            let lines = record.iter().any(|field| field.contains('\n'));
            let hint = if lines {
                "; a field goes over several lines: close its quotation marks"
            } else {
                ""
            };
            return Err(format!(
                "{} fields, but the header has {}{hint}",
                record.len(),
                self.columns
            ));
        }
        let (answer, wrong) = if self.answer.kind == Kind::Years {
            years(&self.answer.name, &record[self.answer.place])?
        } else {
            let wrong = self.wrong.as_ref().map(|column| column.values(record));
            (
                self.answer.values(record)?,
                wrong.transpose()?.unwrap_or_default(),
            )
        };
        let (clean, corrupt) = (prompt(&record[self.clean]), prompt(&record[self.corrupt]));
        Ok(super::row(clean, corrupt, answer, wrong))
    }
}

impl Column {
    fn values(&self, record: &StringRecord) -> Result<Vec<Value>, String> {
        let text = &record[self.place];
        let list: Option<Vec<Value>> = text
            .trim()
            .starts_with('[')
            .then(|| serde_json::from_str(text).ok())
            .flatten();
        if self.kind == Kind::Text {
            return Ok(list.unwrap_or_else(|| vec![text.into()]));
        }
        let ids = match list {
            Some(list) => list.iter().map(Value::as_u64).collect(),
            None => text.trim().parse().ok().map(|id| vec![id]),
        };
        let ids: Vec<u64> =
            ids.ok_or_else(|| format!("`{}` is {text:?}, not a token id", self.name))?;
        Ok(ids.into_iter().map(token).collect())
    }
}

/// A prompt: text, or a list of token ids.
fn prompt(text: &str) -> Value {
    let ids: Option<Vec<u32>> = text
        .starts_with('[')
        .then(|| serde_json::from_str(text).ok())
        .flatten();
    ids.map_or_else(|| text.into(), Value::from)
}

/// Two-digit years larger than this one, and the others.
fn years(name: &str, text: &str) -> Result<(Vec<Value>, Vec<Value>), String> {
    let bad = || format!("`{name}` is {text:?}, not a year of two digits below 99");
    let year: usize = text.trim().parse().map_err(|_| bad())?;
    if year >= 99 {
        return Err(bad());
    }
    let digits = |years: std::ops::Range<usize>| -> Vec<Value> {
        years.map(|year| format!("{year:02}").into()).collect()
    };
    Ok((digits(year + 1..100), digits(0..year + 1)))
}
