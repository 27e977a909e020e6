//! The session: what outlives a connection.
//!
//! Pure state machines, without sockets or actors: a decoded command and `now`
//! go in, a step comes out, and the gateway that holds the session carries the
//! step out. `greeting` is a connection before it is somebody's; `Session` is
//! what remains over all connections of one identification. Every door feeds
//! these two, so limits, budgets and numbering exist once.

pub mod clock;
pub mod greeting;
pub mod outbox;
pub mod rate;
pub mod settings;

use crate::id::{ChannelId, SessionId, UserId};
use crate::key::SessionKey;
use crate::packet::{ClientPacket, ErrorBody};
use crate::reason::{CloseReason, ErrorCode};
use crate::session::clock::Clock;
use crate::session::rate::Bucket;
use crate::session::settings::{BucketSettings, LimitSettings, SessionSettings};

/// An error for the client, and whether the connection ends with it.
#[derive(Debug)]
pub struct Refusal {
    /// What the client is told.
    pub error: Box<ErrorBody>,
    /// Set where that was one too many.
    pub close: Option<CloseReason>,
}

/// Charges `error` to `budget`; a spent budget closes with `reason`.
fn refuse_or_close(
    budget: &mut Bucket,
    settings: BucketSettings,
    error: ErrorBody,
    reason: CloseReason,
    now_ms: u64,
) -> Refusal {
    Refusal {
        error: Box::new(error),
        close: budget.take(settings, now_ms).err().map(|_| reason),
    }
}

/// A class of commands that shares a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
enum Class {
    Presence,
    Room,
    Game,
    Channel,
    Publish,
    Call,
    Time,
}

const CLASSES: usize = 7;

impl Class {
    const fn of(packet: &ClientPacket) -> Option<Self> {
        Some(match packet {
            ClientPacket::Subscribe(_)
            | ClientPacket::Unsubscribe(_)
            | ClientPacket::Status { .. }
            | ClientPacket::Lookup(_) => Self::Presence,
            ClientPacket::JoinGame(_)
            | ClientPacket::LeaveGame(_)
            | ClientPacket::DeclineInvite(_) => Self::Room,
            ClientPacket::Game { .. } => Self::Game,
            ClientPacket::JoinChannel(_) | ClientPacket::LeaveChannel(_) => Self::Channel,
            ClientPacket::Publish { .. } => Self::Publish,
            ClientPacket::Call { .. }
            | ClientPacket::Reply { .. }
            | ClientPacket::Set(_)
            | ClientPacket::Provide(_)
            | ClientPacket::Authenticate { .. }
            | ClientPacket::IdMe { .. }
            | ClientPacket::Resume { .. } => Self::Call,
            ClientPacket::Time { .. } => Self::Time,
            ClientPacket::Bye => return None,
        })
    }

    const fn settings(self, limits: &LimitSettings) -> BucketSettings {
        match self {
            Self::Presence => limits.presence,
            Self::Room => limits.room,
            Self::Game => limits.game,
            Self::Channel => limits.channel,
            Self::Publish => limits.publish,
            Self::Call => limits.call,
            Self::Time => limits.time,
        }
    }
}

/// A room that a session is in, or may be in once its joins are answered.
#[derive(Debug)]
struct Place {
    room: ChannelId,
    /// Joins that the room has not answered. While there are any the session
    /// may turn out to be in the room, whatever it says of earlier ones.
    joins: u32,
}

/// Where a session is.
#[derive(Debug, Default)]
struct Places {
    rooms: Vec<Place>,
    channels: Vec<(ChannelId, bool)>,
}

/// What one identification is and may do, over all its connections.
#[derive(Debug)]
pub struct Session {
    /// The secret its client resumes with.
    pub id: SessionId,
    /// The name by which owners know it.
    pub key: SessionKey,
    /// Whose it is.
    pub user: UserId,
    /// Most sessions are nowhere at most times.
    places: Option<Box<Places>>,
    /// What is known of the client's clock; most sessions never need it.
    clock: Option<Box<Clock>>,
    buckets: [Bucket; CLASSES],
    flood: Bucket,
    errors: Bucket,
}

impl Session {
    /// A session that begins.
    #[must_use]
    pub fn new(id: SessionId, key: SessionKey, user: UserId) -> Self {
        Self {
            id,
            key,
            user,
            places: None,
            clock: None,
            buckets: Default::default(),
            flood: Bucket::default(),
            errors: Bucket::default(),
        }
    }

    /// The estimate of the client's clock.
    pub fn clock(&mut self) -> &mut Clock {
        self.clock.get_or_insert_with(|| Box::new(Clock::new()))
    }

