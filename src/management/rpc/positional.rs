//! Arguments in the order of their parameters, as named ones: each form of a call becomes
//! the one of `POST /rpc/SERVICE/METHOD`.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::method::{Method, Type, wrong};
use turntable_core::packet::ErrorBody;

/// The named parameters of a call whose arguments are a JSON object, which is them, or a list in
/// the order of the parameters.
///
/// # Errors
/// `bad_message` where the list is too long.
pub(crate) fn named<'j>(method: &Method, json: &'j str) -> Result<Cow<'j, str>, ErrorBody> {
    match serde_json::from_str::<Vec<&RawValue>>(json) {
        Ok(list) => {
            let list: Vec<&str> = list.into_iter().map(RawValue::get).collect();
            object(method, &list).map(Cow::Owned)
        }
        // What is neither is refused with its fault.
        Err(_) => Ok(json.into()),
    }
}

/// The named parameters of a call whose arguments are texts, as in a path.
///
/// # Errors
/// `bad_message` where there are too many.
pub(crate) fn of_texts(method: &Method, texts: &[String]) -> Result<String, ErrorBody> {
    let parameters = method.parameters.iter();
    // More texts than parameters are counted below.
    let types = parameters.map(|parameter| Some(parameter.of));
    let types = types.chain(std::iter::repeat(None));
    let values = texts.iter().zip(types);
    let values: Vec<Cow<'_, str>> = values
        .map(|(text, of)| of.map_or(text.into(), |of| of.json_of(text)))
        .collect();
    for (parameter, value) in method.parameters.iter().zip(&values) {
        // It would be no field of the object.
        if serde_json::from_str::<&RawValue>(value).is_err() {
            let is_list = parameter.of == Type::Users;
            let what = if is_list { "a list" } else { "an object" };
            return Err(wrong(format!("{} must be {what} in JSON", parameter.name)));
        }
    }
    object(method, &values)
}

fn object(method: &Method, values: &[impl AsRef<str>]) -> Result<String, ErrorBody> {
    let names: Vec<&str> = method.parameters.iter().map(|known| known.name).collect();
    if values.len() > names.len() {
        return Err(wrong(match names.is_empty() {
            true => "there are no arguments".to_owned(),
            false => format!("the arguments are {}", names.join(", ")),
        }));
    }
    let fields = names.iter().zip(values);
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("{}:{}", Value::from(*name), value.as_ref()))
        .collect();
    Ok(format!("{{{}}}", fields.join(",")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::find;
    use super::*;

    #[test]
    fn arguments_in_their_order_get_names() {
        let ban = find("user", "ban").unwrap();
        let expected = r#"{"userId":7,"seconds":1.50}"#;
        assert_eq!(named(ban, " [7, 1.50]").unwrap(), expected);
        assert_eq!(named(ban, expected).unwrap(), expected);
        assert_eq!(named(ban, "[]").unwrap(), "{}");
        for other in ["", "7", "[1"] {
            assert_eq!(named(ban, other).unwrap(), other);
        }
        let error = named(ban, "[1, 2, 3, 4]").unwrap_err();
        assert_eq!(&*error.message, "the arguments are userId, seconds, reason");
    }

    #[test]
    fn texts_are_what_they_are_in_a_path() {
        let of = |name, texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            of_texts(find("user", name).unwrap(), &texts)
        };
        let publish = of("publish", &["1:\"mel\"", "hello there"]).unwrap();
        assert_eq!(publish, r#"{"userId":"1:\"mel\"","message":"hello there"}"#);
        let publish = of("publish", &["7", r#"{"a":1}"#]).unwrap();
        assert_eq!(publish, r#"{"userId":"7","message":{"a":1}}"#);
        assert_eq!(of("getPresence", &["7"]).unwrap(), r#"{"userIds":["7"]}"#);
        assert!(of("unban", &["7", "8"]).is_err());
        let error = of("setAttributes", &["7", "{bad"]).unwrap_err();
        assert_eq!(&*error.message, "attributes must be an object in JSON");
    }
}
