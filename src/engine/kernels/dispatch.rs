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
