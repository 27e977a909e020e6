//! The service `channel`: who is subscribed to what, and what is published.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::method::{Arguments, Call, Kind, Method, Parameter, Type, raw, result, wrong};
use super::page::{PAGE, Page};
use super::shape::{Field, Shape};
use crate::management::Management;
use crate::management::role::Role;
use turntable_core::call::Since;
use turntable_core::id::ChannelId;
use turntable_core::packet::ErrorBody;

const USER: Parameter = Parameter::new("userId", Type::User);
const CHANNEL: Parameter = Parameter::new("channelId", Type::Channel);

const PUBLISHED: Shape = Shape::Object(&[
    Field::new("id", Shape::Text),
    Field::new("offset", Shape::Count),
    Field::new("epoch", Shape::Text),
]);
const HISTORY: Shape = Shape::Object(&[
    Field::new("epoch", Shape::Text),
    Field::new("offset", Shape::Count),
    Field::new("recovered", Shape::Boolean),
    Field::new("messages", Shape::List(&Shape::Any)),
]);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "subscribe",
        description: "Subscribes all sessions of a user to a channel, later ones too. Returns how many are subscribed now.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Count,
        parameters: &[USER, CHANNEL],
        run: subscribe,
    },
    Method {
        name: "unsubscribe",
        description: "Ends such a subscription. Returns whether there was one.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[USER, CHANNEL],
        run: unsubscribe,
    },
    Method {
        name: "unsubscribeAll",
        description: "Ends all such subscriptions of a user. Returns how many there were.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Count,
        parameters: &[USER],
        run: unsubscribe_all,
    },
    Method {
        name: "getSubscriptions",
        description: "The channels of a user's sessions, no matter who subscribed them.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::List(&Shape::Text),
        parameters: &[USER],
        run: get_subscriptions,
    },
    Method {
        name: "getSubscribers",
        description: "The users with sessions on a channel.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::List(&Shape::Text),
        parameters: &[CHANNEL],
        run: get_subscribers,
    },
    Method {
        name: "publish",
        description: "Publishes a message on a channel.",
        role: Role::Operate,
        kind: Kind::Message,
        result: PUBLISHED,
        parameters: &[CHANNEL, Parameter::new("message", Type::Any)],
        run: publish,
    },
    Method {
        name: "getHistory",
        description: "The retained messages of a channel: those behind an offset or position where it is given, else all.",
        role: Role::Read,
        kind: Kind::Look,
        result: HISTORY,
        parameters: &[CHANNEL, Parameter::optional("since", Type::Any)],
        run: get_history,
    },
    Method {
        name: "clearHistory",
        description: "Forgets the retained messages of a channel.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[CHANNEL],
        run: clear_history,
    },
    Method {
        name: "listAll",
        description: "The channels with subscribers or retained messages.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Page("channels", &Shape::List(&Shape::Text)),
        parameters: PAGE,
        run: list_all,
    },
];

/// The number of sessions that are subscribed now.
fn subscribe(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, channel) = (arguments.user()?, arguments.channel()?);
        result(management.shared.subscribe(&user, &channel).await?)
    })
}

/// Whether the operator had subscribed the user.
fn unsubscribe(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, channel) = (arguments.user()?, arguments.channel()?);
        let removed = management.shared.unsubscribe(&user, Some(&channel)).await;
        result(removed? > 0)
    })
}

/// From how many channels.
fn unsubscribe_all(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.user()?;
        result(management.shared.unsubscribe(&user, None).await?)
    })
}

/// The channels that the user's sessions are on, no matter who subscribed them.
fn get_subscriptions(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let channels = management.shared.channels_of(&arguments.user()?).await?;
        result(paths(&channels))
    })
}

/// The users with sessions on the channel.
fn get_subscribers(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let users = management.shared.users_on(&arguments.channel()?).await?;
        let users: Vec<&str> = users.iter().map(|user| user.as_str()).collect();
        result(users)
    })
}

/// What a `publish` is answered.
fn publish(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (channel, message) = (arguments.channel()?, arguments.value()?);
        let published = management.shared.publish_on(&channel, message).await?;
        result(Published {
            id: published.id.to_string(),
            offset: published.offset,
            epoch: published.epoch,
        })
    })
}

#[derive(Serialize)]
struct Published {
    id: String,
    offset: u64,
    epoch: Box<str>,
}

/// The messages behind a position, where that can be proved; else all that are retained.
fn get_history(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (channel, since) = (arguments.channel()?, arguments.optional_value()?);
        let since = since.map(|since| since_of(since.as_json())).transpose()?;
        let history = management.shared.history_of(&channel, since).await?;
        let messages = history.messages.iter();
        result(History {
            epoch: &history.epoch,
            offset: history.offset,
            recovered: history.recovered,
            messages: messages.map(raw).collect::<Result<_, _>>()?,
        })
    })
}

#[derive(Serialize)]
struct History<'m> {
    epoch: &'m str,
    offset: u64,
    recovered: bool,
    messages: Vec<&'m RawValue>,
}

/// A position as clients know it, or an offset in the epoch of now.
#[derive(Deserialize)]
#[serde(untagged)]
enum Position {
    Offset(u64),
    Position { epoch: Box<str>, offset: u64 },
}

fn since_of(json: &str) -> Result<Since, ErrorBody> {
    let (epoch, offset) = match serde_json::from_str(json) {
        Ok(Position::Offset(offset)) => (None, offset),
        Ok(Position::Position { epoch, offset }) => (Some(epoch), offset),
        Err(_) => {
            let message = "since must be an offset, or {\"epoch\": E, \"offset\": N} \
                           (in an address a / of a channel is %2F)";
            return Err(wrong(message));
        }
    };
    Ok(Since { epoch, offset })
}

fn clear_history(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let channel = arguments.channel()?;
        management.shared.clear_history(&channel).await?;
        result(true)
    })
}

/// The channels that have subscribers or are remembered.
fn list_all(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let page = Page::take(&mut arguments, management.list_max)?;
        let all = management.shared.channels().await?;
        page.list("channels", all.iter().map(|path| path.as_str().to_owned()))
    })
}

fn paths(channels: &[ChannelId]) -> Vec<&str> {
    channels.iter().map(ChannelId::as_str).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::reason::ErrorCode;

    #[test]
    fn position_is_an_offset_or_has_its_epoch() {
        let since = |json| since_of(json).map_err(|error| error.code);
        let at = |epoch: Option<&str>, offset| {
            let epoch = epoch.map(Into::into);
            Ok(Since { epoch, offset })
        };
        assert_eq!(since("7"), at(None, 7));
        assert_eq!(since(r#"{"epoch":"e","offset":2}"#), at(Some("e"), 2));
        for json in ["-1", "\"7\"", "{}", r#"{"epoch":"e"}"#] {
            assert_eq!(since(json), Err(ErrorCode::BadMessage), "{json}");
        }
    }
}
