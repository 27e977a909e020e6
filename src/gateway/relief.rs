//! One round of relief: the gateways list what may go, what goes is decided for all of them
//! together, and each ends its part.
//!
//! ```text
//! look ──► Gather to each gateway ──► the last one decides ──► End to each gateway
//!            closed ones are lost        core/relief.rs          │ the last one, where
//!                                                                ▼ anything was freed
//!                                                              the memory is looked at again
//! ```
//!
//! A gateway does not decide by itself: it would end what it has although another one has
//! stalled readers that are worth all that has to go.

use std::sync::Arc;

use actix::{Context, Handler, Message};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock;
use crate::gateway::session::life::Details;
use crate::gateway::work::Effect;
use crate::gateway::{Gateway, Shared};
use turntable_core::budget::Relief;
use turntable_core::key::ConnKey;
use turntable_core::reason::CloseReason;
use turntable_core::relief::{Going, Holdings};
use turntable_core::session::life::{Input, Life};

/// The round that is under way, or was the last.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    round: Mutex<Round>,
    /// A round is over, and something is free.
    relieved: Arc<Notify>,
}

/// A round.
#[derive(Debug)]
struct Round {
    number: u64,
    relief: Relief,
    /// What has to be freed, as the look had it.
    excess_bytes: usize,
    /// What the kernel had for clients that do not read at that look.
    kernel_bytes: i64,
    /// Gateways that have not listed yet what may go, or not ended yet what goes.
    waiting: usize,
    has_freed: bool,
    holdings: Holdings,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            number: 0,
            relief: Relief::None,
            excess_bytes: 0,
            kernel_bytes: 0,
            waiting: 0,
            has_freed: false,
            holdings: Holdings::default(),
        }
    }
}

impl Round {
    /// One more gateway is done. Returns whether it is the last one.
    const fn done(&mut self) -> bool {
        self.waiting = self.waiting.saturating_sub(1);
        self.waiting == 0
    }
}

impl Rounds {
    /// Notified when what had to go has gone.
    pub(super) fn relieved(&self) -> Arc<Notify> {
        self.relieved.clone()
    }

    /// So many gateways list what may go. A round before that is not over never is. Returns
    /// the number of this one.
    fn begin(&self, of: Round) -> u64 {
        let mut round = self.round.lock();
        let number = round.number + 1;
        *round = Round { number, ..of };
        number
    }

    /// What a round is for, while it is the last one.
    fn relief(&self, number: u64) -> Option<Relief> {
        let round = self.round.lock();
        (round.number == number).then_some(round.relief)
    }

    /// A gateway has listed what may go, and lost closed connections with so many bytes; the
    /// kernel has so much for all clients now. Returns what goes, once all have.
    fn gathered(
        &self,
        number: u64,
        holdings: Holdings,
        closed_bytes: usize,
        kernel_bytes: i64,
        gateways: usize,
    ) -> Option<Going> {
        let mut round = self.round.lock();
        if round.number != number {
            return None;
        }
        round.has_freed |= closed_bytes > 0;
        round.holdings.extend(holdings);
        if !round.done() {
            return None;
        }
        // What the closed ones had is not in use any more, nor what others have taken since.
        let gone = round.kernel_bytes.saturating_sub(kernel_bytes);
        let gone_bytes = usize::try_from(gone).unwrap_or_default();
        let excess_bytes = round.excess_bytes.saturating_sub(gone_bytes);
        let holdings = std::mem::take(&mut round.holdings);
        let going = holdings.going(round.relief, excess_bytes);
        round.waiting = gateways;
        Some(going)
    }

    /// A gateway has ended what goes.
    fn ended(&self, number: u64, has_freed: bool) {
        let mut round = self.round.lock();
        if round.number != number {
            return;
        }
        round.has_freed |= has_freed;
        if round.done() && round.has_freed {
            self.relieved.notify_one();
        }
    }
}

impl Shared {
    /// The process uses so many bytes too many.
    pub(super) fn relieve(&self, relief: Relief, excess_bytes: u64) {
        let gateways: Vec<_> = self.peers.gateways().collect();
        let number = self.overload.rounds.begin(Round {
            relief,
            excess_bytes: usize::try_from(excess_bytes).unwrap_or(usize::MAX),
            kernel_bytes: self.metrics.send_buffer_bytes.get(),
            waiting: gateways.len(),
            ..Round::default()
        });
        for gateway in gateways {
            gateway.do_send(Gather { number, relief });
        }
    }

    /// Each gateway ends its part.
    fn end_all(&self, number: u64, going: Going) {
        let going = Arc::new(going);
        for gateway in self.peers.gateways() {
            let going = going.clone();
            gateway.do_send(End { number, going });
        }
    }
}

/// What may go has to be listed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Gather {
    number: u64,
    relief: Relief,
}

/// This has to go.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct End {
    number: u64,
    going: Arc<Going>,
}

impl Handler<Gather> for Gateway {
    type Result = ();

