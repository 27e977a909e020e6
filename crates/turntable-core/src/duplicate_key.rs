//! Duplicate keys in JSON: programs differ in which of two equal keys counts, so what the
//! server has checked could be something else to those who get it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Whether an object in `json`, at any depth, has a key twice. Text that is not JSON has
/// none, and neither has one that is nested deeper than 128 levels.
///
/// ```
/// use turntable_core::duplicate_key;
///
/// assert!(duplicate_key::is_in(r#"{"a": [{"b": 1, "\u0062": 2}]}"#));
/// assert!(!duplicate_key::is_in(r#"{"a": {"a": 1}}"#));
/// ```
#[must_use]
pub fn is_in(json: &str) -> bool {
    let mut is_found = false;
    let walk = Walk {
        is_found: &mut is_found,
    };
    // An error ends the walk: the one of a duplicate key is noted.
    let _ = walk.deserialize(&mut serde_json::Deserializer::from_str(json));
    is_found
}

/// A key that is twice among those of one object, which are sorted for it.
pub fn among<K: Ord>(keys: &mut [K]) -> Option<&K> {
    keys.sort_unstable();
    let mut pairs = keys.windows(2);
    pairs.find_map(|pair| match pair {
        [one, other] if one == other => Some(one),
        _ => None,
    })
}

/// A walk through one value.
struct Walk<'f> {
    is_found: &'f mut bool,
}

/// A key, copied only where it has escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let is_found = self.is_found;
        while list.next_element_seed(Walk { is_found })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (is_found, mut keys) = (self.is_found, Vec::new());
        while let Some(key) = map.next_key::<Key<'de>>()? {
            keys.push(key);
            map.next_value_seed(Walk { is_found })?;
        }
        if among(&mut keys).is_some() {
            *is_found = true;
            return Err(A::Error::custom("duplicate key"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_that_is_twice_is_found_wherever_it_is() {
        assert_eq!(among(&mut ["b", "c", "a", "c"]), Some(&"c"));
        assert_eq!(among(&mut ["b", "c", "a"]), None);
        assert_eq!(among::<&str>(&mut []), None);
    }

    #[test]
    fn duplicate_keys_are_found_at_any_depth_and_in_any_spelling() {
        for json in [
            r#"{"a":1,"b":2,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[1,{"b":{"":null,"":null}}]"#,
        ] {
            assert!(is_in(json), "{json}");
        }
        for json in [
            "1",
            "-1.5e300",
            "12345678901234567890123",
            r#""a""#,
            "null",
            r#"[true,{"a":1},{"a":1}]"#,
            r#"{"a":{"a":1},"A":"a"}"#,
            r#"{"a":1,"a"#,
            "",
        ] {
            assert!(!is_in(json), "{json}");
        }
    }
}
