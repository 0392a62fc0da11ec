//! Data to standard output, messages to standard error.

use std::io::{ErrorKind, IsTerminal, Write};

use secateur::{Error, Result, visible};

/// Characters of a line of a message at most.
const LONGEST_LINE: usize = 2000;

/// Writes data to standard output; a reader that has gone away is not an error.
pub(crate) fn data(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes text for people to standard output, hidden characters by their numbers.
pub(crate) fn text(text: &str) -> Result<()> {
    data(visible(text).as_bytes())
}

/// Writes one line to standard error; there is nobody to tell when that fails.
pub(crate) fn message(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").ok();
}

/// Text that calls itself an error, one line for each mistake in a spec.
pub(crate) fn error_text(error: &Error) -> String {
    match error {
        Error::Spec(mistakes) => {
            let lines: Vec<String> = mistakes
                .iter()
                .map(|mistake| labelled("error", mistake))
                .collect();
            lines.join("\n")
        }
        other => labelled("error", other),
    }
}

/// Shows warnings on standard error.
pub(crate) fn warnings(warnings: &[String]) {
    for warning in warnings {
        message(&warning_text(warning));
    }
}

/// Text that calls itself a warning.
pub(crate) fn warning_text(warning: &str) -> String {
    labelled("warning", warning)
}

/// A line without its middle where it quotes a file at length.
fn shortened(line: &str) -> String {
    let length = line.chars().count();
    if length <= LONGEST_LINE {
        return line.to_owned();
    }
    let start: String = line.chars().take(LONGEST_LINE / 2).collect();
    let end: String = line.chars().skip(length - LONGEST_LINE / 2).collect();
    format!("{start} [..] {end}")
}

fn labelled(label: &str, text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    let lines: Vec<String> = text.lines().map(shortened).collect();
    let text = lines.join("\n");
    let text = visible(&text);
    if !coloured() {
        return format!("{label}: {text}");
    }
    let colour = if label == "error" { "1;31" } else { "1;33" };
    format!("\u{1b}[{colour}m{label}:\u{1b}[0m {text}")
}

/// Whether messages may be coloured.
fn coloured() -> bool {
    std::io::stderr().is_terminal() && !colours_refused()
}

/// Whether data for people may be coloured.
pub(crate) fn data_is_coloured() -> bool {
    std::io::stdout().is_terminal() && !colours_refused()
}

/// By the user, or by a terminal that can do nothing.
fn colours_refused() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    refused || std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb")
}

/// Whether the terminal that shows progress has no room for bars beside words.
pub(crate) fn is_narrow() -> bool {
    let size = console::Term::stderr().size_checked();
    size.is_some_and(|(_, columns)| columns < 80)
}

/// Columns for data for people: `COLUMNS`, or those of the terminal; as many as needed elsewhere.
pub(crate) fn columns() -> usize {
    let named = std::env::var("COLUMNS").ok();
    let named = named.and_then(|columns| columns.parse().ok());
    let terminal = || console::Term::stdout().size_checked();
    named
        .or_else(|| terminal().map(|(_, columns)| usize::from(columns)))
        .filter(|&columns| columns > 0)
        .unwrap_or(usize::MAX)
}
