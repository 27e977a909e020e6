//! Subscriptions that the operator made for users: every session of the user is on these
//! channels, those that begin later, too. They end some time after the last session.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Context, Handler, Message};
use futures_util::future::join_all;
use parking_lot::Mutex;

use crate::clock;
use crate::gateway::{Gateway, Shared};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{SessionKey, SessionSlot};
use turntable_core::packet::{ErrorBody, JoinChannel};
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// The subscriptions of all users.
#[derive(Debug, Default)]
pub(crate) struct OperatorSubscriptions {
    users: Mutex<HashMap<UserId, Subscribed>>,
    /// How many users there are; while there are none, sessions begin without a look.
    count: AtomicUsize,
}

/// One user's.
#[derive(Debug, Default)]
struct Subscribed {
    channels: Vec<ChannelId>,
    sessions: HashSet<SessionKey>,
    /// When they end, while there is no session.
    until_ms: u64,
}

/// How many there may be.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    users: usize,
    channels: usize,
    /// How long they outlive the last session, in ms.
    retained_ms: u64,
}

impl OperatorSubscriptions {
    /// The user is subscribed from now on.
    fn add(
        &self,
        user: &UserId,
        channel: &ChannelId,
        bounds: Bounds,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let mut users = self.users.lock();
        if !users.contains_key(user) && users.len() >= bounds.users {
            users.retain(|_, one| !one.is_over(now_ms));
            if users.len() >= bounds.users {
                return Err(full("users", "channel.operator_users_max", bounds.users));
            }
        }
        let one = users.entry(user.clone()).or_default();
        if !one.channels.contains(channel) {
            if one.channels.len() >= bounds.channels {
                let max = bounds.channels;
                return Err(full("channels of a user", "session.channels_max", max));
            }
            one.channels.push(channel.clone());
        }
        one.until_ms = now_ms.saturating_add(bounds.retained_ms);
        self.count.store(users.len(), Ordering::Relaxed);
        Ok(())
    }

    /// The user is subscribed no more; to no channel where none is named.
    fn remove(&self, user: &UserId, channel: Option<&ChannelId>) -> Vec<ChannelId> {
        let mut users = self.users.lock();
        let Some(one) = users.get_mut(user) else {
            return Vec::new();
        };
        let is_meant = |known: &mut ChannelId| channel.is_none_or(|channel| channel == known);
        let removed = one.channels.extract_if(.., is_meant).collect();
        if one.channels.is_empty() {
            users.remove(user);
            users.give_back();
        }
        self.count.store(users.len(), Ordering::Relaxed);
        removed
    }

    /// Whether the user is subscribed to the channel.
    pub(crate) fn has(&self, user: &UserId, channel: &ChannelId) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let users = self.users.lock();
        let one = users.get(user);
        one.is_some_and(|one| one.channels.contains(channel))
    }

    /// A session of the user is there: the channels that it has to be on.
    fn begin(&self, user: &UserId, session: SessionKey, now_ms: u64) -> Vec<ChannelId> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let mut users = self.users.lock();
        match users.get_mut(user) {
            Some(one) if !one.is_over(now_ms) => {
                one.sessions.insert(session);
                one.channels.clone()
            }
            _ => Vec::new(),
        }
    }

    /// A session of the user ended.
    fn end(&self, user: &UserId, session: SessionKey, until_ms: u64) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(one) = self.users.lock().get_mut(user) {
            one.sessions.remove(&session);
            one.until_ms = until_ms;
        }
    }

    /// Forgets those that are over.
    fn sweep(&self, now_ms: u64) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut users = self.users.lock();
        users.retain(|_, one| !one.is_over(now_ms));
        users.give_back();
        self.count.store(users.len(), Ordering::Relaxed);
    }
}

impl Subscribed {
    fn is_over(&self, now_ms: u64) -> bool {
        self.sessions.is_empty() && now_ms >= self.until_ms
    }
}

fn full(what: &str, key: &'static str, max: usize) -> ErrorBody {
    let message = format!("at most {max} {what} are subscribed by the operator ({key})");
    ErrorBody::new(ErrorCode::TooMany, message).with("max", max as u64)
}

/// The sessions of a user join a channel, or leave it. Answered by their number.
#[derive(Debug, Clone, Message)]
#[rtype(result = "usize")]
struct Subscribe {
    user: UserId,
    channel: ChannelId,
    is_on: bool,
}

