//! The places of HTTP connections: every accepted socket has one until it is
//! closed, or becomes a WebSocket or a tunnel, which the gateways count.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::gateway::Shared;
use crate::gateway::admission::{ConnectionLimits, FEW, Full, Permit};
use crate::http::settings::ServerSettings;
use turntable_core::even_share::has_share;

/// So many connections over the limits are answered that there is no place; more
/// are closed unanswered.
const REFUSED_MAX: usize = 256;

/// The HTTP connections of the process.
#[derive(Debug)]
pub struct Places {
    connections: Arc<ConnectionLimits>,
    refused: Arc<AtomicUsize>,
    /// Files that connections may have open, over all kinds.
    files_max: u64,
    /// As many of them have a place; the rest is for those that are refused.
    placed_max: u64,
}

/// A place, or why there is none.
pub type Place = Result<Permit, Refused>;

/// A connection that is only answered that there is no place.
#[derive(Debug)]
pub struct Refused {
    /// The limit that is reached.
    pub full: Full,
    refused: Arc<AtomicUsize>,
}

impl Drop for Refused {
    fn drop(&mut self) {
        self.refused.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Places {
    /// Room for as many connections as files may be open.
    #[must_use]
    pub fn new(files_max: u64) -> Self {
        let placed_max = files_max - (files_max / 8).min(REFUSED_MAX as u64);
        Self {
            connections: Arc::default(),
            refused: Arc::default(),
            files_max,
            placed_max,
        }
    }

    /// HTTP connections that each of so many workers may have at one time. More are
    /// not accepted: between the accept and [`Places::enter`] they have a file too.
    #[must_use]
    pub fn per_worker(&self, workers: usize) -> usize {
        let each = self.files_max / workers.max(1) as u64;
        usize::try_from(each).unwrap_or(usize::MAX).max(1)
    }

    /// Files that connections have open. A session that polls has none of its own: its
    /// requests come over HTTP connections.
    fn placed(&self, shared: &Shared) -> u64 {
        self.connections.total() + shared.sockets.load(Ordering::Relaxed)
    }

    /// Gives a connection a place. A trusted proxy has no bound of its own, because
    /// all its clients share its address. `None` where the connection has to be
    /// closed unanswered.
    pub fn enter(
        &self,
        address: IpAddr,
        is_proxy: bool,
        settings: &ServerSettings,
        shared: &Shared,
    ) -> Option<Place> {
        let max = settings.connections_max;
        let per_address_max = if is_proxy {
            max
        } else {
            settings.connections_per_address_max
        };
        // As for all of them together: a session that polls has no file of its own.
        let placed = self.placed(shared);
        let has_share = || {
            let count = self.connections.count(address) + shared.limits.files(address);
            let (total, total_max) = (placed as usize, self.placed_max as usize);
            is_proxy || count < FEW || has_share(count as usize, 1, total, total_max)
        };
        let entered = if placed >= self.placed_max {
            Err(Full::Connections)
        } else if !has_share() {
            Err(Full::Address)
        } else {
            self.connections.admit(address, max, per_address_max)
        };
        match entered {
            Ok(permit) => Some(Ok(permit)),
            Err(full) => {
                shared.metrics.refuse(full.name());
                self.refuse(full).map(Err)
            }
        }
    }

    fn refuse(&self, full: Full) -> Option<Refused> {
        let count = self.refused.fetch_add(1, Ordering::Relaxed);
        // Dropped where there are too many, which counts it out.
        let refused = Refused {
            full,
            refused: self.refused.clone(),
        };
        ((count as u64) < self.files_max - self.placed_max).then_some(refused)
    }

    /// HTTP connections now.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.connections.total()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn connections_over_the_limits_are_refused_as_far_as_the_reserve_goes() {
        let places = Places::new(1_000);
        let refused: Vec<_> = (0..1_000 / 8)
            .map(|_| places.refuse(Full::Address).unwrap())
            .collect();
        assert!(places.refuse(Full::Address).is_none());
        drop(refused);
        assert!(places.refuse(Full::Address).is_some());
    }
}