    fn handle(&mut self, Gather { number, relief }: Gather, _: &mut Context<Self>) {
        if self.shared.overload.rounds.relief(number).is_none() {
            return;
        }
        let closed_bytes = self.lose_closed();
        let holdings = match relief {
            Relief::None | Relief::Closed => Holdings::default(),
            _ => self.holdings(relief, clock::now_ms()),
        };
        self.survey_send_buffers();
        let shared = &self.shared;
        let kernel_bytes = shared.metrics.send_buffer_bytes.get();
        let gateways = shared.peers.gateways().count();
        let rounds = &shared.overload.rounds;
        let going = rounds.gathered(number, holdings, closed_bytes, kernel_bytes, gateways);
        if let Some(going) = going {
            let wait_ms = self.settings.overload_wait_ms;
            let cooldowns = &shared.overload.cooldowns;
            cooldowns.begin(&going, wait_ms, clock::now_ms());
            shared.end_all(number, going);
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
        for holding in &going.sessions {
            let Some(session) = self.sessions.at_place(holding.session) else {
                continue;
            };
            let entry = self.sessions.get(session);
            let connection = entry.and_then(|entry| entry.session.connection());
            let input = match entry.map(|entry| entry.session.life()) {
                Some(Life::Detached { .. }) => {
                    self.shared.metrics.evicted.inc();
                    Input::Evicted
                }
                _ => Input::End(CloseReason::TooSlow),
            };
            self.step(session, input, Details::default());
            self.run();
            // Its last message would wait behind what the kernel has for it.
            let blocked = connection.and_then(|key| self.blocked(key));
            self.push_effects(blocked.map(Effect::Lose));
            self.run();
            has_freed = true;
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
}

impl Gateway {
    /// The connection whose socket a connection writes to, where that takes nothing.
    fn blocked(&self, key: ConnKey) -> Option<ConnKey> {
        let carrier = self.connections.get(key)?.transport.carrier();
        let key = carrier.unwrap_or(key);
        let connection = self.connections.get(key)?;
        connection.queue.is_blocked().then_some(key)
    }
}

#[cfg(test)]
impl Gateway {
    /// A round of a node that has this gateway alone. Returns whether anything was freed.
    pub(crate) fn relieve(&mut self, relief: Relief, excess_bytes: usize, now_ms: u64) -> bool {
        let closed_bytes = self.lose_closed();
        let going = self.holdings(relief, now_ms).going(relief, excess_bytes);
        self.end_for_memory(&going) || closed_bytes > 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::gateway::testing::{Noted, begin_as, gateway};
    use turntable_core::address::Address;
    use turntable_core::key::{SessionSlot, SlotKey as _};
    use turntable_core::relief::Holding;

    const STALLED: Relief = Relief::Stalled;

    fn round(waiting: usize) -> Round {
        Round {
            relief: STALLED,
            excess_bytes: 100,
            kernel_bytes: 50,
            waiting,
            ..Round::default()
        }
    }

    fn holding(gateway: &Gateway, number: u32, bytes: usize) -> Holding {
        Holding {
            address: Some(Address::from_number(1)),
            session: gateway.sessions.place(SessionSlot::new(number, 0)),
            bytes,
            since_ms: 0,
        }
    }

    fn stalled(holding: Holding) -> Holdings {
        Holdings {
            stalled: vec![holding],
            ..Holdings::default()
        }
    }

    #[test]
    fn what_goes_is_decided_when_all_gateways_have_listed_what_may_go() {
        let gateway = gateway(0, &Arc::new(Noted::default()));
        let rounds = Rounds::default();
        let number = rounds.begin(round(2));
        let (one, other) = (holding(&gateway, 1, 90), holding(&gateway, 2, 110));
        assert_eq!(rounds.gathered(number, stalled(one), 0, 50, 2), None);
        assert_eq!(rounds.gathered(number + 1, stalled(one), 0, 50, 2), None);
        let going = rounds.gathered(number, stalled(other), 0, 50, 2).unwrap();
        assert_eq!(going.sessions, [other]);
    }

    #[test]
    fn what_the_kernel_gave_back_since_the_look_has_not_to_be_freed() {
        let gateway = gateway(0, &Arc::new(Noted::default()));
        let rounds = Rounds::default();
        let of = [holding(&gateway, 1, 60), holding(&gateway, 2, 70)];
        let holdings = || Holdings {
            stalled: of.to_vec(),
            ..Holdings::default()
        };
        let number = rounds.begin(round(1));
        let going = rounds.gathered(number, holdings(), 0, 50, 1).unwrap();
        assert_eq!(going.sessions.len(), 2);
        let number = rounds.begin(round(1));
        let going = rounds.gathered(number, holdings(), 0, 10, 1).unwrap();
        assert_eq!(going.sessions.len(), 1);
    }

    #[test]
    fn memory_is_looked_at_again_when_all_gateways_have_freed_something() {
        let rounds = Rounds::default();
        let is_due = || rounds.relieved.notified().now_or_never().is_some();
        let gather = |number| rounds.gathered(number, Holdings::default(), 0, 50, 2);
        let begin = || {
            let number = rounds.begin(round(1));
            gather(number).unwrap();
            number
        };
        let first = begin();
        rounds.ended(first, true);
        assert!(!is_due(), "another one is not done");
        rounds.ended(first, false);
        assert!(is_due());
        assert!(!is_due(), "once");
        let second = begin();
        rounds.ended(first, true);
        rounds.ended(second, false);
        rounds.ended(second, false);
        assert!(!is_due(), "nothing is free");
    }

    #[test]
    fn gateway_ends_its_own_sessions_alone_and_each_once() {
        let mut one = gateway(0, &Arc::new(Noted::default()));
        let other = gateway(1, &Arc::new(Noted::default()));
        let session = begin_as(&mut one, 1);
        let going = |gateway: &Gateway| {
            let holding = holding(gateway, session.index(), 1);
            let session = gateway.sessions.place(session);
            Going {
                sessions: vec![Holding { session, ..holding }],
                forgets_retained: false,
            }
        };
        assert!(!one.end_for_memory(&going(&other)));
        assert!(one.sessions.holds(session));
        assert!(one.end_for_memory(&going(&one)));
        assert!(!one.sessions.holds(session));
        assert!(!one.end_for_memory(&going(&one)));
    }
}
