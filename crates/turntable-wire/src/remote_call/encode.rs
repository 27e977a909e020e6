//! Encodes messages of the server as entries.
//!
//! An entry is derived from the v1 text of its message. Its parts are copied, so
//! opaque data and ids do not change.

use serde_json::value::RawValue;

use super::CORE;
use crate::json_v1::field::Fields;
use crate::json_v1::{MessageParts, split};

/// Appends the entry of a message, which is given as the v1 text that
/// [`json_v1::encode`](crate::json_v1::encode) wrote.
///
/// | message | entry |
/// |---|---|
/// | `call`, data `{"f", "args", "user"?}` | `{"f", "args", "user"?, "id"?}` |
/// | `error` with an id | `{"id", "error"}` |
/// | any other with an id | `{"id", "r"}` |
/// | `service` | `{"f": "$av:setService", "args"}` |
/// | `attributes` | `{"f": "$av:set", "args"}` |
/// | any other | `{"f": "$av:NAME", "args"}` |
///
/// False, and nothing is appended, if the text is not a message.
///
/// ```
/// use turntable_wire::remote_call::entry;
/// let mut out = Vec::new();
/// entry(r#"{"command":"reply","data":{"offset":3},"id":"a"}"#, &mut out);
/// assert_eq!(out, br#"{"id":"a","r":{"offset":3}}"#);
///
/// out.clear();
/// entry(r#"{"command":"userchange","data":{"1:2345":"online"}}"#, &mut out);
/// assert_eq!(out, br#"{"f":"$av:userchange","args":{"1:2345":"online"}}"#);
/// ```
pub fn entry(message: &str, out: &mut Vec<u8>) -> bool {
    let Some(MessageParts { command, data, id }) = split(message) else {
        return false;
    };
    match (command, id) {
        ("call", id) => return call(data, id, out),
        ("error", Some(id)) => join(out, &["{\"id\":", id.get(), ",\"error\":", data.get()]),
        (_, Some(id)) => join(out, &["{\"id\":", id.get(), ",\"r\":", data.get()]),
        // The name in the seeds, in both directions.
        ("attributes", None) => core_call("set", data.get(), out),
        ("service", None) => core_call("setService", data.get(), out),
        (name, None) => core_call(name, data.get(), out),
    }
    out.push(b'}');
    true
}

/// Appends the first entry of a new session's first answer, a call of
/// `$av:connected`. `args` is JSON: the data of a `welcome`, whose `user` is
/// `null` before identification.
///
/// ```
/// use turntable_wire::remote_call::connected;
/// let mut out = Vec::new();
/// connected(r#"{"user":null}"#, &mut out);
/// assert_eq!(out, br#"{"f":"$av:connected","args":{"user":null}}"#);
/// ```
pub fn connected(args: &str, out: &mut Vec<u8>) {
    core_call("connected", args, out);
    out.push(b'}');
}

/// A call of the core, without its closing brace.
fn core_call(name: &str, args: &str, out: &mut Vec<u8>) {
    join(out, &["{\"f\":\"", CORE, name, "\",\"args\":", args]);
}

/// A call of the server, with its own function name.
fn call(data: &RawValue, id: Option<&RawValue>, out: &mut Vec<u8>) -> bool {
    let Ok(Fields {
        values: [Some(f), args, user, key],
        ..
    }) = Fields::read(data.get(), ["f", "args", "user", "key"])
    else {
        return false;
    };
    join(out, &["{\"f\":", f.get()]);
    for (name, value) in [
        (",\"args\":", args),
        (",\"user\":", user),
        (",\"key\":", key),
        (",\"id\":", id),
    ] {
        if let Some(value) = value {
            join(out, &[name, value.get()]);
        }
    }
    out.push(b'}');
    true
}

fn join(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}
