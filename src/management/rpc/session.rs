//! The service `session`: single sessions, by the numbers that they have for operators.

use serde::Serialize;

use super::method::{Answer, Arguments, Call, Kind, Method, Parameter, Type, result, wrong};
use super::page::{LIMIT, Page};
use super::shape::{Field, Shape};
use super::user::call_with_reason;
use crate::gateway::inspection::past::EndedAt;
use crate::gateway::inspection::session::{SessionOrder, SessionSummary, parse_number};
use crate::gateway::inspection::shown::EndedReport;
use crate::management::Management;
use crate::management::role::Role;
use turntable_core::key::SessionKey;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The number of a session, 16 hexadecimal digits.
const SESSION: Parameter = Parameter::new("session", Type::Text).like("^[0-9A-Fa-f]{16}$");

/// What a list shows of a session.
macro_rules! summary_fields {
    ($($more:expr),* $(,)?) => {
        &[
            Field::new("session", Shape::Text),
            Field::new("user", Shape::Text),
            Field::new("state", Shape::Text),
            Field::optional("transport", Shape::Text),
            Field::optional("address", Shape::Text),
            Field::new("worker", Shape::Count),
            Field::new("since_ms", Shape::Count),
            Field::new("active_ms", Shape::Count),
            Field::new("queue_bytes", Shape::Count),
            Field::new("received", Shape::Count),
            Field::new("received_bytes", Shape::Count),
            Field::new("sent", Shape::Count),
            Field::new("subscriptions", Shape::Count),
            $($more),*
        ]
    };
}

const SUMMARY: Shape = Shape::Object(summary_fields!());
/// Workers that did not answer in time.
const UNANSWERED: Field = Field::optional("unanswered", Shape::List(&Shape::Count));
const LIST: Shape = Shape::Object(&[
    Field::new("sessions", Shape::List(&SUMMARY)),
    Field::optional("next", Shape::Text),
    UNANSWERED,
]);
const ROUND_TRIP: Shape = Shape::Object(&[
    Field::optional("ping_ms", Shape::Number),
    Field::optional("kernel_ms", Shape::Number),
    Field::optional("lag_ms", Shape::Count),
    Field::optional("credit_ms", Shape::Count),
]);
const QUEUE: Shape = Shape::Object(&[
    Field::new("messages", Shape::Count),
    Field::new("bytes", Shape::Count),
    Field::new("bytes_max", Shape::Count),
    Field::new("blocked", Shape::Boolean),
    Field::new("retained", Shape::Count),
    Field::new("retained_bytes", Shape::Count),
    Field::new("changes", Shape::Count),
    Field::new("connection_bytes", Shape::Count),
]);
const CHANNEL: Shape = Shape::Object(&[
    Field::new("channel", Shape::Text),
    Field::new("subpaths", Shape::Boolean),
]);
const REPORT: Shape = Shape::Object(summary_fields!(
    Field::new("roles", Shape::List(&Shape::Text)),
    Field::new("provisional", Shape::Boolean),
    Field::optional("expires_in", Shape::Count),
    Field::optional("detached_ms", Shape::Count),
    Field::new("idle", Shape::Boolean),
    Field::new("round_trip", ROUND_TRIP),
    Field::new("queue", QUEUE),
    Field::new("watching", Shape::Count),
    Field::new("rooms", Shape::List(&Shape::Text)),
    Field::new("channels", Shape::List(&CHANNEL)),
    Field::new("provides", Shape::List(&Shape::Text)),
    Field::new("errors", Shape::Count),
    Field::optional("last_error", ERROR),
    Field::new("recent_commands", Shape::List(&Shape::Text)),
));
const ERROR: Shape = Shape::Object(&[
    Field::new("at_ms", Shape::Count),
    Field::new("code", Shape::Text),
    Field::optional("command", Shape::Text),
    Field::new("message", Shape::Text),
]);
const CLOSE: Shape = Shape::Object(&[
    Field::new("code", Shape::Count),
    Field::new("reason", Shape::Text),
]);
/// The call of an operator.
const OPERATOR: Shape = Shape::Object(&[
    Field::new("method", Shape::Text),
    Field::new("by", Shape::Text),
    Field::optional("reason", Shape::Text),
]);
const EVENT: Shape = Shape::Object(&[
    Field::new("at_ms", Shape::Count),
    Field::new("event", Shape::Text),
    Field::optional("transport", Shape::Text),
    Field::optional("address", Shape::Text),
    Field::optional("room", Shape::Text),
    Field::optional("channel", Shape::Text),
    Field::optional("close", CLOSE),
    Field::optional("cause", Shape::Text),
    Field::optional("operator", OPERATOR),
    Field::optional("error", ERROR),
    Field::optional("repeated", Shape::Count),
]);
const ENDED: Shape = Shape::Object(&[
    Field::new("session", Shape::Text),
    Field::new("user", Shape::Text),
    Field::new("at_ms", Shape::Count),
    Field::new("since_ms", Shape::Count),
    Field::new("duration_ms", Shape::Count),
    Field::new("cause", Shape::Text),
    Field::optional("operator", OPERATOR),
    Field::optional("close", CLOSE),
    Field::new("detached", Shape::Boolean),
    Field::optional("dropped", CLOSE),
    Field::optional("transport", Shape::Text),
    Field::optional("address", Shape::Text),
    Field::optional("round_trip_ms", Shape::Number),
    Field::optional("last_error", ERROR),
    Field::new("received", Shape::Count),
    Field::new("sent", Shape::Count),
]);
const ENDED_LIST: Shape = Shape::Object(&[
    Field::new("sessions", Shape::List(&ENDED)),
    Field::optional("next", Shape::Text),
    UNANSWERED,
]);

