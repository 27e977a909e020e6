//! What operators change: who called what, with which arguments, and how it ended. Each is a line
//! of the log, and the last ones are listed by the service `audit`.
//!
//! Calls that only look are not among them, and neither are messages (`kind`).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use super::method::{Argument, Arguments, Call, Kind, Method, Parameter, Type, result, wrong};
use super::page::{LIMIT, Page};
use super::shape::{Field, Shape};
use crate::clock;
use crate::management::Management;
use crate::management::access::Caller;
use crate::management::audit_log::{Change, Wanted};
use crate::management::role::Role;
use crate::visible::visible;
use turntable_core::packet::ErrorBody;

/// In place of the error of a call whose caller was gone before it ended. It may have been
/// carried out.
const UNANSWERED: &str = "unanswered";

/// Bytes of an argument that are shown.
const ARGUMENT_BYTES: usize = 100;

const ENTRY: Shape = Shape::Object(&[
    Field::new("number", Shape::Count),
    Field::new("at_ms", Shape::Count),
    Field::new("by", Shape::Text),
    Field::optional("address", Shape::Text),
    Field::new("method", Shape::Text),
    Field::new("arguments", Shape::Map(&Shape::Text)),
    Field::optional("error", Shape::Text),
]);
const LIST: Shape = Shape::Object(&[
    Field::new("changes", Shape::List(&ENTRY)),
    Field::optional("next", Shape::Text),
]);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "listAll",
        description: "What operators changed, the last one first: all of it, or by one caller (by), of one method or service (method), with one argument (argument).",
        role: Role::Admin,
        kind: Kind::Look,
        result: LIST,
        parameters: &[
            LIMIT,
            Parameter::optional("after", Type::Text),
            Parameter::optional("by", Type::Text),
            Parameter::optional("method", Type::Text),
            Parameter::optional("argument", Type::Text),
        ],
        run: list_all,
    },
    Method {
        name: "getCaller",
        description: "The caller, as it is in the log and in this list: the name of its token, or local, and its role.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Object(&[
            Field::new("name", Shape::Text),
            Field::new("role", Shape::Text),
        ]),
        parameters: &[],
        run: get_caller,
    },
];

/// A change in an answer.
#[derive(Serialize)]
struct Shown {
    number: u64,
    at_ms: u64,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    method: String,
    arguments: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

impl From<Change> for Shown {
    fn from(change: Change) -> Self {
        let arguments = change.arguments.into_iter();
        Self {
            number: change.number,
            at_ms: change.at_ms,
            by: change.by.to_string(),
            address: change.address.map(|address| address.to_string()),
            method: change.method,
            arguments: arguments
                .map(|(name, shown)| (name.to_owned(), shown.into()))
                .collect(),
            error: change.error,
        }
    }
}

#[derive(Serialize)]
struct Acting {
    name: Arc<str>,
    role: &'static str,
}

fn get_caller(_: &Management, arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        result(Acting {
            name: arguments.caller(),
            role: arguments.role().name(),
        })
    })
}

#[derive(Serialize)]
struct Listed {
    changes: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

fn list_all(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let page = Page::take(&mut arguments, management.list_max)?;
        let before = match page.after().map(str::parse) {
            None => None,
            Some(Ok(number)) => Some(number),
            Some(Err(_)) => return Err(wrong("after must be the number of a change")),
        };
        let wanted = Wanted {
            before,
            by: arguments.optional_text()?,
            method: arguments.optional_text()?,
            argument: arguments.optional_text()?,
        };
        let mut changes = management.audit_log.list(&wanted, page.enough());
        let has_more = page.cut_entries(&mut changes)?;
        let last = changes.last().filter(|_| has_more);
        let next = last.map(|change| change.number.to_string());
        result(Listed {
            changes: changes.into_iter().map(Shown::from).collect(),
            next,
        })
    })
}

/// A change that is carried out. The connection of its caller may end meanwhile, which drops the
/// call; that is in the log, too.
pub(super) struct Entry<'m> {
    management: &'m Management,
    method: &'static Method,
    /// `None` once it is written.
    change: Option<Change>,
}

impl<'m> Entry<'m> {
    /// The entry of a call; `None` for one that changes nothing.
    pub(super) fn of(
        management: &'m Management,
        caller: &Caller,
        peer: Option<SocketAddr>,
        (service, method): (&str, &'static Method),
        arguments: &Arguments,
    ) -> Option<Self> {
        if method.kind != Kind::Change {
            return None;
        }
        let shown = |(parameter, argument): (&Parameter, &Argument)| {
            let shown = match argument {
                Argument::None => return None,
                _ if parameter.is_hidden => "***".to_owned(),
                Argument::User(user) => user.as_str().to_owned(),
                Argument::Channel(channel) => channel.as_str().to_owned(),
                Argument::Seconds(number) | Argument::Count(number) => number.to_string(),
                Argument::Text(text) => beginning(text).to_owned(),
                Argument::Users(users) => format!("{} users", users.len()),
                Argument::Value(_) | Argument::Object(_) => "...".to_owned(),
            };
            Some((parameter.name, shown))
        };
        let arguments = method.parameters.iter().zip(arguments.iter());
        let change = Change {
            number: 0,
            at_ms: 0,
            by: caller.name.clone(),
            address: peer,
            method: format!("{service}/{}", method.name),
            arguments: arguments.filter_map(shown).collect(),
            error: None,
        };
        Some(Self {
            management,
            method,
            change: Some(change),
        })
    }

    /// The call has ended.
    pub(super) fn end(mut self, error: Option<&ErrorBody>) {
        self.write(error.map(|error| error.code.name()));
    }

    /// Writes it into the log and the list.
    fn write(&mut self, error: Option<&'static str>) {
        let Some(change) = self.change.take() else {
            return;
        };
        let change = Change {
            at_ms: clock::now_ms(),
            error,
            ..change
        };
        log::info!("{}", line(&change, self.method));
        self.management.add_change(change);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.write(Some(UNANSWERED));
    }
}

/// The line of the log. Texts are quoted, so that none looks like an argument.
fn line(change: &Change, method: &Method) -> String {
    let mut line = change.by.to_string();
    if let Some(address) = change.address {
        let _ = write!(line, " ({address})");
    }
    let _ = write!(line, ": {}", change.method);
    for (name, shown) in &change.arguments {
        let mut parameters = method.parameters.iter();
        let is_text = |of: &&Parameter| of.name == *name && of.of == Type::Text && !of.is_hidden;
        let _ = match parameters.any(|of| is_text(&of)) {
            true => write!(line, " {name}={shown:?}"),
            false => write!(line, " {name}={}", visible(shown)),
        };
    }
    if let Some(error) = change.error {
        let _ = write!(line, ": {error}");
    }
    line
}

/// So much of a text as is shown.
fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(ARGUMENT_BYTES))
        .unwrap_or(text)
}
