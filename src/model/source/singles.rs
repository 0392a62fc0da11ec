//! Single-precision numbers used where they lie in a file.

use std::ops::Range;
use std::sync::Arc;

use super::Bytes;
use crate::model::Values;
use crate::model::values::Store;

/// Numbers in a file's bytes.
struct Singles {
    bytes: Bytes,
    range: Range<usize>,
}

/// The numbers in a range of a file, without a copy; `None` where the machine cannot read them in place: they are not
/// aligned, or it has another order of bytes.
pub(super) fn singles(bytes: &Bytes, range: Range<usize>) -> Option<Values<f32>> {
    if cfg!(target_endian = "big") || view(&bytes[range.clone()]).is_none() {
        return None;
    }
    let bytes = bytes.clone();
    Some(Values::new(Arc::new(Singles { bytes, range })))
}

fn view(bytes: &[u8]) -> Option<&[f32]> {
    #[expect(
        unsafe_code,
        reason = "bytes as numbers have no safe form in the standard library"
    )]
    // SAFETY: every pattern of bits is an f32; `align_to` itself sees to alignment and bounds.
    let (before, values, after) = unsafe { bytes.align_to::<f32>() };
    (before.is_empty() && after.is_empty()).then_some(values)
}

impl Store<f32> for Singles {
    fn values(&self) -> &[f32] {
        // It was one when it was made, and bytes do not move.
        view(&self.bytes[self.range.clone()]).unwrap_or_default()
    }

    fn is_held(&self) -> bool {
        false
    }
}
