//! What a client says on its way to where it is measured, whatever the transport.

use serde::Deserialize;

use super::encoding::{Encoding, Goal, Step};
use super::error::BenchError;
use super::frame::ClientFrame;
use super::links::{ASIDE, Links, UPSTREAM};
use super::transport::Transport;

type Result<T> = std::result::Result<T, BenchError>;

/// A server's way of talking, and how far it is gone with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk {
    /// What the server speaks.
    pub(super) encoding: Encoding,
    /// Where a client wants to be.
    pub(super) goal: Goal,
}

/// The first packet of Engine.IO.
#[derive(Deserialize)]
struct Handshake<'a> {
    sid: &'a str,
}

impl Talk {
    /// The transport, where the server is ours.
    pub(super) fn transport(&self) -> Option<Transport> {
        match self.encoding {
            Encoding::Turntable(transport) => Some(transport),
            _ => None,
        }
    }

    /// Whether messages come as the answers to requests.
    pub(super) fn is_polled(&self) -> bool {
        self.transport().is_some_and(Transport::is_polled)
    }

    /// What a text of the client of `link` is among others; see
    /// [`Transport::entry`].
    pub(super) fn entry(&self, links: &Links, link: usize, text: &str) -> ClientFrame {
        match self.transport() {
            Some(transport) => transport.entry(text, links.name(link)),
            None => ClientFrame::text(text),
        }
    }

    /// What stands around the texts of one request, where there is such.
    pub(super) fn list(&self) -> Option<[&'static str; 3]> {
        self.transport()?.list()
    }

    /// What goes out for entries of the client of `link`.
    pub(super) fn letter(&self, links: &Links, link: usize, entries: Vec<u8>) -> Vec<u8> {
        match self.transport() {
            Some(transport) => transport.letter(entries, links.name(link)),
            None => entries,
        }
    }

    /// On which connection the client of `link` speaks.
    pub(super) fn way_up(&self, link: usize) -> usize {
        self.transport()
            .map_or(link, |transport| transport.way_up(link))
    }

    /// Has the client of `link` say something.
    ///
    /// # Errors
    /// Where its connection is broken.
    pub(super) fn say(&self, links: &mut Links, link: usize, text: &str) -> Result<()> {
        let entry = self.entry(links, link, text).bytes().to_vec();
        let letter = self.letter(links, link, entry);
        links.send(self.way_up(link), &letter)
    }

    /// A connection is there. Returns whether its client is where it wants to
    /// be.
    ///
    /// # Errors
    /// Where the connection is broken.
    pub(super) fn opened(&self, links: &mut Links, link: usize) -> Result<bool> {
        self.ask(links, link)?;
        Ok(self.encoding.is_ready_when_open())
    }

    /// Asks for the next messages, where they come as answers.
    ///
    /// # Errors
    /// Where the connection is broken.
    pub(super) fn ask(&self, links: &mut Links, link: usize) -> Result<()> {
        match self.transport() {
            Some(transport) if transport.is_polled() && link < ASIDE => {
                let request = transport.next_request(links.name(link));
                links.send(link, request.as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// Answers a message that is no delivery. Returns whether the client is
    /// where it wants to be now.
    ///
    /// # Errors
    /// Where the message is an error, or the connection is broken.
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
        let heard = match self.transport() {
            Some(transport) => transport.heard(payload),
            None => payload.into(),
        };
        match self.encoding.step(self.goal, link, &heard) {
            Step::Say(text) => self.say(links, link, &text).map(|()| false),
            Step::Ready => Ok(true),
            Step::Wait => super::refused(&heard).map(|()| false),
        }
    }
}
