//! What is done when a mapped file shrinks while it is read.
//!
//! Memory that a file no longer backs cannot be read: the system sends the thread that tries SIGBUS, which by default ends
//! the process with all its jobs. A handler puts zeros there instead and marks the mapping as broken. Whoever reads goes on
//! with zeros, and what comes of them is thrown away: [`Watched::is_broken`] is asked before a result is kept.
//!
//! The handler looks at nothing but atomic numbers, so it may run at any moment on any thread. A SIGBUS anywhere else is
//! handed to whoever would have had it without this handler.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// A stretch of memory under watch, from its making until it is dropped.
#[derive(Debug)]
pub(super) struct Watched(&'static Slot);

/// A link of the list of watched memory. Links are used again and never freed.
#[derive(Debug)]
struct Slot {
    taken: AtomicBool,
    start: AtomicUsize,
    /// Beyond the last byte; 0 where nothing is watched.
    end: AtomicUsize,
    broken: AtomicBool,
    next: OnceLock<&'static Self>,
}

static FIRST: Slot = Slot::new();

impl Slot {
    const fn new() -> Self {
        Self {
            taken: AtomicBool::new(false),
            start: AtomicUsize::new(usize::MAX),
            end: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            next: OnceLock::new(),
        }
    }

    /// The first link that nobody uses, from now on used.
    fn take() -> &'static Self {
        let mut slot = &FIRST;
        while slot
            .taken
            .compare_exchange(false, true, SeqCst, SeqCst)
            .is_err()
        {
            slot = slot.next.get_or_init(|| Box::leak(Box::new(Self::new())));
        }
        slot
    }

    /// Where the memory ends, where it holds the address.
    fn end_of(&self, address: usize) -> Option<usize> {
        // The link may pass on to other memory in between; then its start is another one.
        let start = self.start.load(SeqCst);
        let end = self.end.load(SeqCst);
        let same = self.start.load(SeqCst) == start;
        (same && (start..end).contains(&address)).then_some(end)
    }
}

impl Watched {
    /// Watches memory that is mapped, and stays so until this is dropped.
    pub(super) fn new(memory: &[u8]) -> Self {
        handler::install();
        let slot = Slot::take();
        let start = memory.as_ptr().addr();
        slot.broken.store(false, SeqCst);
        // In this order: until its end is known, it holds no address.
        slot.start.store(start, SeqCst);
        slot.end.store(start + memory.len(), SeqCst);
        Self(slot)
    }

    /// Whether some of what was read was not in the file any more.
    pub(super) fn is_broken(&self) -> bool {
        self.0.broken.load(SeqCst)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.end.store(0, SeqCst);
        self.0.start.store(usize::MAX, SeqCst);
        self.0.taken.store(false, SeqCst);
    }
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "signals and mappings have no safe form")]
mod handler {
    use std::ptr;
    use std::sync::atomic::Ordering::SeqCst;
    use std::sync::{Once, OnceLock};

    use super::FIRST;

    /// Who had the signal before.
    static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();
    static INSTALLED: Once = Once::new();
    /// Bytes of a page.
    static PAGE: OnceLock<usize> = OnceLock::new();

    /// Installs the handler, once.
    pub(super) fn install() {
        BEFORE.get_or_init(|| {
            // SAFETY: asks for a constant.
            let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            // A page that is taken for too small is put in place twice, never wrongly.
            PAGE.get_or_init(|| usize::try_from(page).unwrap_or(4096).max(4096));
            // SAFETY: both are plain structures, for which zeros are "nothing set"; the calls read and write these only.
            unsafe {
                let mut before: libc::sigaction = std::mem::zeroed();
                libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut before);
                before
            }
        });
        // Not in the closure above: from here on, `BEFORE` is there for the handler.
        INSTALLED.call_once(|| {
            // SAFETY: as above; the handler has the form that SA_SIGINFO asks for.
            unsafe {
                let mut ours: libc::sigaction = std::mem::zeroed();
                let handle: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                    on_bus_error;
                ours.sa_sigaction = handle as usize;
                ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigemptyset(&raw mut ours.sa_mask);
                libc::sigaction(libc::SIGBUS, &raw const ours, ptr::null_mut());
            }
        });
    }

    extern "C" fn on_bus_error(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the system hands over a valid structure.
        let (address, code) = unsafe { ((*info).si_addr().addr(), (*info).si_code) };
        // Codes from 1 on are the system's own; others are of signals that somebody sent.
        if code > 0 && put_zeros(address) {
            return;
        }
        if let Some(before) = BEFORE.get() {
            // SAFETY: what was set before is set again; if nothing caused the signal, it does not come back by itself.
            unsafe {
                libc::sigaction(signal, before, ptr::null_mut());
                if code <= 0 {
                    libc::raise(signal);
                }
            }
        }
    }

    /// Puts zeros in the place of what is gone, from an address to the end of its mapping; false where it is nobody's.
    fn put_zeros(address: usize) -> bool {
        let Some(page) = PAGE.get() else {
            return false;
        };
        let mut slot = Some(&FIRST);
        while let Some(here) = slot {
            if let Some(end) = here.end_of(address) {
                here.broken.store(true, SeqCst);
                let start = address / page * page;
                // SAFETY: the pages belong to a mapping of ours from `start` to its end, which lives: somebody reads it.
                // Nothing was written to it, and what is read there is not believed.
                let zeros = unsafe {
                    libc::mmap(
                        ptr::without_provenance_mut(start),
                        end - start,
                        libc::PROT_READ,
                        libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED | libc::MAP_NORESERVE,
                        -1,
                        0,
                    )
                };
                return zeros != libc::MAP_FAILED;
            }
            slot = here.next.get().copied();
        }
        false
    }
}

#[cfg(not(unix))]
mod handler {
    /// Elsewhere, a file that is mapped cannot shrink.
    pub(super) fn install() {}
}
