//! New buffers that the threads fill, each its own parts, which it clears or copies first.

use std::borrow::Cow;
use std::mem::MaybeUninit;

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

/// A buffer of parts of these lengths, made in another order: `order` lists the numbers of all parts, and a thread takes up
/// parts that follow each other in it. `start` gives what a part is a copy of, `change` does the rest.
///
/// # Panics
/// When `order` does not list every part once, or a part's start has another length.
pub(crate) fn copied_in_order<'s, T: Real>(
    lengths: &[usize],
    order: &[usize],
    start: impl Fn(usize) -> Cow<'s, [T]> + Sync,
    change: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let len = lengths.iter().sum();
    let mut out: Vec<T> = Vec::with_capacity(len);
    let mut rest = &mut out.spare_capacity_mut()[..len];
    let mut parts: Vec<Option<&mut [MaybeUninit<T>]>> = Vec::with_capacity(lengths.len());
    for &length in lengths {
        let (part, after) = rest.split_at_mut(length);
        parts.push(Some(part));
        rest = after;
    }
    let ordered: Vec<_> = order
        .iter()
        .filter_map(|&index| Some((index, parts[index].take()?)))
        .collect();
    assert_eq!(ordered.len(), lengths.len(), "every part once");
    ordered
        .into_par_iter()
        .for_each(|(index, part)| change(index, part.write_copy_of_slice(&start(index))));
    // SAFETY: all parts were taken, they cover the buffer, and each was written.
    #[expect(unsafe_code, reason = "the threads have written all of it")]
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

    #[test]
    fn the_order_of_making_changes_nothing() {
        let lengths = [3, 0, 5, 1, 4];
        let start = |index: usize| Cow::Owned(vec![10.0 * index as f64; lengths[index]]);
        for order in [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1]] {
            let found = copied_in_order::<f64>(&lengths, &order, start, |index, numbers| {
                for (place, number) in numbers.iter_mut().enumerate() {
                    *number += (index * place) as f64;
                }
            });
            let expected = [0., 0., 0., 20., 22., 24., 26., 28., 30., 40., 44., 48., 52.];
            assert_eq!(found, expected);
        }
        let nothing = copied_in_order::<f32>(&[], &[], |_| Cow::Borrowed(&[]), |_, _| {});
        assert!(nothing.is_empty());
    }

    #[test]
    #[should_panic(expected = "every part once")]
    fn a_part_left_out_is_a_mistake() {
        let start = |_| Cow::Borrowed(&[0.0, 0.0][..]);
        copied_in_order::<f32>(&[2, 2], &[1, 1], start, |_, _| {});
    }
}
