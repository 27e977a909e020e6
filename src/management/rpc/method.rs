//! Methods of services: their names, parameters and types, and the arguments of a call,
//! read by them. Each service lists its methods in a file of its own.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

pub(crate) use super::kind::Kind;
use super::shape::Shape;
use crate::management::Management;
use crate::management::access::LOCAL;
use crate::management::role::Role;
use crate::opaque;
use turntable_core::duplicate_key;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// The result of a call, as JSON.
pub(crate) type Answer = Result<Box<RawValue>, ErrorBody>;

/// A call that is carried out.
pub(crate) type Call<'m> = Pin<Box<dyn Future<Output = Answer> + Send + 'm>>;

/// A method of a service.
pub(crate) struct Method {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does and returns, in a sentence or two.
    pub(crate) description: &'static str,
    /// Who may call it.
    pub(crate) role: Role,
    /// What it does.
    pub(super) kind: Kind,
    /// What it takes, in this order.
    pub(crate) parameters: &'static [Parameter],
    /// What it returns.
    pub(crate) result: Shape,
    /// Carries out a call.
    pub(super) run: for<'m> fn(&'m Management, Arguments) -> Call<'m>,
}

/// A parameter of a method.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) of: Type,
    /// Whether a call may leave it out.
    pub(crate) is_optional: bool,
    /// Whether it is a credential, which no log shows.
    pub(super) is_hidden: bool,
}

impl Parameter {
    /// A parameter that every call has.
    pub(super) const fn new(name: &'static str, of: Type) -> Self {
        Self {
            name,
            of,
            is_optional: false,
            is_hidden: matches!(of, Type::Secret),
        }
    }

    /// A parameter that a call may leave out, or give as null.
    pub(super) const fn optional(name: &'static str, of: Type) -> Self {
        Self {
            is_optional: true,
            ..Self::new(name, of)
        }
    }

    /// A credential that may be part of an address, as other sites' sessions are in seed 002.
    pub(super) const fn hidden(name: &'static str, of: Type) -> Self {
        Self {
            is_hidden: true,
            ..Self::new(name, of)
        }
    }

    fn wrong(&self, what: &str) -> ErrorBody {
        wrong(format!("{} must be {what}", self.name))
    }

    /// The argument, from JSON.
    pub(super) fn read(&self, json: Option<&str>, realm: &str) -> Result<Argument, ErrorBody> {
        let json = match json.map(str::trim) {
            None | Some("null") if self.is_optional => return Ok(Argument::None),
            None => return Err(wrong(format!("{} is missing", self.name))),
            Some(json) => json,
        };
        Ok(match self.of {
            Type::User => Argument::User(self.user(&self.text(json)?, realm)?),
            Type::Users => Argument::Users(self.users(json, realm)?),
            Type::Text | Type::Secret => Argument::Text(self.text(json)?),
            Type::Seconds => {
                let seconds = self.text(json)?.parse();
                Argument::Seconds(seconds.map_err(|_| self.wrong("a whole number of seconds"))?)
            }
            Type::Count => {
                let count = self.text(json)?.parse();
                Argument::Count(count.map_err(|_| self.wrong("a whole number"))?)
            }
            Type::Channel => Argument::Channel(self.channel(&self.text(json)?)?),
            Type::Any => Argument::Value(self.value(json)?),
            Type::Object => Argument::Object(self.object(json)?),
        })
    }

    /// The argument, from a part of a path.
    pub(super) fn read_text(&self, text: &str, realm: &str) -> Result<Argument, ErrorBody> {
        self.read(Some(&self.of.json_of(text)), realm)
    }

    /// A string. A number is accepted where a text is, as ids may be numbers elsewhere.
    fn text(&self, json: &str) -> Result<String, ErrorBody> {
        match serde_json::from_str(json) {
            Ok(serde_json::Value::String(text)) => Ok(text),
            Ok(serde_json::Value::Number(_)) => Ok(json.to_owned()),
            _ => Err(self.wrong("a string")),
        }
    }

    /// A user, of the default realm where it has none.
    fn user(&self, text: &str, realm: &str) -> Result<UserId, ErrorBody> {
        let parsed = match text.contains(':') {
            true => UserId::parse(text),
            false => UserId::parse(&format!("{realm}:{text}")),
        };
        parsed.map_err(|error| {
            ErrorBody::new(ErrorCode::InvalidId, format!("{}: {error}", self.name))
        })
    }

    fn channel(&self, text: &str) -> Result<ChannelId, ErrorBody> {
        ChannelId::parse(text).map_err(|error| {
            ErrorBody::new(ErrorCode::InvalidId, format!("{}: {error}", self.name))
        })
    }

    fn users(&self, json: &str, realm: &str) -> Result<Vec<UserId>, ErrorBody> {
        let list: Vec<&RawValue> =
            serde_json::from_str(json).map_err(|_| self.wrong("a list of users"))?;
        let users = list.into_iter();
        users
            .map(|user| self.user(&self.text(user.get())?, realm))
            .collect()
    }

