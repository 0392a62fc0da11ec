//! Work in the precision that a spec asks for.

/// Does work that is generic over the precision with a model's weights in the one asked for, and the bound on its memory; the
/// second of the pair is what the rows take that the work is about.
macro_rules! at_precision {
    ($precision:expr, ($model:expr, $rows:expr), |$weights:ident, $bound:ident| $work:expr) => {
        match $precision {
            $crate::engine::Precision::F32 => {
                let ($weights, $bound) = (
                    &$model.weights,
                    $crate::setting::Bound::new::<f32>($model, None, $rows),
                );
                $work
            }
            $crate::engine::Precision::F64 => {
                let cast = $crate::setting::cast::<f64>($model);
                let ($weights, $bound) = (
                    &cast,
                    $crate::setting::Bound::new($model, Some(&cast), $rows),
                );
                $work
            }
        }
    };
}

pub(crate) use at_precision;
