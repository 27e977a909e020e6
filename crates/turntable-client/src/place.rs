//! Channels and rooms that a client has joined.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use turntable_core::id::ChannelId;
use turntable_core::packet::{Action, ClientPacket, JoinChannel, JoinGame, Position};

use crate::client::{Client, Published, parse};
use crate::error::{Ended, Error};
use crate::event::{Event, Events, Joined};
use crate::options::encode;

/// How a channel is joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Whether everything that is published below the path comes, too.
    pub subpaths: bool,
    /// How many of the last messages come first.
    pub history: Option<u32>,
    /// Epoch and offset behind which the messages come, if all of them are retained.
    pub since: Option<(String, u64)>,
}

/// How a room is joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomOptions {
    /// The game; used when the room is created.
    pub game: Option<String>,
    /// The requested team.
    pub team: Option<String>,
    /// Users to invite.
    pub invite: Vec<String>,
}

impl Client {
    /// Joins a channel. A new session joins it again, behind the last message.
    ///
    /// # Errors
    /// As those of all commands; [`Error::InvalidId`].
    pub async fn join_channel(
        &self,
        path: &str,
        options: ChannelOptions,
    ) -> Result<Channel, Error> {
        // Before the command: nothing that follows the join is missed.
        let events = self.events();
        let path = ChannelId::parse(path)?;
        let since = options.since.map(|(epoch, offset)| Position {
            epoch: epoch.into(),
            offset,
        });
        let answer = self.request(ClientPacket::JoinChannel(JoinChannel {
            below: Vec::new(),
            channel: path.clone(),
            subpaths: options.subpaths,
            since,
            history: options.history,
        }));
        let joined = serde_json::from_str(answer.await?.get()).map_err(Error::decode)?;
        Ok(Channel {
            client: self.clone(),
            path,
            has_subpaths: options.subpaths,
            joined,
            events,
        })
    }

    /// Joins a room, which begins if there is none. A new session joins it again.
    ///
    /// # Errors
    /// As those of all commands; [`Error::InvalidId`].
    pub async fn join_room(&self, room: &str, options: RoomOptions) -> Result<Room, Error> {
        let events = self.events();
        let room = ChannelId::parse(room)?;
        let invite: Vec<&str> = options.invite.iter().map(String::as_str).collect();
        let invite = parse(&invite)?;
        let Some(member) = self.online().await? else {
            return Err(Error::Ended(Ended::Closed));
        };
        let join = JoinGame {
            channel: room.clone(),
            member,
            invite,
            team: options.team.map(Into::into),
            game: options.game.map(Into::into),
        };
        let answer = self.request(ClientPacket::JoinGame(join)).await?;
        let joined: Joined = serde_json::from_str(answer.get()).map_err(Error::decode)?;
        Ok(Room {
            client: self.clone(),
            room,
            joined,
            events,
        })
    }
}

/// A channel that was joined. Dropped, it stays joined; [`Channel::leave`] leaves it.
#[derive(Debug)]
pub struct Channel {
    client: Client,
    path: ChannelId,
    has_subpaths: bool,
    joined: Joined,
    events: Events,
}

impl Channel {
    /// The answer to the join.
    #[must_use]
    pub const fn joined(&self) -> &Joined {
        &self.joined
    }

    /// What happens next on the channel: messages, members, a `joined` after a lost
    /// session, and [`Event::Gap`] before the first message behind some that the server left
    /// out. [`Event::Missed`] if the program was too slow. `None` when the client has
    /// ended.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            let event = self.events.next().await?;
            let channel = match &*event {
                Event::Message(message) => &message.channel,
                Event::Gap { channel, .. } => channel,
                Event::Members(members) if members.epoch.is_some() => &members.channel,
                Event::Joined(joined) if joined.epoch.is_some() => &joined.channel,
                Event::Missed(_) => return Some(event),
                _ => continue,
            };
            let is_below = || channel.ancestors().any(|above| above == self.path.as_str());
            if *channel == self.path || (self.has_subpaths && is_below()) {
                return Some(event);
            }
        }
    }

    /// Publishes a message.
    ///
    /// # Errors
    /// As those of all commands.
    pub async fn publish<T: Serialize + ?Sized>(&self, data: &T) -> Result<Published, Error> {
        self.client.publish(self.path.as_str(), data).await
    }

    /// Leaves the channel.
    ///
    /// # Errors
    /// As those of all commands.
    pub async fn leave(self) -> Result<(), Error> {
        let leave = ClientPacket::LeaveChannel(self.path);
        self.client.request(leave).await?;
        Ok(())
    }
}

/// A room that was joined. Dropped, it stays joined; [`Room::leave`] leaves it.
#[derive(Debug)]
pub struct Room {
    client: Client,
    room: ChannelId,
    joined: Joined,
    events: Events,
}

impl Room {
    /// The answer to the join: team, members and state.
    #[must_use]
    pub const fn joined(&self) -> &Joined {
        &self.joined
    }

    /// What happens next in the room: actions, members, and a `joined` after a lost
    /// session. [`Event::Missed`] if the program was too slow. `None` when the client has
    /// ended.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            let event = self.events.next().await?;
            let is_here = match &*event {
                Event::Game { channel, .. } => *channel == self.room,
                Event::Members(members) => members.epoch.is_none() && members.channel == self.room,
                Event::Joined(joined) => joined.epoch.is_none() && joined.channel == self.room,
                Event::Missed(_) => true,
                _ => false,
            };
            if is_here {
                return Some(event);
            }
        }
    }

    /// Acts. The action comes back among those of all members; one that is refused is
    /// [`Event::Refused`].
    ///
    /// # Errors
    /// [`Error::Encode`], [`Error::Ended`], [`Error::Timeout`].
    pub async fn act<T: Serialize + ?Sized>(&self, data: &T) -> Result<(), Error> {
        let Some(from) = self.client.user() else {
            return Err(Error::Ended(self.client.ended().await));
        };
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let action = Action {
            timestamp_ms: unix
                .map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
                .floor(),
            from,
            team: None,
            data: encode(data)?,
        };
        let game = ClientPacket::Game {
            channel: self.room.clone(),
            actions: vec![action],
        };
        self.client.send(game).await
    }

    /// Leaves the room.
    ///
    /// # Errors
    /// As those of all commands.
    pub async fn leave(self) -> Result<(), Error> {
        let leave = ClientPacket::LeaveGame(self.room);
        self.client.request(leave).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program spawns them.
    fn is_send<T: Send>(_: T) {}

    #[allow(dead_code, reason = "it is checked when it is compiled")]
    fn futures_can_be_spawned(client: &Client, mut channel: Channel, mut room: Room) {
        is_send(client.online());
        is_send(client.ended());
        is_send(client.close());
        is_send(client.service_up("a"));
        is_send(client.call::<_, ()>("a:b", &1));
        is_send(client.withdraw("a"));
        is_send(client.set(&1));
        is_send(client.join_channel("a", ChannelOptions::default()));
        is_send(client.join_room("a", RoomOptions::default()));
        is_send(channel.next());
        is_send(room.next());
        is_send(room.act(&1));
    }
}
