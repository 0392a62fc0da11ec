//! The state of a session, and what each command does to it.

use std::path::Path;

use secateur::analyze::Prompt;
use secateur::analyze::prompt::prompt_text;
use secateur::analyze::prompt::run_prompt;
use secateur::analyze::prompt::{Ablated, PromptReport};
use secateur::model::{LoadedModel, load_model_within};
use secateur::spec::{AnalysisSpec, Spec, check_any_spec};
use secateur::{Error, Result, visible};

use super::{Command, HELP};
use crate::output;
use crate::ui::SingleUi;

/// What stands for a file in messages.
const PLACE: &str = "(prompt)";

/// What happens after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another one.
    Line,
    /// Nothing more.
    End,
}

/// What can be taken back.
#[derive(Debug, Clone)]
struct State {
    /// The model with its vectors.
    reference: String,
    question: Option<Prompt>,
}

/// A model, and what was asked of it.
pub(crate) struct Session {
    state: State,
    earlier: Vec<State>,
    model: LoadedModel,
    memory: Option<usize>,
    quiet: bool,
}

impl Session {
    /// Loads the model.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(crate) fn new(reference: String, memory: Option<usize>, quiet: bool) -> Result<Self> {
        let model = load_model_within(&reference, Path::new("."), memory)?;
        model.require_tokenizer()?;
        Ok(Self {
            state: State {
                reference,
                question: None,
            },
            earlier: Vec::new(),
            model,
            memory,
            quiet,
        })
    }

    /// The model.
    pub(crate) fn model(&self) -> &LoadedModel {
        &self.model
    }

    /// Does what a line says. What fails changes nothing.
    ///
    /// # Errors
    /// When the line is no command, or the model or the prompt cannot be used, or work was stopped.
    pub(crate) fn line(&mut self, line: &str) -> Result<Next> {
        match Command::parse(line).map_err(Error::Usage)? {
            Command::Nothing => {}
            Command::Help => output::data(HELP.as_bytes())?,
            Command::Quit => return Ok(Next::End),
            Command::Spec => {
                let spec = self.spec(self.question()?)?;
                output::data(format!("{spec}\n").as_bytes())?;
            }
            Command::Tokens => self.tokens()?,
            Command::Ablate(None) => {
                let ablated = self.question()?.ablate.iter();
                let lines = ablated.map(|it| format!("{} by {:?}\n", it.node, it.by));
                output::data(lines.collect::<String>().as_bytes())?;
            }
            Command::Edit(None) => {
                let spec = |edit| secateur::spec::ron_line(edit) + "\n";
                let lines: String = self.question()?.edit.iter().map(spec).collect();
                output::data(lines.as_bytes())?;
            }
            Command::Edit(Some(edit)) => self.with(|question| question.edit.push(edit))?,
            Command::Lens(lens) => {
                let question = Prompt {
                    lens: Some(lens),
                    ..self.question()?.clone()
                };
                self.show(&question)?;
            }
            Command::Top(None) => self.show(self.question()?)?,
            Command::Generate(count) => {
                let question = Prompt {
                    generate: count,
                    ..self.question()?.clone()
                };
                self.show(&question)?;
            }
            Command::Prompt(text) => {
                // What is replaced stays, so that it can be seen on several prompts.
                let question = match &self.state.question {
                    Some(question) => Prompt {
                        prompt: text,
                        ..question.clone()
                    },
                    None => Prompt::new(text),
                };
                self.change(question)?;
            }
            Command::Compare(text) => self.with(|question| question.compare = text)?,
            Command::Top(Some(count)) => self.with(|question| question.top = count)?,
            Command::Ablate(Some((node, by))) => self.with(|question| {
                question.ablate.retain(|it| it.node != node);
                question.ablate.push(Ablated { node, by });
            })?,
            Command::Add(vector) => {
                let left = self.switch(State {
                    reference: format!("{} + {vector}", self.state.reference),
                    ..self.state.clone()
                })?;
                self.earlier.push(left);
            }
            Command::Undo => {
                let Some(state) = self.earlier.last().cloned() else {
                    return Err(Error::Usage("there is nothing to take back".into()));
                };
                self.switch(state)?;
                self.earlier.pop();
            }
        }
        Ok(Next::Line)
    }

    fn question(&self) -> Result<&Prompt> {
        let question = self.state.question.as_ref();
        question.ok_or_else(|| Error::Usage("there is no prompt yet; write: prompt TEXT".into()))
    }

    /// Asks the changed question, which is the state from then on.
    fn with(&mut self, change: impl FnOnce(&mut Prompt)) -> Result<()> {
        let mut question = self.question()?.clone();
        change(&mut question);
        self.change(question)
    }

    fn change(&mut self, question: Prompt) -> Result<()> {
        let left = self.switch(State {
            question: Some(question),
            ..self.state.clone()
        })?;
        self.earlier.push(left);
        Ok(())
    }

    /// Goes to another state, with another model where it has one, and shows its answer; gives the state that was left.
    fn switch(&mut self, state: State) -> Result<State> {
        let model = if state.reference == self.state.reference {
            None
        } else {
            let (reference, base) = (&state.reference, Path::new("."));
            let model = load_model_within(reference, base, self.memory)?;
            if !self.quiet {
                let known = &self.model.warnings;
                let new = model.warnings.iter().filter(|it| !known.contains(it));
                output::warnings(&new.cloned().collect::<Vec<_>>());
            }
            Some(model)
        };
        let left = std::mem::replace(&mut self.state, state);
        let model = model.map(|model| std::mem::replace(&mut self.model, model));
        let shown = self
            .state
            .question
            .as_ref()
            .map_or(Ok(()), |it| self.show(it));
        if let Err(error) = shown {
            self.state = left;
            if let Some(model) = model {
                self.model = model;
            }
            return Err(error);
        }
        Ok(left)
    }

    /// The spec of a question, checked.
    fn spec(&self, question: &Prompt) -> Result<String> {
        let question =
            secateur::spec::ron_line(&secateur::analyze::AnyAnalysis::Prompt(question.clone()));
        let text = format!(
            "(format: 1, name: \"prompt\", models: [{:?}], analysis: {question})",
            self.state.reference
        );
        check_any_spec(text.as_bytes(), Path::new(PLACE))?;
        Ok(text)
    }

    fn ask(&self, question: &Prompt, spec: &str) -> Result<PromptReport> {
        let Spec::Analysis(spec) = check_any_spec(spec.as_bytes(), Path::new(PLACE))? else {
            return Err(Error::Bug("the spec of a prompt is no analysis".into()));
        };
        let AnalysisSpec {
            precision,
            prepend_bos,
            ..
        } = *spec;
        let here = Path::new(".");
        let progress = SingleUi::new(self.quiet);
        let report = run_prompt(
            (&self.model, here),
            question,
            (precision, prepend_bos),
            &progress,
        );
        progress.finish();
        report
    }

    fn show(&self, question: &Prompt) -> Result<()> {
        let spec = self.spec(question)?;
        let report = self.ask(question, &spec);
        self.model.check_unchanged()?;
        let report = report?;
        if !self.quiet {
            output::message(&visible(&format!("as a spec file: {spec}")));
        }
        output::text(&prompt_text(&report))
    }

    fn tokens(&self) -> Result<()> {
        let question = self.question()?;
        let report = self.ask(question, &self.spec(question)?)?;
        let mut lines = String::new();
        for tokens in [&report.tokens, &report.tokens_compare] {
            for (position, token) in tokens.iter().enumerate() {
                let line = format!("{position:>4} {:>8} {:?}\n", token.id, token.text);
                lines.push_str(&line);
            }
        }
        output::data(lines.as_bytes())
    }
}
