//! What prompts say that their writer may not mean: seen in the text, the tokens and what the model would say, and told.

use super::logits::last_logits;
use crate::error::Result;
use crate::events::{Event, Observer};
use crate::model::{LoadedModel, PrependBos, Tokenizer};
use crate::task::{Dataset, Example};

/// Prompts on which the model is asked which form of an answer is likelier.
const ASKED: usize = 32;

/// Tells of prompts that begin with two beginning-of-sequence tokens, prompts that end in a space, and answers that the
/// model expects with a space in front.
///
/// # Errors
/// When the model gives numbers that are not finite.
pub(crate) fn tell(dataset: &Dataset, model: &LoadedModel, observer: &dyn Observer) -> Result<()> {
    let Some(tokenizer) = &model.tokenizer else {
        return Ok(());
    };
    let texts = || {
        dataset
            .examples
            .iter()
            .filter(|example| example.text.is_some())
    };
    let all = texts().count();
    if all == 0 {
        return Ok(());
    }
    let say =
        |warning: String| observer.event(Event::Warning(format!("{}: {warning}", dataset.source)));
    let doubled = |example: &&Example| {
        dataset.prepend_bos
            && [&example.clean, &example.corrupt]
                .iter()
                .any(|it| tokenizer.begins_twice(it))
    };
    let count = texts().filter(doubled).count();
    if count > 0 {
        say(format!("{count} of {all} prompts {}", twice(tokenizer)));
    }
    let spaced = |example: &&Example| ends_in_space(example);
    let count = texts().filter(spaced).count();
    if count > 0 {
        say(format!("{count} of {all} prompts {ENDS_IN_SPACE}"));
    }
    for what in ["answers", "wrong answers"] {
        let bare = texts().filter_map(|it| {
            let list = if what == "answers" {
                &it.answer
            } else {
                &it.wrong
            };
            Bare::of(it, list, tokenizer)
        });
        if let Some(warning) = bare_answers(bare.collect(), what, model, tokenizer)? {
            say(warning);
        }
    }
    Ok(())
}

/// The same of a text that stands in a spec; `name` stands for it.
pub(crate) fn tell_of_text(
    (name, text): (&str, &str),
    tokens: &[u32],
    (tokenizer, prepend_bos): (&Tokenizer, PrependBos),
    observer: &dyn Observer,
) {
    if tokenizer.prepends_bos(prepend_bos) && tokenizer.begins_twice(tokens) {
        let warning = format!(
            "{name}: it {}",
            twice(tokenizer).replacen("begin", "begins", 1)
        );
        observer.event(Event::Warning(warning));
    }
    if ends_in_gap(text) {
        let warning = format!("{name}: it {}", ENDS_IN_SPACE.replacen("end", "ends", 1));
        observer.event(Event::Warning(warning));
    }
}

/// Whether a text ends in a space of any kind but a line break, which prompts of questions and answers may end in.
fn ends_in_gap(text: &str) -> bool {
    text.ends_with(|last: char| last.is_whitespace() && last != '\n')
}

const ENDS_IN_SPACE: &str = "end in a space, which most tokenizers put in front of the next word instead: the model has \
                             seldom seen such a text; end prompts with the last word";

fn twice(tokenizer: &Tokenizer) -> String {
    let token = tokenizer
        .bos()
        .map_or_else(String::new, |token| tokenizer.decode(&[token]));
    format!(
        "begin with the beginning-of-sequence token {token:?} twice: the text has one, and one is put in front; take it \
         out of the text, or set prepend_bos: Never"
    )
}

/// Whether a prompt, to which something is added, ends in a space.
fn ends_in_space(example: &Example) -> bool {
    let goes_on = example.at.first() == example.prompt().len().checked_sub(1).as_ref();
    let text = example.text.as_ref();
    goes_on && text.is_some_and(|it| [&it.clean, &it.corrupt].iter().any(|it| ends_in_gap(it)))
}

/// A prompt whose answer has no space in front, and that with one.
struct Bare {
    prompt: Vec<u32>,
    answer: u32,
    spaced: u32,
}

impl Bare {
    /// The first of the answers that has none.
    fn of(example: &Example, answers: &[u32], tokenizer: &Tokenizer) -> Option<Self> {
        let text = example.text.as_ref()?;
        let at = *example.at.first()?;
        let goes_on =
            at + 1 == example.prompt().len() && !text.clean.ends_with(char::is_whitespace);
        // Of an answer of several tokens only the first begins a word.
        let answers = if example.teacher_forced {
            answers.get(..1)?
        } else {
            answers
        };
        let (answer, spaced) = answers.iter().find_map(|&answer| {
            let word = tokenizer.decode(&[answer]);
            let is_word = word.chars().next().is_some_and(char::is_alphanumeric);
            let spaced = tokenizer.single_token(&format!(" {word}"))?;
            (is_word && spaced != answer).then_some((answer, spaced))
        })?;
        goes_on.then(|| Self {
            prompt: example.prompt().to_vec(),
            answer,
            spaced,
        })
    }
}

/// A warning that answers lack the space that the model expects in front of them, where it does.
fn bare_answers(
    bare: Vec<Bare>,
    what: &str,
    model: &LoadedModel,
    tokenizer: &Tokenizer,
) -> Result<Option<String>> {
    let size = model.config().d_out();
    let bare: Vec<Bare> = bare
        .into_iter()
        .filter(|it| (it.spaced as usize) < size)
        .take(ASKED)
        .collect();
    if bare.is_empty() {
        return Ok(None);
    }
    let rows: Vec<Vec<u32>> = bare.iter().map(|it| it.prompt.clone()).collect();
    let logits = last_logits(model, &rows)?;
    let likelier =
        |(it, logits): &(&Bare, &Vec<f32>)| logits[it.spaced as usize] > logits[it.answer as usize];
    let asked = bare.iter().zip(&logits);
    let first = asked.clone().find(likelier).map(|(it, _)| it);
    let count = asked.filter(likelier).count();
    Ok(first.filter(|_| 2 * count > bare.len()).map(|it| {
        let [with, without] = [it.spaced, it.answer].map(|token| tokenizer.decode(&[token]));
        format!(
            "{what} have no space in front, and with one they are one token too, which the model finds likelier after \
             {count} of the {} prompts that were asked ({with:?} for {without:?}); write answers as the text goes on",
            bare.len()
        )
    }))
}
