//! Methods of services: their names and parameters, and the arguments of a call. Each
//! service lists its methods in a file of its own.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

pub(crate) use super::kind::Kind;
pub(crate) use super::parameter::{Parameter, Type};
use super::shape::Shape;
use crate::management::Management;
use crate::management::access::{Caller, LOCAL};
use crate::management::role::Role;
use crate::portal::operator_call::OperatorCall;
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

/// The arguments of a call, in the order of the parameters, and who calls which method.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    given: VecDeque<Argument>,
    caller: Caller,
    /// The service and the method, with a slash.
    method: Box<str>,
}

/// Takes the next argument as one of this type.
macro_rules! takes {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $of:ty) => {
        $(#[$doc])*
        pub(super) fn $name(&mut self) -> Result<$of, ErrorBody> {
            match self.given.pop_front() {
                Some(Argument::$variant(value)) => Ok(value),
                _ => Err(differs()),
            }
        }
    };
}

impl Arguments {
    pub(super) fn new(arguments: Vec<Argument>) -> Self {
        let local = Caller {
            name: LOCAL.into(),
            role: Role::Admin,
        };
        Self {
            given: arguments.into(),
            caller: local,
            method: Box::default(),
        }
    }

    /// The same, of this caller and for this method.
    pub(super) fn of_call(self, caller: Caller, service: &str, method: &Method) -> Self {
        Self {
            given: self.given,
            caller,
            method: format!("{service}/{}", method.name).into(),
        }
    }

    /// The call, as it is remembered with the sessions that it ends.
    pub(super) fn operator_call(&self, reason: Option<String>) -> OperatorCall {
        OperatorCall {
            method: self.method.clone(),
            by: self.caller(),
            reason: reason.map(Into::into),
        }
    }

    /// The name of the caller.
    pub(super) fn caller(&self) -> Arc<str> {
        self.caller.name.clone()
    }

    /// What the caller may do.
    pub(super) const fn role(&self) -> Role {
        self.caller.role
    }

    /// Those that were not taken yet.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Argument> {
        self.given.iter()
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
        if self.given.front() == Some(&Argument::None) {
            self.given.pop_front();
            return Ok(None);
        }
        self.user().map(Some)
    }

    /// The next one, any JSON, where it is given.
    pub(super) fn optional_value(&mut self) -> Result<Option<Payload>, ErrorBody> {
        if self.given.front() == Some(&Argument::None) {
            self.given.pop_front();
            return Ok(None);
        }
        self.value().map(Some)
    }

    /// The next one, a number of seconds, where it is given.
    pub(super) fn optional_seconds(&mut self) -> Result<Option<u64>, ErrorBody> {
        if self.given.front() == Some(&Argument::None) {
            self.given.pop_front();
            return Ok(None);
        }
        self.seconds().map(Some)
    }

    /// The next one, a whole number, where it is given.
    pub(super) fn optional_count(&mut self) -> Result<Option<u64>, ErrorBody> {
        if self.given.front() == Some(&Argument::None) {
            self.given.pop_front();
            return Ok(None);
        }
        self.count().map(Some)
    }

    /// The next one, a string, where it is given.
    pub(super) fn optional_text(&mut self) -> Result<Option<String>, ErrorBody> {
        if self.given.front() == Some(&Argument::None) {
            self.given.pop_front();
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
