//! Exchanges of `time`: they acknowledge what was received, confirm what was sent, and
//! find out whether the server is still there.
//!
//! One is open at a time. It is due after so many messages or bytes, and when nothing
//! came for half a heartbeat.

use std::time::{SystemTime, UNIX_EPOCH};

/// Received or sent messages after which an exchange is due.
const MESSAGES: u64 = 200;
/// The same in received bytes: a part of what the server retains by default.
const BYTES: usize = 65_536;
/// Least time between two exchanges: the server allows 20 a second by default.
const PAUSE_MS: u64 = 60;
/// How long an answer may take, while nothing else comes either.
const ANSWER_MS: u64 = 10_000;
/// Longest silence before an exchange.
const SILENCE_MAX_MS: u64 = 15_000;

/// What is not acknowledged, and the open exchange.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    silence_ms: u64,
    /// When it began, and how many commands were sent before it.
    open: Option<(u64, u64)>,
    last_ms: u64,
    not_before_ms: u64,
    heard_ms: u64,
    received: u64,
    received_bytes: usize,
    sent: u64,
}

impl Exchange {
    /// A connection has its welcome.
    pub(crate) fn begin(&mut self, heartbeat_ms: u64, now_ms: u64) {
        *self = Self {
            silence_ms: (heartbeat_ms / 2).clamp(50, SILENCE_MAX_MS),
            last_ms: now_ms,
            heard_ms: now_ms,
            ..Self::default()
        };
    }

    /// Something came from the server.
    pub(crate) fn heard(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
    }

    /// A message was received that has to be acknowledged.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received += 1;
        self.received_bytes += bytes;
    }

    /// A command was sent that has to be confirmed.
    pub(crate) fn sent(&mut self) {
        self.sent += 1;
    }

    /// When an exchange is due; `None` while one is open.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let is_much =
            self.received >= MESSAGES || self.received_bytes >= BYTES || self.sent >= MESSAGES;
        let wait_ms = if is_much { PAUSE_MS } else { self.silence_ms };
        let due_ms = (self.last_ms + wait_ms).max(self.not_before_ms);
        self.open.is_none().then_some(due_ms)
    }

    /// The rate of exchanges allows none before so many ms.
    pub(crate) fn pause(&mut self, wait_ms: u64, now_ms: u64) {
        self.not_before_ms = now_ms.saturating_add(wait_ms);
    }

    /// An exchange begins, behind so many commands.
    pub(crate) fn begun(&mut self, commands: u64, now_ms: u64) {
        self.open = Some((now_ms, commands));
        self.last_ms = now_ms;
        (self.received, self.received_bytes, self.sent) = (0, 0, 0);
    }

    /// It was answered, or refused: returns how many commands the server has taken.
    pub(crate) fn answered(&mut self) -> Option<u64> {
        self.open.take().map(|(_, commands)| commands)
    }

    /// When the connection counts as dead, if nothing comes.
    pub(crate) fn dead_ms(&self) -> Option<u64> {
        let (begun_ms, _) = self.open?;
        Some(begun_ms.max(self.heard_ms) + ANSWER_MS)
    }
}

/// The wall clock.
pub(crate) fn unix_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = unix.map(|time| time.as_millis()).unwrap_or_default();
    u64::try_from(ms).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Exchange {
        let mut exchange = Exchange::default();
        exchange.begin(20_000, 1_000);
        exchange
    }

    #[test]
    fn silence_and_many_messages_make_an_exchange_due() {
        let mut exchange = begun();
        assert_eq!(exchange.due_ms(), Some(11_000));
        for _ in 0..MESSAGES {
            exchange.received(10);
        }
        assert_eq!(exchange.due_ms(), Some(1_060));
        exchange.begun(7, 1_060);
        assert_eq!(exchange.due_ms(), None);
        assert_eq!(exchange.answered(), Some(7));
        assert_eq!(exchange.due_ms(), Some(11_060));
        exchange.received(BYTES);
        assert_eq!(exchange.due_ms(), Some(1_120));
        exchange.pause(100, 1_120);
        assert_eq!(exchange.due_ms(), Some(1_220));
    }

    #[test]
    fn connection_without_any_answer_is_dead() {
        let mut exchange = begun();
        assert_eq!(exchange.dead_ms(), None);
        exchange.begun(0, 2_000);
        assert_eq!(exchange.dead_ms(), Some(12_000));
        // Other messages show that it lives.
        exchange.heard(5_000);
        assert_eq!(exchange.dead_ms(), Some(15_000));
    }
}
