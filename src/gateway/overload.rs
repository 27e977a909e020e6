//! What a node does when its process uses more memory than
//! `server.memory_bytes_max`.
//!
//! One task of the node looks at the memory. The decision is pure
//! (`turntable_core::budget`); gateways remove what may go (`relief`), and new
//! connections and sessions are refused as long as that is not enough.
//!
//! ```text
//! watch: look ──► a round of relief, in which each gateway counts what the kernel has
//!          ▲                                 │ where anything was freed
//!          └── gives memory back, looks again ◄┘
//! ```

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::gateway::Shared;
use crate::gateway::cooldown::Cooldowns;
use crate::gateway::round::Rounds;
use crate::gateway::silence::Silence;
use crate::log_limit::LogLimit;
use crate::memory;
use turntable_core::address::Address;
use turntable_core::budget::{MemoryBudget, Pressure, Relief, Verdict};
use turntable_core::call::Call;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;
use turntable_core::release::Release;

const MIB: f64 = 1_048_576.0;

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long owners have to drop what they retain before the look that follows.
const SETTLE: Duration = Duration::from_millis(50);

/// The memory may go up and down at each look. A step further is no repetition.
static EVICTING: LogLimit = LogLimit::new();
static REFUSING: LogLimit = LogLimit::new();

/// Whether new clients are refused.
#[derive(Debug, Default)]
pub struct Overload {
    is_refusing: AtomicBool,
    /// How gateways free what may go.
    pub(super) rounds: Rounds,
    /// Addresses that wait before they begin sessions.
    pub(super) cooldowns: Cooldowns,
}

