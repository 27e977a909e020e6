//! A join with subpaths that wants past messages: they are gathered from the channels
//! below the path, and follow the `joined`, in the order of each path.
//!
//! ```text
//! joinchannel ─► owner of the path ─► Joined: the session is on the topic
//!     PastBelow to every directory ─► Listed {count}; Past, of each channel below
//! ```
//! While the channels below a path are asked, further joins wait and are gathered for
//! together (`sweep`): a thousand sessions that come at once ask each channel a few times,
//! not a thousand times. What is published there meanwhile waits, so that it comes behind
//! the past. What the channels answer is awaited like every answer: a sweep is known by its
//! ticket in the gateway's table of pending answers, whose deadline ends it.

mod sweep;

use std::collections::HashMap;

use actix::{Context, Handler, Message};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::pending::{Awaited, Ticket};
use crate::gateway::subscription::topic::Subscriber;
pub(crate) use sweep::{Found, Joined, PastBelow};
use sweep::{Stage, Sweep};
use turntable_core::call::{Call, Requester};
use turntable_core::delivery::Topic;
use turntable_core::frame::SharedFrame;
use turntable_core::id::ChannelId;
use turntable_core::key::{SessionSlot, ShardId};
use turntable_core::spare::Spare;

/// Paths that are looked at for sessions in one turn; the other sessions wait for the next.
const PATHS_PER_TURN: usize = 20_000;

/// What a path costs a session that has it looked at, as so many bytes.
const PATH_BYTES: usize = 64;

/// A publication as sweeps have noted it: which, and under which number.
pub(crate) type Noted = SmallVec<[(u64, u32); 1]>;

/// The joins that are gathering.
#[derive(Debug, Default)]
pub(crate) struct Gathers {
    sweeps: FxHashMap<u64, Sweep>,
    by_path: HashMap<ChannelId, SmallVec<[u64; 1]>>,
    by_session: FxHashMap<Subscriber, Waiting>,
    /// Those for which more waits than may.
    overfull: Vec<u64>,
}

/// What a session waits for.
#[derive(Debug, Default)]
struct Waiting {
    /// What it wants below paths of which it is not on the topic yet.
    wanted: Vec<(ChannelId, PastBelow)>,
    /// Its sweeps.
    tickets: SmallVec<[u64; 1]>,
}

/// Goes on with a sweep whose sessions did not all have room in one turn.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct GoOn(u64);

impl Handler<GoOn> for Gateway {
    type Result = ();

    fn handle(&mut self, GoOn(ticket): GoOn, _: &mut Context<Self>) {
        self.finish_gather(ticket);
        self.run();
    }
}

impl Gathers {
    /// Notes a publication for the sweeps at and above its path.
    pub(crate) fn note(
        &mut self,
        topic: &Topic,
        offset: Option<u64>,
        frame: &SharedFrame,
    ) -> Noted {
        let mut noted = Noted::new();
        let (Topic::Channel(channel) | Topic::Below(channel)) = topic else {
            return noted;
        };
        if self.by_path.is_empty() {
            return noted;
        }
        let paths = std::iter::once(channel.as_str()).chain(channel.ancestors());
        let tickets = paths.filter_map(|path| self.by_path.get(path)).flatten();
        for ticket in tickets {
            if let Some(sweep) = self.sweeps.get_mut(ticket) {
                let (number, is_overfull) = sweep.note(channel, offset, frame);
                noted.push((*ticket, number));
                if is_overfull {
                    self.overfull.push(*ticket);
                }
            }
        }
        noted
    }

    /// Keeps a publication back for a session that is gathering at or above its path.
    /// Returns whether it is.
    pub(crate) fn keep(&mut self, session: Subscriber, noted: &Noted) -> bool {
        noted.iter().any(|(ticket, number)| {
            let sweep = self.sweeps.get_mut(ticket);
            sweep.is_some_and(|sweep| sweep.keep(session, *number))
        })
    }

    fn has(&self, session: SessionSlot) -> bool {
        let waiting = self.by_session.get(&session.into());
        waiting.is_some_and(|waiting| !waiting.tickets.is_empty())
    }

    /// Takes what a session wants below a path.
    fn take_wanted(&mut self, session: SessionSlot, path: &ChannelId) -> Option<PastBelow> {
        let waiting = self.by_session.get_mut(&session.into())?;
        let at = waiting.wanted.iter().position(|(of, _)| of == path)?;
        let (_, past) = waiting.wanted.swap_remove(at);
        self.forget_idle(session);
        Some(past)
    }

