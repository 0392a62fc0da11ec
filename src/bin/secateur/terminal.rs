//! The state of the terminal, which a line editor changes and a signal must not leave changed.

#[cfg(unix)]
static BEFORE: std::sync::OnceLock<libc::termios> = std::sync::OnceLock::new();

/// Keeps the state of the terminal on standard input, where there is one.
#[cfg(unix)]
#[expect(unsafe_code, reason = "calls of the system")]
pub(crate) fn keep() {
    // SAFETY: all zero bytes are a value of this plain structure.
    let mut state: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is valid for writes, and the descriptor is only asked.
    if unsafe { libc::tcgetattr(libc::STDIN_FILENO, &raw mut state) } == 0 {
        BEFORE.set(state).ok();
    }
}

/// Gives the terminal the state back that was kept.
#[cfg(unix)]
#[expect(unsafe_code, reason = "a call of the system")]
pub(crate) fn restore() {
    if let Some(state) = BEFORE.get() {
        // SAFETY: `state` is valid for reads.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, state) };
    }
}

/// Nothing to keep on other systems.
#[cfg(not(unix))]
pub(crate) fn keep() {}

/// Nothing to give back on other systems.
#[cfg(not(unix))]
pub(crate) fn restore() {}
