//! What the server sends besides answers, as types.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::broadcast;

use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::Presence;

use crate::error::{Disconnection, Refusal};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A connection has its welcome.
    Connected {
        /// The user that the session has.
        user: Option<UserId>,
        /// Whether the session is the one of before: nothing was missed.
        resumed: bool,
        /// What the developer of a client should know.
        warnings: Vec<String>,
    },
    /// A connection ended.
    Disconnected {
        /// How.
        disconnection: Disconnection,
        /// How long until the next attempt, in ms; `None`: there is none.
        retry_ms: Option<u64>,
    },
    /// States of watched users: all of them first, then changes.
    Presence(BTreeMap<UserId, Presence>),
    /// Public attributes of watched users: all of them first, then changes; `null` for one
    /// that was removed.
    Profiles(BTreeMap<UserId, Map<String, Value>>),
    /// Attributes of the own user that another session, or the server, changed; `null` for
    /// one that was removed.
    Attributes(Map<String, Value>),
    /// Services that changed.
    Services(BTreeMap<String, ServiceInfo>),
    /// An invitation to a room.
    Invite {
        /// The room.
        channel: ChannelId,
        /// Who invites.
        from: UserId,
    },
    /// An invited user joined, or declined.
    InviteReply {
        /// The room.
        channel: ChannelId,
        /// The invited user.
        user: UserId,
        /// Whether it joined.
        accepted: bool,
    },
    /// A message of a channel.
    Message(ChannelMessage),
    /// Messages of a channel are missing before the next one: the client, or the program, reads too
    /// slowly, and the server left them out. They may be retained: a join `since` the last one.
    Gap {
        /// The channel.
        channel: ChannelId,
        /// The offset of the last message before the gap.
        last: u64,
        /// The offset of the message that follows.
        next: u64,
    },
    /// A room or channel was joined: again after a lost session, or by the server.
    Joined(Joined),
    /// Members of a room or channel changed.
    Members(Members),
    /// Actions of a room, in the order of all its members.
    Game {
        /// The room.
        channel: ChannelId,
        /// The actions.
        actions: Vec<GameAction>,
    },
    /// A message of the operator to the user (`user:message`), or of another client.
    Call {
        /// What it is.
        f: String,
        /// The message.
        args: Value,
    },
    /// An error that answers no command, or one whose answer nobody awaits.
    Refused(Refusal),
    /// So many events were dropped, because the program did not take them in time.
    Missed(u64),
}

/// A service as the user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ServiceInfo {
    /// `enabled` or `disabled`.
    #[serde(default)]
    pub state: String,
    /// Its functions.
    #[serde(default)]
    pub functions: Vec<String>,
}

impl ServiceInfo {
    /// Whether it can be called.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.state == "enabled"
    }
}

/// A message of a channel.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ChannelMessage {
    /// The path that it was published on.
    pub channel: ChannelId,
    /// Its id, which no other message has.
    pub id: String,
    /// Its place in the channel.
    pub offset: u64,
    /// With the first message of a life of the channel: its epoch.
    pub epoch: Option<String>,
    /// Who published it; `None`: the operator.
    pub from: Option<UserId>,
    /// When, in Unix ms of the server.
    pub time: u64,
    /// What was published.
    pub data: Value,
}

/// The answer to a join.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Joined {
    /// The room or channel.
    pub channel: ChannelId,
    /// Of a channel: the name of its life, in which offsets count.
    pub epoch: Option<String>,
    /// Of a channel: the offset of its last message.
    #[serde(default)]
    pub offset: u64,
    /// Of a channel: whether all missed messages follow.
    #[serde(default)]
    pub recovered: bool,
    /// Of a room: the team.
    pub team: Option<String>,
    /// Of a room: its state, if the game keeps one.
    pub state: Option<Value>,
    /// The members: an object by user, or their number.
    #[serde(default)]
    pub members: Value,
}

/// A change of members.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Members {
    /// The room or channel.
    pub channel: ChannelId,
    /// Of a channel: its epoch.
    pub epoch: Option<String>,
    /// `joined`, `left`, `away` or `back` by user, or a number.
    pub members: Value,
    /// Of a room: why they left, where an operator sent them away.
    pub reason: Option<String>,
}

/// An action of a room.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GameAction {
    /// When, in Unix ms of the server.
    pub timestamp: f64,
    /// Who acts.
    pub from: UserId,
    /// Its team.
    pub team: Option<String>,
    /// What it does.
    pub data: Value,
}

/// The state of a user, as `lookup` answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The state that others see.
    pub state: Presence,
    /// Unix ms of its last presence, if it is absent and was seen.
    pub last_seen: Option<u64>,
    /// Its connected sessions.
    pub devices: u32,
    /// The note of its status.
    pub note: Option<Value>,
    /// Its public attributes.
    pub profile: Map<String, Value>,
}

