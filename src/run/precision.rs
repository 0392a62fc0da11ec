//! Work in the precision that a spec asks for.

/// Does work that is generic over the precision with a model's weights in the one asked for, and the bound on its memory; the
/// second of the pair is what the rows take that the work is about.
macro_rules! at_precision {
    ($precision:expr, ($model:expr, $rows:expr), |$weights:ident, $bound:ident| $work:expr) => {
        match $precision {
            $crate::spec::Precision::F32 => {
                let ($weights, $bound) = (
                    &$model.weights,
                    $crate::run::memory::Bound::new::<f32>($model, None, $rows),
                );
                $work
            }
            $crate::spec::Precision::F64 => {
                let cast = $crate::run::memory::cast::<f64>($model);
                let ($weights, $bound) = (
                    &cast,
                    $crate::run::memory::Bound::new($model, Some(&cast), $rows),
                );
                $work
            }
        }
    };
}

pub(super) use at_precision;
