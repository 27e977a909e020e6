//! The service `user`: the users that are there, their sessions and what they have.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::method::{Arguments, Call, Kind, Method, Parameter, Type, result, wrong};
use super::page::{PAGE, Page};
use super::shape::{Field, Shape};
use crate::clock;
use crate::gateway::question::unexpected;
use crate::management::Management;
use crate::management::role::Role;
use crate::portal::ban::{Ban, REASON_BYTES_MAX};
use crate::portal::operator_call::OperatorCall;
use turntable_core::id::UserId;
use turntable_core::packet::{ErrorBody, ReplyData, ServerPacket};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_wire::json_v1;

const USER: Parameter = Parameter::new("userId", Type::User);
/// A sentence for the clients.
const REASON: Parameter = Parameter::optional("reason", Type::Text);
const PASSWORD: Parameter = Parameter::new("password", Type::Secret);
const USERS: Parameter = Parameter::new("userIds", Type::Users);

/// A session in an answer.
const SESSION: Shape = Shape::Object(&[
    Field::new("session", Shape::Text),
    Field::optional("transport", Shape::Text),
    Field::optional("address", Shape::Text),
    Field::optional("expires_in", Shape::Count),
]);
const BAN: Shape = Shape::Object(&[
    Field::optional("until_ms", Shape::Count),
    Field::optional("reason", Shape::Text),
]);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "publish",
        description: "Sends a message to all sessions of a user. Returns how many get it.",
        role: Role::Operate,
        kind: Kind::Message,
        result: Shape::Count,
        parameters: &[USER, Parameter::new("message", Type::Any)],
        run: publish,
    },
    Method {
        name: "listAll",
        description: "The users with sessions, connected or not.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Page("users", &Shape::List(&Shape::Text)),
        parameters: PAGE,
        run: list_all,
    },
    Method {
        name: "getSessions",
        description: "The sessions of a user.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::List(&SESSION),
        parameters: &[USER],
        run: get_sessions,
    },
    Method {
        name: "getFrontendServer",
        description: "The URL of the server that has the user's sessions.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Text,
        parameters: &[USER],
        run: get_frontend_server,
    },
    Method {
        name: "getPresence",
        description: "What a lookup shows, by user.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Map(&Shape::Any),
        parameters: &[USERS],
        run: get_presence,
    },
    Method {
        name: "getAttributes",
        description: "The attributes of a user.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Map(&Shape::Any),
        parameters: &[USER],
        run: get_attributes,
    },
    Method {
        name: "setAttributes",
        description: "Sets attributes of a user; null removes one.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[USER, Parameter::new("attributes", Type::Object)],
        run: set_attributes,
    },
    Method {
        name: "call",
        description: "Calls a function that a client of the user provides. Returns what it answered.",
        role: Role::Operate,
        kind: Kind::Message,
        result: Shape::Any,
        parameters: &[
            USER,
            Parameter::new("f", Type::Text).like(":"),
            Parameter::optional("args", Type::Any),
        ],
        run: call_function,
    },
    Method {
        name: "kick",
        description: "Ends all sessions of a user, whose clients do not come back by themselves. Returns how many.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Count,
        parameters: &[USER, REASON],
        run: kick,
    },
    Method {
        name: "ban",
        description: "Kicks a user, who is refused for so many seconds; 0: until unban. Returns how many sessions ended.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Count,
        parameters: &[USER, Parameter::new("seconds", Type::Seconds), REASON],
        run: ban,
    },
    Method {
        name: "unban",
        description: "Ends a ban. Returns whether there was one.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[USER],
        run: unban,
    },
    Method {
        name: "listBans",
        description: "The banned users, with the end and the reason of each ban.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Page("bans", &Shape::Map(&BAN)),
        parameters: PAGE,
        run: list_bans,
    },
    Method {
        name: "getBlocked",
        description: "The users that a user blocks.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::List(&Shape::Text),
        parameters: &[USER],
        run: get_blocked,
    },
    Method {
        name: "setBlocked",
        description: "A user blocks these users from now on, and no others.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[USER, USERS],
        run: set_blocked,
    },
    Method {
        name: "listBlocked",
        description: "How many users each user with a block list blocks.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Page("blocked", &Shape::Map(&Shape::Count)),
        parameters: PAGE,
        run: list_blocked,
    },
    Method {
        name: "setPassword",
        description: "Sets the password of a user; where oldPassword is given, it has to be right.",
        role: Role::Admin,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[
            USER,
            PASSWORD,
            Parameter::optional("oldPassword", Type::Secret),
        ],
        run: set_password,
    },
    Method {
        name: "removePassword",
        description: "Removes the password of a user and ends all sessions of the user. Returns whether there was one.",
        role: Role::Admin,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[USER],
        run: remove_password,
    },
    Method {
        name: "erase",
        description: "Erases everything of a user. Returns how many sessions ended.",
        role: Role::Admin,
        kind: Kind::Change,
        result: Shape::Count,
        parameters: &[USER],
        run: erase,
    },
    Method {
        name: "remove",
        description: "Ends all sessions of a user, whose clients may identify again. Returns how many.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Count,
        parameters: &[USER],
        run: remove,
    },
];

