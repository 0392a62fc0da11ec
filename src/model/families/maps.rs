//! Linear maps taken apart and put into another order.

use std::ops::Range;

use crate::model::Linear;

/// The map to a range of the outputs; nothing is copied where these lie together.
pub(super) fn range_of(map: &Linear<f32>, outputs: Range<usize>) -> Linear<f32> {
    if !map.transposed || map.weight.is_empty() {
        return pick(map, outputs);
    }
    Linear {
        weight: map
            .weight
            .slice(outputs.start * map.inputs..outputs.end * map.inputs),
        transposed: true,
        inputs: map.inputs,
        outputs: outputs.len(),
        bias: map.bias.as_ref().map(|bias| bias[outputs].to_vec()),
    }
}

/// The map to some of the outputs, in this order; empty where only shapes were read.
pub(super) fn pick(map: &Linear<f32>, outputs: impl Iterator<Item = usize>) -> Linear<f32> {
    let outputs: Vec<usize> = outputs.collect();
    if map.weight.is_empty() {
        return Linear {
            weight: Vec::new().into(),
            transposed: map.transposed,
            inputs: map.inputs,
            outputs: outputs.len(),
            bias: None,
        };
    }
    let mut weight = Vec::with_capacity(outputs.len() * map.inputs);
    if map.transposed {
        for output in &outputs {
            weight.extend_from_slice(&map.weight[output * map.inputs..(output + 1) * map.inputs]);
        }
    } else {
        for row in map.weight.chunks_exact(map.outputs) {
            weight.extend(outputs.iter().map(|output| row[*output]));
        }
    }
    Linear {
        weight: weight.into(),
        transposed: map.transposed,
        inputs: map.inputs,
        outputs: outputs.len(),
        bias: map
            .bias
            .as_ref()
            .map(|bias| outputs.iter().map(|output| bias[*output]).collect()),
    }
}

/// Puts the outputs of each head from the interleaved order (pairs side by side) into rotate-half order (all first halves
/// of the pairs, then all second halves).
pub(super) fn halves(map: &mut Linear<f32>, d_head: usize) {
    let order = (0..map.outputs).map(|output| {
        let (head, at) = (output / d_head, output % d_head);
        let (half, pair) = (at / (d_head / 2), at % (d_head / 2));
        head * d_head + 2 * pair + half
    });
    *map = pick(map, order);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_halves_within_each_head() {
        let rows = vec![0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0];
        for transposed in [true, false] {
            let mut map = Linear {
                weight: rows.clone().into(),
                transposed,
                inputs: 1,
                outputs: 8,
                bias: Some(rows.clone()),
            };
            halves(&mut map, 4);
            let expected = vec![0.0, 2.0, 1.0, 3.0, 10.0, 12.0, 11.0, 13.0];
            assert_eq!(*map.weight, expected);
            assert_eq!(map.bias, Some(expected));
        }
    }
}