    /// The rooms it is in or has asked to join.
    pub fn rooms(&self) -> impl Iterator<Item = &ChannelId> {
        let rooms = self.places.iter().flat_map(|places| &places.rooms);
        rooms.map(|place| &place.room)
    }

    /// Whether there are such rooms.
    #[must_use]
    pub fn has_rooms(&self) -> bool {
        self.rooms().next().is_some()
    }

    /// The channels it is on or has asked to join, and whether with subpaths.
    #[must_use]
    pub fn channels(&self) -> &[(ChannelId, bool)] {
        self.places.as_ref().map_or(&[], |places| &places.channels)
    }

    fn places(&mut self) -> &mut Places {
        self.places.get_or_insert_default()
    }

    /// Checks a command against rates and bounds, and notes what it changes
    /// about the session itself. What passes goes on to its owner.
    ///
    /// # Errors
    /// The error to answer, and whether it ends the connection.
    pub fn admit(
        &mut self,
        packet: &ClientPacket,
        now_ms: u64,
        settings: &SessionSettings,
        limits: &LimitSettings,
    ) -> Result<(), Refusal> {
        self.check_rate(packet, now_ms, limits)?;
        let checked = match packet {
            ClientPacket::IdMe { user, .. } if *user != self.user => Err(ErrorBody::new(
                ErrorCode::Forbidden,
                "this connection is identified as another user; open a new one",
            )),
            ClientPacket::Resume { .. } => Err(ErrorBody::new(
                ErrorCode::BadMessage,
                "resume comes first on a new connection; this one is identified",
            )),
            ClientPacket::JoinGame(join) if join.member != self.user => Err(ErrorBody::new(
                ErrorCode::Forbidden,
                "self has to be your own user id",
            )),
            ClientPacket::JoinGame(join) => self.enter_room(&join.channel, settings.rooms_max),
            ClientPacket::LeaveGame(channel) => {
                self.left_room(channel);
                Ok(())
            }
            _ => Ok(()),
        };
        checked.map_err(|error| self.refuse(error.of(packet.name()), now_ms, settings))
    }

    fn check_rate(
        &mut self,
        packet: &ClientPacket,
        now_ms: u64,
        limits: &LimitSettings,
    ) -> Result<(), Refusal> {
        let Some(class) = Class::of(packet) else {
            return Ok(());
        };
        // An invite makes work and takes memory for a user who may not even
        // exist, as a watch does.
        let invites = match packet {
            ClientPacket::JoinGame(join) => join.invite.len(),
            _ => 0,
        };
        let invites = std::iter::repeat_n(Class::Presence, invites);
        let taken = std::iter::once(class).chain(invites).try_for_each(|class| {
            match self.buckets.get_mut(class as usize) {
                Some(bucket) => bucket.take(class.settings(limits), now_ms),
                None => Ok(()),
            }
        });
        match taken {
            Ok(()) => Ok(()),
            Err(retry_ms) => Err(refuse_or_close(
                &mut self.flood,
                limits.flood,
                ErrorBody::new(
                    ErrorCode::RateLimited,
                    "too many commands of this kind; wait retry_ms",
                )
                .of(packet.name())
                .with("retry_ms", retry_ms),
                CloseReason::RateLimited,
                now_ms,
            )),
        }
    }

    /// Charges what goes to others without being a command. Returns whether it
    /// may.
    pub fn charge_publish(&mut self, now_ms: u64, limits: &LimitSettings) -> bool {
        let bucket = self.buckets.get_mut(Class::Publish as usize);
        bucket.is_none_or(|bucket| bucket.take(limits.publish, now_ms).is_ok())
    }

    /// Charges an error to the session's budget.
    pub fn refuse(&mut self, error: ErrorBody, now_ms: u64, settings: &SessionSettings) -> Refusal {
        refuse_or_close(
            &mut self.errors,
            settings.error_budget(),
            error,
            CloseReason::TooManyErrors,
            now_ms,
        )
    }

    fn enter_room(&mut self, room: &ChannelId, max: usize) -> Result<(), ErrorBody> {
        if let Some(place) = self.place(room) {
            place.joins = place.joins.saturating_add(1);
            return Ok(());
        }
        let rooms = &mut self.places().rooms;
        if rooms.len() >= max {
            return Err(too_many("rooms at one time", max));
        }
        rooms.push(Place {
            room: room.clone(),
            joins: 1,
        });
        Ok(())
    }

    /// The room answered a join, with yes or no.
    pub fn join_answered(&mut self, room: &ChannelId) {
        if let Some(place) = self.place(room) {
            place.joins = place.joins.saturating_sub(1);
        }
    }

    /// The session is not in `room` (any more), unless a join is on its way.
    pub fn left_room(&mut self, room: &ChannelId) {
        if let Some(places) = &mut self.places {
            places
                .rooms
                .retain(|place| place.room != *room || place.joins > 0);
        }
    }

