//! Parameters of methods: their names and types, and how an argument is read by them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::method::{Argument, object, wrong};
use crate::opaque;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// The largest number that is an id: a double of 64 bits has all whole numbers up to it, and cannot
/// tell the next two apart.
pub(super) const NUMBER_MAX: u64 = (1 << 53) - 1;

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
    /// The least number that it may be.
    pub(super) least: u64,
    /// The regular expression that its texts match (ECMA-262), for descriptions.
    pub(super) pattern: Option<&'static str>,
}

impl Parameter {
    /// A parameter that every call has.
    pub(super) const fn new(name: &'static str, of: Type) -> Self {
        Self {
            name,
            of,
            is_optional: false,
            is_hidden: matches!(of, Type::Secret),
            least: 0,
            pattern: None,
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

    /// The same; its method refuses smaller numbers.
    pub(super) const fn at_least(self, least: u64) -> Self {
        Self { least, ..self }
    }

    /// The same; its method refuses other texts.
    pub(super) const fn like(self, pattern: &'static str) -> Self {
        Self {
            pattern: Some(pattern),
            ..self
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
            Type::User => Argument::User(self.user(&self.id(json)?, realm)?),
            Type::Users => Argument::Users(self.users(json, realm)?),
            Type::Text | Type::Secret => Argument::Text(self.text(json)?),
            Type::Seconds => Argument::Seconds(self.whole(json, "a whole number of seconds")?),
            Type::Count => Argument::Count(self.whole(json, "a whole number")?),
            Type::Channel => Argument::Channel(self.channel(&self.id(json)?)?),
            Type::Any => Argument::Value(self.value(json)?),
            Type::Object => Argument::Object(self.object(json)?),
        })
    }

    /// The argument, from a part of a path.
    pub(super) fn read_text(&self, text: &str, realm: &str) -> Result<Argument, ErrorBody> {
        self.read(Some(&self.of.json_of(text)), realm)
    }

    /// A string. A number is accepted where a text is, as ids may be numbers elsewhere, and is the
    /// text as it is sent.
    fn text(&self, json: &str) -> Result<String, ErrorBody> {
        text(json).ok_or_else(|| self.wrong("a string"))
    }

    /// An id: a string, or a whole number, whatever its form. Of a longer one many languages have
    /// lost digits before it is sent.
    fn id(&self, json: &str) -> Result<String, ErrorBody> {
        match serde_json::from_str(json) {
            Ok(serde_json::Value::String(text)) => Ok(text),
            Ok(serde_json::Value::Number(_)) => {
                let number = whole(json).filter(|number| *number <= NUMBER_MAX);
                let id = number.map(|number| number.to_string());
                id.ok_or_else(|| {
                    let what = format!(
                        "a string, or a whole number from 0 to {NUMBER_MAX}; send another as a string"
                    );
                    self.wrong(&what)
                })
            }
            _ => Err(self.wrong("a string")),
        }
    }

    /// A whole number, or a text of one. `what` is accepted.
    fn whole(&self, json: &str, what: &str) -> Result<u64, ErrorBody> {
        let number = text(json).and_then(|text| whole(&text));
        number.ok_or_else(|| self.wrong(what))
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
            .map(|user| self.user(&self.id(user.get())?, realm))
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

/// A string, or the digits of a number.
fn text(json: &str) -> Option<String> {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::String(text)) => Some(text),
        Ok(serde_json::Value::Number(_)) => Some(json.to_owned()),
        _ => None,
    }
}

/// A whole number. Some languages write one with a fraction of zero (`60.0`), which JSON Schema
/// has as an integer, too. It is read as text: a float of 64 bits rounds fractions of large
/// numbers away.
fn whole(text: &str) -> Option<u64> {
    /// No number of 64 bits has more zeros at its end.
    const ZEROS_MAX: usize = 19;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let mut digits = format!("{whole}{fraction}");
    if whole.is_empty() || fraction.is_empty() || !digits.bytes().all(|d| d.is_ascii_digit()) {
        return None;
    }
    let shift = i64::from(exponent) - i64::try_from(fraction.len()).ok()?;
    let places = usize::try_from(shift.unsigned_abs()).ok()?;
    if shift < 0 {
        let behind = digits.split_off(digits.len().saturating_sub(places));
        if behind.bytes().any(|digit| digit != b'0') {
            return None;
        }
    } else if places <= ZEROS_MAX {
        digits.extend(std::iter::repeat_n('0', places));
    } else {
        return None;
    }
    format!("0{digits}").parse().ok()
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// A user: a string, or a whole number.
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
        for (json, id) in [
            ("1.0", "1"),
            ("1e0", "1"),
            ("1E+2", "100"),
            ("0", "0"),
            ("9007199254740991", "9007199254740991"),
            // A text is an id as it is.
            (r#""1.0""#, "1.0"),
            (r#""-1""#, "-1"),
            (r#""9007199254740992""#, "9007199254740992"),
        ] {
            let user = UserId::parse(&format!("1:{id}")).unwrap();
            assert_eq!(read(Type::User, json), Ok(Argument::User(user.clone())));
            let one = read(Type::Users, &format!("[{json}]"));
            assert_eq!(one, Ok(Argument::Users(vec![user])));
            let channel = ChannelId::parse(id).unwrap();
            assert_eq!(read(Type::Channel, json), Ok(Argument::Channel(channel)));
        }
        for json in [
            "1.5",
            "-1",
            "-0",
            "1e-1",
            "9007199254740992",
            "1e16",
            "1e99",
        ] {
            for (of, json) in [
                (Type::User, json.to_owned()),
                (Type::Users, format!("[{json}]")),
                (Type::Channel, json.to_owned()),
            ] {
                assert_eq!(read(of, &json), Err(ErrorCode::BadMessage), "{json}");
            }
        }
        assert_eq!(read(Type::Seconds, "60"), Ok(Argument::Seconds(60)));
        for json in ["60.0", "6e1", "6.00E+1", "600e-1", r#""60""#] {
            assert_eq!(read(Type::Seconds, json), Ok(Argument::Seconds(60)));
        }
        for (json, number) in [
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("0e-9", 0),
        ] {
            assert_eq!(read(Type::Seconds, json), Ok(Argument::Seconds(number)));
        }
        for json in [
            "-1",
            "1.5",
            "1e99",
            "2e19",
            "6e-1",
            "9007199254740991.6",
            "9007199254740990.6",
            "4503599627370497.3",
            r#""1.""#,
            r#"".5""#,
            r#""x""#,
            r#""inf""#,
            r#""nan""#,
            "true",
        ] {
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
    fn refusal_names_the_accepted_type() {
        for (of, json, expected) in [
            (Type::Count, "true", "p must be a whole number"),
            (Type::Count, "\"x\"", "p must be a whole number"),
            (Type::Seconds, "[]", "p must be a whole number of seconds"),
            (Type::Text, "{}", "p must be a string"),
            (
                Type::User,
                "1.5",
                "p must be a string, or a whole number from 0 to 9007199254740991; send another as a \
                 string",
            ),
        ] {
            let error = Parameter::new("p", of).read(Some(json), "1").unwrap_err();
            assert_eq!(&*error.message, expected, "{json}");
        }
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
