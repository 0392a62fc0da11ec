//! The element type of weights and activations: `f32` for work, `f64` for oracles and golden numbers.

use super::elementary;

/// A floating-point element: `f32` or `f64`.
pub trait Real:
    Copy
    + Send
    + Sync
    + Default
    + PartialOrd
    + std::fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::SubAssign
    + std::ops::MulAssign
    + std::iter::Sum
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Name in files and messages: `f32`, `f64`.
    const NAME: &'static str;

    /// Rounds from `f64`.
    fn from_f64(value: f64) -> Self;
    /// From single precision, without a copy where that is the type.
    fn from_singles(values: Vec<f32>) -> Vec<Self>;
    /// Widens to `f64`.
    fn to_f64(self) -> f64;
    /// Square root.
    fn sqrt(self) -> Self;
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// The larger of two numbers.
    fn max(self, other: Self) -> Self;
    /// True unless NaN or infinite.
    fn is_finite(self) -> bool;
    /// Appends the bytes of the number, the lowest first.
    fn write_le(self, bytes: &mut Vec<u8>);
}

macro_rules! real {
    ($type:ty, $name:literal, $exp:path, $erf:path, $from_singles:expr) => {
        impl Real for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NAME: &'static str = $name;
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            fn from_singles(values: Vec<f32>) -> Vec<Self> {
                $from_singles(values)
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            fn tanh(self) -> Self {
                self.tanh()
            }
            #[inline(always)]
            fn erf(self) -> Self {
                $erf(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            fn write_le(self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }
        }
    };
}

real!(
    f32,
    "f32",
    elementary::exp,
    elementary::erf,
    std::convert::identity
);
real!(f64, "f64", f64::exp, libm::erf, widen);

fn widen(values: Vec<f32>) -> Vec<f64> {
    values.into_iter().map(f64::from).collect()
}
