//! One turn of a gateway's loop.
//!
//! The gateway's sockets are in a poll of their own, which the worker's runtime
//! sees as one descriptor. actix drains the gateway's mailbox before it polls
//! this future, so a turn is: deliveries of owners, then input of sockets, then
//! timers, and then one write per socket, however much there was. A mailbox that others
//! fill as fast as it is drained would leave no turn: after a time there is one, and what
//! else this thread has to do runs (`cluster/burst.rs`).

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::{ActorFuture, AsyncContext as _, Context};
use mio::event::Event;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};

use crate::clock;
use crate::cluster::burst::{give_way, go_on_behind_others};
use crate::gateway::Gateway;
use crate::gateway::delivery::sent::Sent;
use crate::gateway::session::life::Details;
use crate::gateway::session::pending::Ticket;
use crate::gateway::settling::Settling;
use crate::gateway::spare_lists::SpareLists;
use crate::gateway::table::Index;
use crate::gateway::transport::{Dispatch, Hooks, TransportTimer};
use crate::gateway::wheel::TICK_MS;
use crate::gateway::work::{Effect, Next};
use crate::log_limit::LogLimit;
use crate::slow;
use turntable_core::key::{ConnKey, SessionSlot, UserNumber};
use turntable_core::session::life::Input;

/// What is to be written and read this turn.
#[derive(Debug, Default)]
pub(crate) struct TurnLists {
    /// Connections with something to write.
    pub(crate) dirty: Vec<ConnKey>,
    /// Connections with input that was not read.
    pub(crate) unread: Vec<ConnKey>,
    /// Sessions with changes of presence to send.
    pub(crate) changed: Vec<SessionSlot>,
    /// Lists of changes of sessions that were written, for the next ones.
    pub(crate) spare_changes: SpareLists<UserNumber>,
    /// Sessions whose snapshot is complete.
    pub(crate) snapshots: Vec<SessionSlot>,
    /// Whether anything was read.
    pub(crate) was_read: bool,
}

/// What was counted since the last turn.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Messages put into outboxes.
    pub(crate) deliveries: u64,
    /// The same by their names.
    pub(crate) sent: Sent,
    /// Changes of presence among them.
    pub(crate) presence_changes: u64,
    /// Bytes read from clients.
    pub(crate) received_bytes: u64,
    /// Bytes written to clients.
    pub(crate) sent_bytes: u64,
    /// Calls to write.
    pub(crate) writes: u64,
}

/// What a timer was set for. Nothing is ever cancelled: a timer whose reason is
/// gone does nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Timer {
    /// A connection's client has to have identified by now.
    Identify(ConnKey),
    /// A last frame has waited long enough.
    Linger(ConnKey),
    /// A transport's own.
    Transport(ConnKey, TransportTimer),
    /// A session without a connection ends.
    Expire(SessionSlot),
    /// The credentials of a session are over.
    Credentials(SessionSlot),
    /// The backend is asked again whom a session may watch.
    Sight(SessionSlot),
    /// A session may have become idle.
    Idle(SessionSlot),
    /// An answer with a deadline of its own has to have come by now.
    Answer(Ticket),
    /// The first of the other answers has to have come by now.
    Answers,
    /// The states of services that are unknown are requested.
    Services,
    /// Clients of sessions of the process before had time to come back.
    Returned,
}

/// Each turn may fail so.
static POLL_FAILED: LogLimit = LogLimit::new();

/// How often an operator's gauges are brought up to date, in ms.
const SURVEY_MS: u64 = 5_000;

/// How often a gateway that reads nothing looks whether all workers have caught up.
const PAUSE_LOOK: Duration = Duration::from_millis(1);
/// How often the gauges of mailboxes are brought up to date, in ms.
const MAILBOX_SURVEY_MS: u64 = 1_000;

/// Events taken from the poll at once; what is left comes next turn, behind the
/// mailbox.
const EVENTS_MAX: usize = 1024;

/// What a turn needs beside the gateway: it polls the sockets.
pub(crate) struct Turn {
    poll: AsyncFd<mio::Poll>,
    events: mio::Events,
    tick: Interval,
    presence: Pin<Box<Sleep>>,
    /// Until the next look while reading is paused, or what takes turns waits for others.
    pause: Pin<Box<Sleep>>,
    settling: Settling,
    /// Whether a round of presence was written and is not sent yet.
    has_round: bool,
}