    /// The sweep of a path that a session waits for.
    fn ticket(&self, session: SessionSlot, path: &ChannelId) -> Option<u64> {
        let mut tickets = self.by_session.get(&session.into())?.tickets.iter();
        let is_of = |ticket: &&u64| {
            self.sweeps
                .get(*ticket)
                .is_some_and(|all| all.path == *path)
        };
        tickets.find(is_of).copied()
    }

    /// A session waits for a sweep no more.
    fn parted(&mut self, session: SessionSlot, ticket: u64) {
        if let Some(waiting) = self.by_session.get_mut(&session.into()) {
            waiting.tickets.retain(|known| *known != ticket);
        }
        self.forget_idle(session);
    }

    fn forget_idle(&mut self, session: SessionSlot) {
        let waiting = self.by_session.get(&session.into());
        if waiting.is_some_and(|all| all.wanted.is_empty() && all.tickets.is_empty()) {
            self.by_session.remove(&session.into());
            self.by_session.give_back();
        }
    }

    /// Forgets a sweep that nobody waits for. Returns its path.
    fn forget_over(&mut self, ticket: u64) -> Option<ChannelId> {
        self.sweeps.get(&ticket).filter(|sweep| sweep.is_over())?;
        let sweep = self.sweeps.remove(&ticket)?;
        if let Some(tickets) = self.by_path.get_mut(&sweep.path) {
            tickets.retain(|known| *known != ticket);
            if tickets.is_empty() {
                self.by_path.remove(&sweep.path);
            }
        }
        self.by_path.give_back();
        self.sweeps.give_back();
        Some(sweep.path)
    }

    /// The sweep of a path at this stage.
    fn at(&self, path: &ChannelId, stage: Stage) -> Option<u64> {
        let mut tickets = self.by_path.get(path)?.iter();
        let is_at = |ticket: &&u64| {
            self.sweeps
                .get(*ticket)
                .is_some_and(|all| all.stage == stage)
        };
        tickets.find(is_at).copied()
    }

    /// A sweep of a path begins, for the joins that come until its channels are asked.
    fn open(&mut self, ticket: u64, path: &ChannelId) {
        self.sweeps.insert(ticket, Sweep::new(path.clone()));
        let tickets = self.by_path.entry(path.clone()).or_default();
        tickets.push(ticket);
    }
}

impl Gateway {
    /// The join of a session will have the past of the paths below.
    pub(super) fn gather(&mut self, session: SessionSlot, path: &ChannelId, past: PastBelow) {
        self.end_gather(session, path);
        let by_session = &mut self.subscriptions.gathers.by_session;
        let waiting = by_session.entry(session.into()).or_default();
        waiting.wanted.push((path.clone(), past));
    }

    /// A session is on the topic. Gives its `joined` back where nothing is gathered.
    pub(crate) fn gather_joined(
        &mut self,
        session: SessionSlot,
        topic: &Topic,
        joined: Joined,
    ) -> Option<Joined> {
        let Topic::Below(path) = topic else {
            return Some(joined);
        };
        let gathers = &mut self.subscriptions.gathers;
        let Some(past) = gathers.take_wanted(session, path) else {
            return Some(joined);
        };
        let begun = gathers.at(path, Stage::Waiting);
        // The sweep that is asking may take all of its time; this one has its own behind it.
        let before_ms = match gathers.at(path, Stage::Asking) {
            Some(_) => self.settings.session.answer_timeout_ms,
            None => 0,
        };
        let begin = || self.await_after(Awaited::Sweep, before_ms).number();
        let ticket = begun.unwrap_or_else(begin);
        let gathers = &mut self.subscriptions.gathers;
        if begun.is_none() {
            gathers.open(ticket, path);
        }
        if let Some(sweep) = gathers.sweeps.get_mut(&ticket) {
            sweep.join(session, past, joined);
        }
        let waiting = gathers.by_session.entry(session.into()).or_default();
        waiting.tickets.push(ticket);
        self.set_gathering(session);
        if begun.is_none() {
            self.sweep_next(path);
        }
        None
    }

    /// Asks the channels below a path for the joins that wait, unless they are being
    /// read for others.
    fn sweep_next(&mut self, path: &ChannelId) {
        let shards = self.shared.owners.shards();
        let gathers = &mut self.subscriptions.gathers;
        let is_asking = gathers.at(path, Stage::Asking).is_some();
        let Some(ticket) = gathers.at(path, Stage::Waiting).filter(|_| !is_asking) else {
            return;
        };
        let Some(sweep) = gathers.sweeps.get_mut(&ticket) else {
            return;
        };
        let depth = sweep.ask(shards);
        let requester = Requester {
            gateway: self.id,
            ticket,
        };
        for shard in 0..shards {
            self.shared.owners.call(Call::PastBelow {
                shard: ShardId(shard as u32),
                channel: path.clone(),
                requester,
                depth,
            });
        }
    }

