//! One channel's subscribers on the client side: the messages in flight, the
//! subscribers that miss them, and the time of the next publication.
//!
//! The first subscriber publishes, or a client that does not subscribe. Messages are
//! numbered, and every subscriber must receive all of them in order.

use std::collections::VecDeque;

use super::client::{Client, Script};
use super::conversation::Conversation;
use super::encoding::{Encoding, Goal};
use super::error::BenchError;
use super::frame::ClientFrame;
use super::histogram::Histogram;
use super::links::{Address, Links, SEPARATE};
use super::stamp::{self, BLANK, Finder, Stamp};
use super::transport::Transport;

type Result<T> = std::result::Result<T, BenchError>;

/// Timeout for the last deliveries, and for the end of all sessions.
pub(super) const DRAIN_SECONDS: u64 = 10;
/// The publisher, unless it is a client that does not subscribe: the first subscriber.
const FIRST: usize = 0;
/// The separator between the packets of one response (Engine.IO 4).
const SEPARATOR: u8 = 0x1e;
/// An action of a game: a position and a velocity.
const ACTION: &str = r#""x":1042.53,"y":-318.27,"vx":0.754,"vy":-1.5,"angle":2.356,"hp":87,"ammo":30,"seq":183729,"keys":[1,0,0,1]"#;

/// The pace of messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// This many messages in flight.
    Closed(usize),
    /// This many messages per second.
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

/// One channel's subscribers, and the messages in flight.
pub(super) struct Channel {
    conversation: Conversation,
    /// The publisher's protocol, and its connection.
    publishing: Conversation,
    publisher: usize,
    subscribers: usize,
    ready: usize,
    is_leaving: bool,
    /// Connections that the server closed after their `bye`.
    ended: usize,
    pub(super) pace: Option<Pace>,
    /// The message to publish, as text.
    text: String,
    /// Its encoded form, once the receiver is known, and the position of its
    /// stamp.
    entry: Option<(ClientFrame, usize)>,
    finder: Finder,
    /// The number of the next message.
    next: u32,
    /// Frames to send in one write.
    unsent: Vec<u8>,
    /// The number of missing deliveries per message in flight, oldest first.
    pub(super) out: VecDeque<usize>,
    /// The next number for each subscriber.
    expected: Vec<u32>,
    misordered: u64,
    pub(super) message_bytes: usize,
    pub(super) latency_us: Histogram,
}

impl Channel {
    /// Subscribers of a channel that receive `bytes` of text, or members of a room
    /// that receive actions with numbers.
    pub(super) fn new(conversation: Conversation, subscribers: usize, bytes: usize) -> Self {
        let data = if let Goal::Room(_) = conversation.goal {
            format!(r#"{{{ACTION},"at":"{BLANK}"}}"#)
        } else {
            let bare = format!(r#"{{"at":"{BLANK}","pad":""}}"#);
            let padding = "x".repeat(bytes.saturating_sub(bare.len()));
            format!(r#"{{"pad":"{padding}","at":"{BLANK}"}}"#)
        };
        Self {
            conversation,
            publishing: conversation,
            publisher: FIRST,
            subscribers,
            ready: 0,
            is_leaving: false,
            ended: 0,
            pace: None,
            text: conversation.encoding.publication(conversation.goal, &data),
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

    /// Publishes with a client that does not subscribe and uses v1 over the
    /// WebSocket at `address`; waits until it can publish.
    pub(super) fn publish_aside(&mut self, client: &mut Client, address: &Address) -> Result<()> {
        self.publisher = SEPARATE;
        self.publishing = Conversation {
            encoding: Encoding::Turntable(Transport::Ws),
            goal: Goal::Identified,
        };
        client.links.connect_separate(address)?;
        let wanted = self.ready + 1;
        let is_missing = |channel: &Self| channel.ready < wanted;
        client.turn_while(self, DRAIN_SECONDS, is_missing, |_| {
            "the publisher".to_owned()
        })
    }

    /// Publishes while fewer messages are in flight than allowed.
    ///
    /// As a server collects the frames for a socket, so does the client: messages
    /// that are due at the same time are sent in one write.
    pub(super) fn fill(&mut self, links: &mut Links) -> Result<()> {
        let Some(Pace::Closed(in_flight)) = self.pace else {
            return Ok(());
        };
        while self.out.len() < in_flight {
            self.write(links);
        }
        self.send(links)
    }

    /// Ends all sessions, so that the next round's server has no others.
    pub(super) fn leave(&mut self, client: &mut Client) -> Result<()> {
        let Some(leave_message) = self.conversation.encoding.leave_message() else {
            return Ok(());
        };
        self.is_leaving = true;
        for link in 0..client.links.len() {
            self.conversation
                .send(&mut client.links, link, &leave_message)?;
        }
        let are_there = |channel: &Self| channel.ended < channel.subscribers;
        client.turn_while(self, DRAIN_SECONDS, are_there, |channel| {
            format!(
                "the end of {} sessions",
                channel.subscribers - channel.ended
            )
        })
    }

    /// Deliveries that were out of order or are missing; resets the count.
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
            let upstream_link = self.publishing.upstream_link(self.publisher);
            if let Some([_, _, behind]) = self.publishing.list() {
                self.unsent.extend(behind.as_bytes());
                let entries = std::mem::take(&mut self.unsent);
                let batch = self.publishing.batch(links, self.publisher, entries);
                return links.send(upstream_link, &batch);
            }
            links.send(upstream_link, &self.unsent)?;
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
        if let Some(missing) = self.out.get_mut(index) {
            *missing = missing.saturating_sub(1);
        }
        while self.out.front() == Some(&0) {
            self.out.pop_front();
        }
    }
}

impl Channel {
    /// Handles one received message.
    fn receive(
        &mut self,
        links: &mut Links,
        link: usize,
        payload: &[u8],
        now_us: u64,
    ) -> Result<()> {
        if self.next != 0 && self.take_deliveries(link, payload, now_us) {
            self.message_bytes = payload.len();
            return Ok(());
        }
        if self.is_leaving && self.conversation.is_polled() {
            // The connections of such a session may outlive it.
            self.ended += usize::from(matches!(payload, [b'1' | b'6', ..] | [b'4', b'1', ..]));
            return Ok(());
        }
        self.ready += usize::from(self.conversation.answer(links, link, payload)?);
        Ok(())
    }

    /// Records the deliveries in a message; `false` if there are none.
    fn take_deliveries(&mut self, link: usize, payload: &[u8], now_us: u64) -> bool {
        if let Goal::Room(_) = self.conversation.goal {
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
        if link != SEPARATE {
            self.ready += usize::from(self.conversation.opened(links, link)?);
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
        if link == SEPARATE {
            let is_ready = self.publishing.answer(links, link, payload)?;
            self.ready += usize::from(is_ready);
            return Ok(());
        }
        if !self.conversation.is_polled() {
            return self.receive(links, link, payload, now_us);
        }
        for packet in payload.split(|byte| *byte == SEPARATOR) {
            self.receive(links, link, packet, now_us)?;
        }
        match self.is_leaving {
            true => Ok(()),
            false => self.conversation.poll(links, link),
        }
    }

    fn closed(&mut self, _links: &mut Links, link: usize, why: &str) -> Result<()> {
        if !self.is_leaving {
            return Err(BenchError::Conversation(format!(
                "subscriber {link} was disconnected: {why}"
            )));
        }
        self.ended += 1;
        Ok(())
    }

    fn ready(&self) -> usize {
        self.ready
    }
}