    fn object(&self, json: &str) -> Result<Vec<(Box<str>, Payload)>, ErrorBody> {
        let what = format!("{} must be an object", self.name);
        let fields = object(json, &what)?.into_iter();
        fields
            .map(|(name, value)| Ok((name, self.value(value.get())?)))
            .collect()
    }

    /// A value that clients get.
    fn value(&self, json: &str) -> Result<Payload, ErrorBody> {
        opaque::read(json).map_err(|error| ErrorBody {
            message: format!("{}: {}", self.name, error.message).into(),
            ..error
        })
    }
}

/// The fields of a JSON object, in its order.
///
/// # Errors
/// `bad_message` where it is none, which `what` is the end of a sentence for, or has a key
/// twice.
pub(super) fn object(json: &str, what: &str) -> Result<Vec<Field>, ErrorBody> {
    let Fields(fields) = serde_json::from_str(json).map_err(|_| wrong(what))?;
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
    match duplicate_key::among(&mut names) {
        Some(name) => Err(wrong(format!("duplicate key {name:?}"))),
        None => Ok(fields),
    }
}

/// A field of a JSON object: its name and value.
pub(super) type Field = (Box<str>, Box<RawValue>);

/// The fields of an object, those of one name too.
struct Fields(Vec<Field>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(object: D) -> Result<Self, D::Error> {
        object.deserialize_map(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// A user: a string, or a number.
    User,
    /// A list of users.
    Users,
    /// A string.
    Text,
    /// A string that is not for addresses, which proxies and logs store.
    Secret,
    /// A whole number of seconds.
    Seconds,
    /// A whole number.
    Count,
    /// The path of a channel.
    Channel,
    /// Any JSON.
    Any,
    /// A JSON object.
    Object,
}

impl Type {
    /// The argument that a text is, where all are texts: in a path, on a command line.
    pub(crate) fn json_of(self, text: &str) -> Cow<'_, str> {
        let is_json = || serde_json::from_str::<&RawValue>(text).is_ok();
        let quoted = || serde_json::Value::from(text).to_string();
        match self {
            Self::User
            | Self::Text
            | Self::Secret
            | Self::Seconds
            | Self::Count
            | Self::Channel => quoted().into(),
            // A list, or one user.
            Self::Users if !text.starts_with('[') => format!("[{}]", quoted()).into(),
            // What is no JSON is a text.
            Self::Any if !is_json() => quoted().into(),
            Self::Users | Self::Any | Self::Object => text.into(),
        }
    }
}

/// An argument of the type of its parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument {
    /// Left out.
    None,
    User(UserId),
    Users(Vec<UserId>),
    Text(String),
    Seconds(u64),
    Count(u64),
    Channel(ChannelId),
    Value(Payload),
    Object(Vec<(Box<str>, Payload)>),
}

/// The arguments of a call, in the order of the parameters, and who calls.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments(VecDeque<Argument>, Arc<str>);

/// Takes the next argument as one of this type.
macro_rules! takes {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $of:ty) => {
        $(#[$doc])*
        pub(super) fn $name(&mut self) -> Result<$of, ErrorBody> {
            match self.0.pop_front() {
                Some(Argument::$variant(value)) => Ok(value),
                _ => Err(differs()),
            }
        }
    };
}

impl Arguments {
    pub(super) fn new(arguments: Vec<Argument>) -> Self {
        Self(arguments.into(), LOCAL.into())
    }

    /// The same, of this caller.
    pub(super) fn of_caller(self, name: Arc<str>) -> Self {
        Self(self.0, name)
    }

    /// The name of the caller.
    pub(super) fn caller(&self) -> Arc<str> {
        self.1.clone()
    }

    /// Those that were not taken yet.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Argument> {
        self.0.iter()
    }

    takes! {
        /// The next one, a user.
        user, User, UserId
    }
    takes! {
        /// The next one, a list of users.
        users, Users, Vec<UserId>
    }
    takes! {
        /// The next one, a string.
        text, Text, String
    }
    takes! {
        /// The next one, a number of seconds.
        seconds, Seconds, u64
    }
    takes! {
        /// The next one, a whole number.
        count, Count, u64
    }
    takes! {
        /// The next one, a channel.
        channel, Channel, ChannelId
    }
    takes! {
        /// The next one, any JSON.
        value, Value, Payload
    }
    takes! {
        /// The next one, an object.
        object, Object, Vec<(Box<str>, Payload)>
    }

    /// The next one, a user, where it is given.
    pub(super) fn optional_user(&mut self) -> Result<Option<UserId>, ErrorBody> {
        if self.0.front() == Some(&Argument::None) {
            self.0.pop_front();
            return Ok(None);
        }
        self.user().map(Some)
    }

    /// The next one, any JSON, where it is given.
    pub(super) fn optional_value(&mut self) -> Result<Option<Payload>, ErrorBody> {
        if self.0.front() == Some(&Argument::None) {
            self.0.pop_front();
            return Ok(None);
        }
        self.value().map(Some)
    }

    /// The next one, a number of seconds, where it is given.
    pub(super) fn optional_seconds(&mut self) -> Result<Option<u64>, ErrorBody> {
        if self.0.front() == Some(&Argument::None) {
            self.0.pop_front();
            return Ok(None);
        }
        self.seconds().map(Some)
    }

    /// The next one, a whole number, where it is given.
    pub(super) fn optional_count(&mut self) -> Result<Option<u64>, ErrorBody> {
        if self.0.front() == Some(&Argument::None) {
            self.0.pop_front();
            return Ok(None);
        }
        self.count().map(Some)
    }

    /// The next one, a string, where it is given.
    pub(super) fn optional_text(&mut self) -> Result<Option<String>, ErrorBody> {
        if self.0.front() == Some(&Argument::None) {
            self.0.pop_front();
            return Ok(None);
        }
        self.text().map(Some)
    }
}

