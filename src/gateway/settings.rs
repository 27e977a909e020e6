//! What a gateway needs to know of the configuration, and the sections of its
//! transports: `[tunnel]`, `[poll]` and `[socketio]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::actor::Services;
use crate::gateway::newcomers::NewcomerLimits;
use crate::portal::permission::PermissionBook;
use turntable_core::id::ChannelId;
use turntable_core::model::namespace::{ChannelPermissions, Namespaces};
use turntable_core::model::service::function::FunctionSettings;
use turntable_core::model::settings::PresenceSettings;
use turntable_core::session::clock::settings::TimeSettings;
use turntable_core::session::settings::{LimitSettings, SessionSettings};
use turntable_wire::socketio::MAIN_NAMESPACE;
use turntable_wire::tunnel_format::FormatSettings;

/// What a gateway needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// The section `[session]`.
    pub session: SessionSettings,
    /// The section `[limits]`.
    pub limits: LimitSettings,
    /// The section `[time]`.
    pub time: TimeSettings,
    /// The section `[presence]`.
    pub presence: PresenceSettings,
    /// Who may join channels and publish on them.
    pub channels: Arc<dyn ChannelPermissions>,
    /// What sessions may do, by their roles.
    pub permissions: Arc<PermissionBook>,
    /// Of which channels members are shown; `None` where of no channel.
    pub namespaces: Option<Arc<Namespaces>>,
    /// Paths below a channel whose past messages a join gets.
    pub below_max: usize,
    /// Whether any channel sends its last message to those who join.
    pub has_last_values: bool,
    /// Users that the operator may subscribe to channels.
    pub operator_users_max: usize,
    /// Users for which services may be disabled.
    pub disabled_users_max: usize,
    /// The longest message of a client, in bytes.
    pub message_bytes_max: usize,
    /// How many bytes the kernel may hold for one socket; 0: as many as it will.
    pub send_buffer_bytes: usize,
    /// The section `[tunnel]`.
    pub tunnel: TunnelSettings,
    /// The section `[poll]`.
    pub poll: PollSettings,
    /// The section `[socketio]`.
    pub socketio: SocketIoSettings,
    /// Connections at one time.
    pub connections_max: usize,
    /// Connections of one address at one time.
    pub connections_per_address_max: usize,
    /// Memory of the process, in bytes; 0: half of what the machine has.
    pub memory_bytes_max: u64,
    /// Letters that may wait in a mailbox of the node before gateways stop reading.
    pub mailbox_max: usize,
    /// The sections `[services.NAME]`.
    pub services: Services,
    /// Attributes that clients may not set.
    pub server_only: Vec<Box<str>>,

    /// The section `[functions]`.
    pub functions: FunctionSettings,
    /// What `welcome` reports: name and value.
    pub announced: Vec<(&'static str, u64)>,
}

impl GatewaySettings {
    /// Whether the members of a channel are shown.
    #[must_use]
    pub fn shows_members(&self, channel: &ChannelId) -> bool {
        let namespaces = self.namespaces.as_ref();
        namespaces.is_some_and(|namespaces| namespaces.of(channel).members)
    }

    /// The limits of what has not identified.
    #[must_use]
    pub const fn newcomers(&self) -> NewcomerLimits {
        NewcomerLimits {
            per_address_max: self.session.unidentified_per_address_max,
            per_socket_max: self.poll.unidentified_max,
            sessions: self.limits.session,
            socket_sessions: self.limits.connection_session,
            resumes: self.limits.resume,
        }
    }
}

/// The section `[tunnel]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TunnelSettings {
    /// An open tunnel that was quiet this long gets a keepalive, in ms.
    pub keepalive_ms: u64,
    /// How long an answer of a format that ends with its first batch waits
    /// for one, in ms.
    pub longpoll_ms: u64,
    /// How long such a tunnel may take to come back before it counts as lost,
    /// in ms.
    pub gap_ms: u64,
    /// Datagrams in one request.
    pub batch_max: usize,
    /// More formats, and others under the names of those there are.
    pub formats: BTreeMap<String, FormatSettings>,
}

impl TunnelSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("keepalive_ms", 100, 600_000),
        ("longpoll_ms", 100, 600_000),
        ("gap_ms", 100, 600_000),
        ("batch_max", 1, 10_000),
    ];
}

impl Default for TunnelSettings {
    fn default() -> Self {
        Self {
            keepalive_ms: 15_000,
            longpoll_ms: 25_000,
            gap_ms: 5_000,
            batch_max: 256,
            formats: BTreeMap::new(),
        }
    }
}

/// The section `[poll]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PollSettings {
    /// How long a request waits for the answers to its calls, in ms; what is
    /// not answered by then comes with a later one.
    pub answer_ms: u64,
    /// A session without a request for this long counts as lost, in ms.
    pub gone_ms: u64,
    /// Entries in one request.
    pub batch_max: usize,
    /// Sessions that have not identified, of one HTTP connection.
    pub unidentified_max: usize,
    /// Whether the session is also given as a cookie, which all tabs of a
    /// browser share.
    pub cookie: bool,
}

impl PollSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("answer_ms", 100, 600_000),
        ("gone_ms", 100, 86_400_000),
        ("batch_max", 1, 10_000),
        ("unidentified_max", 1, 10_000_000),
    ];
}

impl Default for PollSettings {
    fn default() -> Self {
        Self {
            answer_ms: 5_000,
            gone_ms: 30_000,
            batch_max: 256,
            unidentified_max: 16,
            cookie: false,
        }
    }
}

/// The section `[socketio]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SocketIoSettings {
    /// How often a client is pinged, in ms.
    pub ping_interval_ms: u64,
    /// How long its answer may take, in ms.
    pub ping_timeout_ms: u64,
    /// How long a connection may carry no namespace, in ms.
    pub connect_timeout_ms: u64,
    /// Namespaces beside the main one.
    pub namespaces: Vec<String>,
    /// Whether socket.io's own recovery works, for which each event has one
    /// more argument.
    pub recovery: bool,
    /// Packets in one request.
    pub packets_max: usize,
    /// Attachments of one packet.
    pub attachments_max: usize,
    /// Bytes that wait for one connection below the outboxes of its sessions.
    pub queue_bytes_max: usize,
    /// Whether everything is only sent back, for conformance suites.
    pub conformance: bool,
}

impl SocketIoSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("ping_interval_ms", 100, 600_000),
        ("ping_timeout_ms", 100, 600_000),
        ("connect_timeout_ms", 100, 600_000),
        ("packets_max", 1, 10_000),
        ("attachments_max", 0, 1_000),
        ("queue_bytes_max", 1_024, 16_777_216),
    ];

    /// The namespace that conformance suites connect to, beside the main one.
    const CONFORMANCE: &str = "/custom";

    /// All namespaces, the main one first.
    #[must_use]
    pub fn all_namespaces(&self) -> Vec<Box<str>> {
        let own = self.namespaces.iter().map(String::as_str);
        let conformance = self.conformance.then_some(Self::CONFORMANCE);
        let mut all: Vec<Box<str>> = vec![MAIN_NAMESPACE.into()];
        for name in own.chain(conformance) {
            if !all.iter().any(|known| **known == *name) {
                all.push(name.into());
            }
        }
        all
    }
}

impl Default for SocketIoSettings {
    fn default() -> Self {
        Self {
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            connect_timeout_ms: 45_000,
            namespaces: Vec::new(),
            recovery: false,
            packets_max: 1_024,
            attachments_max: 64,
            queue_bytes_max: 65_536,
            conformance: false,
        }
    }
}
