//! Lines from a terminal, with completion and history, or from a pipe.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use secateur::Result;
use secateur::model::{LoadedModel, Tokenizer};

use super::command::{BY, NAMES};
use crate::output;

/// Lines that the history keeps.
const HISTORY: usize = 1000;
/// Words that are offered at most.
const OFFERED: usize = 100;

/// Where lines come from.
pub(crate) enum Lines {
    /// A terminal.
    Terminal(Box<Editor<Completion, FileHistory>>, Option<PathBuf>),
    /// A pipe or a file.
    Pipe,
}

impl Lines {
    /// Lines from standard input; parts, layers and tokens of the model are completed.
    pub(crate) fn new(model: &LoadedModel) -> Self {
        if !std::io::stdin().is_terminal() {
            return Self::Pipe;
        }
        let settings = Config::builder().max_history_size(HISTORY);
        let settings = settings.map(|it| it.auto_add_history(true).build());
        let Ok(mut editor) = settings.and_then(Editor::with_config) else {
            return Self::Pipe;
        };
        editor.set_helper(Some(Completion::new(model)));
        let history = history_file();
        if let Some(file) = &history {
            // There is none before the first session.
            editor.load_history(file).ok();
        }
        Self::Terminal(Box::new(editor), history)
    }

    /// Whether a person types them.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(..))
    }

    /// The next line; nothing at the end.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub(crate) fn next(&mut self) -> Result<Option<String>> {
        match self {
            Self::Pipe => {
                let mut line = String::new();
                let bytes = std::io::stdin().lock().read_line(&mut line)?;
                Ok((bytes > 0).then_some(line))
            }
            Self::Terminal(editor, _) => match editor.readline("> ") {
                Ok(line) => Ok(Some(line)),
                Err(ReadlineError::Eof) => Ok(None),
                Err(ReadlineError::Interrupted) => Ok(Some(String::new())),
                Err(error) => Err(std::io::Error::other(error).into()),
            },
        }
    }

    /// Keeps the history.
    pub(crate) fn finish(&mut self) {
        let Self::Terminal(editor, Some(file)) = self else {
            return;
        };
        let folder = file.parent().map_or(Ok(()), fs_err::create_dir_all);
        let saved = folder
            .map_err(ReadlineError::from)
            .and_then(|()| editor.save_history(file));
        if let Err(error) = saved {
            let warning = format!("the history was not kept in {}: {error}", file.display());
            output::message(&output::warning_text(&warning));
        }
    }
}

/// Where the history is kept: below `XDG_STATE_HOME`, or the home folder.
fn history_file() -> Option<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .filter(|it| !it.is_empty())
            .map(PathBuf::from)
    };
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(state.join("secateur/history"))
}

/// Completes commands, parts and tokens of the model, and files.
pub(crate) struct Completion {
    nodes: Vec<String>,
    layers: Vec<String>,
    /// Texts of tokens without space in them.
    tokens: BTreeSet<String>,
    tokenizer: Option<Tokenizer>,
    files: FilenameCompleter,
}

impl Completion {
    fn new(model: &LoadedModel) -> Self {
        let config = model.config();
        let tokenizer = model.tokenizer.clone();
        let tokens = tokenizer.iter().flat_map(|tokenizer| {
            let texts = (0..config.d_vocab as u32).map(|token| tokenizer.decode(&[token]));
            texts.map(|text| text.trim_start().to_owned())
        });
        let is_word = |text: &String| !text.is_empty() && text.chars().all(char::is_alphanumeric);
        let tokens = tokens.filter(is_word).collect();
        let layers = 0..config.n_layers;
        let heads = layers
            .clone()
            .flat_map(|layer| (0..config.n_heads).map(move |head| format!("a{layer}.h{head}")));
        let mlps = layers.map(|layer| format!("m{layer}"));
        Self {
            nodes: heads.chain(mlps.filter(|_| config.has_mlps())).collect(),
            layers: (0..config.n_layers).map(|it| it.to_string()).collect(),
            tokens,
            tokenizer,
            files: FilenameCompleter::new(),
        }
    }

    /// What the last word of a line may be, that begins in some way.
    fn words(&self, before: &[&str], begun: &str) -> Vec<&str> {
        match before {
            [] => NAMES.to_vec(),
            ["ablate"] => self.nodes.iter().map(String::as_str).collect(),
            ["ablate", _] => BY.to_vec(),
            ["lens" | "edit"] | ["edit", _] => self.tokens_after_a_space(begun),
            ["edit", _, _] => self.layers.iter().map(String::as_str).collect(),
            ["edit", _, _, _, _] => vec!["every"],
            _ => Vec::new(),
        }
    }

    /// Words that are one token after a space, as `edit` and `lens` read them.
    fn tokens_after_a_space(&self, begun: &str) -> Vec<&str> {
        if begun.is_empty() {
            return Vec::new();
        }
        let words = self.tokens.range(begun.to_owned()..);
        let words = words.take_while(|word| word.starts_with(begun));
        let is_token = |word: &&String| {
            let text = format!(" {word}");
            let tokenizer = self.tokenizer.as_ref();
            tokenizer.is_some_and(|it| it.single_token(&text).is_some())
        };
        let tokens = words.filter(is_token).map(String::as_str);
        tokens.take(OFFERED).collect()
    }
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = &line[..position];
        let start = line.rfind(' ').map_or(0, |space| space + 1);
        let before: Vec<&str> = line[..start].split_whitespace().collect();
        let path = before == ["lens"] && line[start..].contains(['/', '.']);
        if before == ["add"] || before.len() == 2 && before[0] == "lens" || path {
            return self.files.complete(line, position, context);
        }
        let words = self.words(&before, &line[start..]).into_iter();
        let fitting = words.filter(|word| word.starts_with(&line[start..]));
        let pairs = fitting.map(|word| Pair {
            display: word.to_owned(),
            replacement: format!("{word} "),
        });
        Ok((start, pairs.collect()))
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}

impl Validator for Completion {}

impl Helper for Completion {}