    fn place(&mut self, room: &ChannelId) -> Option<&mut Place> {
        let rooms = &mut self.places.as_mut()?.rooms;
        rooms.iter_mut().find(|place| place.room == *room)
    }

    /// The session goes on `channel`, with subpaths or without. Returns how it
    /// was on it before; `None` where it was not.
    ///
    /// # Errors
    /// `too_many` over `max` channels.
    pub fn enter_channel(
        &mut self,
        channel: &ChannelId,
        subpaths: bool,
        max: usize,
    ) -> Result<Option<bool>, ErrorBody> {
        let channels = &mut self.places().channels;
        let known = channels.iter_mut().find(|(known, _)| known == channel);
        if let Some((_, before)) = known {
            return Ok(Some(std::mem::replace(before, subpaths)));
        }
        if channels.len() >= max {
            return Err(too_many("channels at one time", max));
        }
        channels.push((channel.clone(), subpaths));
        Ok(None)
    }

    /// The session is not on `channel` (any more). Returns whether it was
    /// there with subpaths; `None` where it was not on it.
    pub fn left_channel(&mut self, channel: &ChannelId) -> Option<bool> {
        let channels = &mut self.places.as_mut()?.channels;
        let at = channels.iter().position(|(known, _)| known == channel)?;
        Some(channels.swap_remove(at).1)
    }
}

fn too_many(what: &str, max: usize) -> ErrorBody {
    ErrorBody::new(ErrorCode::TooMany, format!("at most {max} {what}")).with("max", max as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::packet::JoinGame;

    fn session() -> Session {
        Session::new(
            SessionId::from_bits([7; 16]),
            SessionKey::from_number(7),
            UserId::parse("1:1").unwrap(),
        )
    }

    fn join(room: &str, member: &str) -> ClientPacket {
        ClientPacket::JoinGame(JoinGame {
            channel: ChannelId::parse(room).unwrap(),
            member: UserId::parse(member).unwrap(),
            invite: Vec::new(),
            team: None,
            game: None,
        })
    }

    fn admit(session: &mut Session, packet: &ClientPacket) -> Result<(), ErrorCode> {
        session
            .admit(
                packet,
                1_732_000_000_000,
                &SessionSettings {
                    rooms_max: 2,
                    ..SessionSettings::default()
                },
                &LimitSettings::default(),
            )
            .map_err(|refusal| refusal.error.code)
    }

    #[test]
    fn self_is_the_sessions_own_user() {
        let mut session = session();
        assert_eq!(
            admit(&mut session, &join("r", "1:2")),
            Err(ErrorCode::Forbidden)
        );
        assert!(!session.has_rooms());
    }

    #[test]
    fn rooms_are_bounded_and_a_repeat_is_not_another() {
        let mut session = session();
        for room in ["a", "b", "a"] {
            admit(&mut session, &join(room, "1:1")).unwrap();
        }
        assert_eq!(
            admit(&mut session, &join("c", "1:1")),
            Err(ErrorCode::TooMany)
        );
        let a = ChannelId::parse("a").unwrap();
        session.join_answered(&a);
        session.left_room(&a);
        assert!(session.rooms().any(|room| *room == a), "it joined twice");
        session.join_answered(&a);
        session.left_room(&a);
        admit(&mut session, &join("c", "1:1")).unwrap();
    }

    #[test]
    fn each_invite_is_charged() {
        let mut session = session();
        let ClientPacket::JoinGame(mut invitation) = join("a", "1:1") else {
            return;
        };
        invitation.invite = vec![UserId::parse("1:2").unwrap(); 150];
        let invitation = ClientPacket::JoinGame(invitation);
        admit(&mut session, &invitation).unwrap();
        assert_eq!(
            admit(&mut session, &invitation),
            Err(ErrorCode::RateLimited)
        );
    }

    #[test]
    fn a_flood_is_refused_and_then_closed() {
        let mut session = session();
        let limits = LimitSettings {
            publish: BucketSettings::new(1, 2),
            flood: BucketSettings::new(1, 3),
            ..LimitSettings::default()
        };
        let publish = ClientPacket::Publish {
            channel: ChannelId::parse("a").unwrap(),
            data: crate::payload::Payload::from_json("1"),
        };
        let mut closes = Vec::new();
        for _ in 0..6 {
            if let Err(refusal) = session.admit(
                &publish,
                1_732_000_000_000,
                &SessionSettings::default(),
                &limits,
            ) {
                assert_eq!(refusal.error.code, ErrorCode::RateLimited);
                closes.push(refusal.close);
            }
        }
        assert_eq!(closes, [None, None, None, Some(CloseReason::RateLimited)]);
    }
}
