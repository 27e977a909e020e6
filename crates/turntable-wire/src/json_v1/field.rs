//! Reads the values of a message, one field at a time.
//!
//! `Fields` reads the known fields of an object; `each` and `each_entry`
//! iterate over lists, and over objects whose keys the client chooses. All of
//! them skip values with serde_json, which does not recurse, so that the depth of
//! a value needs no stack.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use turntable_core::duplicate_key;
use turntable_core::id::{ChannelId, IdError, UserId};
use turntable_core::limit::Limit;
use turntable_core::packet::Details;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// An error before its command is known.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: ErrorCode,
    pub(crate) message: Cow<'static, str>,
    pub(crate) details: Details,
    /// The limit that refuses.
    pub(crate) limit: Option<Limit>,
}

impl Fault {
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
            limit: None,
        }
    }

    pub(crate) fn shape(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::BadMessage, message)
    }

    fn id(name: &str, error: IdError) -> Self {
        Self::new(ErrorCode::InvalidId, format!("{name}: {error}"))
    }

    /// The same error, in an element of a list.
    pub(crate) fn at(mut self, index: u64) -> Self {
        self.details.push(("index".into(), index));
        self
    }
}

/// The type of a value, by its first byte; its text is known to be valid JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

pub(crate) fn kind(value: &RawValue) -> Kind {
    match value.get().as_bytes().first() {
        Some(b'"') => Kind::Text,
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::List,
        Some(b't' | b'f') => Kind::Boolean,
        Some(b'n') | None => Kind::Null,
        Some(_) => Kind::Number,
    }
}

/// The values of the requested fields; other fields are ignored.
#[derive(Debug)]
pub(crate) struct Fields<'a, const N: usize> {
    pub(crate) values: [Option<&'a RawValue>; N],
    /// A duplicate field.
    pub(crate) repeated: Option<&'static str>,
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads `text`, which must be exactly one object.
    pub(crate) fn read(text: &'a str, names: [&'static str; N]) -> serde_json::Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let fields = FieldsVisitor { names }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(fields)
    }
}

/// The fields of `value`; `what` names it in the error.
pub(crate) fn fields<'a, const N: usize>(
    value: &'a RawValue,
    what: &str,
    names: [&'static str; N],
) -> Result<[Option<&'a RawValue>; N], Fault> {
    if kind(value) != Kind::Object {
        return Err(Fault::shape(format!("{what} must be an object")));
    }
    let fields = Fields::read(value.get(), names)
        .map_err(|_| Fault::shape(format!("{what} has a key that is not valid Unicode")))?;
    match fields.repeated {
        Some(name) => Err(Fault::shape(format!("duplicate field {name}"))),
        None => Ok(fields.values),
    }
}

struct FieldsVisitor<const N: usize> {
    names: [&'static str; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for FieldsVisitor<N> {
    type Value = Fields<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for FieldsVisitor<N> {
    type Value = Fields<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields {
            values: [None; N],
            repeated: None,
        };
        while let Some(position) = map.next_key_seed(NameVisitor(&self.names))? {
            let slot = position
                .and_then(|(index, name)| fields.values.get_mut(index).map(|slot| (slot, name)));
            let Some((slot, name)) = slot else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if slot.replace(map.next_value()?).is_some() {
                fields.repeated = Some(name);
            }
        }
        Ok(fields)
    }
}

/// Finds a key among the names without allocating, even if the key contains
/// escapes.
struct NameVisitor<'n>(&'n [&'static str]);

impl<'de> DeserializeSeed<'de> for NameVisitor<'_> {
    type Value = Option<(usize, &'static str)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameVisitor<'_> {
    type Value = Option<(usize, &'static str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self
            .0
            .iter()
            .copied()
            .enumerate()
            .find(|(_, name)| *name == key))
    }
}

/// Calls `take` with each element of the list `value` until one is invalid.
pub(crate) fn each<'a>(
    value: &'a RawValue,
    what: &str,
    take: impl FnMut(u64, &'a RawValue) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if kind(value) != Kind::List {
        return Err(Fault::shape(format!("{what} must be a list")));
    }
    let mut fault = None;
    let walk = Walk {
        take,
        fault: &mut fault,
    };
    let walked = serde_json::Deserializer::from_str(value.get()).deserialize_seq(walk);
    match (fault, walked) {
        (Some(fault), _) => Err(fault),
        (None, Err(_)) => Err(Fault::shape(format!("{what} cannot be read"))),
        (None, Ok(())) => Ok(()),
    }
}

/// The iteration over a list or an object, which ends when `take` returns an error.
struct Walk<'f, F> {
    take: F,
    fault: &'f mut Option<Fault>,
}

