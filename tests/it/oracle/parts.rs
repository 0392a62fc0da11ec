//! The parts of a plain pass: maps, norms, activations, rotations.

use secateur::model::{Activation, Linear, ModelConfig, Norm, NormWeights, Positions};

pub(crate) fn apply(map: &Linear<f64>, x: &[f64]) -> Vec<f64> {
    (0..map.outputs)
        .map(|output| {
            let sum: f64 = (0..map.inputs)
                .map(|input| {
                    let index = if map.transposed {
                        output * map.inputs + input
                    } else {
                        input * map.outputs + output
                    };
                    x[input] * map.weight[index]
                })
                .sum();
            sum + map.bias.as_ref().map_or(0.0, |bias| bias[output])
        })
        .collect()
}

pub(crate) fn norm(kind: Norm, weights: &NormWeights<f64>, x: &[f64]) -> Vec<f64> {
    let count = x.len() as f64;
    let (mean, eps) = match kind {
        Norm::LayerNorm { eps } => (x.iter().sum::<f64>() / count, eps),
        Norm::RmsNorm { eps } => (0.0, eps),
        Norm::None => return x.to_vec(),
    };
    let variance = x.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    x.iter()
        .enumerate()
        .map(|(index, value)| {
            (value - mean) / (variance + eps).sqrt() * weights.gain[index]
                + weights.bias.as_ref().map_or(0.0, |bias| bias[index])
        })
        .collect()
}

pub(crate) fn activation(kind: Activation, x: f64) -> f64 {
    match kind {
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt())),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
    }
}

pub(crate) fn rotate(config: &ModelConfig, layer: usize, x: &mut [f64], position: usize) {
    let Positions::Rotary {
        theta,
        dims,
        scaling,
    } = &config.positions
    else {
        return;
    };
    let local = config.attention.local.as_ref();
    let local = local.filter(|local| local.layers.contains(&layer));
    let local = local.and_then(|local| local.theta);
    let half = dims / 2;
    let old = x.to_vec();
    for pair in 0..half {
        let (factor, magnitude) = match (scaling, local) {
            (Some(scaling), None) => (scaling.factors[pair], scaling.magnitude),
            _ => (1.0, 1.0),
        };
        let theta = local.unwrap_or(*theta);
        let angle = position as f64 * theta.powf(-2.0 * pair as f64 / *dims as f64) / factor;
        let (cos, sin) = (magnitude * angle.cos(), magnitude * angle.sin());
        x[pair] = old[pair] * cos - old[pair + half] * sin;
        x[pair + half] = old[pair + half] * cos + old[pair] * sin;
    }
}

pub(crate) fn sees(config: &ModelConfig, layer: usize, query: usize, key: usize) -> bool {
    let local = config.attention.local.as_ref();
    let local = local.filter(|local| local.layers.contains(&layer));
    if config.attention.bidirectional {
        return local.is_none_or(|local| query.abs_diff(key) <= local.window);
    }
    key <= query && local.is_none_or(|local| key + local.window > query)
}

pub(crate) fn cap(cap: Option<f64>, value: f64) -> f64 {
    cap.map_or(value, |cap| cap * (value / cap).tanh())
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(crate) fn add(target: &mut [f64], source: &[f64]) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += source;
    }
}