#[derive(Deserialize)]
struct Entry {
    state: String,
    last_seen: Option<u64>,
    #[serde(default)]
    devices: u32,
    note: Option<Value>,
    #[serde(default)]
    profile: Map<String, Value>,
}

/// The answer to `lookup`.
pub(crate) fn found(data: &str) -> serde_json::Result<BTreeMap<UserId, Found>> {
    let entries: BTreeMap<UserId, Entry> = serde_json::from_str(data)?;
    let found = |(user, entry): (UserId, Entry)| {
        let found = Found {
            state: presence(&entry.state),
            last_seen: entry.last_seen,
            devices: entry.devices,
            note: entry.note,
            profile: entry.profile,
        };
        (user, found)
    };
    Ok(entries.into_iter().map(found).collect())
}

/// The state of a name; one that this version does not know is somebody who is there.
fn presence(name: &str) -> Presence {
    let all = [
        Presence::Offline,
        Presence::Idle,
        Presence::Busy,
        Presence::Online,
    ];
    let mut known = all.into_iter();
    known
        .find(|known| known.name() == name)
        .unwrap_or(Presence::Online)
}

#[derive(Deserialize)]
struct Invite {
    channel: ChannelId,
    from: UserId,
}

#[derive(Deserialize)]
struct InviteReply {
    channel: ChannelId,
    user: UserId,
    accepted: bool,
}

#[derive(Deserialize)]
struct Game {
    channel: ChannelId,
    actions: Vec<GameAction>,
}

impl Event {
    /// The event of a message; `None` for one that this version does not know.
    pub(crate) fn read(command: &str, data: &str) -> serde_json::Result<Option<Self>> {
        Ok(Some(match command {
            "userchange" => {
                let states: BTreeMap<UserId, String> = serde_json::from_str(data)?;
                let states = states.into_iter();
                Self::Presence(states.map(|(user, name)| (user, presence(&name))).collect())
            }
            "profiles" => Self::Profiles(serde_json::from_str(data)?),
            "attributes" => Self::Attributes(serde_json::from_str(data)?),
            "service" => Self::Services(serde_json::from_str(data)?),
            "invite" => {
                let Invite { channel, from } = serde_json::from_str(data)?;
                Self::Invite { channel, from }
            }
            "invitereply" => {
                let reply: InviteReply = serde_json::from_str(data)?;
                Self::InviteReply {
                    channel: reply.channel,
                    user: reply.user,
                    accepted: reply.accepted,
                }
            }
            "message" => Self::Message(serde_json::from_str(data)?),
            "joined" => Self::Joined(serde_json::from_str(data)?),
            "memberchange" => Self::Members(serde_json::from_str(data)?),
            "game" => {
                let Game { channel, actions } = serde_json::from_str(data)?;
                Self::Game { channel, actions }
            }
            _ => return Ok(None),
        }))
    }
}

/// What happens to a client, in its order.
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<Arc<Event>>);

impl Events {
    /// The next event; `None` when the client has ended.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Arc::new(Event::Missed(count))),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use turntable_core::packet::{ChannelMessage as Sent, ServerPacket};
    use turntable_core::payload::Payload;
    use turntable_wire::json_v1;

    fn event(packet: &ServerPacket) -> Event {
        let mut out = Vec::new();
        json_v1::encode(packet, None, &mut out);
        let text = String::from_utf8(out).unwrap();
        let parts = json_v1::split(&text).unwrap();
        Event::read(parts.command, parts.data.get())
            .unwrap()
            .unwrap()
    }

    #[test]
    fn messages_of_the_server_are_events() {
        let user = UserId::parse("1:2").unwrap();
        let channel = ChannelId::parse("chat/eu").unwrap();
        let states = vec![(user.clone(), Presence::Busy)];
        let presence = event(&ServerPacket::UserChange(states));
        assert_eq!(
            presence,
            Event::Presence([(user.clone(), Presence::Busy)].into())
        );
        let Event::Message(message) = event(&ServerPacket::Message(Box::new(Sent {
            channel: channel.clone(),
            id: "01JD0000000000000000000000".parse().unwrap(),
            offset: 7,
            epoch: None,
            from: Some(user.clone()),
            time_ms: 5,
            data: Payload::from_json("[1]"),
        }))) else {
            panic!("not a message");
        };
        assert_eq!((message.offset, message.from), (7, Some(user.clone())));
        let invite = ServerPacket::Invite {
            channel: channel.clone(),
            from: user.clone(),
        };
        assert_eq!(
            event(&invite),
            Event::Invite {
                channel,
                from: user
            }
        );
    }

    #[test]
    fn unknown_messages_are_none_and_odd_ones_are_errors() {
        assert_eq!(Event::read("confetti", "{}").unwrap(), None);
        assert!(Event::read("message", "{}").is_err());
        assert!(Event::read("userchange", r#"{"nobody":"online"}"#).is_err());
    }
}
