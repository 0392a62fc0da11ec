//! Activation functions of MLPs and their derivatives.

use rayon::prelude::*;

use super::dispatch::dispatched;
use super::filled::{filled, zeros};
use crate::model::{Activation, Real};

/// Elements that one thread takes at a time.
const PER_TASK: usize = 16_384;
/// 2 sqrt(2 / pi): GELU's tanh form is `x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))`.
const TANH_SCALE: f64 = 1.595_769_121_605_730_8;
/// The cubic coefficient of GELU's tanh form.
const TANH_CUBE: f64 = 0.044_715;

#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exp())
}

#[inline(always)]
fn gelu_inner<T: Real>(x: T) -> T {
    T::from_f64(TANH_SCALE) * (x + T::from_f64(TANH_CUBE) * x * x * x)
}

/// An activation function with its derivative, at one number.
trait Function<T> {
    /// The value and the derivative.
    fn at(x: T) -> (T, T);
}

struct Relu;
struct Silu;
struct Gelu;
struct GeluTanh;

impl<T: Real> Function<T> for Relu {
    #[inline(always)]
    fn at(x: T) -> (T, T) {
        let slope = if x > T::ZERO { T::ONE } else { T::ZERO };
        (x.max(T::ZERO), slope)
    }
}

impl<T: Real> Function<T> for Silu {
    #[inline(always)]
    fn at(x: T) -> (T, T) {
        let sigmoid = sigmoid(x);
        (x * sigmoid, sigmoid * (T::ONE + x * (T::ONE - sigmoid)))
    }
}

impl<T: Real> Function<T> for Gelu {
    #[inline(always)]
    fn at(x: T) -> (T, T) {
        let half = T::from_f64(0.5);
        let density = T::from_f64(0.398_942_280_401_432_7) * (-(half * x * x)).exp();
        let share = half * (T::ONE + (x * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf());
        (x * share, share + x * density)
    }
}

impl<T: Real> Function<T> for GeluTanh {
    #[inline(always)]
    fn at(x: T) -> (T, T) {
        let sigmoid = sigmoid(gelu_inner(x));
        let slope = T::from_f64(TANH_SCALE) * (T::ONE + T::from_f64(3.0 * TANH_CUBE) * x * x);
        (
            x * sigmoid,
            sigmoid + x * sigmoid * (T::ONE - sigmoid) * slope,
        )
    }
}

/// Calls a generic kernel with the type of an activation function.
macro_rules! with {
    ($activation:expr, $kernel:ident::<$T:ident>($($argument:expr),*)) => {
        match $activation {
            Activation::Relu => $kernel::<$T, Relu>($($argument),*),
            Activation::Silu => $kernel::<$T, Silu>($($argument),*),
            Activation::Gelu => $kernel::<$T, Gelu>($($argument),*),
            Activation::GeluTanh => $kernel::<$T, GeluTanh>($($argument),*),
        }
    };
}

#[inline(always)]
fn plain_values<T: Real, F: Function<T>>(x: &[T], out: &mut [T]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = F::at(x).0;
    }
}

#[inline(always)]
fn gated_values<T: Real, F: Function<T>>(x: &[T], gate: &[T], out: &mut [T]) {
    for ((out, &x), &gate) in out.iter_mut().zip(x).zip(gate) {
        *out = x * F::at(gate).0;
    }
}

#[inline(always)]
fn plain_gradients<T: Real, F: Function<T>>(x: &[T], gradient: &mut [T]) {
    for (gradient, &x) in gradient.iter_mut().zip(x) {
        *gradient *= F::at(x).1;
    }
}

#[inline(always)]
fn gated_gradients<T: Real, F: Function<T>>(
    x: &[T],
    gate: &[T],
    gradient: &mut [T],
    gate_gradient: &mut [T],
) {
    let gradients = gradient.iter_mut().zip(gate_gradient);
    for ((gradient, gate_gradient), (&x, &gate)) in gradients.zip(x.iter().zip(gate)) {
        let (value, slope) = F::at(gate);
        *gate_gradient = *gradient * x * slope;
        *gradient *= value;
    }
}

dispatched! {
    fn plain_chunk<T: Real>(activation: Activation, x: &[T], out: &mut [T]) {
        with!(activation, plain_values::<T>(x, out));
    }
}

dispatched! {
    fn gated_chunk<T: Real>(activation: Activation, x: &[T], gate: &[T], out: &mut [T]) {
        with!(activation, gated_values::<T>(x, gate, out));
    }
}

dispatched! {
    fn plain_backward_chunk<T: Real>(activation: Activation, x: &[T], gradient: &mut [T]) {
        with!(activation, plain_gradients::<T>(x, gradient));
    }
}

dispatched! {
    fn gated_backward_chunk<T: Real>(activation: Activation, x: &[T], gate: &[T], gradient: &mut [T], gate_gradient: &mut [T]) {
        with!(activation, gated_gradients::<T>(x, gate, gradient, gate_gradient));
    }
}

/// `activation(x)`, or `activation(gate) * x` for a gated MLP.
pub(crate) fn hidden<T: Real>(activation: Activation, x: &[T], gate: Option<&[T]>) -> Vec<T> {
    filled(x.len(), PER_TASK, |index, out| {
        let own = index * PER_TASK..index * PER_TASK + out.len();
        match gate {
            None => plain_chunk(activation, &x[own], out),
            Some(gate) => gated_chunk(activation, &x[own.clone()], &gate[own], out),
        }
    })
}

/// Pulls the gradient of a plain MLP's hidden units back to its projection, in place.
pub(crate) fn backward_plain<T: Real>(activation: Activation, x: &[T], gradient: &mut [T]) {
    gradient
        .par_chunks_mut(PER_TASK)
        .zip(x.par_chunks(PER_TASK))
        .for_each(|(gradient, x)| plain_backward_chunk(activation, x, gradient));
}

/// Pulls the gradient of a gated MLP's hidden units back: in place to the multiplied projection; returns the
/// gradient of the gate's projection.
pub(crate) fn backward_gated<T: Real>(
    activation: Activation,
    x: &[T],
    gate: &[T],
    gradient: &mut [T],
) -> Vec<T> {
    let mut gate_gradient = zeros(gradient.len());
    gradient
        .par_chunks_mut(PER_TASK)
        .zip(gate_gradient.par_chunks_mut(PER_TASK))
        .zip(x.par_chunks(PER_TASK).zip(gate.par_chunks(PER_TASK)))
        .for_each(|((gradient, gate_gradient), (x, gate))| {
            gated_backward_chunk(activation, x, gate, gradient, gate_gradient);
        });
    gate_gradient
}
