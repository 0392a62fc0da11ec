//! When the difference that shares are taken of is too small to take shares of it.

use super::doubts::digits;
use crate::engine::mean;

/// Standard errors that two means have to be apart.
const LEAST_ERRORS: f64 = 2.0;

/// The values with a behaviour and without it, whose difference a share is of.
#[derive(Debug, Clone, Copy)]
pub struct Gap<'v> {
    /// What has the behaviour, such as "the full model", with its values, one for each prompt.
    pub with: (&'static str, &'v [f64]),
    /// What lacks it.
    pub without: (&'static str, &'v [f64]),
    /// Whether the values are of the same prompts.
    pub paired: bool,
}

impl Gap<'_> {
    /// Says that the two are too close; `share` is what is taken of their difference, such as "faithfulness".
    pub fn doubt(&self, share: &str) -> Option<String> {
        let error = self.standard_error()?;
        let (with, without) = (mean(self.with.1), mean(self.without.1));
        ((with - without).abs() < LEAST_ERRORS * error).then(|| {
            format!(
                "the metrics of {}, {}, and of {}, {}, are less than two standard errors of {} apart: {share} is a share of \
                 what may be nothing",
                self.with.0,
                digits(with),
                self.without.0,
                digits(without),
                digits(error)
            )
        })
    }

    /// The standard error of the difference of the means; none below two prompts.
    fn standard_error(&self) -> Option<f64> {
        let (with, without) = (self.with.1, self.without.1);
        if self.paired {
            let differences: Vec<f64> = with.iter().zip(without).map(|(a, b)| a - b).collect();
            return variance_of_mean(&differences).map(f64::sqrt);
        }
        Some((variance_of_mean(with)? + variance_of_mean(without)?).sqrt())
    }
}

/// The variance of the mean of values; none below two of them.
fn variance_of_mean(values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    let middle = mean(values);
    let squares: f64 = values.iter().map(|it| (it - middle).powi(2)).sum();
    (values.len() > 1).then(|| squares / (count - 1.0) / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that differ between prompts by far more than within a pair.
    const WITH: [f64; 4] = [1.0, 5.0, 9.0, 13.0];
    const WITHOUT: [f64; 4] = [0.5, 4.4, 8.6, 12.5];

    fn gap(paired: bool) -> Gap<'static> {
        Gap {
            with: ("French", &WITH),
            without: ("English", &WITHOUT),
            paired,
        }
    }

    #[test]
    fn pairs_are_compared_as_pairs() {
        assert_eq!(gap(true).doubt("a share"), None);
        let doubt = gap(false).doubt("what is left").expect("a doubt");
        for part in ["French, 7.000", "English, 6.500", "what is left is a share"] {
            assert!(doubt.contains(part), "{doubt}");
        }
    }

    #[test]
    fn errors_are_those_of_the_difference() {
        // Differences 0.5, 0.6, 0.4, 0.5: squares about their mean add up to 0.02.
        let error = gap(true).standard_error().expect("an error");
        assert!((error - (0.02_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        // Of one prompt nobody knows.
        let one = Gap {
            with: ("a", &WITH[..1]),
            without: ("b", &WITHOUT[..1]),
            paired: true,
        };
        assert_eq!(one.doubt("it"), None);
    }
}