const TRACED: Shape = Shape::Object(&[Field::new("until_ms", Shape::Count)]);
const FRAME: Shape = Shape::Object(&[
    Field::new("number", Shape::Count),
    Field::new("at_ms", Shape::Count),
    Field::new("direction", Shape::Text),
    Field::new("bytes", Shape::Count),
    Field::new("text", Shape::Text),
    Field::optional("truncated", Shape::Boolean),
]);
const TRACE: Shape = Shape::Object(&[
    Field::new("on", Shape::Boolean),
    Field::new("until_ms", Shape::Count),
    Field::new("complete", Shape::Boolean),
    Field::new("last", Shape::Count),
    Field::new("frames", Shape::List(&FRAME)),
]);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "listAll",
        description: "The sessions, connected or not: page by page in the order of their numbers, or with order (queue, messages or bytes) those with the most bytes that wait for the client, messages of the client, or bytes of the client.",
        role: Role::Read,
        kind: Kind::Look,
        result: LIST,
        parameters: &[
            LIMIT,
            Parameter::optional("after", Type::Text),
            Parameter::optional("order", Type::Text).like("^(queue|messages|bytes)$"),
        ],
        run: list_all,
    },
    Method {
        name: "get",
        description: "All that is known of a session.",
        role: Role::Read,
        kind: Kind::Look,
        result: REPORT,
        parameters: &[SESSION],
        run: get,
    },
    Method {
        name: "close",
        description: "Ends a session, whose client does not come back by itself.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[SESSION, Parameter::optional("reason", Type::Text)],
        run: close,
    },
    Method {
        name: "getEvents",
        description: "What happened to a session, in order, as far as it is retained; also to one that is over.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::List(&EVENT),
        parameters: &[SESSION],
        run: get_events,
    },
    Method {
        name: "getEnded",
        description: "The sessions that ended, of all users or of one, the last one first: who or what ended each, and how its client was closed.",
        role: Role::Read,
        kind: Kind::Look,
        result: ENDED_LIST,
        parameters: &[
            Parameter::optional("userId", Type::User),
            LIMIT,
            Parameter::optional("after", Type::Text),
        ],
        run: get_ended,
    },
    Method {
        name: "trace",
        description: "Shows what passes between a session and its client for so many seconds, with getTrace; 0 ends that.",
        role: Role::Operate,
        kind: Kind::Change,
        result: TRACED,
        parameters: &[SESSION, Parameter::new("seconds", Type::Seconds)],
        run: trace,
    },
    Method {
        name: "getTrace",
        description: "The messages of a session that is or was traced, both ways and without secrets; with since those behind the one of this number.",
        role: Role::Operate,
        kind: Kind::Look,
        result: TRACE,
        parameters: &[SESSION, Parameter::optional("since", Type::Count)],
        run: get_trace,
    },
];

/// The next argument, a session.
fn session(arguments: &mut Arguments) -> Result<SessionKey, ErrorBody> {
    parse(&arguments.text()?, "session")
}

fn parse(text: &str, name: &str) -> Result<SessionKey, ErrorBody> {
    let what = "must be the number of a session: 16 hexadecimal digits";
    parse_number(text).ok_or_else(|| wrong(format!("{name} {what}")))
}

/// There is no such session; or one of the workers that did not answer has it.
fn not_found(unanswered: &[u16]) -> ErrorBody {
    if unanswered.is_empty() {
        return ErrorBody::new(ErrorCode::NotFound, "there is no session of this number");
    }
    let workers: Vec<String> = unanswered.iter().map(u16::to_string).collect();
    let message = format!(
        "no other worker has this session, and these do not answer: {}",
        workers.join(", ")
    );
    ErrorBody::new(ErrorCode::Unavailable, message)
}