impl Overload {
    /// Whether the process uses more memory than it may, and what could go has gone.
    #[must_use]
    pub fn is_refusing(&self) -> bool {
        self.is_refusing.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Whether a client may begin something now: a connection or a session.
    ///
    /// # Errors
    /// `unavailable` while the process uses more memory than it may.
    pub fn may_begin(&self) -> Result<(), ErrorBody> {
        if !self.overload.is_refusing() {
            return Ok(());
        }
        self.metrics.reach("server.memory_bytes_max");
        Err(ErrorBody::new(
            ErrorCode::Unavailable,
            "the server uses as much memory as it may; try again later",
        ))
    }

    /// Whether a client at an address may begin a session now.
    ///
    /// # Errors
    /// `unavailable` while the process uses more memory than it may, and for
    /// `server.overload_wait_ms` after sessions of the address were ended for memory.
    pub(super) fn may_begin_session(
        &self,
        address: Option<Address>,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        self.may_begin()?;
        let cooldowns = &self.overload.cooldowns;
        let wait_ms = address.and_then(|address| cooldowns.remaining_ms(address, now_ms));
        let Some(wait_ms) = wait_ms else {
            return Ok(());
        };
        self.metrics.reach("server.overload_wait_ms");
        let message = "sessions of your address were ended, as they took too much memory of the \
                       server (server.overload_wait_ms); wait retry_ms";
        Err(ErrorBody::new(ErrorCode::Unavailable, message).with("retry_ms", wait_ms))
    }

    /// What the process uses, and what the kernel uses for its clients that do not read.
    fn with_send_buffers(&self, resident_bytes: u64) -> u64 {
        let kernel_bytes = self.metrics.send_buffer_bytes.get();
        resident_bytes.saturating_add(u64::try_from(kernel_bytes).unwrap_or_default())
    }

    /// The process and the kernel use so many bytes for its clients; `is_after_relief`
    /// says whether what had to go has just gone.
    fn look_at_memory(
        &self,
        budget: &mut MemoryBudget,
        used_bytes: u64,
        max_bytes: u64,
        is_after_relief: bool,
    ) {
        let Verdict {
            pressure,
            relief,
            is_news,
        } = match is_after_relief {
            true => budget.look_after_relief(used_bytes, max_bytes),
            false => budget.look(used_bytes, max_bytes),
        };
        let is_refusing = pressure == Pressure::Refusing;
        self.overload
            .is_refusing
            .store(is_refusing, Ordering::Relaxed);
        self.metrics.memory_pressure.set(pressure as i64);
        if relief != Relief::None {
            self.relieve(relief, used_bytes, max_bytes);
            let is_last = matches!(relief, Relief::Shares | Relief::All);
            // Near the budget what other users have stays.
            if is_last || relief == Relief::Half && used_bytes > max_bytes {
                self.store.relieve(is_last);
            }
            if is_last {
                self.owners.call(Call::ForgetHistories);
            }
        }
        if pressure == Pressure::None {
            self.overload.rounds.relax();
        }
        if !is_news {
            return;
        }
        let [used_mib, max_mib] = [used_bytes, max_bytes].map(|bytes| bytes as f64 / MIB);
        let of = format!(
            "{used_mib:.1} MiB of memory used, server.memory_bytes_max is {max_mib:.1} MiB"
        );
        let (what, limit) = match pressure {
            Pressure::None => return log::info!("{of}: within the limit again"),
            Pressure::Evicting => (
                "sessions whose readers are behind, or that have no connection, are removed",
                &EVICTING,
            ),
            Pressure::Refusing => ("new clients are refused", &REFUSING),
        };
        if let Some(left_out) = limit.admit(clock::now_ms()) {
            log::warn!("{of}: {what}{left_out}");
        }
    }
}

/// Looks at the memory of the process, and whether all workers answer, for as long as the node lives.
pub async fn watch(shared: Weak<Shared>) {
    let machine_bytes = memory::machine_bytes();
    let mut budget = MemoryBudget::default();
    let mut release = Release::default();
    let mut silence = Silence::default();
    let Some(relieved) = shared
        .upgrade()
        .map(|shared| shared.overload.rounds.relieved())
    else {
        return;
    };
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // One look after the first all workers have started.
    let mut looks_until_started = 2;
    loop {
        let is_after_relief = tokio::select! {
            _ = interval.tick() => false,
            () = relieved.notified() => true,
        };
        if is_after_relief {
            release.hurry();
            tokio::time::sleep(SETTLE).await;
        }
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if looks_until_started > 0 {
            looks_until_started -= 1;
            if looks_until_started == 0 {
                turntable_sys::release_program_pages();
            }
        }
        // On the thread of no worker.
        silence.report(&shared.mailboxes.silent(Instant::now()));
        let metrics = &shared.metrics;
        metrics.detached.set(shared.limits.detached() as i64);
        let Some(mut used_bytes) = memory::resident_bytes() else {
            continue;
        };
        let max_bytes = match shared.settings.get().memory_bytes_max {
            0 => machine_bytes.map(|bytes| bytes / 2),
            max => Some(max),
        };
        if release.is_due(used_bytes, max_bytes, budget.pressure()) {
            let before_bytes = used_bytes;
            // On a thread of its own: it takes as long as several turns of a worker.
            let _ = tokio::task::spawn_blocking(turntable_sys::release_free_memory).await;
            used_bytes = memory::resident_bytes().unwrap_or(before_bytes);
            release.done(before_bytes, used_bytes);
        }
        metrics.resident_bytes.set(used_bytes as i64);
        if let Some(max_bytes) = max_bytes {
            let used_bytes = shared.with_send_buffers(used_bytes);
            shared.look_at_memory(&mut budget, used_bytes, max_bytes, is_after_relief);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::Gateway;
    use crate::gateway::testing::{Noted, begin_as, gateway};
    use turntable_core::key::SessionSlot;
    use turntable_core::session::life::Input;

    /// Sessions that lost their connections, one after the other.
    fn drop_sessions(gateway: &mut Gateway, numbers: std::ops::Range<u64>) -> Vec<SessionSlot> {
        let drop_one = |number: u64| {
            let session = begin_as(gateway, number);
            let entry = gateway.sessions.get_mut(session).unwrap();
            let lost = Input::Lost(entry.session.connection().unwrap());
            let settings = gateway.settings.session.clone();
            entry.session.step(lost, number, &settings);
            session
        };
        numbers.map(drop_one).collect()
    }

    fn there(gateway: &Gateway, sessions: &[SessionSlot]) -> Vec<bool> {
        let is_there = |session: &SessionSlot| gateway.sessions.holds(*session);
        sessions.iter().map(is_there).collect()
    }

    #[test]
    fn older_half_of_sessions_without_a_connection_goes_first() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let dropped = drop_sessions(&mut gateway, 1..4);
        let attached = begin_as(&mut gateway, 9);
        gateway.relieve(Relief::Stalled, 1, 9);
        assert_eq!(there(&gateway, &dropped), [true, true, true]);
        gateway.relieve(Relief::Half, 1, 9);
        assert_eq!(there(&gateway, &dropped), [false, false, true]);
        gateway.relieve(Relief::All, 1, 9);
        assert_eq!(there(&gateway, &dropped), [false, false, false]);
        assert_eq!(there(&gateway, &[attached]), [true]);
        assert_eq!(gateway.shared.metrics.evicted.get(), 3);
    }

    #[test]
    fn clients_are_refused_while_the_process_is_over_its_budget() {
        let gateway = gateway(0, &Arc::new(Noted::default()));
        let shared = &gateway.shared;
        let address = [127, 0, 0, 1].into();
        let mut budget = MemoryBudget::default();
        shared.metrics.send_buffer_bytes.set(7);
        assert_eq!(shared.with_send_buffers(30), 37);
        for _ in 0..3 {
            shared.look_at_memory(&mut budget, 2, 1, false);
            assert!(shared.admit(address, None).is_ok());
        }
        shared.look_at_memory(&mut budget, 2, 1, false);
        let refused = shared.admit(address, None).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Unavailable);
        assert_eq!(shared.limits.total(), 0);
        shared.look_at_memory(&mut budget, 2, 1, true);
        assert!(shared.admit(address, None).is_err());
        shared.look_at_memory(&mut budget, 0, 1, true);
        assert!(shared.admit(address, None).is_ok());
    }

    #[test]
    fn what_the_kernel_had_for_readers_that_are_gone_does_not_count_after_relief() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        gateway.shared.metrics.send_buffer_bytes.set(5_000);
        gateway.send_buffer_bytes = 4_000;
        assert!(!gateway.relieve(Relief::Closed, 1, 9));
        assert_eq!(gateway.shared.metrics.send_buffer_bytes.get(), 1_000);
        let dropped = drop_sessions(&mut gateway, 1..2);
        assert!(gateway.relieve(Relief::Half, 1, 9));
        assert_eq!(there(&gateway, &dropped), [false]);
    }
}