/// The channels that the sessions of a user are on.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<ChannelId>")]
struct ChannelsOf(UserId);

/// The users with sessions on a channel.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<UserId>")]
struct UsersOn(ChannelId);

impl Shared {
    /// Subscribes all sessions of a user to a channel, those that begin later, too.
    /// Returns how many there are now.
    ///
    /// # Errors
    /// `too_many` where a limit is reached.
    pub async fn subscribe(&self, user: &UserId, channel: &ChannelId) -> Result<usize, ErrorBody> {
        let settings = self.settings.get();
        let bounds = Bounds {
            users: settings.operator_users_max,
            channels: settings.session.channels_max,
            retained_ms: settings.session.resume_ms,
        };
        let now_ms = clock::now_ms();
        self.by_operator.add(user, channel, bounds, now_ms)?;
        self.subscribe_now(user, channel, true).await
    }

    /// Takes all sessions of a user off a channel, or off all that the operator named.
    /// Returns how many channels that were.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn unsubscribe(
        &self,
        user: &UserId,
        channel: Option<&ChannelId>,
    ) -> Result<usize, ErrorBody> {
        let removed = self.by_operator.remove(user, channel);
        let left = removed
            .iter()
            .map(|channel| self.subscribe_now(user, channel, false));
        for left in join_all(left).await {
            left?;
        }
        Ok(removed.len())
    }

    async fn subscribe_now(
        &self,
        user: &UserId,
        channel: &ChannelId,
        is_on: bool,
    ) -> Result<usize, ErrorBody> {
        let asked = self.ask_gateways(|| Subscribe {
            user: user.clone(),
            channel: channel.clone(),
            is_on,
        });
        Ok(asked.await.whole()?.into_iter().sum())
    }

    /// The channels that the sessions of a user are on.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn channels_of(&self, user: &UserId) -> Result<Vec<ChannelId>, ErrorBody> {
        let asked = self.ask_gateways(|| ChannelsOf(user.clone()));
        let mut channels = asked.await.whole()?.concat();
        channels.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        channels.dedup();
        Ok(channels)
    }

    /// The users with sessions on a channel.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn users_on(&self, channel: &ChannelId) -> Result<Vec<UserId>, ErrorBody> {
        let asked = self.ask_gateways(|| UsersOn(channel.clone()));
        let mut users = asked.await.whole()?.concat();
        users.sort_unstable();
        users.dedup();
        Ok(users)
    }
}

impl Handler<Subscribe> for Gateway {
    type Result = usize;

    fn handle(&mut self, subscribe: Subscribe, _: &mut Context<Self>) -> usize {
        let Subscribe {
            user,
            channel,
            is_on,
        } = subscribe;
        let sessions = self.sessions.admitted_of(&user);
        for session in &sessions {
            if is_on {
                self.join_by_operator(*session);
            } else {
                self.leave_channel(*session, &channel);
            }
            self.run();
        }
        sessions.len()
    }
}

impl Handler<ChannelsOf> for Gateway {
    type Result = Vec<ChannelId>;

    fn handle(&mut self, ChannelsOf(user): ChannelsOf, _: &mut Context<Self>) -> Self::Result {
        let sessions = self.sessions.iter();
        let sessions = sessions.filter(|(_, entry)| entry.session.user == user);
        let channels = sessions.flat_map(|(_, entry)| entry.session.channels());
        channels.map(|on| on.channel.clone()).collect()
    }
}

impl Handler<UsersOn> for Gateway {
    type Result = Vec<UserId>;

    fn handle(&mut self, UsersOn(channel): UsersOn, _: &mut Context<Self>) -> Self::Result {
        let listeners = self.on_channel(&channel).into_iter();
        listeners.map(|(_, listener)| listener.user).collect()
    }
}

impl Gateway {
    /// A session joins the channels to which the operator subscribed its user,
    /// whether or not the user may join them itself.
    pub(crate) fn join_by_operator(&mut self, session: SessionSlot) {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let (user, key) = (entry.session.user.clone(), entry.session.key);
        let channels = self.shared.by_operator.begin(&user, key, clock::now_ms());
        for channel in channels {
            let entry = self.sessions.get(session);
            let mut on = entry.iter().flat_map(|entry| entry.session.channels());
            if on.any(|on| on.channel == channel) {
                continue;
            }
            let join = JoinChannel {
                channel,
                subpaths: false,
                since: None,
                history: None,
                below: Vec::new(),
            };
            // It is the operator's, and not its client's.
            self.join_allowed(session, join, None, None);
        }
    }

