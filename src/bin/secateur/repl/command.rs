//! The lines that the prompt understands.

use std::path::PathBuf;

use secateur::analyze::edit::EditScale;
use secateur::analyze::prompt::{AblateWith, DirectionSwap, PromptLens, SwapPosition};
use secateur::engine::TokenVector;

/// A line, understood.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    /// Sets the prompt.
    Prompt(String),
    /// Sets the prompt to compare with, or none.
    Compare(Option<String>),
    /// Shows so many next tokens from now on.
    Top(Option<usize>),
    /// Replaces a part.
    Ablate(Option<(String, AblateWith)>),
    /// Exchanges a token's direction in the stream for another's; without, shows what is exchanged.
    Edit(Option<DirectionSwap>),
    /// Shows what the model would say after each layer.
    Lens(PromptLens),
    /// Adds a vector to the model.
    Add(String),
    /// Takes the last change back.
    Undo,
    /// Continues the prompt.
    Generate(usize),
    /// Shows the tokens.
    Tokens,
    /// Shows the spec that reproduces the state.
    Spec,
    /// Shows the commands.
    Help,
    /// Ends the program.
    Quit,
    /// An empty line, or a comment.
    Nothing,
}

/// The commands, for `help`.
pub(crate) const HELP: &str = "\
prompt TEXT           set the prompt; show its tokens and what the model says next
compare TEXT          set another prompt to compare it with; without TEXT, none
top [N]               show the N most likely next tokens, from now on
ablate NODE [BY]      replace a head a3.h2, an MLP m5 or a neuron m5.n120 by its mean, zero or patch (the other prompt's)
ablate                show what is replaced
edit FROM TO LAYER[,LAYER..] [STRENGTH] [POSITION|every]
                      take a token's direction out of the stream after layers and put another's in, by STRENGTH (0.5) of the
                      stream's norm, at the last position, another one or every one; TOKEN stands for \" TOKEN\"
edit                  show what is exchanged
lens [TOKEN] [FILE]   show what the model would say after each layer, and follow TOKEN; FILE is a tuned lens to look through too
add FILE@LAYER:X      add a vector to the model
undo                  take the last change back
generate N            continue the prompt by N tokens
tokens                show the tokens with their numbers
spec                  print the spec that reproduces the state
help                  show this
quit                  end; so does Ctrl-D. Ctrl-C stops work.
TEXT in \"double quotes\" may have \\n and the like in it.
";

/// Words that a line begins with.
pub(crate) const NAMES: [&str; 13] = [
    "prompt", "compare", "top", "ablate", "edit", "lens", "add", "undo", "generate", "tokens",
    "spec", "help", "quit",
];

/// By which share of the stream's norm tokens are exchanged, where nothing is said.
const STRENGTH: f64 = 0.5;

/// What a part may be replaced by.
pub(crate) const BY: [&str; 3] = ["mean", "zero", "patch"];

impl Command {
    /// Understands a line.
    ///
    /// # Errors
    /// When it is no command, saying what is.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim_end_matches(['\r', '\n']).trim_start();
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match (name.trim_end(), &words[..]) {
            ("prompt", [_, ..]) => Ok(Self::Prompt(text(rest)?)),
            ("prompt", []) => {
                Err("expected a text, such as: prompt The capital of France is".into())
            }
            ("compare", []) => Ok(Self::Compare(None)),
            ("compare", _) => Ok(Self::Compare(Some(text(rest)?))),
            ("top", []) => Ok(Self::Top(None)),
            ("top", [count]) => Ok(Self::Top(Some(number(count)?))),
            ("ablate", []) => Ok(Self::Ablate(None)),
            ("ablate", [node]) => Ok(Self::Ablate(Some(((*node).into(), AblateWith::Mean)))),
            ("ablate", [node, by]) => Ok(Self::Ablate(Some(((*node).into(), instead(by)?)))),
            ("edit", []) => Ok(Self::Edit(None)),
            ("edit", _) => Ok(Self::Edit(Some(edit(rest)?))),
            ("lens", _) => Ok(Self::Lens(lens(rest)?)),
            ("add", [_, ..]) => Ok(Self::Add(rest.trim().into())),
            ("generate", [count]) => Ok(Self::Generate(number(count)?)),
            ("undo", []) => Ok(Self::Undo),
            ("tokens", []) => Ok(Self::Tokens),
            ("spec", []) => Ok(Self::Spec),
            ("help", _) => Ok(Self::Help),
            ("quit" | "exit", []) => Ok(Self::Quit),
            ("", _) => Ok(Self::Nothing),
            (name, _) if name.starts_with('#') => Ok(Self::Nothing),
            (name, _) if NAMES.contains(&name) => {
                let lines = HELP.lines().filter(|line| line.starts_with(name));
                Err(format!(
                    "expected\n{}",
                    lines.collect::<Vec<_>>().join("\n")
                ))
            }
            (name, _) => Err(format!("{name:?} is no command; `help` shows them")),
        }
    }
}

/// A text as it stands, or with escapes where it is quoted.
fn text(rest: &str) -> Result<String, String> {
    if rest.len() > 1 && rest.starts_with('"') && rest.ends_with('"') {
        return serde_json::from_str(rest).map_err(|error| format!("{rest}: {error}"));
    }
    Ok(rest.into())
}

