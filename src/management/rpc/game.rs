//! The service `game`: the rooms that there are.

use serde::Serialize;
use serde_json::value::RawValue;

use super::method::{Arguments, Call, Kind, Method, Parameter, Type, raw, result, wrong};
use super::page::{PAGE, Page};
use super::shape::{Field, Shape};
use crate::management::Management;
use crate::management::role::Role;
use crate::operator::room::RoomInfo;
use crate::portal::ban::REASON_BYTES_MAX;
use turntable_core::id::ChannelId;
use turntable_core::model::room::MemberReport;
use turntable_core::packet::ErrorBody;

const ROOM: Parameter = Parameter::new("channelId", Type::Channel);
const USER: Parameter = Parameter::new("userId", Type::User);
const REASON: Parameter = Parameter::optional("reason", Type::Text);

/// A room in a list. All but its id is missing where it did not answer in time.
const SUMMARY: Shape = Shape::Object(&[
    Field::new("channelId", Shape::Text),
    Field::optional("game", Shape::Text),
    Field::optional("members", Shape::Count),
    Field::optional("away", Shape::Count),
    Field::optional("since_ms", Shape::Count),
    Field::optional("actions", Shape::Count),
    Field::optional("last_action_ms", Shape::Count),
    Field::optional("state_bytes", Shape::Count),
]);
const LIST: Shape = Shape::Object(&[
    Field::new("rooms", Shape::List(&SUMMARY)),
    Field::optional("next", Shape::Text),
    Field::optional("unanswered", Shape::List(&Shape::Count)),
]);
const LAG: Shape = Shape::Object(&[
    Field::optional("measured_ms", Shape::Count),
    Field::new("credit_ms", Shape::Count),
]);
const SEAT: Shape = Shape::Object(&[
    Field::new("session", Shape::Text),
    Field::new("connected", Shape::Boolean),
]);
const MEMBER: Shape = Shape::Object(&[
    Field::new("user", Shape::Text),
    Field::optional("team", Shape::Text),
    Field::new("state", Shape::Text),
    Field::new("since_ms", Shape::Count),
    Field::optional("seat_until_ms", Shape::Count),
    Field::optional("lag", LAG),
    Field::optional("last_action_ms", Shape::Count),
    Field::new("sessions", Shape::List(&SEAT)),
]);
const REPORT: Shape = Shape::Object(&[
    Field::new("channelId", Shape::Text),
    Field::new("game", Shape::Text),
    Field::new("members", Shape::List(&MEMBER)),
    Field::new("since_ms", Shape::Count),
    Field::new("time_ms", Shape::Count),
    Field::optional("ends_ms", Shape::Count),
    Field::new("actions", Shape::Count),
    Field::optional("last_action_ms", Shape::Count),
    Field::new("state_bytes", Shape::Count),
    Field::new("waiting_bytes", Shape::Count),
    Field::new("settings", Shape::Map(&Shape::Any)),
]);
const ACTION: Shape = Shape::Object(&[
    Field::new("number", Shape::Count),
    Field::new("action", Shape::Any),
]);
const ACTIONS: Shape = Shape::Object(&[
    Field::new("total", Shape::Count),
    Field::new("complete", Shape::Boolean),
    Field::new("actions", Shape::List(&ACTION)),
]);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "listAll",
        description: "The rooms, in the order of their ids.",
        role: Role::Read,
        kind: Kind::Look,
        result: LIST,
        parameters: PAGE,
        run: list_all,
    },
    Method {
        name: "get",
        description: "What is known of a room: its members with their lags, its settings and its clock.",
        role: Role::Read,
        kind: Kind::Look,
        result: REPORT,
        parameters: &[ROOM],
        run: get,
    },
    Method {
        name: "end",
        description: "Ends a room: every member leaves, and gets the reason.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[ROOM, REASON],
        run: end,
    },
    Method {
        name: "kick",
        description: "A member leaves a room; the members get the reason.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[ROOM, USER, REASON],
        run: kick,
    },
    Method {
        name: "getActions",
        description: "The last actions of a room; with since those behind the action of this number.",
        role: Role::Read,
        kind: Kind::Look,
        result: ACTIONS,
        parameters: &[ROOM, Parameter::optional("since", Type::Count)],
        run: get_actions,
    },
];

/// A room in a list.
#[derive(Serialize)]
struct Summary {
    #[serde(rename = "channelId")]
    channel: ChannelId,
    #[serde(flatten)]
    known: Option<Known>,
}

#[derive(Serialize)]
struct Known {
    game: Box<str>,
    members: usize,
    away: usize,
    since_ms: u64,
    actions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_action_ms: Option<u64>,
    state_bytes: u64,
}

