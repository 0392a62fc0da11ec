//! The maps of a tuned lens.

use crate::engine::{Dense, Place};
use crate::model::Real;

/// `x -> x + x W + b`. With zeros it is the logit lens.
#[derive(Debug, Clone, PartialEq)]
pub struct AffineMap<T> {
    /// `[d_model, d_model]`, from rows to columns.
    pub weight: Vec<T>,
    /// `[d_model]`.
    pub bias: Vec<T>,
}

/// A map for each of some places; others keep their stream.
#[derive(Debug, Clone, PartialEq)]
pub struct TunedLens<T> {
    /// The places with their maps.
    pub maps: Vec<(Place, AffineMap<T>)>,
}

impl<T: Real> AffineMap<T> {
    /// What it makes of some streams, `[rows, d_model]`.
    pub fn apply(&self, streams: &[T]) -> Vec<T> {
        let width = self.bias.len();
        let mut out = Dense::new(streams, width).times(Dense::new(&self.weight, width));
        for (out, x) in out.chunks_exact_mut(width).zip(streams.chunks_exact(width)) {
            for ((out, &x), &bias) in out.iter_mut().zip(x).zip(&self.bias) {
                *out += x + bias;
            }
        }
        out
    }
}

impl<T: Real> TunedLens<T> {
    /// What the map of a place makes of some streams.
    pub fn translate(&self, place: Place, streams: &[T]) -> Vec<T> {
        match self.maps.iter().find(|(at, _)| *at == place) {
            Some((_, map)) => map.apply(streams),
            None => streams.to_vec(),
        }
    }

    /// The same maps in another precision.
    pub fn cast<U: Real>(&self) -> TunedLens<U> {
        let cast = |values: &[T]| {
            values
                .iter()
                .map(|value| U::from_f64(value.to_f64()))
                .collect()
        };
        TunedLens {
            maps: self
                .maps
                .iter()
                .map(|(place, map)| {
                    let map = AffineMap {
                        weight: cast(&map.weight),
                        bias: cast(&map.bias),
                    };
                    (*place, map)
                })
                .collect(),
        }
    }
}