    /// A directory has so many channels below the path.
    pub(crate) fn gather_listed(&mut self, ticket: u64, count: u32) {
        if let Some(sweep) = self.subscriptions.gathers.sweeps.get_mut(&ticket) {
            sweep.listed(count);
            self.finish_complete(ticket);
        }
    }

    /// A channel below the path has this past.
    pub(crate) fn gather_past(&mut self, ticket: u64, found: Found) {
        if let Some(sweep) = self.subscriptions.gathers.sweeps.get_mut(&ticket) {
            sweep.found(found);
            self.finish_complete(ticket);
        }
    }

    fn finish_complete(&mut self, ticket: u64) {
        let sweep = self.subscriptions.gathers.sweeps.get(&ticket);
        if sweep.is_some_and(Sweep::is_complete) {
            self.finish_gather(ticket);
        }
    }

    /// Sends what was gathered where too much waits behind it.
    pub(crate) fn finish_overfull(&mut self) {
        for ticket in std::mem::take(&mut self.subscriptions.gathers.overfull) {
            self.finish_gather(ticket);
        }
    }

    /// Sends what was gathered, be it complete or late: to as many sessions as one turn
    /// has room for.
    pub(crate) fn finish_gather(&mut self, ticket: u64) {
        let gateway = self.shared.peers.gateway(self.id.worker).cloned();
        let Some(sweep) = self.subscriptions.gathers.sweeps.get_mut(&ticket) else {
            return;
        };
        sweep.stage = Stage::Closed;
        self.pending.remove(Ticket::new(ticket));
        let path = sweep.path.clone();
        let count = match gateway {
            Some(_) => PATHS_PER_TURN / sweep.paths().max(1),
            None => usize::MAX,
        };
        for session in sweep.some_joiners(count.max(1)) {
            self.finish_join(ticket, session);
        }
        self.sweep_next(&path);
        if let Some(gateway) = gateway
            && self.subscriptions.gathers.sweeps.contains_key(&ticket)
        {
            gateway.do_send(GoOn(ticket));
        }
    }

    /// Sends a session what was gathered for it.
    fn finish_join(&mut self, ticket: u64, session: Subscriber) {
        let gathers = &mut self.subscriptions.gathers;
        let Some(sweep) = gathers.sweeps.get_mut(&ticket) else {
            return;
        };
        let (Some(joiner), paths) = (sweep.leave(session), sweep.paths()) else {
            return;
        };
        let session = joiner.session;
        let entry = self.sessions.get(session);
        // It gets the past of paths that it named from themselves.
        let named = entry.map_or(&[][..], |entry| entry.session.channels());
        let named: FxHashSet<&str> = named.iter().map(|on| on.channel.as_str()).collect();
        let messages = sweep.messages(&joiner, &named, self.settings.below_max);
        gathers.parted(session, ticket);
        self.forget_over(ticket);
        self.set_gathering(session);
        let Joined { frame, replay, id } = joiner.joined;
        self.channel_joined(session, &frame, replay, id.as_ref());
        self.pay_answer(session, paths * PATH_BYTES);
        for messages in messages.past {
            self.send_past(session, &messages);
        }
        for frame in &messages.live {
            self.send_frame(session, Frame::retained(frame), None);
        }
    }

    /// Forgets a sweep that nobody waits for; the next one of its path may begin.
    fn forget_over(&mut self, ticket: u64) {
        if let Some(path) = self.subscriptions.gathers.forget_over(ticket) {
            self.pending.remove(Ticket::new(ticket));
            self.sweep_next(&path);
        }
    }

    /// The session leaves the path, or joins it again.
    pub(super) fn end_gather(&mut self, session: SessionSlot, path: &ChannelId) {
        let gathers = &mut self.subscriptions.gathers;
        gathers.take_wanted(session, path);
        if let Some(ticket) = gathers.ticket(session, path) {
            self.finish_join(ticket, session.into());
        }
    }

    /// The session is over.
    pub(super) fn forget_gathers(&mut self, session: SessionSlot) {
        let gathers = &mut self.subscriptions.gathers;
        let waiting = gathers.by_session.remove(&session.into());
        gathers.by_session.give_back();
        for ticket in waiting.into_iter().flat_map(|waiting| waiting.tickets) {
            let sweep = self.subscriptions.gathers.sweeps.get_mut(&ticket);
            if let Some(sweep) = sweep {
                sweep.leave(session.into());
            }
            self.forget_over(ticket);
        }
    }

    fn set_gathering(&mut self, session: SessionSlot) {
        let is_gathering = self.subscriptions.gathers.has(session);
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.is_gathering = is_gathering;
        }
    }
}

#[cfg(test)]
mod tests;
