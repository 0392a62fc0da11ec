//! What a row of logits predicts.

use crate::metric::divergence;
use crate::model::Real;

/// A distribution over the next token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prediction<'l, T> {
    logits: &'l [T],
    /// Logarithm of the sum of the exponentials of the logits.
    log_total: f64,
}

impl<'l, T: Real> Prediction<'l, T> {
    /// The distribution of one row of logits.
    pub(super) fn new(logits: &'l [T]) -> Self {
        let largest = logits.iter().map(|logit| logit.to_f64());
        let largest = largest.fold(f64::NEG_INFINITY, f64::max);
        let exponentials = logits.iter().map(|logit| (logit.to_f64() - largest).exp());
        Self {
            logits,
            log_total: largest + exponentials.sum::<f64>().ln(),
        }
    }

    /// The most likely token; the first of several.
    pub(super) fn top(&self) -> u32 {
        let mut best = 0;
        for (token, logit) in self.logits.iter().enumerate() {
            if *logit > self.logits[best] {
                best = token;
            }
        }
        best as u32
    }

    /// The log-probability of a token, in nats.
    pub(super) fn log_probability(&self, token: u32) -> f64 {
        self.logits[token as usize].to_f64() - self.log_total
    }

    /// The log of the summed probability of some tokens, in nats.
    pub(super) fn log_probability_of(&self, tokens: &[u32]) -> f64 {
        let each = tokens.iter().map(|&token| self.log_probability(token));
        let largest = each.clone().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = each.map(|log| (log - largest).exp()).sum();
        largest + sum.ln()
    }

    /// The place of a token among all by probability, from 1; equal ones by token.
    pub(super) fn rank(&self, token: u32) -> usize {
        let own = self.logits[token as usize];
        let before =
            |(other, logit): (usize, &T)| *logit > own || (*logit == own && other < token as usize);
        1 + self
            .logits
            .iter()
            .enumerate()
            .filter(|it| before(*it))
            .count()
    }

    /// The most likely tokens with their probabilities, the likeliest first.
    pub(super) fn first(&self, count: usize) -> Vec<(u32, f64)> {
        let mut tokens: Vec<u32> = (0..self.logits.len() as u32).collect();
        let key = |token: &u32| self.logits[*token as usize].to_f64();
        tokens.sort_by(|a, b| key(b).total_cmp(&key(a)).then(a.cmp(b)));
        tokens.truncate(count);
        let with = |token: u32| (token, self.log_probability(token).exp());
        tokens.into_iter().map(with).collect()
    }

    /// The Kullback-Leibler divergence of another distribution from this one, in nats.
    pub(super) fn kl(&self, other: &Prediction<'_, T>) -> f64 {
        divergence(&self.log_probabilities(), &other.log_probabilities())
    }

    fn log_probabilities(&self) -> Vec<f64> {
        (0..self.logits.len() as u32)
            .map(|token| self.log_probability(token))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_softmaxes() {
        let logits = [0.0, 2.0_f64.ln(), 1.0_f64.ln(), 4.0_f64.ln()];
        let it = Prediction::new(&logits);
        assert_eq!(it.top(), 3);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a}, not {b}");
        close(it.log_probability(1), 0.25_f64.ln());
        close(it.log_probability_of(&[0, 3]), 0.625_f64.ln());
        assert_eq!([0, 1, 2, 3].map(|token| it.rank(token)), [3, 2, 4, 1]);
        let first = it.first(2);
        assert_eq!([first[0].0, first[1].0], [3, 1]);
        close(first[0].1, 0.5);
        close(it.kl(&it), 0.0);
        let flat = [7.0; 4];
        let flat = Prediction::new(&flat);
        let wanted = 0.5 * 2.0_f64.ln() + 2.0 * 0.125 * 0.5_f64.ln();
        close(it.kl(&flat), wanted);
        assert_eq!(flat.top(), 0);
    }
}
