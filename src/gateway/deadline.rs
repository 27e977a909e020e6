//! What comes due: identification, heartbeats, idleness, the end of sessions
//! that nobody resumed.

use crate::clock;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::slots::Key;
use crate::gateway::{Gateway, Timer};
use turntable_core::call::AvatarCall;
use turntable_core::reason::CloseReason;

impl Gateway {
    /// A timer came due.
    pub(super) fn due(&mut self, timer: Timer, now_ms: u64) {
        match timer {
            Timer::Identify(key) => {
                let waits =
                    |phase: &Phase| matches!(phase, Phase::Greeting(_) | Phase::Identifying(_));
                if self
                    .live(key)
                    .is_some_and(|connection| waits(&connection.phase))
                {
                    self.close(key.slot, CloseReason::NotIdentified);
                }
            }
            Timer::Heartbeat(key) => self.heartbeat(key, now_ms),
            Timer::ClockPing(key) => {
                let session = self.live(key).and_then(|connection| {
                    connection.is_measured = false;
                    connection.session()
                });
                if let Some(session) = session {
                    self.measure_clock(key.slot, session);
                }
            }
            Timer::Linger(key) => {
                if self.live(key).is_some() {
                    self.lose(key.slot);
                }
            }
            Timer::Expire(key) => {
                let resume_ms = self.settings().session.resume_ms;
                let is_over = self.sessions.holds(key)
                    && self.sessions.at(key.slot).is_some_and(|held| {
                        held.dropped_ms
                            .is_some_and(|dropped| dropped.get() + resume_ms <= now_ms)
                    });
                if is_over {
                    self.end_session(key.slot);
                }
            }
            Timer::Idle(key) => self.check_idle(key, now_ms),
            Timer::Tunnel(key) => self.tunnel_is_due(key),
            Timer::Poll(key) => self.poll_is_due(key, now_ms),
            Timer::Answer(key) => self.answer_is_due(key),
            Timer::Engine(key) => self.engine_is_due(key, now_ms),
            Timer::Connect(key) => self.connect_is_due(key),
            Timer::Gap(key) => {
                if self.live(key).is_some_and(|line| line.stream.is_none()) {
                    self.lose(key.slot);
                }
            }
        }
    }

    pub(super) fn live(&mut self, key: Key) -> Option<&mut Connection> {
        if self.connections.holds(key) {
            self.connections.at_mut(key.slot)
        } else {
            None
        }
    }

    /// Pings a connection that was silent, and closes one that stayed so.
    fn heartbeat(&mut self, key: Key, now_ms: u64) {
        let heartbeat_ms = self.settings().session.heartbeat_ms;
        let Some(connection) = self.live(key) else {
            return;
        };
        if connection.is_closing() {
            return;
        }
        if std::mem::take(&mut connection.was_heard) {
            connection.ping = 0;
        } else if connection.ping != 0 {
            return self.close(key.slot, CloseReason::HeartbeatMissed);
        } else {
            self.ping(key.slot);
        }
        self.wheel.set(now_ms + heartbeat_ms, Timer::Heartbeat(key));
    }

    /// Begins to look after a session's idleness, where that is configured.
    pub(super) fn await_idle(&mut self, session: u32) {
        let idle_ms = self.settings().presence.idle_after_ms;
        if idle_ms > 0
            && let Some(key) = self.sessions.key(session)
        {
            self.wheel.set(clock::now_ms() + idle_ms, Timer::Idle(key));
        }
    }

    fn check_idle(&mut self, key: Key, now_ms: u64) {
        let idle_after_ms = self.settings().presence.idle_after_ms;
        if !self.sessions.holds(key) {
            return;
        }
        let Some(held) = self.sessions.at_mut(key.slot) else {
            return;
        };
        let idle_at_ms = held.active_ms + idle_after_ms;
        if now_ms < idle_at_ms {
            return self.wheel.set(idle_at_ms, Timer::Idle(key));
        }
        self.wheel.set(now_ms + idle_after_ms, Timer::Idle(key));
        if !std::mem::replace(&mut held.is_idle, true) {
            self.tell_idle(key.slot, true);
        }
    }

    /// Tells the avatar that a session sends nothing, or something again.
    pub(super) fn tell_idle(&mut self, session: u32, idle: bool) {
        if let (Some(caller), Some(held)) = (self.caller(session), self.sessions.at(session)) {
            let call = AvatarCall::Idle { caller, idle };
            self.context.owners.avatar(&held.session.user, call);
        }
    }
}