impl Turn {
    /// A turn over the sockets of `poll`.
    ///
    /// # Errors
    /// Where the runtime cannot watch the poll.
    pub(crate) fn new(poll: mio::Poll) -> std::io::Result<Self> {
        let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        #[expect(
            deprecated,
            reason = "its replacement is unsafe; a poll keeps its descriptor until it is dropped"
        )]
        let poll = AsyncFd::with_interest(poll, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: mio::Events::with_capacity(EVENTS_MAX),
            tick,
            presence: Box::pin(tokio::time::sleep(Duration::ZERO)),
            pause: Box::pin(tokio::time::sleep(Duration::ZERO)),
            settling: Settling::default(),
            has_round: false,
        })
    }

    /// Takes what the sockets have. Returns whether there is more.
    fn take_events(&mut self, gateway: &mut Gateway, cx: &mut TaskContext<'_>) -> bool {
        while let Poll::Ready(ready) = self.poll.poll_read_ready_mut(cx) {
            let Ok(mut ready) = ready else {
                return false;
            };
            if let Err(error) = ready
                .get_inner_mut()
                .poll(&mut self.events, Some(Duration::ZERO))
            {
                if error.kind() == std::io::ErrorKind::Interrupted {
                    continue;
                }
                if let Some(left_out) = POLL_FAILED.admit(clock::now_ms()) {
                    log::error!("polling the sockets failed: {error}{left_out}");
                }
                return false;
            }
            for event in &self.events {
                gateway.socket_event(event);
            }
            if self.events.iter().count() == EVENTS_MAX {
                return true;
            }
            ready.clear_ready();
        }
        false
    }
}

/// Takes a turn whenever the gateway's task runs.
pub(crate) struct Turns;

impl ActorFuture<Gateway> for Turns {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        gateway: &mut Gateway,
        _: &mut Context<Gateway>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        gateway.take_turn(cx);
        Poll::Pending
    }
}

impl Turn {
    fn take(&mut self, gateway: &mut Gateway, cx: &mut TaskContext<'_>) {
        let turn = self;
        gateway.take_settings();
        gateway.intake.begin_turn();
        if gateway.intake.is_paused() {
            gateway.look_at_mailboxes();
        }
        // What waits since the turns before is read first: input that comes in each turn would
        // leave it no part of the turn's work.
        let mut has_more = gateway.read_unread();
        has_more |= turn.take_events(gateway, cx);
        let next = gateway.go_on();
        has_more |= next == Next::Now;
        while turn.tick.poll_tick(cx).is_ready() {
            gateway.tick();
        }
        has_more |= gateway.take_due();
        gateway.write_snapshots();
        let round_before_ms = gateway.presence_flushed_ms;
        let mut wait_ms = gateway.write_presence(clock::now_ms());
        while wait_ms > 0 {
            // Changes wait for others, for as long as is configured.
            let deadline = Instant::now() + Duration::from_millis(wait_ms);
            turn.presence.as_mut().reset(deadline);
            if turn.presence.as_mut().poll(cx).is_pending() {
                break;
            }
            wait_ms = gateway.write_presence(clock::now_ms());
        }
        let is_settled = turn
            .settling
            .is_over(gateway.has_output(), gateway.had_input());
        turn.has_round |= gateway.presence_flushed_ms != round_before_ms;
        if is_settled {
            gateway.flush();
            if std::mem::take(&mut turn.has_round) {
                // With what it took to send it.
                gateway.presence_round_ends(clock::now_ms());
            }
        }
        if gateway.intake.is_paused() || next == Next::Soon {
            turn.pause.as_mut().reset(Instant::now() + PAUSE_LOOK);
            has_more |= turn.pause.as_mut().poll(cx).is_ready();
        }
        if has_more {
            go_on_behind_others(cx);
        } else if !is_settled {
            cx.waker().wake_by_ref();
        }
    }
}

impl Gateway {
    fn take_turn(&mut self, cx: &mut TaskContext<'_>) {
        // The turn changes the gateway.
        if let Some(mut turn) = self.turn.take() {
            let since = slow::begin();
            turn.take(self, cx);
            self.turn = Some(turn);
            slow::end(since, slow::Kind::Turn, || {
                let (worker, count) = (self.id.worker, self.connections.iter().count());
                format!("a turn of worker {worker}, which has {count} connections,")
            });
        }
    }

    /// A message of the mailbox was handled.
    pub(crate) fn handled(&mut self, ctx: &mut Context<Self>) {
        if self.intake.burst.is_over() {
            // actix runs the turn next, and the mailbox when others have run.
            ctx.wait(give_way());
        }
    }