impl<'de, F> Visitor<'de> for Walk<'_, F>
where
    F: FnMut(u64, &'de RawValue) -> Result<(), Fault>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(element) = list.next_element()? {
            if let Err(fault) = (self.take)(index, element) {
                *self.fault = Some(fault);
                return Err(A::Error::custom("at fault"));
            }
            index += 1;
        }
        Ok(())
    }
}

/// The entries of the object `value`, whose keys the client chooses; keys must
/// be unique.
pub(super) fn entries<'a, T>(
    value: &'a RawValue,
    what: &str,
    take: impl FnMut(&'a RawValue) -> Result<T, Fault>,
) -> Result<Vec<(Box<str>, T)>, Fault> {
    if kind(value) != Kind::Object {
        return Err(Fault::shape(format!("{what} must be an object")));
    }
    let (mut list, mut fault) = (Vec::new(), None);
    let walk = EntryWalk {
        take,
        list: &mut list,
        fault: &mut fault,
    };
    let walked = serde_json::Deserializer::from_str(value.get()).deserialize_map(walk);
    if let Some(fault) = fault {
        return Err(fault);
    }
    if walked.is_err() {
        return Err(Fault::shape(format!(
            "{what} has a key that is not valid Unicode"
        )));
    }
    let mut keys: Vec<&str> = list.iter().map(|(key, _)| &**key).collect();
    if duplicate_key::among(&mut keys).is_some() {
        return Err(Fault::shape(format!("duplicate key in {what}")));
    }
    Ok(list)
}

struct EntryWalk<'f, T, F> {
    take: F,
    list: &'f mut Vec<(Box<str>, T)>,
    fault: &'f mut Option<Fault>,
}

impl<'de, T, F> Visitor<'de> for EntryWalk<'_, T, F>
where
    F: FnMut(&'de RawValue) -> Result<T, Fault>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            match (self.take)(map.next_value()?) {
                Ok(value) => self.list.push((key, value)),
                Err(fault) => {
                    *self.fault = Some(fault);
                    return Err(A::Error::custom("at fault"));
                }
            }
        }
        Ok(())
    }
}

/// A required field.
pub(crate) fn required<'a>(value: Option<&'a RawValue>, name: &str) -> Result<&'a RawValue, Fault> {
    value.ok_or_else(|| Fault::shape(format!("{name} is missing")))
}

/// A string; borrowed if it contains no escapes.
pub(crate) fn text<'a>(value: &'a RawValue, name: &str) -> Result<Cow<'a, str>, Fault> {
    let json = value.get();
    let between = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(|| Fault::shape(format!("{name} must be a string")))?;
    if !between.as_bytes().contains(&b'\\') {
        return Ok(Cow::Borrowed(between));
    }
    // A lone surrogate is valid JSON but not valid text.
    serde_json::from_str(json)
        .map(Cow::Owned)
        .map_err(|_| Fault::shape(format!("{name} must be a string of valid Unicode")))
}

/// An owned string.
pub(crate) fn owned_text(value: &RawValue, name: &str) -> Result<Box<str>, Fault> {
    Ok(text(value, name)?.into())
}

/// A non-negative integer.
pub(crate) fn whole(value: &RawValue, name: &str) -> Result<u64, Fault> {
    value
        .get()
        .parse()
        .map_err(|_| Fault::shape(format!("{name} must be a whole number from 0")))
}

/// A finite number.
pub(super) fn number(value: &RawValue, name: &str) -> Result<f64, Fault> {
    let number = match kind(value) {
        // Rust accepts every JSON number, and parses it exactly.
        Kind::Number => value.get().parse().ok(),
        _ => None,
    };
    number
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| Fault::shape(format!("{name} must be a finite number")))
}

/// `true` or `false`.
pub(crate) fn boolean(value: &RawValue, name: &str) -> Result<bool, Fault> {
    match value.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::shape(format!("{name} must be true or false"))),
    }
}

/// Any value, as text.
pub(crate) fn opaque(value: &RawValue) -> Payload {
    Payload::from_json(value.get())
}

/// Any object, as text.
pub(super) fn opaque_hash(value: &RawValue, name: &str) -> Result<Payload, Fault> {
    match kind(value) {
        Kind::Object => Ok(opaque(value)),
        _ => Err(Fault::shape(format!("{name} must be an object"))),
    }
}

/// A channel path or room.
pub(super) fn channel(value: &RawValue, name: &str) -> Result<ChannelId, Fault> {
    ChannelId::parse(&text(value, name)?).map_err(|error| Fault::id(name, error))
}

/// A user.
pub(crate) fn user(value: &RawValue, name: &str) -> Result<UserId, Fault> {
    UserId::parse(&text(value, name)?).map_err(|error| Fault::id(name, error))
}
