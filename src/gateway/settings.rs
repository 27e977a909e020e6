//! What a gateway needs to know of the configuration.

use std::sync::Arc;

use crate::actor::Services;
use crate::gateway::admission::IncompleteLimits;
use crate::gateway::inspection::settings::InspectionSettings;
use crate::gateway::transport::settings::TransportSections;
use crate::gateway::unidentified::UnidentifiedLimits;
use crate::portal::permission::PermissionBook;
use turntable_core::id::{ChannelId, SessionId};
use turntable_core::model::namespace::{ChannelPermissions, Namespaces};
use turntable_core::model::service::function::FunctionSettings;
use turntable_core::model::settings::PresenceSettings;
use turntable_core::packet::Welcome;
use turntable_core::session::clock::settings::TimeSettings;
use turntable_core::session::settings::{LimitSettings, SessionSettings};

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
    /// The sections of the transports.
    pub transport: TransportSections,
    /// The section `[inspection]`.
    pub inspection: InspectionSettings,
    /// What clients may have sent that is not whole.
    pub incomplete: IncompleteLimits,
    /// Connections at one time.
    pub connections_max: usize,
    /// Connections of one address at one time.
    pub connections_per_address_max: usize,
    /// Over how long clients are sent away when the server stops, in ms; 0: by their number.
    pub drain_spread_ms: u64,
    /// Memory of the process, in bytes; 0: half of what the machine has.
    pub memory_bytes_max: u64,
    /// How long an address waits whose sessions were ended for memory, in ms.
    pub overload_wait_ms: u64,
    /// Messages that may wait in a mailbox of the node before gateways stop reading.
    pub mailbox_max: usize,
    /// The sections `[services.NAME]`.
    pub services: Services,
    /// Attributes that clients may not set.
    pub server_only: Vec<Box<str>>,
    /// Attributes that those who watch a user get.
    pub public: Vec<Box<str>>,

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

    /// The `welcome` of a session, for everyone alike.
    #[must_use]
    pub fn welcome(&self, session: SessionId, now_ms: u64) -> Welcome {
        Welcome {
            user: None,
            session,
            resumed: false,
            accepted: 0,
            time_ms: now_ms,
            heartbeat_ms: self.session.heartbeat_ms,
            attributes: Vec::new(),
            services: Vec::new(),
            limits: self.announced.clone(),
            rates: self.limits.of_session().into(),
            server: concat!("turntable/", env!("CARGO_PKG_VERSION")).into(),
            warnings: Vec::new(),
            reconnect_ms: None,
            expires_in: None,
            token: None,
        }
    }

    /// The limits of what has not identified.
    #[must_use]
    pub const fn unidentified(&self) -> UnidentifiedLimits {
        UnidentifiedLimits {
            per_address_max: self.session.unidentified_per_address_max,
            per_socket_max: self.session.unidentified_per_socket_max,
            sessions: self.limits.session,
            socket_sessions: self.limits.connection_session,
            resumes: self.limits.resume,
        }
    }
}
