//! A prompt with the tokens that are swapped, and the change of its stream.

use std::collections::BTreeMap;

use super::parameters::{EditAt, EditScale};
use crate::analyze::random::norm_of;
use crate::engine::{Overwrite, Rerun, TokenVector, Transformer};
use crate::error::{Error, Result};
use crate::model::Real;
use crate::task::Example;

/// A prompt and what it is to say instead of what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapPrompt {
    /// The tokens up to the scored position.
    pub tokens: Vec<u32>,
    /// The token that it says.
    pub original: u32,
    /// The token that it is to say.
    pub replacement: u32,
    /// Where its stream is changed, ascending.
    pub places: Vec<SwapSite>,
}

/// A position with the tokens whose vectors are swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwapSite {
    /// The position.
    pub position: usize,
    /// The token whose vector goes.
    pub original: u32,
    /// The token whose vector comes.
    pub replacement: u32,
}

impl SwapPrompt {
    /// An example with its first answer and its first wrong answer; none without a wrong one or without such a position up to
    /// the one read.
    pub fn new(example: &Example, at: EditAt) -> Option<Self> {
        let read = *example.at.last()?;
        let (original, replacement) = (*example.answer.first()?, *example.wrong.first()?);
        let place = |position| SwapSite {
            position,
            original,
            replacement,
        };
        let places: Vec<SwapSite> = match at {
            EditAt::Scored => vec![place(read)],
            EditAt::Back(back) => vec![place(read.checked_sub(back)?)],
            EditAt::Every => (0..=read).map(place).collect(),
            EditAt::Differing => {
                let pairs = example.clean.iter().zip(&example.corrupt).enumerate();
                pairs
                    .take(read + 1)
                    .filter(|(_, (clean, corrupt))| clean != corrupt)
                    .map(|(position, (&original, &replacement))| SwapSite {
                        position,
                        original,
                        replacement,
                    })
                    .collect()
            }
        };
        (!places.is_empty()).then(|| Self {
            tokens: example.clean[..=read].to_vec(),
            original,
            replacement,
            places,
        })
    }

    /// The same places, or as many of its own, with the tokens of another item.
    pub(super) fn with_tokens_of(&self, other: &Self) -> Self {
        let theirs = other.places.iter().cycle();
        let places = self.places.iter().zip(theirs);
        Self {
            places: places
                .map(|(own, theirs)| SwapSite {
                    position: own.position,
                    ..*theirs
                })
                .collect(),
            ..self.clone()
        }
    }
}

/// Unit vectors of tokens.
pub(in crate::analyze) struct Directions(BTreeMap<u32, Vec<f64>>);

impl Directions {
    /// Those of some tokens.
    pub(in crate::analyze) fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        which: TokenVector,
        tokens: impl Iterator<Item = u32>,
    ) -> Self {
        let unit = |token: u32| {
            let mut vector = transformer.token_vector(token, which);
            let norm = norm_of(&vector);
            if norm > 0.0 {
                for value in &mut vector {
                    *value /= norm;
                }
            }
            (token, vector)
        };
        Self(tokens.map(unit).collect())
    }
}

/// How the stream is changed.
#[derive(Clone, Copy)]
pub(in crate::analyze) struct Change<'c> {
    pub directions: &'c Directions,
    /// Layers after which it is, ascending. After later ones it is of the stream that the earlier changes gave.
    pub layers: &'c [usize],
    pub scale: EditScale,
    pub strength: f64,
    /// A unit vector along which a change of the same size is made instead.
    pub instead: Option<&'c [f64]>,
}

