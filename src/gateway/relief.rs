//! Relief: the gateways list what may go, what goes is decided for all of them together, and
//! each ends its part.
//!
//! ```text
//! look ──► Gather to each gateway ──► the last one decides ──► End to each with a part
//!            closed ones are lost        core/relief.rs          │ the last one, where
//!                                                                ▼ anything was freed
//!                                                              the memory is looked at again
//! ```
//!
//! A gateway does not decide by itself: it would end what it has although another one has
//! stalled readers that are worth all that has to go. `round.rs` has the rounds.

use actix::{Context, Handler, Message};

use crate::clock;
use crate::gateway::round::{Decision, Need, Next};
use crate::gateway::session::life::Details;
use crate::gateway::work::Effect;
use crate::gateway::{Gateway, Shared};
use turntable_core::budget::{Relief, within};
use turntable_core::key::ConnKey;
use turntable_core::reason::CloseReason;
use turntable_core::relief::{Excess, Going, Holding, Holdings};
use turntable_core::session::life::{Input, Life};

/// The part of the memory that the sessions of one address may have before it gives to others.
const ADDRESS_PART: u64 = 8;

impl Shared {
    /// The process uses so many bytes, and may use `max_bytes`.
    pub(super) fn relieve(&self, relief: Relief, used_bytes: u64, max_bytes: u64) {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let need = Need {
            relief,
            excess: Excess {
                bytes: bytes(used_bytes.saturating_sub(within(max_bytes))),
                address_bytes_max: bytes(max_bytes / ADDRESS_PART),
                is_refusing: self.overload.is_refusing(),
            },
            kernel_bytes: self.metrics.send_buffer_bytes.get(),
        };
        let workers = self.peers.workers().collect();
        match self.overload.rounds.look(need, workers) {
            Next::List(workers) => {
                let gateways = workers.into_iter();
                for gateway in gateways.filter_map(|worker| self.peers.gateway(worker)) {
                    gateway.do_send(Gather);
                }
            }
            Next::End(decision) => self.end_parts(decision, self.settings.get().overload_wait_ms),
        }
    }

    /// Each gateway ends its part.
    fn end_parts(&self, decision: Decision, wait_ms: u64) {
        let cooldowns = &self.overload.cooldowns;
        cooldowns.begin(&decision.going, wait_ms, clock::now_ms());
        let number = decision.number;
        for (worker, going) in decision.parts {
            if let Some(gateway) = self.peers.gateway(worker) {
                gateway.do_send(End { number, going });
            }
        }
    }
}

/// What may go has to be listed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Gather;

/// This has to go.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct End {
    number: u64,
    going: Going,
}

impl Handler<Gather> for Gateway {
    type Result = ();

    fn handle(&mut self, _: Gather, _: &mut Context<Self>) {
        let closed_bytes = self.lose_closed();
        let worker = self.id.worker;
        let rounds = &self.shared.overload.rounds;
        rounds.lost_closed(closed_bytes);
        let Some(relief) = rounds.begin_list(worker) else {
            return;
        };
        let now_ms = clock::now_ms();
        let holdings = match relief {
            Relief::None | Relief::Closed => Holdings::default(),
            _ => {
                self.look_at_unread(now_ms);
                self.holdings(relief, now_ms)
            }
        };
        self.survey_send_buffers();
        let shared = &self.shared;
        let kernel_bytes = shared.metrics.send_buffer_bytes.get();
        let rounds = &shared.overload.rounds;
        if let Some(decision) = rounds.listed(worker, relief, holdings, kernel_bytes) {
            shared.end_parts(decision, self.settings.overload_wait_ms);
        }
    }
}

impl Handler<End> for Gateway {
    type Result = ();

    fn handle(&mut self, end: End, _: &mut Context<Self>) {
        let has_freed = self.end_for_memory(&end.going);
        self.shared.overload.rounds.ended(end.number, has_freed);
    }
}

impl Gateway {
    /// Ends sessions of this gateway to free memory. Returns whether anything was freed.
    fn end_for_memory(&mut self, going: &Going) -> bool {
        let mut has_freed = false;
        for holding in &going.forgetful {
            let session = self.sessions.at_place(holding.session);
            let entry = session.and_then(|session| self.sessions.get_mut(session));
            if let Some(entry) = entry {
                entry.session.outbox.forget_retained();
                entry.forget_answer();
                has_freed = true;
            }
        }
        for holding in &going.sessions {
            has_freed |= self.end_one(holding, CloseReason::TooSlow);
        }
        for holding in &going.surplus {
            self.shared.metrics.reach("server.memory_bytes_max");
            has_freed |= self.end_one(holding, CloseReason::RateLimited);
        }
        if going.forgets_retained {
            let answer_bytes = self.connections.answer_bytes();
            has_freed |= answer_bytes + self.sessions.forget_retained() > 0;
            self.connections.forget_answers();
        }
        // What the kernel had for those that are gone would count until the next survey.
        self.survey_send_buffers();
        has_freed
    }

    /// Ends one session, for this reason where it has a connection. Returns whether it was there.
    fn end_one(&mut self, holding: &Holding, reason: CloseReason) -> bool {
        let Some(session) = self.sessions.at_place(holding.session) else {
            return false;
        };
        let entry = self.sessions.get(session);
        let connection = entry.and_then(|entry| entry.session.connection());
        let input = match entry.map(|entry| entry.session.life()) {
            Some(Life::Detached { .. }) => {
                self.shared.metrics.evicted.inc();
                Input::Evicted
            }
            _ => Input::End(reason),
        };
        self.step(session, input, Details::default());
        self.run();
        // Its last message would wait behind what the kernel has for it.
        let blocked = connection.and_then(|key| self.blocked(key));
        self.push_effects(blocked.map(Effect::Lose));
        self.run();
        true
    }

    /// The connection whose socket a connection writes to, where that takes nothing.
    fn blocked(&self, key: ConnKey) -> Option<ConnKey> {
        let carrier = self.connections.get(key)?.transport.carrier();
        let key = carrier.unwrap_or(key);
        let connection = self.connections.get(key)?;
        let is_blocked = connection.queue.is_blocked() || self.unread.is_still(key);
        is_blocked.then_some(key)
    }
}

#[cfg(test)]
impl Gateway {
    /// A round of a node that has this gateway alone. Returns whether anything was freed.
    pub(crate) fn relieve(&mut self, relief: Relief, excess_bytes: usize, now_ms: u64) -> bool {
        let closed_bytes = self.lose_closed();
        let excess = Excess {
            bytes: excess_bytes,
            address_bytes_max: usize::MAX,
            is_refusing: false,
        };
        let going = self.holdings(relief, now_ms).going(relief, excess);
        self.end_for_memory(&going) || closed_bytes > 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::testing::{Noted, begin_as, gateway};
    use turntable_core::relief::Holding;

    #[test]
    fn gateway_ends_its_own_sessions_alone_and_each_once() {
        let mut one = gateway(0, &Arc::new(Noted::default()));
        let other = gateway(1, &Arc::new(Noted::default()));
        let session = begin_as(&mut one, 1);
        let going = |gateway: &Gateway| Going {
            sessions: vec![Holding {
                address: None,
                session: gateway.sessions.place(session),
                bytes: 1,
                since_ms: 0,
            }],
            ..Going::default()
        };
        assert!(!one.end_for_memory(&going(&other)));
        assert!(one.sessions.holds(session));
        assert!(one.end_for_memory(&going(&one)));
        assert!(!one.sessions.holds(session));
        assert!(!one.end_for_memory(&going(&one)));
    }
}
