//! One channel's subscribers, as the client sees them: the messages that are
//! out, who lacks which, and when the next one is published.
//!
//! The first subscriber publishes. Messages are numbered, and every subscriber
//! must get all of them in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::client::{Client, Links, Script};
use super::dialect::{Dialect, Step};
use super::error::BenchError;
use super::frame::ClientFrame;
use super::histogram::Histogram;
use super::stamp::{BLANK, Finder, Stamp};

type Result<T> = std::result::Result<T, BenchError>;

/// How long the last deliveries, or the end of all sessions, may take.
pub(super) const DRAIN_SECONDS: u64 = 10;
const PUBLISHER: usize = 0;

/// How messages are paced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// So many are out at once.
    Closed(usize),
    /// So many go out in a second.
    Open(f64),
}

impl Pace {
    pub(super) fn name(self) -> String {
        match self {
            Self::Closed(in_flight) => format!("{in_flight} in flight"),
            Self::Open(rate) => format!("{rate} a second"),
        }
    }
}

/// One channel's subscribers, and the messages that are out.
pub(super) struct Channel {
    dialect: Dialect,
    subscribers: usize,
    ready: usize,
    is_leaving: bool,
    /// Connections that the server closed after their farewell.
    gone: usize,
    pub(super) pace: Option<Pace>,
    frame: ClientFrame,
    stamp_offset: usize,
    finder: Finder,
    /// The number of the message that is published next.
    next: u32,
    /// Frames that are to go out in one write.
    unsent: Vec<u8>,
    /// For each message that is out, oldest first: how many deliveries lack.
    pub(super) out: VecDeque<usize>,
    /// The number that each subscriber gets next.
    expected: Vec<u32>,
    misordered: u64,
    pub(super) message_bytes: usize,
    pub(super) latency_us: Histogram,
}

impl Channel {
    pub(super) fn new(dialect: Dialect, subscribers: usize, bytes: usize) -> Self {
        let bare = format!(r#"{{"at":"{BLANK}","pad":""}}"#);
        let padding = "x".repeat(bytes.saturating_sub(bare.len()));
        let data = format!(r#"{{"pad":"{padding}","at":"{BLANK}"}}"#);
        let text = dialect.publication(&data);
        Self {
            dialect,
            subscribers,
            ready: 0,
            is_leaving: false,
            gone: 0,
            pace: None,
            stamp_offset: text.find(BLANK).unwrap_or_default(),
            frame: ClientFrame::text(&text),
            finder: Finder::default(),
            next: 0,
            unsent: Vec::new(),
            out: VecDeque::new(),
            expected: vec![0; subscribers],
            misordered: 0,
            message_bytes: 0,
            latency_us: Histogram::new(),
        }
    }

    /// Publishes as long as fewer messages are out than may be.
    ///
    /// As a server gathers what it has for a socket, so does the client:
    /// messages that become due together go out in one write.
    pub(super) fn fill(&mut self, links: &mut Links) -> Result<()> {
        let Some(Pace::Closed(in_flight)) = self.pace else {
            return Ok(());
        };
        while self.out.len() < in_flight {
            self.write(links.now_us());
        }
        self.send(links)
    }

    /// Ends all sessions, so that the next turn's server has no others.
    pub(super) fn leave(&mut self, client: &mut Client) -> Result<()> {
        let Some(farewell) = self.dialect.farewell() else {
            return Ok(());
        };
        self.is_leaving = true;
        for link in 0..client.links.len() {
            client.links.send_text(link, &farewell)?;
        }
        let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS);
        while self.gone < self.subscribers {
            if Instant::now() > deadline {
                return Err(BenchError::Timeout {
                    waited_for: format!("the end of {} sessions", self.subscribers - self.gone),
                    seconds: DRAIN_SECONDS,
                });
            }
            client.turn(self, Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// Deliveries that were out of order or are missing, once told forgotten.
    pub(super) fn take_faults(&mut self) -> u64 {
        let missing: usize = self.out.drain(..).sum();
        std::mem::take(&mut self.misordered) + missing as u64
    }

    /// Publishes one message.
    pub(super) fn publish(&mut self, links: &mut Links) -> Result<()> {
        self.write(links.now_us());
        self.send(links)
    }

    fn write(&mut self, at_us: u64) {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.out.push_back(self.subscribers);
        let stamp = Stamp { at_us, number };
        self.frame.patch(self.stamp_offset, &stamp.encode());
        self.unsent.extend(self.frame.bytes());
    }

    fn send(&mut self, links: &mut Links) -> Result<()> {
        if !self.unsent.is_empty() {
            links.send(PUBLISHER, &self.unsent)?;
            self.unsent.clear();
        }
        Ok(())
    }

    fn delivered(&mut self, link: usize, stamp: Stamp, now_us: u64) {
        self.latency_us.record(now_us.saturating_sub(stamp.at_us));
        if let Some(expected) = self.expected.get_mut(link) {
            self.misordered += u64::from(*expected != stamp.number);
            *expected = stamp.number.wrapping_add(1);
        }
        let oldest = self
            .next
            .wrapping_sub(u32::try_from(self.out.len()).unwrap_or(u32::MAX));
        let index = stamp.number.wrapping_sub(oldest) as usize;
        if let Some(lacking) = self.out.get_mut(index) {
            *lacking = lacking.saturating_sub(1);
        }
        while self.out.front() == Some(&0) {
            self.out.pop_front();
        }
    }
}

impl Script for Channel {
    fn opened(&mut self, _links: &mut Links, _link: usize) -> Result<()> {
        self.ready += usize::from(self.dialect.is_ready_when_open());
        Ok(())
    }

    fn message(
        &mut self,
        links: &mut Links,
        link: usize,
        payload: &[u8],
        now_us: u64,
    ) -> Result<()> {
        if self.next != 0
            && let Some(stamp) = self.finder.one(payload)
        {
            self.message_bytes = payload.len();
            self.delivered(link, stamp, now_us);
            return Ok(());
        }
        match self.dialect.step(link, payload) {
            Step::Say(text) => links.send_text(link, &text),
            Step::Ready => {
                self.ready += 1;
                Ok(())
            }
            Step::Wait => super::refused(payload),
        }
    }

    fn closed(&mut self, _links: &mut Links, link: usize, why: &str) -> Result<()> {
        if !self.is_leaving {
            return Err(BenchError::Conversation(format!(
                "subscriber {link} was disconnected: {why}"
            )));
        }
        self.gone += 1;
        Ok(())
    }

    fn ready(&self) -> usize {
        self.ready
    }
}
