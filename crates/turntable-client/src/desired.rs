//! What the program wants to be: what it provides, watches and has joined. A session that
//! is resumed has all of it; a new one gets it again from here.

use std::collections::{BTreeMap, BTreeSet};

use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::{ClientPacket, JoinChannel, JoinGame, Position};

/// What a command changed: what was there before it, and what is since.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Status {
        before: Option<Box<ClientPacket>>,
        after: Box<ClientPacket>,
    },
    /// By service: its functions before and after.
    Provided(Vec<(Box<str>, Option<Functions>, Functions)>),
    /// Those that were not watched before.
    Watched(Vec<UserId>),
    Channel {
        before: Option<Box<JoinChannel>>,
        after: Box<JoinChannel>,
    },
    Room {
        before: Option<Box<JoinGame>>,
        after: Box<JoinGame>,
    },
}

/// The functions of a service; none is not provided.
type Functions = Vec<Box<str>>;

/// A join whose caller may wait for the next session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Join {
    Channel(ChannelId),
    Room(ChannelId),
}

impl Join {
    /// The join of a command.
    pub(crate) fn of(packet: &ClientPacket) -> Option<Self> {
        match packet {
            ClientPacket::JoinChannel(join) => Some(Self::Channel(join.channel.clone())),
            ClientPacket::JoinGame(join) => Some(Self::Room(join.channel.clone())),
            _ => None,
        }
    }
}

impl Change {
    /// The join that it is.
    pub(crate) fn join(&self) -> Option<Join> {
        match self {
            Self::Channel { after, .. } => Some(Join::Channel(after.channel.clone())),
            Self::Room { after, .. } => Some(Join::Room(after.channel.clone())),
            _ => None,
        }
    }
}

/// The desired state.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    status: Option<ClientPacket>,
    provided: BTreeMap<Box<str>, Functions>,
    watched: BTreeSet<UserId>,
    channels: BTreeMap<ChannelId, JoinChannel>,
    rooms: BTreeMap<ChannelId, JoinGame>,
}

impl Desired {
    /// A command is sent: what it changes, if it is about desired state.
    pub(crate) fn note(&mut self, packet: &ClientPacket) -> Option<Change> {
        match packet {
            ClientPacket::Status { .. } => Some(Change::Status {
                before: self.status.replace(packet.clone()).map(Box::new),
                after: Box::new(packet.clone()),
            }),
            ClientPacket::Provide(services) => {
                let changes = services.iter().map(|(name, functions)| {
                    let before = self.provide(name, functions);
                    (name.clone(), before, functions.clone())
                });
                Some(Change::Provided(changes.collect()))
            }
            ClientPacket::Subscribe(users) => {
                let new = users.iter().filter(|user| !self.watched.contains(*user));
                let new: Vec<UserId> = new.cloned().collect();
                self.watched.extend(new.iter().cloned());
                Some(Change::Watched(new))
            }
            ClientPacket::Unsubscribe(users) => {
                self.watched.retain(|user| !users.contains(user));
                None
            }
            ClientPacket::JoinChannel(join) => {
                let before = self.channels.insert(join.channel.clone(), join.clone());
                Some(Change::Channel {
                    before: before.map(Box::new),
                    after: Box::new(join.clone()),
                })
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
                let before = self.rooms.insert(join.channel.clone(), join.clone());
                Some(Change::Room {
                    before: before.map(Box::new),
                    after: Box::new(join),
                })
            }
            ClientPacket::LeaveGame(room) => {
                self.rooms.remove(room);
                None
            }
            _ => None,
        }
    }

    /// Puts the functions of a service in place of those before, which it returns.
    fn provide(&mut self, name: &str, functions: &[Box<str>]) -> Option<Functions> {
        match functions.is_empty() {
            true => self.provided.remove(name),
            false => self.provided.insert(name.into(), functions.to_vec()),
        }
    }

