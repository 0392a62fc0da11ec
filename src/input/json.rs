//! JSON objects that give a key twice: which of the two holds depends on who reads the file.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Refuses JSON in which an object, however deep, has a key twice. What is not JSON at all is left to its reader.
///
/// # Errors
/// The key and where it is.
pub(crate) fn refuse_repeated_keys(json: &[u8]) -> Result<(), String> {
    match serde_json::from_slice::<Unique>(json) {
        Err(error) if error.is_data() => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Any JSON whose objects have every key once.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Unique;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unique, A::Error> {
        while list.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(Error::custom(format_args!(
                    "the key {key:?} is there twice"
                )));
            }
            seen.insert(key);
            map.next_value::<Unique>()?;
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::refuse_repeated_keys;

    #[test]
    fn keys_given_twice_are_found_at_any_depth() {
        for good in [
            "{}",
            r#"{"a": 1, "b": {"a": [1.5, -2, null, true, "a"]}, "c": {"a": 3}}"#,
            // Nobody's JSON: its reader says so.
            r#"{"a": 1, "#,
            "a",
            "",
        ] {
            assert_eq!(refuse_repeated_keys(good.as_bytes()), Ok(()), "{good}");
        }
        for (bad, place) in [
            (r#"{"a": 1, "a": 1}"#, "line 1"),
            ("{\"b\": [0, {\"a\": 1,\n\"\\u0061\": {}}]}", "line 2"),
        ] {
            let problem = refuse_repeated_keys(bad.as_bytes()).unwrap_err();
            assert!(problem.contains("\"a\" is there twice"), "{problem}");
            assert!(problem.contains(place), "{problem}");
        }
    }
}