/// The number of sessions that get the message.
fn publish(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, message) = (arguments.user()?, arguments.value()?);
        result(management.shared.publish_to(&user, message).await?)
    })
}

/// What a `lookup` of the users shows.
fn get_presence(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let users = arguments.users()?;
        let max = management.shared.settings.get().presence.lookup_max;
        if users.len() > max {
            let message = format!("at most {max} users (presence.lookup_max)");
            return Err(ErrorBody::new(ErrorCode::TooMany, message).with("max", max as u64));
        }
        let mut seen = Vec::with_capacity(users.len());
        for user in users {
            let entry = management.shared.presence_of(&user).await?;
            seen.push((user, entry));
        }
        // As clients get it.
        let packet = ServerPacket::Reply(ReplyData::Lookup(seen));
        let mut text = Vec::new();
        json_v1::encode(&packet, None, &mut text);
        let reply: Reply = serde_json::from_slice(&text).map_err(|_| unexpected())?;
        Ok(reply.data)
    })
}

#[derive(Deserialize)]
struct Reply {
    data: Box<RawValue>,
}

fn get_attributes(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let attributes = management.shared.attributes_of(&arguments.user()?).await?;
        result(by_name(&attributes))
    })
}

/// Sets attributes as `set` does: null removes one.
fn set_attributes(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, attributes) = (arguments.user()?, arguments.object()?);
        let changes = attributes.into_iter();
        let changes = changes
            .map(|(name, value)| {
                let is_removed = value.as_json() == "null";
                (name, (!is_removed).then_some(value))
            })
            .collect();
        management.shared.change_attributes(&user, changes).await?;
        result(true)
    })
}

/// An object of values, with all digits of their numbers.
fn by_name(values: &[(Box<str>, Payload)]) -> BTreeMap<&str, &RawValue> {
    let values = values.iter();
    values
        .filter_map(|(name, value)| Some((&**name, serde_json::from_str(value.as_json()).ok()?)))
        .collect()
}

/// Calls a function that the user's clients offer.
fn call_function(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, f) = (arguments.user()?, arguments.text()?);
        let args = arguments.optional_value()?;
        let answer = management.shared.call_user(&user, &f, args, None).await?;
        let json = serde_json::from_str::<Box<RawValue>>(answer.as_json());
        json.map_err(|_| unexpected())
    })
}

fn kick(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.user()?;
        let call = call_with_reason(&mut arguments)?;
        result(management.shared.kick(&user, call).await?)
    })
}

/// The call, with the next argument, a sentence for the clients.
pub(super) fn call_with_reason(arguments: &mut Arguments) -> Result<OperatorCall, ErrorBody> {
    match arguments.optional_text()? {
        Some(text) if text.len() > REASON_BYTES_MAX => Err(wrong(format!(
            "a reason has at most {REASON_BYTES_MAX} bytes"
        ))),
        text => Ok(arguments.operator_call(text)),
    }
}

