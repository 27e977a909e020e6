//! The sections `[server]` and `[transports]` of the configuration: the public
//! listener, what a connection may do before its client has identified, and which
//! transports are on.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::gateway::admission::IncompleteLimits;
use crate::http::network::{ForwardedHeader, Network};
use turntable_core::rate::BucketSettings;

/// What the public listener needs to know of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// The section `[server]`.
    pub server: ServerSettings,
    /// The section `[transports]`.
    pub transports: TransportSettings,
    /// What clients may have sent that is not whole.
    pub incomplete: IncompleteLimits,
    /// Handshakes of TLS that begin, of one address.
    pub tls_handshakes: BucketSettings,
}

impl HttpSettings {
    /// The rate of handshakes for a connection. All clients of a trusted proxy share its
    /// address, so it has none.
    #[must_use]
    pub const fn handshakes(&self, is_proxy: bool) -> BucketSettings {
        match is_proxy {
            true => BucketSettings::new(0, 1),
            false => self.tls_handshakes,
        }
    }
}

/// The section `[server]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Where browsers connect. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The URL by which clients reach this server, for `user.getFrontendServer`. Empty:
    /// that of `listen`.
    pub url: String,
    /// A folder whose files are served before the pages of the demos, as a game's own. Empty:
    /// none.
    pub static_dir: String,
    /// Worker threads, each with its own gateway; 0 starts one per core.
    pub workers: usize,
    /// Origins whose pages may connect, beside those of the requested host:
    /// `https://game.example`, `https://*.game.example`, `same-host`, `*`. A request
    /// without an `Origin` header does not come from a page and passes.
    pub allowed_origins: Vec<String>,
    /// Names under which clients reach the server (`game.example`), with or
    /// without a port; `*`: any. Addresses and `localhost` need not be listed.
    pub hosts: Vec<String>,
    /// Proxies that tell the client's address: addresses or networks, as
    /// `10.0.0.0/8`.
    pub trusted_proxies: Vec<Network>,
    /// The header in which they do; a client may write the other one.
    pub forwarded_header: ForwardedHeader,
    /// Whether those proxies begin each connection with a header of the PROXY
    /// protocol, version 2.
    pub proxy_protocol: bool,
    /// The certificate of the listener; without one it speaks HTTP.
    pub tls: TlsSettings,
    /// How long a client may take for the head of a request, and before it for the handshake
    /// of TLS, in ms.
    pub head_timeout_ms: u64,
    /// How long a connection stays open for another request, in ms.
    pub keep_alive_ms: u64,
    /// How long a client may take for the body of a request, in ms.
    pub body_timeout_ms: u64,
    /// How long a client may take to read 16,384 bytes of an answer, in ms.
    pub write_timeout_ms: u64,
    /// Whether `/echo` exists, which sends every message back. For
    /// conformance suites.
    pub echo: bool,
    /// The longest message taken from a client, in bytes; a longer one closes
    /// with 1009. Also the longest body of a request.
    pub max_message_bytes: usize,
    /// How long a stopping server waits for its connections to end, in ms.
    pub shutdown_ms: u64,
    /// Over how long the clients of a server that stops or is drained are sent away, in ms; 0:
    /// by their number. Of one that stops at most half of `shutdown_ms`.
    pub drain_spread_ms: u64,
    /// Connections at one time, over all addresses.
    pub connections_max: usize,
    /// Connections at one time from one address.
    pub connections_per_address_max: usize,
    /// What clients of one address may have sent that is not whole, in bytes: heads,
    /// bodies with 32,768 for each, messages, packets without their attachments.
    pub incomplete_bytes_per_address_max: usize,
    /// The same of all addresses; 0: an eighth of what the process may use, and at least twice
    /// that of one address.
    pub incomplete_bytes_max: usize,
    /// How many bytes the kernel may hold for one client that does not read, in
    /// bytes; 0: as many as it will.
    pub send_buffer_bytes: usize,
    /// Memory that the process may use before sessions without a connection are
    /// removed, and then new clients refused, in bytes. 0: half of what the machine,
    /// or the process's control group, has.
    pub memory_bytes_max: u64,
    /// How long an address begins no session after several of its clients did not read, and
    /// their sessions were ended for memory, in ms.
    pub overload_wait_ms: u64,
    /// Messages that may wait in a mailbox of a worker before no gateway reads from
    /// its sockets.
    pub mailbox_max: usize,
}

impl ServerSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("workers", 0, 1_024),
        ("max_message_bytes", 128, 16_777_216),
        ("head_timeout_ms", 100, 600_000),
        ("keep_alive_ms", 100, 3_600_000),
        ("body_timeout_ms", 100, 600_000),
        ("write_timeout_ms", 100, 600_000),
        ("shutdown_ms", 0, 600_000),
        ("drain_spread_ms", 0, 300_000),
        ("connections_max", 1, 10_000_000),
        ("connections_per_address_max", 1, 10_000_000),
        (
            "incomplete_bytes_per_address_max",
            131_072,
            1_099_511_627_776,
        ),
        ("incomplete_bytes_max", 0, 1_099_511_627_776),
        ("send_buffer_bytes", 0, 16_777_216),
        ("memory_bytes_max", 0, 1_099_511_627_776),
        ("overload_wait_ms", 0, 600_000),
        ("mailbox_max", 100, 10_000_000),
    ];
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            url: String::new(),
            static_dir: String::new(),
            workers: 0,
            allowed_origins: Vec::new(),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            proxy_protocol: false,
            tls: TlsSettings::default(),
            head_timeout_ms: 10_000,
            keep_alive_ms: 65_000,
            body_timeout_ms: 20_000,
            write_timeout_ms: 20_000,
            echo: false,
            max_message_bytes: 65_536,
            shutdown_ms: 5_000,
            drain_spread_ms: 0,
            connections_max: 100_000,
            connections_per_address_max: 20_000,
            incomplete_bytes_per_address_max: 33_554_432,
            incomplete_bytes_max: 0,
            send_buffer_bytes: 262_144,
            memory_bytes_max: 0,
            overload_wait_ms: 10_000,
            mailbox_max: 10_000,
        }
    }
}

/// The files of a certificate: the sections `[server.tls]` and `[management.tls]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// The certificate and those of its issuers, in PEM. Empty: no TLS.
    pub certificate: String,
    /// Its private key, in PEM.
    pub key: String,
}

impl TlsSettings {
    /// Whether the listener speaks TLS.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.certificate.is_empty()
    }

    /// `https` or `http`.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match self.is_on() {
            true => "https",
            false => "http",
        }
    }

    /// The key that is missing beside the other one, and what is wrong.
    #[must_use]
    pub fn conflict(&self) -> Option<(&'static str, &'static str)> {
        match (self.certificate.is_empty(), self.key.is_empty()) {
            (false, true) => Some(("key", "a certificate needs the file of its key")),
            (true, false) => Some(("certificate", "a key needs the file of its certificate")),
            _ => None,
        }
    }
}

/// The section `[transports]`. One that is off answers 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransportSettings {
    /// WebSockets at `/ws`.
    pub websocket: bool,
    /// Tunnels at `/tunnel`.
    pub tunnel: bool,
    /// Remote calls in batches at `/poll`.
    pub poll: bool,
    /// Engine.IO and Socket.IO at `/socket.io/`.
    pub socketio: bool,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            websocket: true,
            tunnel: true,
            poll: true,
            socketio: true,
        }
    }
}