    /// A socket can be read or written.
    fn socket_event(&mut self, event: &Event) {
        let Some(key) = self.connections.key(Index::new(event.token().0 as u32)) else {
            return;
        };
        if event.is_writable() {
            self.writable(key);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_read_closed |= event.is_read_closed() || event.is_error();
            }
            self.read_or_wait(key);
        }
    }

    fn writable(&mut self, key: ConnKey) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let has_unsent = connection.io.as_ref().is_some_and(|io| io.has_unsent());
        if !connection.queue.set_blocked(false) && !has_unsent {
            return;
        }
        self.with(key, |_, cx| cx.unblock());
    }

    /// Reads a connection's socket.
    pub(crate) fn read(&mut self, key: ConnKey) {
        let before = self.counters.received_bytes;
        let mut buffer = std::mem::take(&mut self.buffer);
        self.with(key, |connection, cx| {
            Dispatch::on_readable(connection, &mut buffer, cx);
        });
        self.buffer = buffer;
        self.run();
        self.note_read(self.counters.received_bytes.saturating_sub(before));
    }

    /// Reads what was left by the turns before. Returns whether there is more to be
    /// read at once.
    pub(crate) fn read_unread(&mut self) -> bool {
        if self.lists.unread.is_empty() || self.intake.is_over() {
            return !self.lists.unread.is_empty() && self.intake.reads();
        }
        let mut unread = std::mem::take(&mut self.lists.unread).into_iter();
        for key in unread.by_ref() {
            if let Some(connection) = self.connections.get_mut(key)
                && std::mem::take(&mut connection.has_unread)
            {
                self.read(key);
            }
            if self.intake.is_over() {
                break;
            }
        }
        // What came meanwhile is behind it.
        let behind = std::mem::take(&mut self.lists.unread);
        self.lists.unread = unread.chain(behind).collect();
        !self.lists.unread.is_empty() && self.intake.reads()
    }

    /// Turns the wheel.
    fn tick(&mut self) {
        let now_ms = clock::now_ms();
        self.check_sleep(turntable_sys::suspended_ms());
        let mut due = Vec::new();
        self.wheel.turn(now_ms, &mut due);
        self.due.extend(due);
        let now = std::time::Instant::now();
        self.drain_on(now);
        if now_ms >= self.mailboxes_surveyed_ms + MAILBOX_SURVEY_MS {
            self.mailboxes_surveyed_ms = now_ms;
            self.shared.mailboxes.survey();
        }
        for due in self.probes.take(now, Duration::from_millis(TICK_MS)) {
            self.shared.mailboxes.probe(self.id.worker, due);
        }
        if now_ms >= self.surveyed_ms + SURVEY_MS {
            self.surveyed_ms = now_ms;
            self.survey();
        }
    }

    /// Takes the timers that are due. Sessions that began together end together: when those of
    /// this turn have left as much as they may, the rest follows in the next. Returns whether
    /// there is one.
    fn take_due(&mut self) -> bool {
        // At least one, whatever else has ended in this turn.
        while let Some(timer) = self.due.pop_front() {
            self.is_due(timer, clock::now_ms());
            self.run();
            if self.intake.has_ended_many() {
                break;
            }
        }
        !self.due.is_empty()
    }

    /// A timer came due.
    fn is_due(&mut self, timer: Timer, now_ms: u64) {
        match timer {
            Timer::Identify(key) => self.identification_is_due(key),
            Timer::Linger(key) => self.push_effects([Effect::Lose(key)]),
            Timer::Transport(key, timer) => {
                self.with(key, |connection, cx| {
                    Dispatch::on_timer(connection, timer, cx);
                });
            }
            Timer::Sight(session) => self.sight_is_due(session, now_ms),
            Timer::Credentials(session) => self.credentials_are_due(session),
            Timer::Expire(session) => self.step(session, Input::ExpiryDue, Details::default()),
            Timer::Idle(session) => self.check_idle(session, now_ms),
            Timer::Answer(ticket) => self.answer_is_late(ticket),
            Timer::Answers => self.answers_are_due(now_ms),
            Timer::Services => self.watch_services(now_ms),
            Timer::Returned => self.end_returning(),
        }
    }

    /// Looks whether a session's client was silent, and when to look again.
    pub(crate) fn check_idle(&mut self, session: SessionSlot, now_ms: u64) {
        let idle_after_ms = self.settings.presence.idle_after_ms;
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let (at_ms, became_idle) = entry.session.check_idle(now_ms, idle_after_ms);
        self.wheel.set(at_ms, Timer::Idle(session));
        if became_idle {
            self.report_idle(session, true);
        }
    }

    /// Whether any socket has something to be written.
    fn has_output(&self) -> bool {
        !self.lists.dirty.is_empty()
    }

    /// Whether anything was read since the last call.
    fn had_input(&mut self) -> bool {
        std::mem::take(&mut self.lists.was_read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::testing::{Noted, crowd, entry, gateway, user};

    #[test]
    fn sessions_that_end_together_take_turns() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let sessions = crowd(&mut gateway, 8);
        let settings = gateway.settings.session.clone();
        for (number, session) in sessions.iter().enumerate() {
            let users = (0..60).map(|of| user(&format!("{number}:{of}")));
            gateway.subscribe(*session, users.collect(), None);
            let lost = entry(&mut gateway, *session);
            let input = Input::Lost(lost.session.connection().unwrap());
            lost.session.step(input, 1, &settings);
            gateway.due.push_back(Timer::Expire(*session));
        }
        let mut of_turn = || {
            gateway.intake.begin_turn();
            let has_more = gateway.take_due();
            let left = sessions.iter().filter(|key| gateway.sessions.holds(**key));
            (has_more, left.count())
        };
        assert_eq!([of_turn(), of_turn()], [(true, 3), (false, 0)]);
    }
}