/// 0 seconds: until `unban`.
fn ban(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, seconds) = (arguments.user()?, arguments.seconds()?);
        let call = call_with_reason(&mut arguments)?;
        let seconds = Some(seconds).filter(|seconds| *seconds > 0);
        result(management.shared.ban(&user, seconds, call).await?)
    })
}

fn unban(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.user()?;
        result(management.shared.unban(&user).await?)
    })
}

fn list_bans(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let page = Page::take(&mut arguments, management.list_max)?;
        let bans = management.shared.bans.list(clock::now_ms());
        let bans: BTreeMap<&str, &Ban> = bans
            .iter()
            .map(|(user, ban)| (user.as_str(), ban))
            .collect();
        let (users, next) = page.cut(bans.keys().map(|user| (*user).to_owned()))?;
        let of_page = users
            .iter()
            .filter_map(|user| bans.get_key_value(user.as_str()));
        let of_page: BTreeMap<&&str, &&Ban> = of_page.collect();
        page.answer("bans", of_page, next)
    })
}

fn get_blocked(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let list = management.shared.blocked.list(&arguments.user()?);
        result(list.iter().map(UserId::as_str).collect::<Vec<_>>())
    })
}

fn set_blocked(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, list) = (arguments.user()?, arguments.users()?);
        management.shared.block(&user, list).await?;
        result(true)
    })
}

/// How many users each user with a block list blocks.
fn list_blocked(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let page = Page::take(&mut arguments, management.list_max)?;
        let lists = management.shared.blocked.all();
        let lists = lists.iter().map(|(user, len)| (user.as_str(), *len));
        let lists: BTreeMap<&str, usize> = lists.collect();
        let (users, next) = page.cut(lists.keys().map(|user| (*user).to_owned()))?;
        let of_page = users
            .iter()
            .filter_map(|user| lists.get_key_value(user.as_str()));
        let of_page: BTreeMap<&&str, &usize> = of_page.collect();
        page.answer("blocked", of_page, next)
    })
}

/// With `oldPassword`, as for a page on which the user changes it, that has to be right.
fn set_password(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, password) = (arguments.user()?, arguments.text()?);
        let old = arguments.optional_text()?;
        let call = arguments.operator_call(None);
        let portal = &management.shared.portal;
        portal
            .set_password(&user, &password, old.as_deref(), call)
            .await?;
        result(true)
    })
}

/// Whether the user had a password.
fn remove_password(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.user()?;
        let call = arguments.operator_call(None);
        result(management.shared.remove_password(&user, call).await?)
    })
}

/// Everything of a user goes.
fn erase(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.user()?;
        let call = arguments.operator_call(None);
        result(management.shared.erase(&user, call).await?)
    })
}

/// Ends the sessions of a user, whose clients may identify again.
fn remove(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.user()?;
        let call = arguments.operator_call(None);
        result(management.shared.remove_user(&user, call).await?)
    })
}

fn list_all(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let page = Page::take(&mut arguments, management.list_max)?;
        let users = management.shared.users(page.after(), page.enough());
        let users = users.await?;
        page.list("users", users.iter().map(|user| user.as_str().to_owned()))
    })
}

fn get_sessions(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.user()?;
        let sessions = management.shared.sessions_of(&user).await?.into_iter();
        let sessions = sessions.map(|session| Shown {
            session: session.number,
            transport: session.transport,
            address: session.address,
            expires_in: session.expires_in,
        });
        result(sessions.collect::<Vec<_>>())
    })
}

/// The server that has the user's sessions: this one, or none.
fn get_frontend_server(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.user()?;
        if management.shared.sessions_of(&user).await?.is_empty() {
            let message = "the user has no session";
            return Err(ErrorBody::new(ErrorCode::NotFound, message));
        }
        result(&management.url)
    })
}

/// A session in an answer.
#[derive(Serialize)]
struct Shown {
    session: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
}
