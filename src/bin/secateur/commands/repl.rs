//! `secateur repl`: reads lines and does what they say, until they end.

use secateur::{Result, visible};

use crate::args::ReplArgs;
use crate::output;
use crate::repl::{Lines, Next, Session};
use crate::{supervise, terminal, ui};

/// `secateur repl`.
pub(crate) fn repl(args: &ReplArgs, quiet: bool) -> Result<u8> {
    let memory = args.memory.bytes().map(|bytes| bytes as usize);
    let mut session = Session::new(args.added.to(&args.model), memory, quiet)?;
    if !quiet {
        output::warnings(&session.model().warnings);
    }
    let mut lines = Lines::new(session.model());
    if lines.is_terminal() {
        supervise::go_on_after_ctrl_c();
        terminal::keep();
        if !quiet {
            output::message(&visible(&format!(
                "{}; `help` shows the commands",
                args.model
            )));
        }
    }
    while let Some(line) = lines.next()? {
        ui::go_on();
        match session.line(&line) {
            Ok(Next::Line) => {}
            Ok(Next::End) => break,
            Err(secateur::Error::Interrupted) => output::message("stopped"),
            Err(error) => output::message(&output::error_text(&error)),
        }
    }
    lines.finish();
    Ok(0)
}
