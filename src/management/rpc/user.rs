//! The service `user`: the users that are there, their sessions and what they have.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::method::{Arguments, Call, Method, Parameter, Type, result};
use crate::gateway::session::ending::Ending;
use crate::management::Management;
use turntable_core::call::{self, Asker, AvatarCall};
use turntable_core::delivery::Answer;
use turntable_core::packet::{ErrorBody, ReplyData, ServerPacket};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_wire::json_v1;

const USER: Parameter = Parameter::new("userId", Type::User);
/// A sentence for the clients.
const REASON: Parameter = Parameter::optional("reason", Type::Text);
const USERS: Parameter = Parameter::new("userIds", Type::Users);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "publish",
        parameters: &[USER, Parameter::new("message", Type::Any)],
        run: publish,
    },
    Method {
        name: "getPresence",
        parameters: &[USERS],
        run: get_presence,
    },
    Method {
        name: "getAttributes",
        parameters: &[USER],
        run: get_attributes,
    },
    Method {
        name: "setAttributes",
        parameters: &[USER, Parameter::new("attributes", Type::Object)],
        run: set_attributes,
    },
    Method {
        name: "call",
        parameters: &[
            USER,
            Parameter::new("f", Type::Text),
            Parameter::optional("args", Type::Any),
        ],
        run: call_function,
    },
    Method {
        name: "kick",
        parameters: &[USER, REASON],
        run: kick,
    },
];

/// The number of sessions that get the message.
fn publish(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, message) = (arguments.user()?, arguments.value()?);
        let call = |asker| call::Call::Avatar(user, AvatarCall::Publish { asker, message });
        match management.shared.ask(call).await? {
            Answer::Count(sessions) => result(sessions),
            _ => Err(unexpected()),
        }
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
            let of = user.clone();
            let call = |asker: Asker| {
                let Asker { gateway, ticket } = asker;
                call::Call::Avatar(of, AvatarCall::Lookup { gateway, ticket })
            };
            match management.shared.ask(call).await? {
                Answer::Seen(entry) => seen.push((user, *entry)),
                _ => return Err(unexpected()),
            }
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
        let user = arguments.user()?;
        let call = |asker| call::Call::Avatar(user, AvatarCall::Attributes { asker });
        match management.shared.ask(call).await? {
            Answer::Attributes(attributes) => result(by_name(&attributes)),
            _ => Err(unexpected()),
        }
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
        let call = |asker| call::Call::Avatar(user, AvatarCall::Change { asker, changes });
        match management.shared.ask(call).await? {
            Answer::Done => result(true),
            _ => Err(unexpected()),
        }
    })
}

/// An object of values, with all digits of their numbers.
fn by_name(values: &[(Box<str>, Payload)]) -> BTreeMap<&str, &RawValue> {
    let values = values.iter();
    values
        .filter_map(|(name, value)| Some((&**name, serde_json::from_str(value.as_json()).ok()?)))
        .collect()
}

fn unexpected() -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, "the owner answered something else")
}

/// Calls a function that the user's clients offer.
fn call_function(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, f) = (arguments.user()?, arguments.text()?);
        let args = arguments.optional_value()?;
        let answer = management.shared.call_user(&user, &f, args).await?;
        let json = serde_json::from_str::<Box<RawValue>>(answer.as_json());
        json.map_err(|_| unexpected())
    })
}

fn kick(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, reason) = (arguments.user()?, arguments.optional_text()?);
        let ending = Ending::Kicked(reason.map(Into::into));
        result(management.shared.end_user(&user, ending).await)
    })
}
