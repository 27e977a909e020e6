//! What the program wants to be: what it provides, watches and has joined. A session that
//! is resumed has all of it; a new one gets it again from here.

use std::collections::{BTreeMap, BTreeSet};

use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::{ClientPacket, JoinChannel, JoinGame, Position};

/// What a command changed, to be undone if the server refuses it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    Status,
    Provided(Vec<Box<str>>),
    Watched(Vec<UserId>),
    Channel(ChannelId),
    Room(ChannelId),
}

/// The desired state.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    status: Option<ClientPacket>,
    provided: BTreeMap<Box<str>, Vec<Box<str>>>,
    watched: BTreeSet<UserId>,
    channels: BTreeMap<ChannelId, JoinChannel>,
    rooms: BTreeMap<ChannelId, JoinGame>,
}

impl Desired {
    /// A command is sent: what it changes, if it is about desired state.
    pub(crate) fn note(&mut self, packet: &ClientPacket) -> Option<Change> {
        match packet {
            ClientPacket::Status { .. } => {
                self.status = Some(packet.clone());
                Some(Change::Status)
            }
            ClientPacket::Provide(services) => {
                for (name, functions) in services {
                    if functions.is_empty() {
                        self.provided.remove(name);
                    } else {
                        self.provided.insert(name.clone(), functions.clone());
                    }
                }
                let names = services.iter().map(|(name, _)| name.clone());
                Some(Change::Provided(names.collect()))
            }
            ClientPacket::Subscribe(users) => {
                self.watched.extend(users.iter().cloned());
                Some(Change::Watched(users.clone()))
            }
            ClientPacket::Unsubscribe(users) => {
                self.watched.retain(|user| !users.contains(user));
                None
            }
            ClientPacket::JoinChannel(join) => {
                self.channels.insert(join.channel.clone(), join.clone());
                Some(Change::Channel(join.channel.clone()))
            }
            ClientPacket::LeaveChannel(channel) => {
                self.channels.remove(channel);
                None
            }
            ClientPacket::JoinGame(join) => {
                // Who was invited is invited once.
                let join = JoinGame {
                    invite: Vec::new(),
                    ..join.clone()
                };
                let change = Change::Room(join.channel.clone());
                self.rooms.insert(join.channel.clone(), join);
                Some(change)
            }
            ClientPacket::LeaveGame(room) => {
                self.rooms.remove(room);
                None
            }
            _ => None,
        }
    }

    /// The command that makes a change again, if it is still desired.
    pub(crate) fn again(&self, change: &Change) -> Option<ClientPacket> {
        self.commands()
            .into_iter()
            .find(|packet| match (change, packet) {
                (Change::Status, ClientPacket::Status { .. })
                | (Change::Provided(_), ClientPacket::Provide(_))
                | (Change::Watched(_), ClientPacket::Subscribe(_)) => true,
                (Change::Channel(channel), ClientPacket::JoinChannel(join)) => {
                    join.channel == *channel
                }
                (Change::Room(room), ClientPacket::JoinGame(join)) => join.channel == *room,
                _ => false,
            })
    }

    /// The server refused a change.
    pub(crate) fn undo(&mut self, change: &Change) {
        match change {
            Change::Status => self.status = None,
            Change::Provided(names) => {
                self.provided.retain(|name, _| !names.contains(name));
            }
            Change::Watched(users) => self.watched.retain(|user| !users.contains(user)),
            Change::Channel(channel) => {
                self.channels.remove(channel);
            }
            Change::Room(room) => {
                self.rooms.remove(room);
            }
        }
    }

    /// A channel was joined, at this position of it.
    pub(crate) fn joined(&mut self, channel: &ChannelId, at: Position, is_recovered: bool) {
        if let Some(join) = self.channels.get_mut(channel) {
            // Messages that were missed follow, and move it on.
            if !is_recovered || join.since.is_none() {
                join.since = Some(at);
            }
        }
    }

    /// A message of a channel was received.
    pub(crate) fn received(&mut self, channel: &ChannelId, epoch: Option<&str>, offset: u64) {
        let Some(join) = self.channels.get_mut(channel) else {
            return;
        };
        match (&mut join.since, epoch) {
            (Some(since), Some(epoch)) if *since.epoch != *epoch => {
                *since = Position {
                    epoch: epoch.into(),
                    offset,
                };
            }
            (Some(since), _) => since.offset = since.offset.max(offset),
            (None, _) => {}
        }
    }

    /// The commands that give all of it to a new session.
    pub(crate) fn commands(&self) -> Vec<ClientPacket> {
        let mut commands = Vec::new();
        if !self.provided.is_empty() {
            let all = self.provided.iter();
            let all = all.map(|(name, functions)| (name.clone(), functions.clone()));
            commands.push(ClientPacket::Provide(all.collect()));
        }
        if !self.watched.is_empty() {
            let users = self.watched.iter().cloned().collect();
            commands.push(ClientPacket::Subscribe(users));
        }
        let rooms = self.rooms.values().cloned();
        commands.extend(rooms.map(ClientPacket::JoinGame));
        let channels = self.channels.values().cloned();
        commands.extend(channels.map(ClientPacket::JoinChannel));
        commands.extend(self.status.clone());
        commands
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn channel(path: &str) -> ChannelId {
        ChannelId::parse(path).unwrap()
    }

    fn at(epoch: &str, offset: u64) -> Position {
        Position {
            epoch: epoch.into(),
            offset,
        }
    }

    fn join(path: &str) -> ClientPacket {
        ClientPacket::JoinChannel(JoinChannel {
            below: Vec::new(),
            channel: channel(path),
            subpaths: false,
            since: None,
            history: None,
        })
    }

    fn since(desired: &Desired) -> Option<Position> {
        match desired.commands().as_slice() {
            [ClientPacket::JoinChannel(join)] => join.since.clone(),
            _ => None,
        }
    }

    #[test]
    fn new_session_joins_where_the_last_one_ended() {
        let mut desired = Desired::default();
        let change = desired.note(&join("chat")).unwrap();
        assert_eq!(since(&desired), None);
        desired.joined(&channel("chat"), at("e", 4), false);
        desired.received(&channel("chat"), None, 6);
        // A message of the past moves nothing back.
        desired.received(&channel("chat"), None, 5);
        assert_eq!(since(&desired), Some(at("e", 6)));
        // What was missed follows: the position is still that of the last message.
        desired.joined(&channel("chat"), at("e", 9), true);
        assert_eq!(since(&desired), Some(at("e", 6)));
        desired.received(&channel("chat"), Some("f"), 1);
        assert_eq!(since(&desired), Some(at("f", 1)));
        assert_eq!(desired.again(&change), desired.commands().pop());
        desired.undo(&change);
        assert_eq!((desired.again(&change), desired.commands()), (None, vec![]));
    }

    #[test]
    fn withdrawn_and_left_things_are_not_restored() {
        let mut desired = Desired::default();
        let user = UserId::parse("1:2").unwrap();
        let provide = |functions: &[&str]| {
            let functions = functions.iter().map(|name| (*name).into()).collect();
            ClientPacket::Provide(vec![("forum".into(), functions)])
        };
        desired.note(&provide(&["read"]));
        desired.note(&ClientPacket::Subscribe(vec![user.clone()]));
        desired.note(&join("chat"));
        assert_eq!(desired.commands().len(), 3);
        desired.note(&provide(&[]));
        desired.note(&ClientPacket::Unsubscribe(vec![user]));
        desired.note(&ClientPacket::LeaveChannel(channel("chat")));
        assert_eq!(desired.commands(), []);
    }
}
