//! Element types that are plain little-endian floats, widened to `f32`.

use half::{bf16, f16};

/// A float type that weights are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
    Bf16,
    F64,
}

impl Element {
    /// Bytes of one element.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Widens (or rounds) `bytes` into `out`, one element per value of `out`.
    pub(crate) fn widen(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => each(bytes, out, f32::from_le_bytes),
            Self::F16 => each(bytes, out, |le| f16::from_le_bytes(le).to_f32()),
            Self::Bf16 => each(bytes, out, |le| bf16::from_le_bytes(le).to_f32()),
            Self::F64 => each(bytes, out, |le| f64::from_le_bytes(le) as f32),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], out: &mut [f32], decode: impl Fn([u8; N]) -> f32) {
    let (elements, _) = bytes.as_chunks::<N>();
    for (value, element) in out.iter_mut().zip(elements) {
        *value = decode(*element);
    }
}
