//! The log of what operators change: who called what, with which arguments, and how it ended.
//!
//! Calls that only look are not in it, and neither are messages: a backend may send thousands
//! in a second.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::method::{Argument, Arguments, Method};
use crate::management::access::Caller;
use crate::management::role::Role;
use turntable_core::packet::ErrorBody;

/// Methods that change nothing that lasts, and one that is called again and again.
const MESSAGES: &[&str] = &["publish", "call", "getTrace"];

/// Bytes of an argument that are shown.
const ARGUMENT_BYTES: usize = 100;

/// A call before it is carried out.
#[derive(Debug)]
pub(super) struct Entry(String);

impl Entry {
    /// The entry of a call; `None` for one that is not in the log.
    pub(super) fn of(
        caller: &Caller,
        peer: Option<SocketAddr>,
        (service, method): (&str, &Method),
        arguments: &Arguments,
    ) -> Option<Self> {
        if method.role == Role::Read || MESSAGES.contains(&method.name) {
            return None;
        }
        let mut text = caller.name.to_string();
        if let Some(peer) = peer {
            let _ = write!(text, " ({peer})");
        }
        let _ = write!(text, ": {service}/{}", method.name);
        for (parameter, argument) in method.parameters.iter().zip(arguments.iter()) {
            let shown = match argument {
                Argument::None => continue,
                _ if parameter.is_hidden => "***".to_owned(),
                Argument::User(user) => user.as_str().to_owned(),
                Argument::Channel(channel) => channel.as_str().to_owned(),
                Argument::Seconds(number) | Argument::Count(number) => number.to_string(),
                Argument::Text(text) => format!("{:?}", beginning(text)),
                Argument::Users(users) => format!("{} users", users.len()),
                Argument::Value(_) | Argument::Object(_) => "...".to_owned(),
            };
            let _ = write!(text, " {}={shown}", parameter.name);
        }
        Some(Self(text))
    }

    /// Writes it, behind the call.
    pub(super) fn log(self, error: Option<&ErrorBody>) {
        match error {
            None => log::info!("{}", self.0),
            Some(error) => log::info!("{}: {}", self.0, error.code.name()),
        }
    }
}

/// So much of a text as is shown.
fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(ARGUMENT_BYTES))
        .unwrap_or(text)
}
