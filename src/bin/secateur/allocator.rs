//! Memory for the engine's buffers: kept for the next one, on huge pages.
//!
//! The engine takes and frees buffers of megabytes all the time. By itself glibc takes each from the system and gives
//! it back, and the system clears it again, 4 KiB a page fault, which costs up to a fifth of the time.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator; large buffers are asked to lie on huge pages, which Linux gives or not.
pub(crate) struct LargeBuffers;

/// Fewest bytes of a buffer that is worth huge pages (of 2 MiB).
const LARGE: usize = 4 << 20;

#[expect(unsafe_code, reason = "an allocator hands out pointers")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for LargeBuffers {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of `System`.
        advise(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        advise(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, first: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        advise(unsafe { System.realloc(first, layout, size) }, size)
    }

    unsafe fn dealloc(&self, first: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(first, layout) }
    }
}

/// Asks for huge pages under the whole pages of a large buffer.
#[cfg(target_os = "linux")]
fn advise(first: *mut u8, size: usize) -> *mut u8 {
    const PAGE: usize = 4 << 10;
    if size >= LARGE && !first.is_null() {
        let skipped = first.addr().next_multiple_of(PAGE) - first.addr();
        #[expect(unsafe_code, reason = "a call of the system")]
        // SAFETY: the range lies within the buffer, and the advice changes nothing that can be read there.
        unsafe {
            libc::madvise(
                first.add(skipped).cast(),
                (size - skipped) / PAGE * PAGE,
                libc::MADV_HUGEPAGE,
            );
        }
    }
    first
}

#[cfg(not(target_os = "linux"))]
fn advise(first: *mut u8, _size: usize) -> *mut u8 {
    first
}

/// Lets glibc keep freed buffers, up to 2 GiB at the end of its memory; to be called before any thread is started.
pub(crate) fn keep_freed_buffers() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a call of the C library")]
    // SAFETY: the calls set numbers that glibc reads, while there is one thread.
    unsafe {
        // Older versions refuse more than half of a thread's heap; then that much is kept.
        if libc::mallopt(libc::M_MMAP_THRESHOLD, libc::c_int::MAX) == 0 {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        }
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
    }
}