impl Change<'_> {
    /// What is added to a stream.
    pub(super) fn of<T: Real>(&self, stream: &[T], place: &SwapSite) -> Vec<f64> {
        let (Some(from), Some(to)) = (
            self.directions.0.get(&place.original),
            self.directions.0.get(&place.replacement),
        ) else {
            return vec![0.0; stream.len()];
        };
        let along = match self.scale {
            EditScale::Removed => stream.iter().zip(from).map(|(x, u)| x.to_f64() * u).sum(),
            EditScale::Stream => norm_of(&stream.iter().map(|x| x.to_f64()).collect::<Vec<_>>()),
        };
        let along = self.strength * along;
        let exchanged = from.iter().zip(to).map(|(from, to)| along * (to - from));
        let exchanged: Vec<f64> = exchanged.collect();
        match self.instead {
            None => exchanged,
            Some(unit) => {
                let norm = norm_of(&exchanged);
                unit.iter().map(|value| norm * value).collect()
            }
        }
    }

    /// Changes a stream; the norm of the change, as a share of the stream's.
    pub(in crate::analyze) fn apply<T: Real>(&self, stream: &mut [T], place: &SwapSite) -> f64 {
        let change = self.of(stream, place);
        let norm = norm_of(&stream.iter().map(|x| x.to_f64()).collect::<Vec<_>>());
        for (x, &change) in stream.iter_mut().zip(&change) {
            *x += T::from_f64(change);
        }
        norm_of(&change) / norm.max(f64::MIN_POSITIVE)
    }

    /// The layers.
    pub(super) fn split_layers(&self) -> Result<(usize, &[usize])> {
        let split = self.layers.split_first();
        let split = split.map(|(first, later)| (*first, later));
        split.ok_or_else(|| Error::Bug("a change after no layer".into()))
    }

    /// The changed stream of an item, which is the `prompt`-th of a run, after a layer: all positions from its first place to
    /// its last. With it the sum over the places of the change's norm, as a share of the stream's.
    pub(super) fn overwrite<T: Real>(
        &self,
        run: &Rerun<'_, '_, T>,
        (prompt, item): (usize, &SwapPrompt),
        layer: usize,
    ) -> (Overwrite<T>, f64) {
        let first = item.places.first().map_or(0, |place| place.position);
        let last = item.places.last().map_or(0, |place| place.position);
        let mut places = item.places.iter().peekable();
        let mut values = Vec::new();
        let mut shares = 0.0;
        for position in first..=last {
            let place = places.next_if(|place| place.position == position);
            // After the last layer only what is read goes on.
            let Some(stream) = run.stream(prompt, position, layer) else {
                values.extend(std::iter::repeat_n(T::ZERO, self.width()));
                continue;
            };
            let start = values.len();
            values.extend_from_slice(stream);
            if let Some(place) = place {
                shares += self.apply(&mut values[start..], place);
            }
        }
        let overwrite = Overwrite {
            prompt,
            position: first,
            values,
        };
        (overwrite, shares)
    }

    fn width(&self) -> usize {
        self.directions.0.values().next().map_or(0, Vec::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Example {
        Example {
            clean: vec![1, 2, 3, 4],
            corrupt: vec![1, 5, 3, 6],
            answer: vec![7, 8],
            wrong: vec![9],
            at: vec![2],
            teacher_forced: false,
            spans: Vec::new(),
            text: None,
        }
    }

    #[test]
    fn places_are_where_they_are_asked_for() {
        let places = |at| SwapPrompt::new(&example(), at).expect("an item").places;
        let place = |position, original, replacement| SwapSite {
            position,
            original,
            replacement,
        };
        assert_eq!(places(EditAt::Scored), [place(2, 7, 9)]);
        assert_eq!(places(EditAt::Every).len(), 3);
        assert_eq!(places(EditAt::Back(2)), [place(0, 7, 9)]);
        assert_eq!(SwapPrompt::new(&example(), EditAt::Back(3)), None);
        assert_eq!(places(EditAt::Differing), [place(1, 2, 5)]);
        let no_wrong = Example {
            wrong: Vec::new(),
            ..example()
        };
        assert_eq!(SwapPrompt::new(&no_wrong, EditAt::Scored), None);
    }

    #[test]
    fn a_component_is_exchanged_for_one_of_its_size() {
        let directions = Directions(BTreeMap::from([(1, vec![1.0, 0.0]), (2, vec![0.0, 1.0])]));
        let change = |scale, strength, instead| Change {
            directions: &directions,
            layers: &[0],
            scale,
            strength,
            instead,
        };
        let place = |original, replacement| SwapSite {
            position: 0,
            original,
            replacement,
        };
        let stream = [3.0, 4.0];
        let removed = change(EditScale::Removed, 1.0, None);
        assert_eq!(removed.of(&stream, &place(1, 2)), [-3.0, 3.0]);
        assert_eq!(removed.of(&stream, &place(2, 2)), [0.0, 0.0]);
        let whole = change(EditScale::Stream, 0.5, None);
        assert_eq!(whole.of(&stream, &place(1, 2)), [-2.5, 2.5]);
        let random = change(EditScale::Stream, 0.5, Some(&[0.0, -1.0]));
        let [none, all] = random.of(&stream, &place(1, 2))[..] else {
            panic!("two numbers")
        };
        assert!(none.abs() < 1e-12 && (all + 2.5 * 2.0_f64.sqrt()).abs() < 1e-12);
    }
}