/// A method and its parameters differ.
fn differs() -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, "the method takes other parameters")
}

/// A call that does not fit its method.
pub(super) fn wrong(message: impl Into<Box<str>>) -> ErrorBody {
    ErrorBody::new(ErrorCode::BadMessage, message)
}

/// The result of a call.
pub(super) fn result(value: impl Serialize) -> Answer {
    to_raw_value(&value)
        .map_err(|error| ErrorBody::new(ErrorCode::Internal, format!("no result: {error}")))
}

/// A value in a result, with all digits of its numbers.
pub(super) fn raw(value: &Payload) -> Result<&RawValue, ErrorBody> {
    serde_json::from_str(value.as_json())
        .map_err(|error| ErrorBody::new(ErrorCode::Internal, format!("no result: {error}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(of: Type, json: &str) -> Result<Argument, ErrorCode> {
        let parameter = Parameter::new("p", of);
        parameter.read(Some(json), "1").map_err(|error| error.code)
    }

    #[test]
    fn arguments_are_read_by_their_types() {
        let user = UserId::parse("1:7").unwrap();
        assert_eq!(read(Type::User, "7"), Ok(Argument::User(user.clone())));
        assert_eq!(
            read(Type::User, r#""1:7""#),
            Ok(Argument::User(user.clone()))
        );
        assert_eq!(read(Type::User, r#""a b:c""#), Err(ErrorCode::InvalidId));
        assert_eq!(read(Type::User, "[]"), Err(ErrorCode::BadMessage));
        let two = vec![user, UserId::parse("fb:mel").unwrap()];
        assert_eq!(
            read(Type::Users, r#"[7,"fb:mel"]"#),
            Ok(Argument::Users(two))
        );
        assert_eq!(read(Type::Users, "7"), Err(ErrorCode::BadMessage));
        assert_eq!(read(Type::Seconds, "60"), Ok(Argument::Seconds(60)));
        for json in ["-1", "1.5", r#""x""#, "true"] {
            assert_eq!(
                read(Type::Seconds, json),
                Err(ErrorCode::BadMessage),
                "{json}"
            );
        }
        let long = Payload::from_json("12345678901234567890.50");
        let number = read(Type::Any, " 12345678901234567890.50 ");
        assert_eq!(number, Ok(Argument::Value(long)));
        for json in ["[]", r#"{"a":1,"\u0061":2}"#] {
            assert_eq!(
                read(Type::Object, json),
                Err(ErrorCode::BadMessage),
                "{json}"
            );
        }
        for json in ["1e999", r#""\ud800""#] {
            assert_eq!(read(Type::Any, json), Err(ErrorCode::BadMessage), "{json}");
            let object = format!("{{\"a\":{json}}}");
            assert_eq!(read(Type::Object, &object), Err(ErrorCode::BadMessage));
        }
    }

    #[test]
    fn parts_of_a_path_are_texts_or_json() {
        let read = |of, text| Parameter::new("p", of).read_text(text, "1").unwrap();
        let user = UserId::parse("1:7").unwrap();
        assert_eq!(read(Type::Text, "\"a\""), Argument::Text("\"a\"".into()));
        assert_eq!(read(Type::Users, "7"), Argument::Users(vec![user.clone()]));
        assert_eq!(read(Type::Users, "[7]"), Argument::Users(vec![user]));
        let value = |text| Argument::Value(Payload::from_json(text));
        assert_eq!(read(Type::Any, "hello there"), value("\"hello there\""));
        assert_eq!(read(Type::Any, r#"{"a":1}"#), value(r#"{"a":1}"#));
    }

    #[test]
    fn parameter_may_be_left_out_where_it_is_optional() {
        let optional = Parameter::optional("p", Type::Text);
        assert_eq!(optional.read(None, "1"), Ok(Argument::None));
        assert_eq!(optional.read(Some("null"), "1"), Ok(Argument::None));
        let error = Parameter::new("p", Type::Text).read(None, "1").unwrap_err();
        assert_eq!(&*error.message, "p is missing");
    }
}
