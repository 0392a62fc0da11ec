//! Signals are heard whatever the program is doing: commands work on a thread of their own, and the first thread listens.
//!
//! Ctrl-C, SIGTERM and SIGHUP ask the work to stop at its next safe point. Work that has not stopped soon after is left
//! where it is, once no file is being written: what is finished is on the disk, and what is not is no worse off than
//! after a kill. A second signal only shortens the wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use secateur::output::stop_writing;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::terminal;
use crate::ui;

/// How often signals are looked for.
const TICK: Duration = Duration::from_millis(20);
/// How long work may take to reach a safe point.
const GRACE: Duration = Duration::from_millis(700);
/// How long the last words may take: whoever should read them may not.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Stack of the thread that works: that of the first thread of most systems.
const STACK: usize = 8 << 20;
/// The exit code of interrupted work, whatever interrupted it.
const INTERRUPTED: u8 = 130;

/// Set where Ctrl-C stops what a line asked for, and the program goes on.
static GOES_ON: AtomicBool = AtomicBool::new(false);
/// What is said when work is left in the middle.
static LAST: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// Lets the program go on after Ctrl-C.
pub(crate) fn go_on_after_ctrl_c() {
    GOES_ON.store(true, Ordering::Relaxed);
}

/// Sets what is said when work is left in the middle, or that nothing is.
pub(crate) fn last_words(words: Option<Box<dyn FnOnce() + Send>>) {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = words;
}

/// Does the work of the program and gives its exit code: 128 and the number of the signal where one ended it.
pub(crate) fn supervised(work: impl FnOnce() -> u8 + Send + 'static) -> u8 {
    let signals = Signals::listen();
    let (sender, done) = channel();
    let work = move || {
        // A panic outside of jobs is a bug too, with the exit code of one.
        let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(1);
        // The other end waits.
        sender.send(code).ok();
    };
    match Builder::new().stack_size(STACK).spawn(work) {
        Ok(_) => wait(&done, &signals),
        Err(_) => 1,
    }
}

fn wait(done: &Receiver<u8>, signals: &Signals) -> u8 {
    let mut stopping: Option<(u8, Instant)> = None;
    loop {
        match done.recv_timeout(TICK) {
            Ok(INTERRUPTED) => return stopping.map_or(INTERRUPTED, |(code, _)| code),
            Ok(code) => return code,
            Err(RecvTimeoutError::Disconnected) => return 1,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(number) = signals.heard() {
            let again = stopping.is_some() || ui::is_stopping();
            ui::stop();
            if number == SIGINT && GOES_ON.load(Ordering::Relaxed) && !again {
                continue;
            }
            let code = u8::try_from(128 + number).unwrap_or(INTERRUPTED);
            stopping = Some(if again {
                // No more grace.
                (
                    code,
                    Instant::now()
                        .checked_sub(GRACE)
                        .unwrap_or_else(Instant::now),
                )
            } else {
                within(ui::say_stopping);
                (code, Instant::now())
            });
        }
        if let Some((code, since)) = stopping
            && since.elapsed() >= GRACE
            && let Some(held) = stop_writing()
        {
            // Until the process is gone.
            std::mem::forget(held);
            let words = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
            within(|| words.map_or_else(ui::say_interrupted, |words| words()));
            terminal::restore();
            return code;
        }
    }
}

/// Says something, unless nobody takes it: a pipe may be full.
fn within(say: impl FnOnce() + Send + 'static) {
    let (sender, said) = channel();
    thread::spawn(move || {
        say();
        sender.send(()).ok();
    });
    said.recv_timeout(LAST_WORDS).ok();
}

/// The signals that end the program, each with whether it came since it was last looked at.
struct Signals(Vec<(i32, Arc<AtomicBool>)>);

impl Signals {
    fn listen() -> Self {
        let mut numbers = vec![SIGINT, SIGTERM];
        #[cfg(unix)]
        if !is_hangup_ignored() {
            numbers.push(signal_hook::consts::SIGHUP);
        }
        // A limit on the size of files is an error like that of a full disk, not the end of the program.
        #[cfg(unix)]
        signal_hook::flag::register(libc::SIGXFSZ, Arc::default()).ok();
        let listen = |number: i32| {
            let came = Arc::new(AtomicBool::new(false));
            // A signal that cannot be listened to ends the program at once, as it would by itself.
            signal_hook::flag::register(number, Arc::clone(&came)).ok()?;
            Some((number, came))
        };
        Self(numbers.into_iter().filter_map(listen).collect())
    }

    /// A signal that came.
    fn heard(&self) -> Option<i32> {
        let came = self
            .0
            .iter()
            .find(|(_, came)| came.swap(false, Ordering::Relaxed));
        came.map(|(number, _)| *number)
    }
}

/// Whether the program was started so that it outlives its terminal, as by `nohup`.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = secateur::input::read_text(
        Path::new("/proc/self/status"),
        1 << 20,
        "the state of this process",
    );
    let status = status.unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 << (signal_hook::consts::SIGHUP - 1) != 0)
}
