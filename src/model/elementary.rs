//! The exponential and the error function in single precision, as polynomials without branches or fused operations, so
//! that loops over them vectorise and give the same bits with vectors of any width.

/// e to the power of `x`, within 2 units in the last place (relative 1.8e-7) from -87.3 to 88.3, 0 below that to
/// within the smallest normal number, the largest power above. NaN stays NaN.
///
/// # Reference
/// Cody and Waite's reduction `x = n ln 2 + r`, then the Taylor polynomial of `e^r` on `|r| <= ln 2 / 2`.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// Added and subtracted, this rounds to the nearest integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, of which the first has few enough bits to be multiplied exactly.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let x = if x > 88.3 { 88.3 } else { x };
    let x = if x < -87.3 { -87.3 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2.0 - n * LN_2.1;
    let tail = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let tail = 1.0 / 24.0 + r * (1.0 / 120.0 + r * tail);
    let power = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * tail)));
    // 2^n: n stands in the low bits of `shifted`, and moves to where a float has its exponent.
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127);
    power * f32::from_bits(exponent << 23)
}

/// The error function, within 5e-7 absolutely.
///
/// # Reference
/// Press et al., Numerical Recipes, section 6.2.2: a Chebyshev fit of the logarithm of the complement.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    const FIT: [f32; 10] = [
        -1.265_512_2,
        1.000_023_7,
        0.374_091_97,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_204,
        1.488_515_9,
        -0.822_152_23,
        0.170_872_77,
    ];
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.5 * size);
    let mut sum = FIT[9];
    for term in FIT[..9].iter().rev() {
        sum = sum * t + term;
    }
    let complement = t * exp(sum - size * size);
    (1.0 - complement).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of both signs, dense around zero.
    fn samples(largest: f32) -> impl Iterator<Item = f32> {
        let steps = 400_000;
        (-steps..=steps).map(move |step| {
            let at = step as f32 / steps as f32;
            largest * at * at.abs()
        })
    }

    #[test]
    fn the_exponential_is_within_two_units_in_the_last_place() {
        let mut worst = 0.0_f64;
        for x in samples(87.0) {
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) / exact - 1.0).abs());
        }
        assert!(worst < 1.8e-7, "relative error {worst:.2e}");
    }

    #[test]
    fn the_exponential_is_right_at_the_ends() {
        assert_eq!(exp(0.0).to_bits(), 1.0_f32.to_bits());
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::NEG_INFINITY) < 2e-38 && exp(-1e30) < 2e-38);
        assert!(exp(f32::INFINITY) > 2e38 && exp(f32::INFINITY).is_finite());
    }

    #[test]
    fn the_error_function_is_within_its_bound() {
        let mut worst = 0.0_f64;
        for x in samples(6.0) {
            let exact = libm::erf(f64::from(x));
            worst = worst.max((f64::from(erf(x)) - exact).abs());
        }
        assert!(worst < 5e-7, "absolute error {worst:.2e}");
        assert!(erf(f32::NAN).is_nan());
        assert_eq!(erf(f32::INFINITY).to_bits(), 1.0_f32.to_bits());
        assert_eq!(erf(f32::NEG_INFINITY).to_bits(), (-1.0_f32).to_bits());
    }
}
