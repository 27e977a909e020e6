//! Requests that the HTTP server hands over as attachments of tunnels.

use actix::{Context, Handler, Message};
use mio::net::TcpStream;

use super::{Purpose, Refusal, Tunnel, TunnelRequest};
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::admission::Permit;
use crate::gateway::connection::io::Io;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::{Dispatch, Hooks, Request, Transport};
use crate::gateway::work::Effect;
use turntable_core::id::SessionId;
use turntable_core::key::ConnKey;

/// A request whose answer is a tunnel.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// The socket, non-blocking.
    pub stream: std::net::TcpStream,
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

impl Handler<Attach> for Gateway {
    type Result = ();

    fn handle(&mut self, attach: Attach, _: &mut Context<Self>) {
        self.shared.metrics.accepted.inc();
        let mut request = TunnelRequest {
            io: Io::plain(TcpStream::from_std(attach.stream)),
            permit: attach.permit,
            is_proxied: attach.is_proxied,
            name: attach.id,
            format: attach.format,
            callback: attach.callback,
            head: attach.head,
            refusal: attach.refusal,
        };
        if let Purpose::Back(_) = attach.purpose
            && let Some(key) = self.unidentified_tunnel(attach.id)
        {
            self.with(key, |connection, cx| {
                let request = Request::Tunnel(Box::new(request));
                Dispatch::on_request(connection, request, cx);
            });
            return self.run();
        }
        let mut resumed = None;
        if let Purpose::Back(from) = attach.purpose {
            resumed = Some((attach.id, from));
            if self.shared.peers.find(attach.id).is_none() {
                // What is to be refused must not take another connection's name.
                request.name = SessionId::random().unwrap_or(attach.id);
            }
        }
        let encodings = &self.shared.encodings;
        let connection = Tunnel::connection(request, encodings, clock::now_ms());
        let key = self.insert(connection, Insertion::Tunnel(attach.purpose));
        if let (Some(connection), Some((session, from))) = (key, resumed) {
            self.run();
            self.push_effects([Effect::Resume {
                connection,
                session,
                from,
                id: None,
            }]);
        }
        self.run();
    }
}

impl Gateway {
    /// The tunnel of this name whose client has not identified.
    fn unidentified_tunnel(&self, name: SessionId) -> Option<ConnKey> {
        let peers = &self.shared.peers;
        if peers.find(name).is_some() {
            return None;
        }
        let (worker, key) = peers.connection(name)?;
        let connection = self.connections.get(key)?;
        let is_tunnel = matches!(connection.transport, Transport::Tunnel(_));
        let is_here = worker == self.id.worker && !connection.is_closing();
        (is_tunnel && is_here).then_some(key)
    }
}
