//! One channel's subscribers, as the client sees them: the messages that are
//! out, who lacks which, and when the next one is published.
//!
//! The first subscriber publishes, or a client that is none. Messages are numbered, and every subscriber
//! must get all of them in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::client::{Client, Script};
use super::encoding::{Encoding, Goal};
use super::error::BenchError;
use super::frame::ClientFrame;
use super::histogram::Histogram;
use super::links::{ASIDE, Address, Links};
use super::stamp::{self, BLANK, Finder, Stamp};
use super::talk::Talk;
use super::transport::Transport;

type Result<T> = std::result::Result<T, BenchError>;

/// How long the last deliveries, or the end of all sessions, may take.
pub(super) const DRAIN_SECONDS: u64 = 10;
/// The first subscriber, where there is no publisher that is none.
const FIRST: usize = 0;
/// What stands between the packets of one answer (Engine.IO 4).
const SEPARATOR: u8 = 0x1e;
/// An action of a game: where somebody is, and where that leads.
const ACTION: &str = r#""x":1042.53,"y":-318.27,"vx":0.754,"vy":-1.5,"angle":2.356,"hp":87,"ammo":30,"seq":183729,"keys":[1,0,0,1]"#;

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
    talk: Talk,
    /// How the publisher talks, and on which connection.
    publishing: Talk,
    publisher: usize,
    subscribers: usize,
    ready: usize,
    is_leaving: bool,
    /// Connections that the server closed after their farewell.
    gone: usize,
    pub(super) pace: Option<Pace>,
    /// The message to publish, as text.
    text: String,
    /// The same as it goes out, once it is known to whom, and where its stamp
    /// is.
    entry: Option<(ClientFrame, usize)>,
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
    /// Subscribers of a channel that get `bytes` of text, or members of a room
    /// that get actions with numbers.
    pub(super) fn new(talk: Talk, subscribers: usize, bytes: usize) -> Self {
        let data = if let Goal::Room(_) = talk.goal {
            format!(r#"{{{ACTION},"at":"{BLANK}"}}"#)
        } else {
            let bare = format!(r#"{{"at":"{BLANK}","pad":""}}"#);
            let padding = "x".repeat(bytes.saturating_sub(bare.len()));
            format!(r#"{{"pad":"{padding}","at":"{BLANK}"}}"#)
        };
        Self {
            talk,
            publishing: talk,
            publisher: FIRST,
            subscribers,
            ready: 0,
            is_leaving: false,
            gone: 0,
            pace: None,
            text: talk.encoding.publication(talk.goal, &data),
            entry: None,
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

    /// Has a client publish that is no subscriber, talks v1 over the WebSocket
    /// at `address`, and waits until it can.
    pub(super) fn publish_aside(&mut self, client: &mut Client, address: &Address) -> Result<()> {
        self.publisher = ASIDE;
        self.publishing = Talk {
            encoding: Encoding::Turntable(Transport::Ws),
            goal: Goal::Identified,
        };
        client.links.connect_aside(address)?;
        let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS);
        let wanted = self.ready + 1;
        while self.ready < wanted {
            if Instant::now() > deadline {
                return Err(BenchError::Timeout {
                    waited_for: "the publisher".to_owned(),
                    seconds: DRAIN_SECONDS,
                });
            }
            client.turn(self, Duration::from_millis(100))?;
        }
        Ok(())
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
            self.write(links);
        }
        self.send(links)
    }

    /// Ends all sessions, so that the next turn's server has no others.
    pub(super) fn leave(&mut self, client: &mut Client) -> Result<()> {
        let Some(farewell) = self.talk.encoding.farewell() else {
            return Ok(());
        };
        self.is_leaving = true;
        for link in 0..client.links.len() {
            self.talk.say(&mut client.links, link, &farewell)?;
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
        self.write(links);
        self.send(links)
    }

    fn write(&mut self, links: &Links) {
        let at_us = links.now_us();
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.out.push_back(self.subscribers);
        let stamp = Stamp { at_us, number };
        let (entry, stamp_offset) = self.entry.get_or_insert_with(|| {
            let entry = self.publishing.entry(links, self.publisher, &self.text);
            let offset = entry.offset_of(BLANK).unwrap_or_default();
            (entry, offset)
        });
        entry.patch(*stamp_offset, &stamp.encode());
        if let Some([before, between, _]) = self.publishing.list() {
            let is_first = self.unsent.is_empty();
            let sign = if is_first { before } else { between };
            self.unsent.extend(sign.as_bytes());
        }
        self.unsent.extend(entry.bytes());
    }

    fn send(&mut self, links: &mut Links) -> Result<()> {
        if !self.unsent.is_empty() {
            let way_up = self.publishing.way_up(self.publisher);
            if let Some([_, _, behind]) = self.publishing.list() {
                self.unsent.extend(behind.as_bytes());
                let entries = std::mem::take(&mut self.unsent);
                let letter = self.publishing.letter(links, self.publisher, entries);
                return links.send(way_up, &letter);
            }
            links.send(way_up, &self.unsent)?;
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

impl Channel {
    /// One message came.
    fn heard(&mut self, links: &mut Links, link: usize, payload: &[u8], now_us: u64) -> Result<()> {
        if self.next != 0 && self.take_deliveries(link, payload, now_us) {
            self.message_bytes = payload.len();
            return Ok(());
        }
        if self.is_leaving && self.talk.is_polled() {
            // Such a session's connections may outlive it.
            self.gone += usize::from(matches!(payload, [b'1' | b'6', ..] | [b'4', b'1', ..]));
            return Ok(());
        }
        self.ready += usize::from(self.talk.answer(links, link, payload)?);
        Ok(())
    }

    /// Notes the deliveries that a message is; `false` where it is none.
    fn take_deliveries(&mut self, link: usize, payload: &[u8], now_us: u64) -> bool {
        if let Goal::Room(_) = self.talk.goal {
            // Several actions may share a message.
            return stamp::each(payload, |stamp| self.delivered(link, stamp, now_us)) > 0;
        }
        let stamp = self.finder.one(payload);
        if let Some(stamp) = stamp {
            self.delivered(link, stamp, now_us);
        }
        stamp.is_some()
    }
}

impl Script for Channel {
    fn opened(&mut self, links: &mut Links, link: usize) -> Result<()> {
        if link != ASIDE {
            self.ready += usize::from(self.talk.opened(links, link)?);
        }
        Ok(())
    }

    fn message(
        &mut self,
        links: &mut Links,
        link: usize,
        payload: &[u8],
        now_us: u64,
    ) -> Result<()> {
        if link == ASIDE {
            let is_ready = self.publishing.answer(links, link, payload)?;
            self.ready += usize::from(is_ready);
            return Ok(());
        }
        if !self.talk.is_polled() {
            return self.heard(links, link, payload, now_us);
        }
        for packet in payload.split(|byte| *byte == SEPARATOR) {
            self.heard(links, link, packet, now_us)?;
        }
        match self.is_leaving {
            true => Ok(()),
            false => self.talk.ask(links, link),
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
