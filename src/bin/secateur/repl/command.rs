//! The lines that the prompt understands.

use secateur::analyze::prompt::Instead;

/// A line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Sets the prompt.
    Prompt(String),
    /// Sets the prompt to compare with, or none.
    Compare(Option<String>),
    /// Shows so many next tokens from now on.
    Top(Option<usize>),
    /// Replaces a part.
    Ablate(Option<(String, Instead)>),
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
pub(crate) const NAMES: [&str; 11] = [
    "prompt", "compare", "top", "ablate", "add", "undo", "generate", "tokens", "spec", "help",
    "quit",
];

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
            ("ablate", [node]) => Ok(Self::Ablate(Some(((*node).into(), Instead::Mean)))),
            ("ablate", [node, by]) => Ok(Self::Ablate(Some(((*node).into(), instead(by)?)))),
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

fn number(word: &str) -> Result<usize, String> {
    word.parse()
        .map_err(|_| format!("expected a number, got {word:?}"))
}

fn instead(word: &str) -> Result<Instead, String> {
    match word {
        "mean" => Ok(Instead::Mean),
        "zero" => Ok(Instead::Zero),
        "patch" => Ok(Instead::Patch),
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
            Ok(Command::Ablate(Some(("m5.n120".into(), Instead::Zero))))
        );
        assert_eq!(parsed("# a remark"), Ok(Command::Nothing));
        assert_eq!(parsed(""), Ok(Command::Nothing));
        for (line, part) in [
            ("prompt", "expected a text"),
            ("top many", "expected a number"),
            ("ablate m0 median", "expected mean, zero, patch"),
            ("undo 3", "expected\nundo"),
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
