//! Widening in chunks on several threads.
//!
//! The threads are not rayon's: whoever waits there for a part runs other work meanwhile, which may want the very part
//! that is being made and would wait for itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Elements widened at a time; a multiple of every block size.
pub(super) const CHUNK: usize = 1 << 16;

/// Widens `bytes` into new memory for `count` elements; every [`CHUNK`] elements take `chunk_bytes` bytes.
///
/// # Errors
/// The error of a chunk that fails.
pub(super) fn widen<E: Send>(
    count: usize,
    bytes: &[u8],
    chunk_bytes: usize,
    chunk: impl Fn(&[u8], &mut [f32]) -> Result<(), E> + Sync,
) -> Result<Vec<f32>, E> {
    let mut values = vec![0.0; count];
    let threads = rayon::current_num_threads().min(count / (4 * CHUNK));
    if threads < 2 {
        for (out, bytes) in values.chunks_mut(CHUNK).zip(bytes.chunks(chunk_bytes)) {
            chunk(bytes, out)?;
        }
        return Ok(values);
    }
    let work: Vec<Mutex<(&mut [f32], &[u8])>> = values
        .chunks_mut(CHUNK)
        .zip(bytes.chunks(chunk_bytes))
        .map(Mutex::new)
        .collect();
    let next = AtomicUsize::new(0);
    let run = || -> Result<(), E> {
        while let Some(part) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            let (out, bytes) = &mut *part;
            chunk(bytes, out)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut result = run();
        for other in others {
            match other.join() {
                Ok(ended) => result = result.and(ended),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        result
    })?;
    drop(work);
    Ok(values)
}
