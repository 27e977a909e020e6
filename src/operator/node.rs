//! This server as a whole: whether it takes clients.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::gateway::Shared;
use crate::gateway::drain::{Drain, Undrain, spread_ms};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Whether a server takes clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// It does.
    Serving,
    /// It sends its clients away and takes no others.
    Draining,
    /// It does so and ends then.
    Stopping,
}

impl NodeState {
    /// Its name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
        }
    }
}

/// A server as an operator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeInfo {
    /// Whether it takes clients.
    pub state: NodeState,
    /// Connections of clients.
    pub connections: u64,
    /// Sessions, with and without a connection.
    pub sessions: u64,
}

impl Shared {
    /// What the server does, and how many clients it has.
    #[must_use]
    pub fn node(&self) -> NodeInfo {
        let state = match () {
            () if self.is_ending.load(Ordering::Relaxed) => NodeState::Stopping,
            () if self.is_stopping.load(Ordering::Relaxed) => NodeState::Draining,
            () => NodeState::Serving,
        };
        NodeInfo {
            state,
            connections: self.limits.total(),
            sessions: self.metrics.sessions.get().try_into().unwrap_or_default(),
        }
    }

    /// Sends all clients away over so many ms, or by their number, and takes no others until
    /// `undrain`.
    ///
    /// # Errors
    /// `conflict` where the server ends.
    pub fn drain(&self, over_ms: Option<u64>) -> Result<NodeInfo, ErrorBody> {
        self.check_stays()?;
        let is_new = !self.is_stopping.swap(true, Ordering::Relaxed);
        if is_new {
            let by_number = spread_ms(self.limits.total(), 0, u64::MAX);
            self.send_away(over_ms.unwrap_or(by_number), false, false);
            log::info!("draining: asking clients to reconnect elsewhere");
        }
        Ok(self.node())
    }

    /// Takes clients again.
    ///
    /// # Errors
    /// `conflict` where the server ends.
    pub fn undrain(&self) -> Result<NodeInfo, ErrorBody> {
        self.check_stays()?;
        for gateway in self.peers.gateways() {
            gateway.do_send(Undrain);
        }
        if self.is_stopping.swap(false, Ordering::Relaxed) {
            log::info!("not draining any more: taking clients again");
        }
        Ok(self.node())
    }

    /// Sends all clients away, because the process ends: in half of `shutdown` at the most.
    /// `is_saving`: the next process has their sessions.
    pub(crate) fn begin_shutdown(&self, shutdown: Duration, is_saving: bool) {
        let configured = self.settings.get().drain_spread_ms;
        let max_ms = u64::try_from(shutdown.as_millis() / 2).unwrap_or(u64::MAX);
        self.is_ending.store(true, Ordering::Relaxed);
        self.is_stopping.store(true, Ordering::Relaxed);
        let spread_ms = spread_ms(self.limits.total(), configured, max_ms);
        self.send_away(spread_ms, true, is_saving);
    }

    fn send_away(&self, spread_ms: u64, is_ending: bool, is_saving: bool) {
        let drain = Drain {
            spread_ms,
            is_ending,
            is_saving,
        };
        for gateway in self.peers.gateways() {
            gateway.do_send(drain);
        }
    }

    fn check_stays(&self) -> Result<(), ErrorBody> {
        match self.is_ending.load(Ordering::Relaxed) {
            true => Err(ErrorBody::new(
                ErrorCode::Conflict,
                "the server is stopping",
            )),
            false => Ok(()),
        }
    }
}
