//! The keys of a config.json, each read with its type; a key that is null counts as absent. What nobody read is known, so
//! that nothing is ignored unnoticed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::input;

/// A config.json, or an object within one.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    file: String,
    /// Where the object is within the file, such as `rope_parameters.`.
    path: String,
    map: Map<String, Value>,
    notes: Rc<RefCell<Notes>>,
}

/// What is noted while a file is read, all of its objects together.
#[derive(Debug, Default)]
struct Notes {
    /// Paths of the keys that were asked for.
    read: BTreeSet<String>,
    /// What whoever uses the model should know.
    warnings: Vec<String>,
}

impl Keys {
    /// Reads a config.json.
    ///
    /// # Errors
    /// When it is not a JSON object.
    pub(crate) fn parse(file: &str, json: &[u8]) -> Result<Self> {
        let broken =
            |problem: String| Error::model(file, format!("not a model configuration: {problem}"));
        let Value::Object(map) = input::json(json).map_err(broken)? else {
            return Err(broken("it is not a JSON object".into()));
        };
        Ok(Self {
            file: file.to_owned(),
            path: String::new(),
            map,
            notes: Rc::default(),
        })
    }

    /// The file, as messages call it.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// An error about this file.
    pub(super) fn fail(&self, problem: impl Into<String>) -> Error {
        Error::model(&self.file, problem)
    }

    /// An error about a key of this file.
    pub(super) fn wrong(&self, key: &str, problem: &str) -> Error {
        let path = &self.path;
        self.fail(format!("not a model configuration: {path}{key} {problem}"))
    }

    /// An error about a value that is not supported.
    pub(super) fn unsupported(&self, key: &str, expected: &str) -> Error {
        let value = self.map.get(key).unwrap_or(&Value::Null);
        let path = &self.path;
        self.fail(format!(
            "{path}{key} is {value}, which is not supported; expected {expected}"
        ))
    }

    /// Whether there is no key but those that are null.
    pub(super) fn is_empty(&self) -> bool {
        self.map.values().all(Value::is_null)
    }

    /// The keys that nobody asked for and that are not null, with their values.
    pub(super) fn unread(&self) -> Vec<(String, Value)> {
        let notes = self.notes.borrow();
        let left = self.map.iter().filter(|(key, value)| {
            !value.is_null() && !notes.read.contains(&format!("{}{key}", self.path))
        });
        left.map(|(key, value)| (format!("{}{key}", self.path), value.clone()))
            .collect()
    }

    /// Notes that a key was asked for, or has nothing to say in this model.
    pub(super) fn note(&self, key: &str) {
        let path = format!("{}{key}", self.path);
        self.notes.borrow_mut().read.insert(path);
    }

    /// Notes what whoever uses the model should know.
    pub(super) fn warn(&self, warning: &str) {
        let warning = format!("{}: {warning}", self.file);
        let warnings = &mut self.notes.borrow_mut().warnings;
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Takes the warnings.
    pub(super) fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.borrow_mut().warnings)
    }

    /// Whether the key is there, be it null.
    pub(super) fn mentions(&self, key: &str) -> bool {
        self.note(key);
        self.map.contains_key(key)
    }

    /// A value, where there is one, of which nothing is used but to say what is wrong.
    pub(super) fn peek(&self, key: &str) -> Option<&Value> {
        self.map.get(key)
    }

    /// A value, where there is one.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.note(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let value = self.get(key);
        value
            .map(|value| {
                read(value).ok_or_else(|| self.wrong(key, &format!("is {value}; expected {kind}")))
            })
            .transpose()
    }

    /// An object within, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn object(&self, key: &str) -> Result<Option<Self>> {
        let map = self.typed(key, "an object", Value::as_object)?;
        Ok(map.map(|map| Self {
            file: self.file.clone(),
            path: format!("{}{key}.", self.path),
            map: map.clone(),
            notes: Rc::clone(&self.notes),
        }))
    }

    /// A size, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn size(&self, key: &str) -> Result<Option<usize>> {
        self.typed(key, "a whole number", |value| {
            usize::try_from(value.as_u64()?).ok()
        })
    }

    /// A size that has to be there.
    ///
    /// # Errors
    /// When it is absent or something else.
    pub(super) fn required_size(&self, key: &str) -> Result<usize> {
        self.size(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    /// A size, `default` where there is none.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn size_or(&self, key: &str, default: usize) -> Result<usize> {
        Ok(self.size(key)?.unwrap_or(default))
    }

    /// A number, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// A list of numbers, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>> {
        self.typed(key, "a list of numbers", |value| {
            value.as_array()?.iter().map(Value::as_f64).collect()
        })
    }

    /// A list of texts, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<&str>>> {
        self.typed(key, "a list of texts", |value| {
            value.as_array()?.iter().map(Value::as_str).collect()
        })
    }

    /// A switch, `default` where there is none.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn switch(&self, key: &str, default: bool) -> Result<bool> {
        let value = self.typed(key, "true or false", Value::as_bool)?;
        Ok(value.unwrap_or(default))
    }

    /// A text, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a text", Value::as_str)
    }

    /// Refuses switches that are on.
    ///
    /// # Errors
    /// When one of them is true, or no switch.
    pub(super) fn refuse_switches(&self, keys: &[&str]) -> Result<()> {
        for key in keys {
            if self.switch(key, false)? {
                return Err(self.unsupported(key, "false"));
            }
        }
        Ok(())
    }
}