/// Sessions in an answer.
#[derive(Serialize)]
struct Listed {
    sessions: Vec<SessionSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unanswered: Vec<u16>,
}

fn list_all(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let page = Page::take(&mut arguments, management.list_max)?;
        let order = match arguments.optional_text()?.as_deref() {
            Some("queue") => Some(SessionOrder::Queue),
            Some("messages") => Some(SessionOrder::Messages),
            Some("bytes") => Some(SessionOrder::Bytes),
            Some(_) => return Err(wrong("order must be queue, messages or bytes")),
            None => None,
        };
        match order {
            Some(_) if page.after().is_some() => Err(wrong(
                "after is for the order of numbers alone; leave order out",
            )),
            Some(order) => greatest(management, &page, order).await,
            None => by_number(management, &page).await,
        }
    })
}

/// The sessions with the most of something.
async fn greatest(management: &Management, page: &Page, order: SessionOrder) -> Answer {
    let listed = management.shared.list_sessions(order, page.limit());
    let (sessions, unanswered) = listed.await;
    result(Listed {
        sessions,
        next: None,
        unanswered,
    })
}

async fn by_number(management: &Management, page: &Page) -> Answer {
    let after = page
        .after()
        .map(|after| parse(after, "after"))
        .transpose()?;
    let order = SessionOrder::Number(after.map(SessionKey::number));
    let listed = management.shared.list_sessions(order, page.enough());
    let (mut sessions, unanswered) = listed.await;
    let has_more = page.cut_entries(&mut sessions)?;
    let last = sessions.last().filter(|_| has_more);
    result(Listed {
        next: last.map(|last| last.session.clone()),
        sessions,
        unanswered,
    })
}

fn get(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let key = session(&mut arguments)?;
        let (report, unanswered) = management.shared.inspect_session(key).await;
        result(report.ok_or_else(|| not_found(&unanswered))?)
    })
}

fn close(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let key = session(&mut arguments)?;
        let call = call_with_reason(&mut arguments)?;
        let closed = management.shared.close_session(key, call);
        match closed.await {
            (true, _) => result(true),
            (false, unanswered) => Err(not_found(&unanswered)),
        }
    })
}

fn get_events(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let key = session(&mut arguments)?;
        let (events, unanswered) = management.shared.session_events(key).await;
        result(events.ok_or_else(|| not_found(&unanswered))?)
    })
}

/// Sessions that ended, in an answer.
#[derive(Serialize)]
struct Ended {
    sessions: Vec<EndedReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unanswered: Vec<u16>,
}

fn get_ended(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.optional_user()?;
        let page = Page::take(&mut arguments, management.list_max)?;
        let before = page.after().map(ended_at).transpose()?;
        let ended = management
            .shared
            .ended_sessions(user.as_ref(), before, page.enough());
        let (mut sessions, unanswered) = ended.await;
        let has_more = page.cut_entries(&mut sessions)?;
        let last = sessions.last().filter(|_| has_more);
        let next = last.map(|((at_ms, number), _)| format!("{at_ms}-{number:016x}"));
        result(Ended {
            sessions: sessions.into_iter().map(|(_, ended)| ended).collect(),
            next,
            unanswered,
        })
    })
}

/// The place of a session among those that ended, as `next` has it.
fn ended_at(after: &str) -> Result<EndedAt, ErrorBody> {
    let parts = after.split_once('-').and_then(|(at_ms, number)| {
        let number = parse_number(number)?.number();
        Some((at_ms.parse().ok()?, number))
    });
    parts.ok_or_else(|| wrong("after must be the next of the answer before"))
}

#[derive(Serialize)]
struct Traced {
    until_ms: u64,
}

fn trace(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (key, seconds) = (session(&mut arguments)?, arguments.seconds()?);
        let shared = &management.shared;
        let max = shared.settings.get().inspection.trace_seconds_max;
        if seconds > max {
            let message = format!("at most {max} seconds (inspection.trace_seconds_max)");
            return Err(wrong(message).with("max", max));
        }
        let (until_ms, unanswered) = shared.trace_session(key, seconds * 1_000).await?;
        let until_ms = until_ms.ok_or_else(|| not_found(&unanswered))?;
        result(Traced { until_ms })
    })
}

fn get_trace(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (key, since) = (session(&mut arguments)?, arguments.optional_count()?);
        let (report, unanswered) = management.shared.session_trace(key, since).await;
        result(report.ok_or_else(|| match unanswered.is_empty() {
            true => ErrorBody::new(ErrorCode::NotFound, "this session was not traced lately"),
            false => not_found(&unanswered),
        })?)
    })
}