    /// Takes out what a change made, if it is still desired: the commands that make it again
    /// note it again.
    pub(crate) fn take_again(&mut self, change: &Change, bytes_max: usize) -> Vec<ClientPacket> {
        let mut again = Self::default();
        match change {
            Change::Status { after, .. } => {
                again.status = self.status.take_if(|status| *status == **after);
            }
            Change::Provided(changes) => {
                let taken = changes.iter().filter_map(|(name, _, after)| {
                    let is_same = self.provided.get(name)? == after;
                    is_same.then(|| self.provided.remove_entry(name)).flatten()
                });
                again.provided = taken.collect();
            }
            Change::Watched(users) => {
                let taken = users.iter().filter_map(|user| self.watched.take(user));
                again.watched = taken.collect();
            }
            Change::Channel { after, .. } => {
                again.channels = self
                    .channels
                    .remove_entry(&after.channel)
                    .into_iter()
                    .collect();
            }
            Change::Room { after, .. } => {
                again.rooms = self
                    .rooms
                    .remove_entry(&after.channel)
                    .into_iter()
                    .collect();
            }
        }
        again.take(bytes_max)
    }

    /// The server refused a change: what was there before it is desired again, unless
    /// something else is meanwhile.
    pub(crate) fn undo(&mut self, change: Change) {
        match change {
            Change::Status { before, after } => {
                if self.status.as_ref() == Some(&*after) {
                    self.status = before.map(|status| *status);
                }
            }
            Change::Provided(changes) => {
                for (name, before, after) in changes {
                    let now = self.provided.get(&name).map_or(&[][..], |all| all);
                    if *now == *after {
                        self.provide(&name, &before.unwrap_or_default());
                    }
                }
            }
            Change::Watched(users) => self.watched.retain(|user| !users.contains(user)),
            Change::Channel { before, after } => {
                let now = self.channels.get(&after.channel);
                if now.is_some_and(|now| now.subpaths == after.subpaths) {
                    self.channels.remove(&after.channel);
                    let before = before.map(|join| (after.channel, *join));
                    self.channels.extend(before);
                }
            }
            Change::Room { before, after } => {
                if self.rooms.get(&after.channel) == Some(&*after) {
                    self.rooms.remove(&after.channel);
                    let before = before.map(|join| (after.channel, *join));
                    self.rooms.extend(before);
                }
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

    /// A message of a channel was received. Returns the offset of the last one before it if
    /// others are missing between them.
    pub(crate) fn received(
        &mut self,
        channel: &ChannelId,
        epoch: Option<&str>,
        offset: u64,
    ) -> Option<u64> {
        let join = self.channels.get_mut(channel)?;
        let last = join.since.as_ref().map(|since| since.offset);
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
        // With an epoch another life of the channel begins.
        last.filter(|last| epoch.is_none() && offset > last.saturating_add(1))
    }

    /// Takes all of it out: the commands that give it to a new session note it again. Those
    /// that watch users have about so many bytes at most.
    pub(crate) fn take(&mut self, bytes_max: usize) -> Vec<ClientPacket> {
        let Self {
            status,
            provided,
            watched,
            channels,
            rooms,
        } = std::mem::take(self);
        let mut commands = Vec::new();
        if !provided.is_empty() {
            commands.push(ClientPacket::Provide(provided.into_iter().collect()));
        }
        commands.extend(subscriptions(watched, bytes_max));
        commands.extend(rooms.into_values().map(ClientPacket::JoinGame));
        commands.extend(channels.into_values().map(ClientPacket::JoinChannel));
        commands.extend(status);
        commands
    }
}

/// The bytes of a `subscribe` beside its users, and of a user beside its id, at most.
const SUBSCRIBE_BYTES: usize = 100;
const USER_BYTES: usize = 5;

/// The commands that watch users, none of which is too large.
fn subscriptions(users: BTreeSet<UserId>, bytes_max: usize) -> Vec<ClientPacket> {
    let max = bytes_max.saturating_sub(SUBSCRIBE_BYTES);
    let (mut all, mut bytes) = (Vec::<Vec<UserId>>::new(), usize::MAX);
    for user in users {
        let more = user.as_str().len() + USER_BYTES;
        bytes = bytes.saturating_add(more);
        match all.last_mut() {
            Some(last) if bytes <= max => last.push(user),
            _ => {
                bytes = more;
                all.push(vec![user]);
            }
        }
    }
    all.into_iter().map(ClientPacket::Subscribe).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use turntable_core::packet::Status;

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
        desired.channels.get(&channel("chat"))?.since.clone()
    }

    /// What a new session gets; it is still desired then.
    fn commands(desired: &mut Desired) -> Vec<ClientPacket> {
        let commands = desired.take(1_000);
        for command in &commands {
            desired.note(command);
        }
        commands
    }

    #[test]
    fn new_session_joins_where_the_last_one_ended() {
        let mut desired = Desired::default();
        let change = desired.note(&join("chat")).unwrap();
        assert_eq!(since(&desired), None);
        assert_eq!(desired.received(&channel("chat"), None, 9), None);
        desired.joined(&channel("chat"), at("e", 4), false);
        assert_eq!(desired.received(&channel("chat"), None, 5), None);
        // One that is missing shows.
        assert_eq!(desired.received(&channel("chat"), None, 7), Some(5));
        // A message of the past moves nothing back.
        assert_eq!(desired.received(&channel("chat"), None, 5), None);
        assert_eq!(since(&desired), Some(at("e", 7)));
        // What was missed follows: the position is still that of the last message.
        desired.joined(&channel("chat"), at("e", 9), true);
        assert_eq!(since(&desired), Some(at("e", 7)));
        assert_eq!(desired.received(&channel("chat"), Some("f"), 3), None);
        assert_eq!(since(&desired), Some(at("f", 3)));
        let again = desired.take_again(&change, 1_000);
        assert_eq!(again.len(), 1);
        let change = desired.note(&again[0]).unwrap();
        desired.undo(change.clone());
        assert_eq!(desired.take_again(&change, 1_000), []);
        assert_eq!(commands(&mut desired), []);
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
        assert_eq!(commands(&mut desired).len(), 3);
        desired.note(&provide(&[]));
        desired.note(&ClientPacket::Unsubscribe(vec![user]));
        desired.note(&ClientPacket::LeaveChannel(channel("chat")));
        assert_eq!(commands(&mut desired), []);
    }

    fn user(number: u32) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    #[test]
    fn refused_repetition_leaves_what_was_there_before() {
        let mut desired = Desired::default();
        let status = |status| ClientPacket::Status {
            state: status,
            note: None,
        };
        let provide = |functions: &[&str]| {
            let functions = functions.iter().map(|name| (*name).into()).collect();
            ClientPacket::Provide(vec![("forum".into(), functions)])
        };
        let game = |team: &str| {
            ClientPacket::JoinGame(JoinGame {
                channel: channel("room"),
                member: user(1),
                invite: Vec::new(),
                team: Some(team.into()),
                game: None,
            })
        };
        let below = match join("chat") {
            ClientPacket::JoinChannel(join) => ClientPacket::JoinChannel(JoinChannel {
                subpaths: true,
                ..join
            }),
            other => other,
        };
        let before = [
            provide(&["read"]),
            ClientPacket::Subscribe(vec![user(2), user(3)]),
            game("red"),
            join("chat"),
            status(Status::Busy),
        ];
        for packet in &before {
            desired.note(packet);
        }
        let refused = [
            provide(&[]),
            provide(&["write"]),
            ClientPacket::Subscribe(vec![user(3), user(4)]),
            game("blue"),
            below,
            status(Status::Online),
            status(Status::Busy),
        ];
        for packet in &refused {
            let change = desired.note(packet).unwrap();
            desired.undo(change);
            assert_eq!(commands(&mut desired), before, "{packet:?}");
        }
        // What is desired since stays.
        let change = desired.note(&status(Status::Online)).unwrap();
        desired.note(&status(Status::Invisible));
        desired.undo(change);
        let all = commands(&mut desired);
        assert_eq!(all.last(), Some(&status(Status::Invisible)));
    }

    #[test]
    fn watched_users_are_restored_in_commands_that_the_server_accepts() {
        let mut desired = Desired::default();
        let users: Vec<UserId> = (0..1_000).map(user).collect();
        desired.note(&ClientPacket::Subscribe(users.clone()));
        let mut restored = BTreeSet::new();
        let commands = desired.take(1_000);
        assert!(commands.len() > 5);
        for command in commands {
            let mut frame = Vec::new();
            turntable_wire::json_v1::encode_client(&command, None, &mut frame);
            assert!(frame.len() <= 1_000, "{}", frame.len());
            if let ClientPacket::Subscribe(users) = command {
                restored.extend(users);
            }
        }
        assert_eq!(restored, users.into_iter().collect());
        // One that no command has room for is sent, and refused.
        desired.note(&ClientPacket::Subscribe(vec![user(1)]));
        assert_eq!(desired.take(0).len(), 1);
    }
}
