//! How long messages wait in the mailboxes of a worker: once a second another worker posts one
//! that measures it, so that no message carries a time. A worker that is stuck posts none to
//! itself; the one before it does.

use std::time::{Duration, Instant};

use actix::{Message, Recipient};

/// A message that was posted at this time.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Probe(Instant);

impl Probe {
    /// Posts one.
    fn post(to: &Recipient<Self>) {
        to.do_send(Self(Instant::now()));
    }

    /// How long it waited until now.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The actors of a worker that measure how long it takes until their messages are handled.
#[derive(Debug)]
pub struct Probed {
    /// The gateway.
    pub gateway: Recipient<Probe>,
    /// The directory.
    pub directory: Recipient<Probe>,
}

impl Probed {
    /// Posts a probe to both.
    pub(super) fn post(&self) {
        Probe::post(&self.gateway);
        Probe::post(&self.directory);
    }
}
