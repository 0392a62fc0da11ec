//! Activation functions of MLPs and their derivatives.

use rayon::prelude::*;

use crate::model::{Activation, Real};

/// Elements that one thread takes at a time.
const PER_TASK: usize = 8192;
/// sqrt(2 / pi).
const TANH_SCALE: f64 = 0.797_884_560_802_865_4;
/// The cubic coefficient of GELU's tanh form.
const TANH_CUBE: f64 = 0.044_715;

/// The activation's value.
pub(crate) fn value<T: Real>(activation: Activation, x: T) -> T {
    let half = T::from_f64(0.5);
    match activation {
        Activation::Relu => x.max(T::ZERO),
        Activation::Silu => x / (T::ONE + (-x).exp()),
        Activation::Gelu => {
            half * x * (T::ONE + (x * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf())
        }
        Activation::GeluTanh => half * x * (T::ONE + gelu_inner(x).tanh()),
    }
}

/// The activation's derivative.
pub(crate) fn derivative<T: Real>(activation: Activation, x: T) -> T {
    let half = T::from_f64(0.5);
    match activation {
        Activation::Relu => {
            if x > T::ZERO {
                T::ONE
            } else {
                T::ZERO
            }
        }
        Activation::Silu => {
            let sigmoid = T::ONE / (T::ONE + (-x).exp());
            sigmoid * (T::ONE + x * (T::ONE - sigmoid))
        }
        Activation::Gelu => {
            let density = T::from_f64(0.398_942_280_401_432_7) * (-(half * x * x)).exp();
            half * (T::ONE + (x * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf()) + x * density
        }
        Activation::GeluTanh => {
            let tanh = gelu_inner(x).tanh();
            let inner = T::from_f64(TANH_SCALE) * (T::ONE + T::from_f64(3.0 * TANH_CUBE) * x * x);
            half * (T::ONE + tanh) + half * x * (T::ONE - tanh * tanh) * inner
        }
    }
}

fn gelu_inner<T: Real>(x: T) -> T {
    T::from_f64(TANH_SCALE) * (x + T::from_f64(TANH_CUBE) * x * x * x)
}

/// `activation(x)`, or `activation(gate) * x` for a gated MLP.
pub(crate) fn hidden<T: Real>(activation: Activation, x: &[T], gate: Option<&[T]>) -> Vec<T> {
    let mut out = x.to_vec();
    match gate {
        None => out.par_chunks_mut(PER_TASK).for_each(|chunk| {
            for x in chunk {
                *x = value(activation, *x);
            }
        }),
        Some(gate) => {
            out.par_chunks_mut(PER_TASK)
                .zip(gate.par_chunks(PER_TASK))
                .for_each(|(chunk, gate)| {
                    for (x, &gate) in chunk.iter_mut().zip(gate) {
                        *x *= value(activation, gate);
                    }
                });
        }
    }
    out
}

/// Pulls the gradient of a plain MLP's hidden units back to its projection, in place.
pub(crate) fn backward_plain<T: Real>(activation: Activation, x: &[T], gradient: &mut [T]) {
    gradient
        .par_chunks_mut(PER_TASK)
        .zip(x.par_chunks(PER_TASK))
        .for_each(|(chunk, x)| {
            for (gradient, &x) in chunk.iter_mut().zip(x) {
                *gradient *= derivative(activation, x);
            }
        });
}

/// Pulls the gradient of a gated MLP's hidden units back: in place to the multiplied projection; returns the
/// gradient of the gate's projection.
pub(crate) fn backward_gated<T: Real>(
    activation: Activation,
    x: &[T],
    gate: &[T],
    gradient: &mut [T],
) -> Vec<T> {
    let mut gate_gradient = vec![T::ZERO; gradient.len()];
    gradient
        .par_chunks_mut(PER_TASK)
        .zip(gate_gradient.par_chunks_mut(PER_TASK))
        .zip(x.par_chunks(PER_TASK).zip(gate.par_chunks(PER_TASK)))
        .for_each(|((gradient, gate_gradient), (x, gate))| {
            for index in 0..gradient.len() {
                let upstream = gradient[index];
                gate_gradient[index] = upstream * x[index] * derivative(activation, gate[index]);
                gradient[index] = upstream * value(activation, gate[index]);
            }
        });
    gate_gradient
}
