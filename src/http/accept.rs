//! What happens to a connection before the HTTP server sees it: the client's
//! address, and a place among the connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_rt::net::TcpStream;
use actix_rt::time::timeout;
use rustls::ServerConfig;

use crate::gateway::Shared;
use crate::gateway::admission::{IncompleteShare, counted};
use crate::http::flow::FlowLimits;
use crate::http::handshake_turn::in_turns;
use crate::http::network;
use crate::http::places::Places;
use crate::http::proxy_protocol::{self, Origin};
use crate::http::settings::HttpSettings;
use crate::http::socket::Socket;
use crate::http::takeable::{Peer, Takeable};
use crate::http::tls::{self, TlsListener};
use crate::http::tls_handshake::Failed;
use crate::watched::Watched;

/// How long a connection without a place may take for the head of its request.
const REFUSED_HEAD: Duration = Duration::from_secs(1);

/// What a body in chunks may have on its way for each byte of the longest one, in bytes:
/// a chunk of one byte has six.
const CHUNKED_BYTES_PER_BYTE: usize = 8;

/// A connection as the HTTP server takes it.
pub type Accepted = (Takeable, Protocol, Option<SocketAddr>);

/// Accepts the connections of one listener.
#[derive(Debug, Clone)]
pub struct Acceptor {
    /// What all gateways share.
    pub shared: Arc<Shared>,
    /// The HTTP connections.
    pub places: Arc<Places>,
    /// The settings in force.
    pub settings: Arc<Watched<HttpSettings>>,
    /// The certificate in force.
    pub tls: Arc<TlsListener>,
}

impl Acceptor {
    /// Counts a connection. One that finds no place is answered that there is none,
    /// as far as the reserve of connections that are refused allows.
    ///
    /// # Errors
    /// If the connection ended already, or has no right beginning.
    pub async fn accept(self, mut stream: TcpStream) -> Result<Accepted, DispatchError> {
        // actix sets it on request only; small messages must not wait.
        let _ = stream.set_nodelay(true);
        let peer = stream.peer_addr().ok();
        let settings = self.settings.get();
        let config = self.tls.config();
        let is_tls = config.is_some();
        let server = &settings.server;
        let address = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
        let is_proxy = network::is_trusted(address, &server.trusted_proxies);
        let mut origin = Peer {
            address,
            is_proxy,
            is_proxied: is_proxy,
            is_tls,
        };
        // Counted before anything is awaited: a client that sends nothing counts too.
        let enter = |peer: Peer| {
            let (shared, is_proxy) = (&self.shared, peer.is_proxy);
            self.places.enter(peer.address, is_proxy, server, shared)
        };
        let mut place = enter(origin);
        if place.is_none() {
            // They come faster than they can be refused.
            return Err(DispatchError::DisconnectTimeout);
        }
        self.shared.gate.passed().await;
        if origin.is_proxy && server.proxy_protocol {
            let limit = Duration::from_millis(server.head_timeout_ms);
            let read = timeout(limit, proxy_protocol::read(&mut stream)).await;
            match read {
                Ok(Ok(Origin::Client(client))) => {
                    origin = Peer {
                        address: client,
                        is_proxy: network::is_trusted(client, &server.trusted_proxies),
                        is_proxied: true,
                        is_tls,
                    };
                    drop(place);
                    place = enter(origin);
                }
                Ok(Ok(Origin::Proxy)) => {}
                Ok(Err(error)) => {
                    self.shared.metrics.refuse("proxy_protocol");
                    log::debug!("a connection of proxy {address} is refused: {error}");
                    return Err(DispatchError::Io(error));
                }
                Err(_) => return Err(DispatchError::DisconnectTimeout),
            }
        }
        let Some(place) = place else {
            // They come faster than they can be refused.
            return Err(DispatchError::DisconnectTimeout);
        };
        if is_tls {
            let rate = settings.handshakes(origin.is_proxy);
            let begun = self.tls.begin(origin.address, rate);
            begun.map_err(|_| DispatchError::DisconnectTimeout)?;
        }
        let head = Duration::from_millis(server.head_timeout_ms);
        let limits = FlowLimits {
            // One that is refused must not prevent that others are refused.
            head: if place.is_ok() {
                head
            } else {
                head.min(REFUSED_HEAD)
            },
            keep_alive: Duration::from_millis(server.keep_alive_ms),
            write: Duration::from_millis(server.write_timeout_ms),
            chunked_bytes_max: CHUNKED_BYTES_PER_BYTE * server.max_message_bytes,
            incomplete: origin.incomplete(settings.incomplete),
        };
        let mut head = self.shared.incomplete.share(origin.address);
        let stream = match config {
            Some(config) => {
                self.secure((stream, config), origin.address, &limits, &mut head)
                    .await?
            }
            None => Socket::Plain(stream),
        };
        let metrics = self.shared.metrics.clone();
        let socket = Takeable::new(stream, origin, place, limits, head, metrics);
        Ok((socket, Protocol::Http1, peer))
    }

    /// Carries out the handshake of TLS.
    async fn secure(
        &self,
        (stream, config): (TcpStream, Arc<ServerConfig>),
        peer: IpAddr,
        limits: &FlowLimits,
        share: &mut IncompleteShare,
    ) -> Result<Socket, DispatchError> {
        let mut socket = Socket::new(stream, Some(config)).map_err(DispatchError::Io)?;
        let work = in_turns(counted(peer), |cx| {
            // A signature is work, and nobody would read it.
            if socket.has_hung_up() {
                return Poll::Ready(Err(Failed::Closed));
            }
            let polled = socket.poll_handshake(cx);
            if polled.is_pending() {
                // What has come is in the session's buffer, or has become a part of it.
                let counted = share.set(socket.handshake_bytes(), limits.incomplete);
                if let Err(full) = counted {
                    self.shared.metrics.reach(full.key());
                    return Poll::Ready(Err(Failed::TooMuch));
                }
            }
            polled
        });
        let done = self.tls.handshake(limits.head, peer, work).await;
        share.clear();
        match done {
            Ok(()) => Ok(socket),
            Err(failed) => {
                tls::refuse(&mut socket, failed);
                Err(DispatchError::DisconnectTimeout)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::gateway::admission::IncompleteLimits;
    use crate::gateway::testing::{Noted, shared};
    use crate::http::settings::ServerSettings;
    use turntable_core::rate::BucketSettings;

    #[actix::test]
    async fn connections_that_wait_for_a_restoration_are_counted() {
        let shared = shared(&Arc::new(Noted::default()));
        let server = ServerSettings {
            connections_per_address_max: 2,
            ..ServerSettings::default()
        };
        let acceptor = Acceptor {
            shared: shared.clone(),
            places: Arc::new(Places::new(1_000)),
            settings: Arc::new(Watched::new(HttpSettings {
                server,
                transports: Default::default(),
                incomplete: IncompleteLimits {
                    total: 1_000,
                    per_address: 1_000,
                },
                tls_handshakes: BucketSettings::new(0, 1),
            })),
            tls: Arc::new(TlsListener::new("server", shared.metrics.clone())),
        };
        shared.gate.close();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut waiting = Vec::new();
        for _ in 0..4 {
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let stream = TcpStream::from_std(stream).unwrap();
            waiting.push((client, actix::spawn(acceptor.clone().accept(stream))));
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        assert_eq!(acceptor.places.total(), 2);
        assert!(waiting.iter().all(|(_, accept)| !accept.is_finished()));
        shared.gate.open();
        for (_client, accept) in waiting {
            assert!(accept.await.unwrap().is_ok());
        }
    }
}