/// Words apart by space; those in double quotes as they stand between these, with escapes, others as tokens after a space.
fn tokens(rest: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = rest.trim_start();
    while !rest.is_empty() {
        let quoted = rest.starts_with('"');
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|&(_, character)| {
            let ends = !escaped && (quoted && character == '"' || !quoted && character == ' ');
            escaped = !escaped && character == '\\';
            ends
        });
        let end = end.map(|(at, _)| at + usize::from(quoted));
        let (word, left) = rest.split_at(end.unwrap_or(rest.len()));
        words.push(if quoted {
            serde_json::from_str(word).map_err(|error| format!("{word}: {error}"))?
        } else {
            format!(" {word}")
        });
        rest = left.trim_start();
    }
    Ok(words)
}

/// What `edit` is asked to do.
fn edit(rest: &str) -> Result<DirectionSwap, String> {
    let words = tokens(rest)?;
    let [from, to, layers, more @ ..] = &words[..] else {
        return Err("expected two tokens and a layer, such as: edit Paris Rome 25".into());
    };
    let layers: Result<Vec<usize>, String> = layers.trim().split(',').map(number).collect();
    let mut found = DirectionSwap {
        from: from.clone(),
        to: to.clone(),
        layers: layers?,
        at: SwapPosition::Last,
        vector: TokenVector::Unembedding,
        scale: EditScale::Stream,
        strength: STRENGTH,
    };
    if let Some(strength) = more.first() {
        let strength = strength.trim();
        found.strength = strength
            .parse()
            .map_err(|_| format!("expected a strength, got {strength:?}"))?;
    }
    if let Some(at) = more.get(1) {
        found.at = match at.trim() {
            "every" => SwapPosition::Every,
            at => SwapPosition::Position(number(at)?),
        };
    }
    match more.get(2) {
        None => Ok(found),
        Some(word) => Err(format!(
            "{:?} is one word too many; `help` shows the form",
            word.trim()
        )),
    }
}

/// What `lens` is asked to show.
fn lens(rest: &str) -> Result<PromptLens, String> {
    let mut found = PromptLens::default();
    for word in tokens(rest)? {
        if word.ends_with(".safetensors") {
            found.tuned = Some(PathBuf::from(word.trim_start()));
        } else if found.token.is_none() {
            found.token = Some(word);
        } else {
            return Err(format!(
                "expected one token and the file of a tuned lens (.safetensors), got {:?} too",
                word.trim()
            ));
        }
    }
    Ok(found)
}

fn number(word: &str) -> Result<usize, String> {
    word.parse()
        .map_err(|_| format!("expected a number, got {word:?}"))
}

fn instead(word: &str) -> Result<AblateWith, String> {
    match word {
        "mean" => Ok(AblateWith::Mean),
        "zero" => Ok(AblateWith::Zero),
        "patch" => Ok(AblateWith::Patch),
        other => Err(format!("expected {}, got {other:?}", BY.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_or_explained() {
        let parsed = |line: &str| Command::parse(line);
        assert_eq!(
            parsed("prompt The dog "),
            Ok(Command::Prompt("The dog ".into()))
        );
        assert_eq!(
            parsed(r#"prompt "a\nb ""#),
            Ok(Command::Prompt("a\nb ".into()))
        );
        assert_eq!(parsed("  top 3\r"), Ok(Command::Top(Some(3))));
        assert_eq!(
            parsed("ablate m5.n120 zero"),
            Ok(Command::Ablate(Some(("m5.n120".into(), AblateWith::Zero))))
        );
        let Ok(Command::Edit(Some(edit))) = parsed(r#"edit Paris "\"" 3,5 0.2 every"#) else {
            panic!("an edit");
        };
        assert_eq!((&edit.from[..], &edit.to[..]), (" Paris", "\""));
        assert_eq!(
            (&edit.layers[..], edit.at),
            (&[3, 5][..], SwapPosition::Every)
        );
        assert!((edit.strength - 0.2).abs() < 1e-12);
        assert_eq!(parsed("edit"), Ok(Command::Edit(None)));
        let lens = PromptLens {
            token: Some(" Paris".into()),
            tuned: Some("a b.safetensors".into()),
        };
        assert_eq!(
            parsed(r#"lens Paris "a b.safetensors""#),
            Ok(Command::Lens(lens))
        );
        assert_eq!(parsed("lens"), Ok(Command::Lens(PromptLens::default())));
        assert_eq!(parsed("# a remark"), Ok(Command::Nothing));
        assert_eq!(parsed(""), Ok(Command::Nothing));
        for (line, part) in [
            ("prompt", "expected a text"),
            ("top many", "expected a number"),
            ("ablate m0 median", "expected mean, zero, patch"),
            ("undo 3", "expected\nundo"),
            ("edit Paris Rome", "two tokens and a layer"),
            ("edit Paris Rome x", "expected a number"),
            ("edit Paris Rome 1 much", "expected a strength"),
            ("edit Paris Rome 1 1 every thing", "too many"),
            (r#"edit "Paris 1"#, "EOF"),
            ("lens Paris Rome", "expected one token"),
            ("tops", "is no command"),
            (r#"prompt "\q""#, "invalid escape"),
        ] {
            let problem = parsed(line).expect_err(line);
            assert!(problem.contains(part), "{line}: {problem}");
        }
        for name in NAMES {
            assert!(HELP.contains(&format!("\n{name}")) || HELP.starts_with(name));
        }
    }
}
