//! The messages of a client before it is measured, independent of the transport.

use serde::Deserialize;

use super::encoding::{Encoding, Goal, Step};
use super::error::BenchError;
use super::frame::ClientFrame;
use super::links::{Links, SEPARATE, UPSTREAM};
use super::transport::Transport;

type Result<T> = std::result::Result<T, BenchError>;

/// A server's protocol, and the client's progress in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conversation {
    /// The server's protocol.
    pub(super) encoding: Encoding,
    /// The state that a client wants to reach.
    pub(super) goal: Goal,
}

/// The first packet of Engine.IO.
#[derive(Deserialize)]
struct Handshake<'a> {
    sid: &'a str,
}

impl Conversation {
    /// The transport, if the server is ours.
    pub(super) fn transport(&self) -> Option<Transport> {
        match self.encoding {
            Encoding::Turntable(transport) => Some(transport),
            _ => None,
        }
    }

    /// Whether messages arrive as responses to requests.
    pub(super) fn is_polled(&self) -> bool {
        self.transport().is_some_and(Transport::is_polled)
    }

    /// The encoding of a text of the client of `link` in a batch; see
    /// [`Transport::entry`].
    pub(super) fn entry(&self, links: &Links, link: usize, text: &str) -> ClientFrame {
        match self.transport() {
            Some(transport) => transport.entry(text, links.name(link)),
            None => ClientFrame::text(text),
        }
    }

    /// The text around the entries of one request, if there is any.
    pub(super) fn list(&self) -> Option<[&'static str; 3]> {
        self.transport()?.list()
    }

    /// The encoded message for entries of the client of `link`.
    pub(super) fn batch(&self, links: &Links, link: usize, entries: Vec<u8>) -> Vec<u8> {
        match self.transport() {
            Some(transport) => transport.batch(entries, links.name(link)),
            None => entries,
        }
    }

    /// The connection on which the client of `link` sends.
    pub(super) fn upstream_link(&self, link: usize) -> usize {
        self.transport()
            .map_or(link, |transport| transport.upstream_link(link))
    }

    /// Sends a message of the client of `link`.
    ///
    /// # Errors
    /// If its connection is broken.
    pub(super) fn send(&self, links: &mut Links, link: usize, text: &str) -> Result<()> {
        let entry = self.entry(links, link, text).bytes().to_vec();
        let batch = self.batch(links, link, entry);
        links.send(self.upstream_link(link), &batch)
    }

    /// Handles an open connection. Returns whether its client has reached its goal.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(super) fn opened(&self, links: &mut Links, link: usize) -> Result<bool> {
        self.poll(links, link)?;
        Ok(self.encoding.is_ready_when_open())
    }

    /// Requests the next messages, if they arrive as responses.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(super) fn poll(&self, links: &mut Links, link: usize) -> Result<()> {
        match self.transport() {
            Some(transport) if transport.is_polled() && link < SEPARATE => {
                let request = transport.next_request(links.name(link));
                links.send(link, request.as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// Handles a message that is not a delivery. Returns whether the client has now
    /// reached its goal.
    ///
    /// # Errors
    /// If the message is an error, or the connection is broken.
    pub(super) fn answer(&self, links: &mut Links, link: usize, payload: &[u8]) -> Result<bool> {
        if link == UPSTREAM {
            return Ok(false);
        }
        if self.is_polled()
            && let Some(packet) = payload.strip_prefix(b"0")
            && let Ok(Handshake { sid }) = serde_json::from_slice(packet)
        {
            links.set_name(link, sid);
        }
        let received = match self.transport() {
            Some(transport) => transport.v1_message(payload),
            None => payload.into(),
        };
        match self.encoding.step(self.goal, link, &received) {
            Step::Send(text) => self.send(links, link, &text).map(|()| false),
            Step::Ready => Ok(true),
            Step::Wait => super::refused(&received).map(|()| false),
        }
    }
}
