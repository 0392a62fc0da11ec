//! New buffers that the threads clear and fill, each its own parts.

use rayon::prelude::*;

use crate::model::Real;

/// Numbers that one thread clears at a time.
const PER_TASK: usize = 1 << 15;

/// A buffer filled in parts of `part` numbers, the last of which may be shorter: `fill` gets a part's number and its zeros.
pub(crate) fn filled<T: Real>(
    len: usize,
    part: usize,
    fill: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let mut out: Vec<T> = Vec::with_capacity(len);
    out.spare_capacity_mut()[..len]
        .par_chunks_mut(part.max(1))
        .enumerate()
        .for_each(|(index, part)| {
            for number in part.iter_mut() {
                number.write(T::ZERO);
            }
            // SAFETY: every number of the part was just written.
            #[expect(unsafe_code, reason = "a thread clears what it fills")]
            fill(index, unsafe { part.assume_init_mut() });
        });
    // SAFETY: the parts cover the buffer, and each was written.
    #[expect(unsafe_code, reason = "the threads have cleared all of it")]
    unsafe {
        out.set_len(len);
    }
    out
}

/// Zeros.
pub(crate) fn zeros<T: Real>(len: usize) -> Vec<T> {
    filled(len, PER_TASK, |_, _| {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_filled_once() {
        for (len, part) in [(0, 3), (1, 3), (7, 3), (9, 3), (70_001, 1000), (5, 0)] {
            let found = filled::<f64>(len, part, |index, numbers| {
                for (place, number) in numbers.iter_mut().enumerate() {
                    assert!(*number == 0.0);
                    *number += (index * part.max(1) + place) as f64;
                }
            });
            let expected: Vec<f64> = (0..len).map(|index| index as f64).collect();
            assert_eq!(found, expected);
        }
        assert!(zeros::<f32>(100_000).iter().all(|&number| number == 0.0));
    }
}