    /// A session ended.
    pub(crate) fn end_by_operator(&self, user: &UserId, session: SessionKey) {
        let until_ms = clock::now_ms().saturating_add(self.settings.session.resume_ms);
        self.shared.by_operator.end(user, session, until_ms);
    }

    /// Forgets the subscriptions of users that are gone.
    pub(crate) fn sweep_by_operator(&self) {
        self.shared.by_operator.sweep(clock::now_ms());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::testing::{Noted, begin, entry, gateway};
    use turntable_core::model::namespace::{Access, ChannelPermissions};
    use turntable_core::model::permission::Who;

    /// Nobody may do anything.
    #[derive(Debug)]
    struct Closed;

    impl ChannelPermissions for Closed {
        fn allow(&self, _: Who<'_>, _: &ChannelId, _: Access) -> bool {
            false
        }
    }

    const BOUNDS: Bounds = Bounds {
        users: 2,
        channels: 2,
        retained_ms: 100,
    };

    fn user(number: u32) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    fn path(text: &str) -> ChannelId {
        ChannelId::parse(text).unwrap()
    }

    #[test]
    fn subscriptions_outlive_the_last_session_for_a_while() {
        let all = OperatorSubscriptions::default();
        let session = SessionKey::from_number(1);
        all.add(&user(1), &path("a"), BOUNDS, 0).unwrap();
        assert_eq!(all.begin(&user(1), session, 50), [path("a")]);
        all.sweep(1_000);
        assert_eq!(all.begin(&user(1), session, 1_000), [path("a")]);
        all.end(&user(1), session, 1_100);
        all.sweep(1_099);
        assert_eq!(all.begin(&user(1), session, 1_099), [path("a")]);
        all.end(&user(1), session, 1_200);
        all.sweep(1_200);
        assert!(all.begin(&user(1), session, 1_200).is_empty());
        assert!(all.users.lock().is_empty());
    }

    #[test]
    fn users_and_their_channels_are_bounded() {
        let all = OperatorSubscriptions::default();
        for channel in ["a", "b", "a"] {
            all.add(&user(1), &path(channel), BOUNDS, 0).unwrap();
        }
        let refused = all.add(&user(1), &path("c"), BOUNDS, 0);
        assert_eq!(refused.unwrap_err().code, ErrorCode::TooMany);
        all.add(&user(2), &path("a"), BOUNDS, 0).unwrap();
        assert!(all.add(&user(3), &path("a"), BOUNDS, 99).is_err());
        // Those that are over make room.
        all.add(&user(3), &path("a"), BOUNDS, 100).unwrap();
        assert_eq!(all.remove(&user(3), Some(&path("b"))), []);
        assert_eq!(all.remove(&user(3), None), [path("a")]);
        assert!(all.users.lock().is_empty());
    }

    #[test]
    fn sessions_stay_on_these_channels_when_their_permissions_are_computed_anew() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let session = begin(&mut gateway);
        let by_operator = &gateway.shared.by_operator;
        let now_ms = clock::now_ms();
        by_operator
            .add(&user(1), &path("a"), BOUNDS, now_ms)
            .unwrap();
        gateway.join_by_operator(session);
        let join = |channel: &str, subpaths: bool| JoinChannel {
            channel: path(channel),
            subpaths,
            since: None,
            history: None,
            below: Vec::new(),
        };
        gateway.join_allowed(session, join("b", false), None, None);
        let mut settings = (*gateway.settings).clone();
        settings.channels = Arc::new(Closed);
        gateway.settings = Arc::new(settings);
        let on = |gateway: &mut Gateway| {
            gateway.grant(session, &[]);
            let channels = entry(gateway, session).session.channels().iter();
            let on = channels.map(|on| (on.channel.clone(), on.subpaths));
            on.collect::<Vec<_>>()
        };
        assert_eq!(on(&mut gateway), [(path("a"), false)]);
        // The operator named no paths below.
        gateway.join_allowed(session, join("a", true), None, None);
        assert_eq!(on(&mut gateway), [(path("a"), false)]);
    }
}
