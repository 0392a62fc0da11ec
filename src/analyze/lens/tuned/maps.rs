//! The maps of a tuned lens.

use crate::analyze::AffineMap;
use crate::engine::StreamSite;
use crate::model::Real;

/// A map for each of some sites onto the final stream; others keep their stream.
#[derive(Debug, Clone, PartialEq)]
pub struct TunedLens<T> {
    /// The sites with their maps.
    pub maps: Vec<(StreamSite, AffineMap<T>)>,
}

impl<T: Real> TunedLens<T> {
    /// The map of a site.
    pub fn map(&self, place: StreamSite) -> Option<&AffineMap<T>> {
        let found = self.maps.iter().find(|(at, _)| *at == place);
        found.map(|(_, map)| map)
    }

    /// What the map of a site makes of some streams.
    pub fn translate(&self, place: StreamSite, streams: &[T]) -> Vec<T> {
        self.map(place)
            .map_or_else(|| streams.to_vec(), |map| map.apply(streams))
    }

    /// The same maps in another precision.
    pub fn cast<U: Real>(&self) -> TunedLens<U> {
        let maps = self.maps.iter();
        TunedLens {
            maps: maps.map(|(place, map)| (*place, map.cast())).collect(),
        }
    }
}
