//! Kernels compiled for wider vectors, chosen at run time.
//!
//! A kernel is written once, as a loop over slices without fused operations. It is compiled for the baseline of the
//! architecture and, on x86-64, for AVX2; the processor decides which runs. Both do the same operations in the same
//! order on each number, so they give the same bits; only more numbers are worked on at a time.

/// Defines a function over slices that runs with the widest vectors the processor has.
macro_rules! dispatched {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident<$T:ident: Real>($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments, reason = "kernels take slices, not structs of slices")]
        $visibility fn $name<$T: Real>($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn portable<$T: Real>($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2<$T: Real>($($argument: $type),*) $(-> $result)? {
                portable($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2.
                #[expect(unsafe_code, reason = "the feature was detected")]
                return unsafe { avx2($($argument),*) };
            }
            portable($($argument),*)
        }
    };
}

pub(crate) use dispatched;

#[cfg(test)]
mod tests {
    use crate::engine::kernels::rows::dot_lanes;
    use crate::model::Real;

    #[inline(always)]
    fn body<T: Real>(x: &[T], out: &mut [T]) -> T {
        for (out, &x) in out.iter_mut().zip(x) {
            let sigmoid = T::ONE / (T::ONE + (-x).exp());
            *out = x * sigmoid + x * x.erf() - (x * x + T::ONE).sqrt();
        }
        dot_lanes(x, out)
    }

    dispatched! {
        fn wide<T: Real>(x: &[T], out: &mut [T]) -> T {
            body(x, out)
        }
    }

    fn check<T: Real>() {
        let x: Vec<T> = (0..1003)
            .map(|at| T::from_f64((at as f64 * 0.7).sin() * 9.0))
            .collect();
        let (mut baseline, mut widest) = (vec![T::ZERO; x.len()], vec![T::ZERO; x.len()]);
        // Called from here, the body is compiled for the baseline.
        let sums = [body(&x, &mut baseline), wide(&x, &mut widest)];
        let bytes = |values: &[T]| {
            let mut bytes = Vec::new();
            for value in values {
                value.write_le(&mut bytes);
            }
            bytes
        };
        assert!(bytes(&baseline) == bytes(&widest), "{}", T::NAME);
        assert!(bytes(&sums[..1]) == bytes(&sums[1..]), "{}", T::NAME);
    }

    #[test]
    fn vectors_of_any_width_give_the_same_bits() {
        check::<f32>();
        check::<f64>();
    }
}
