//! Dose-response: the metric when a neuron's activation is multiplied.

use serde::Serialize;

use crate::evaluate::Effect;

/// The metric against the factor of a neuron's activation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoseResponse {
    /// The neuron.
    pub neuron: String,
    /// By ascending factor.
    pub points: Vec<DosePoint>,
    /// Whether the means go one way.
    pub trend: Trend,
    /// Kendall's tau of factors and means: 1 rising, -1 falling.
    pub kendall: f64,
}

/// One dose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DosePoint {
    /// The factor.
    pub factor: f64,
    /// The metric.
    pub metric: Effect,
}

/// Which way a curve goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trend {
    /// Every step is up.
    Rising,
    /// Every step is down.
    Falling,
    /// Neither.
    Mixed,
}

impl DoseResponse {
    pub(super) fn new(neuron: String, points: Vec<DosePoint>) -> Self {
        let means: Vec<f64> = points.iter().map(|point| point.metric.mean).collect();
        let trend = if means.is_sorted_by(|one, next| one < next) {
            Trend::Rising
        } else if means.is_sorted_by(|one, next| one > next) {
            Trend::Falling
        } else {
            Trend::Mixed
        };
        Self {
            neuron,
            points,
            trend,
            kendall: kendall(&means),
        }
    }
}

/// Kendall's tau of values with their order.
fn kendall(values: &[f64]) -> f64 {
    let mut sum = 0.0;
    let mut pairs = 0.0;
    for (index, first) in values.iter().enumerate() {
        for second in &values[index + 1..] {
            pairs += 1.0;
            sum += match second.total_cmp(first) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Less => -1.0,
                std::cmp::Ordering::Equal => 0.0,
            };
        }
    }
    if pairs > 0.0 { sum / pairs } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(means: &[f64]) -> DoseResponse {
        let point = |(at, &mean): (usize, &f64)| DosePoint {
            factor: at as f64,
            metric: Effect {
                mean,
                interval: None,
            },
        };
        DoseResponse::new(
            "m0.n0".into(),
            means.iter().enumerate().map(point).collect(),
        )
    }

    #[test]
    fn trends_are_those_of_every_step() {
        assert_eq!(curve(&[1.0, 2.0, 4.0]).trend, Trend::Rising);
        assert_eq!(curve(&[1.0, 0.5, -4.0]).trend, Trend::Falling);
        assert_eq!(curve(&[1.0, 2.0, 1.5]).trend, Trend::Mixed);
        assert_eq!(curve(&[1.0, 1.0, 2.0]).trend, Trend::Mixed);
        assert!((curve(&[1.0, 2.0, 1.5]).kendall - 1.0 / 3.0).abs() < 1e-12);
        assert!((curve(&[3.0, 2.0, 1.0]).kendall + 1.0).abs() < 1e-12);
    }
}
