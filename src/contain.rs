//! Calls of libraries on files that somebody else made: on a thread of their own, where a panic becomes an error.
//!
//! A panic is all that can be caught. What would end the process all the same (an overflow of the stack, memory without
//! bounds) is refused before the call, by checks that belong to the format.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Builder;

/// Name of the thread.
const CONTAINED: &str = "contained";
/// Stack of the thread: what checked nesting needs, with much to spare, whatever thread calls.
const STACK: usize = 64 << 20;

/// What `work` gives, or the message of its panic.
///
/// # Errors
/// When `work` panics or no thread can be had.
pub(crate) fn contained<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = Builder::new().name(CONTAINED.into()).stack_size(STACK);
        let running = thread
            .spawn_scoped(scope, work)
            .map_err(|error| error.to_string())?;
        running.join().map_err(|panic| panic_message(&*panic))
    })
}

std::thread_local! {
    /// Whether this thread is within [`caught`].
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives, or the message of its panic, on this thread: for short calls of which there are many, whose panics
/// leave nothing behind that is used again.
///
/// # Errors
/// When `work` panics.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = CATCHING.replace(true);
    let found = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(before);
    found.map_err(|panic| panic_message(&*panic))
}

/// Whether a panic of this thread becomes an error anyway, so that a program's panic hook may be quiet about it.
pub fn is_contained() -> bool {
    CATCHING.get() || std::thread::current().name() == Some(CONTAINED)
}

/// The message of a panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(contained(|| 3), Ok(3));
        let broken = contained(|| -> u32 { panic!("no such {}", "letter") });
        assert_eq!(broken, Err("no such letter".into()));
        let quiet = contained(is_contained);
        assert_eq!(
            (quiet, caught(is_contained), is_contained()),
            (Ok(true), Ok(true), false)
        );
        assert_eq!(caught(|| -> u32 { panic!("none") }), Err("none".into()));
    }
}
