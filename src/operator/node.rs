//! This server as a whole: whether it takes clients.

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
    /// Unix ms at which its program began. A restart in place begins another one.
    pub started_ms: u64,
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
            () if self.phase.is_ending() => NodeState::Stopping,
            () if self.phase.refuses_clients() => NodeState::Draining,
            () => NodeState::Serving,
        };
        NodeInfo {
            state,
            started_ms: self.started_ms,
            connections: self.limits.total(),
            sessions: self.metrics.sessions.get().try_into().unwrap_or_default(),
        }
    }

    /// Sends all clients away over so many ms, or as `server.drain_spread_ms` says, and takes no
    /// others until `undrain`. Where they are being sent away, those that are left go over this
    /// time, if there is one.
    ///
    /// # Errors
    /// `conflict` where the server ends.
    pub fn drain(&self, over_ms: Option<u64>) -> Result<NodeInfo, ErrorBody> {
        let change = self.phase.change();
        self.check_stays()?;
        let is_new = self.phase.refuse_clients(true);
        if is_new || over_ms.is_some() {
            let usual_ms = self.drain_spread_ms(u64::MAX);
            self.send_away(over_ms.unwrap_or(usual_ms), false, false);
        }
        drop(change);
        if is_new {
            log::info!("draining: asking clients to reconnect elsewhere");
        }
        Ok(self.node())
    }

    /// Takes clients again.
    ///
    /// # Errors
    /// `conflict` where the server ends.
    pub fn undrain(&self) -> Result<NodeInfo, ErrorBody> {
        let change = self.phase.change();
        self.check_stays()?;
        for gateway in self.peers.gateways() {
            gateway.do_send(Undrain);
        }
        let is_new = self.phase.refuse_clients(false);
        drop(change);
        if is_new {
            log::info!("not draining any more: taking clients again");
        }
        Ok(self.node())
    }

    /// Sends all clients away, because the process ends: in half of `wait` at the most, so that
    /// the last ones have the other half. `is_saving`: the next process has their sessions.
    pub(crate) fn begin_shutdown(&self, wait: Duration, is_saving: bool) {
        let max_ms = u64::try_from(wait.as_millis() / 2).unwrap_or(u64::MAX);
        let _change = self.phase.change();
        self.phase.end();
        self.send_away(self.drain_spread_ms(max_ms), true, is_saving);
    }

    fn drain_spread_ms(&self, max_ms: u64) -> u64 {
        let configured = self.settings.get().drain_spread_ms;
        spread_ms(self.limits.total(), configured, max_ms)
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
        match self.phase.is_ending() {
            true => Err(ErrorBody::new(
                ErrorCode::Conflict,
                "the server is stopping",
            )),
            false => Ok(()),
        }
    }
}