impl From<RoomInfo> for Known {
    fn from(room: RoomInfo) -> Self {
        let members = &room.report.members;
        let is_away = |member: &&MemberReport| member.seat_until_ms.is_some();
        Self {
            members: members.len(),
            away: members.iter().filter(is_away).count(),
            since_ms: room.since_ms,
            actions: room.actions,
            last_action_ms: room.last_action_ms,
            state_bytes: room.report.state_bytes,
            game: room.report.game,
        }
    }
}

#[derive(Serialize)]
struct Listed {
    rooms: Vec<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unanswered: Vec<u32>,
}

fn list_all(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let page = Page::take(&mut arguments, management.list_max)?;
        let listed = management.shared.rooms(page.after(), page.limit()).await;
        let mut rooms = listed.rooms;
        let has_more = page.cut_entries(&mut rooms)?;
        let last = rooms.last().filter(|_| has_more);
        let next = last.map(|(room, _)| room.as_str().to_owned());
        let rooms = rooms.into_iter().map(|(channel, info)| Summary {
            channel,
            known: info.map(Known::from),
        });
        result(Listed {
            rooms: rooms.collect(),
            next,
            unanswered: listed.unanswered,
        })
    })
}

/// A room in an answer.
#[derive(Serialize)]
struct Report<'r> {
    #[serde(rename = "channelId")]
    channel: &'r str,
    game: &'r str,
    members: Vec<Member<'r>>,
    since_ms: u64,
    time_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_ms: Option<u64>,
    actions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_action_ms: Option<u64>,
    state_bytes: u64,
    waiting_bytes: u64,
    settings: &'r RawValue,
}

#[derive(Serialize)]
struct Member<'r> {
    user: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<&'r str>,
    state: &'static str,
    since_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seat_until_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<Lag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_action_ms: Option<u64>,
    sessions: Vec<Seat>,
}

#[derive(Serialize)]
struct Lag {
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_ms: Option<u32>,
    credit_ms: u32,
}

#[derive(Serialize)]
struct Seat {
    session: String,
    connected: bool,
}

impl<'r> From<&'r MemberReport> for Member<'r> {
    fn from(member: &'r MemberReport) -> Self {
        let seats = member.sessions.iter().map(|(key, connected)| Seat {
            session: format!("{:016x}", key.number()),
            connected: *connected,
        });
        Self {
            user: member.user.as_str(),
            team: member.team.as_deref(),
            state: match member.seat_until_ms {
                None => "joined",
                Some(_) => "away",
            },
            since_ms: member.since_ms,
            seat_until_ms: member.seat_until_ms,
            lag: member.lag.map(|lag| Lag {
                measured_ms: lag.measured_ms,
                credit_ms: lag.credit_ms,
            }),
            last_action_ms: Some(member.last_ms).filter(|ms| *ms > 0),
            sessions: seats.collect(),
        }
    }
}

fn get(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let channel = arguments.channel()?;
        let room = management.shared.inspect_room(&channel).await?;
        let report = &room.report;
        result(Report {
            channel: channel.as_str(),
            game: &report.game,
            members: report.members.iter().map(Member::from).collect(),
            since_ms: room.since_ms,
            time_ms: report.time_ms,
            ends_ms: report.ends_ms,
            actions: room.actions,
            last_action_ms: room.last_action_ms,
            state_bytes: report.state_bytes,
            waiting_bytes: report.waiting_bytes,
            settings: raw(&report.settings)?,
        })
    })
}

fn end(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let channel = arguments.channel()?;
        let reason = reason(arguments.optional_text()?)?;
        management.shared.end_room(&channel, reason).await?;
        result(true)
    })
}

/// A reason that members get; an empty one is none.
fn reason(text: Option<String>) -> Result<Option<Box<str>>, ErrorBody> {
    match text {
        Some(text) if text.len() > REASON_BYTES_MAX => Err(wrong(format!(
            "a reason has at most {REASON_BYTES_MAX} bytes"
        ))),
        text => Ok(text.filter(|text| !text.is_empty()).map(Into::into)),
    }
}

fn kick(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (channel, user) = (arguments.channel()?, arguments.user()?);
        let reason = reason(arguments.optional_text()?)?;
        let shared = &management.shared;
        shared.kick_member(&channel, &user, reason).await?;
        result(true)
    })
}

#[derive(Serialize)]
struct Actions {
    total: u64,
    /// Whether these are all behind the one that was given.
    complete: bool,
    actions: Vec<Action>,
}

#[derive(Serialize)]
struct Action {
    number: u64,
    action: Box<RawValue>,
}

fn get_actions(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (channel, since) = (arguments.channel()?, arguments.optional_count()?);
        let recent = management.shared.recent_actions(&channel, since).await?;
        let actions = recent.actions.into_iter();
        let actions: Vec<Action> = actions
            .map(|(number, action)| Action { number, action })
            .collect();
        let since = since.unwrap_or(0);
        result(Actions {
            total: recent.total,
            complete: actions.len() as u64 == recent.total.saturating_sub(since),
            actions,
        })
    })
}
