//! Requests that the HTTP server hands over as attachments of tunnels.

use super::{Purpose, Refusal, Tunnel, TunnelRequest};
use crate::gateway::accept::{Beginning, Decision, Named, Resume, View};
use crate::gateway::admission::Permit;
use crate::gateway::connection::io::Io;
use crate::gateway::transport::arrival::Decide;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::{Request, Transport};
use turntable_core::id::SessionId;
use turntable_core::key::ConnKey;

/// A request whose answer is a tunnel.
#[derive(Debug)]
pub struct Attach {
    /// The socket.
    pub io: Io,
    /// Its place in the connection limits.
    pub permit: Permit,
    /// Whether it is the socket of a trusted proxy, not of the client.
    pub is_proxied: bool,
    /// The tunnel.
    pub id: SessionId,
    /// The format's number.
    pub format: u8,
    /// The function that is called, where the format has one.
    pub callback: Option<Box<str>>,
    /// The head of the answer.
    pub head: Vec<u8>,
    /// How it is refused.
    pub refusal: Refusal,
    /// Why.
    pub purpose: Purpose,
}

impl Decide for Attach {
    fn decide(self, view: &View<'_>) -> Decision {
        let mut request = TunnelRequest {
            io: self.io,
            permit: self.permit,
            is_proxied: self.is_proxied,
            name: self.id,
            format: self.format,
            callback: self.callback,
            head: self.head,
            refusal: self.refusal,
        };
        let mut resume = None;
        if let Purpose::Back(from, attempt) = self.purpose {
            if let Some(key) = unidentified(self.id, view) {
                let request = Request::Tunnel(Box::new(request));
                return Decision::Deliver(key, request.into());
            }
            resume = Some(Resume {
                session: self.id,
                from,
                attempt,
                id: None,
            });
            if !view.has_session(self.id) {
                // What is to be refused must not take another connection's name.
                request.name = SessionId::random().unwrap_or(self.id);
            }
        }
        let connection = Tunnel::connection(request, view.encodings(), view.now_ms);
        let beginning = Beginning::new(connection, Insertion::Tunnel(self.purpose));
        Beginning {
            resume,
            ..beginning
        }
        .into()
    }
}

/// The tunnel of this name whose client has not identified.
fn unidentified(name: SessionId, view: &View<'_>) -> Option<ConnKey> {
    if view.has_session(name) {
        return None;
    }
    match view.named(name) {
        Named::Here(key, connection) => {
            let is_tunnel = matches!(connection.transport, Transport::Tunnel(_));
            (is_tunnel && !connection.is_closing()).then_some(key)
        }
        Named::There(_) | Named::Nowhere => None,
    }
}
