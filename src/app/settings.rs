//! The settings of the parts, made of one configuration, and replaced while they
//! run.

use std::sync::Arc;

use super::certificate::Certificates;
use crate::actor::validator::Validators;
use crate::actor::{ActorSettings, Services};
use crate::cluster::owners::Owners;
use crate::config::Config;
use crate::gateway::Shared;
use crate::gateway::admission::IncompleteLimits;
use crate::gateway::settings::GatewaySettings;
use crate::gateway::transport::settings::TransportSections;
use crate::http::settings::{HttpSettings, ServerSettings};
use crate::memory;
use crate::metric::Metrics;
use crate::portal::factory::Factory;
use crate::portal::permission::PermissionBook;
use crate::service::LocalServices;
use crate::service::backend::Backends;
use crate::watched::Watched;
use crate::webhook::Webhooks;
use turntable_core::model::attribute_rule::AttributeRules;
use turntable_core::model::permission::Roles;
use turntable_core::model::room::RoomSettings;
use turntable_core::model::service::function::FunctionSettings;

/// The settings of every part that watches them.
#[derive(Debug, Clone)]
pub(super) struct NodeSettings {
    /// Those of the HTTP server.
    pub(super) http: Arc<Watched<HttpSettings>>,
    /// Those of the actors.
    pub(super) actors: Arc<Watched<ActorSettings>>,
    local_services: LocalServices,
    validators: Validators,
    backends: Arc<Backends>,
    /// What avatars begin with.
    pub(super) factory: Arc<Factory>,
    /// Events for a backend.
    pub(super) webhooks: Arc<Webhooks>,
    /// Those of the listeners.
    pub(super) certificates: Arc<Certificates>,
}

impl NodeSettings {
    /// The settings of a configuration.
    ///
    /// # Errors
    /// What is wrong with a game.
    pub(super) fn new(
        config: &Config,
        local_services: LocalServices,
        validators: Validators,
        owners: Arc<dyn Owners>,
        (factory, webhooks): (Factory, Arc<Webhooks>),
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let backends = Arc::new(Backends::new(owners));
        let provided = backends.beside(&local_services, &config.services)?;
        let actors = actors(config, &provided, &validators)?;
        Ok(Self {
            http: Arc::new(Watched::new(http(config))),
            actors: Arc::new(Watched::new(actors)),
            local_services,
            validators,
            backends,
            factory: Arc::new(factory),
            webhooks,
            certificates: Arc::new(Certificates::new(config, metrics)?),
        })
    }

    /// Brings the metrics of bounds that depend on the machine up to date.
    pub(super) fn show_bounds(&self, metrics: &Metrics) {
        let max = self.actors.get().room.state_total_bytes_max;
        metrics.state_bytes_max.set(max as i64);
    }

    /// Reads the files that a configuration names and that its own checks have not read: those of
    /// certificates. `reads_files`: also where their names are as before.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn check_files(&self, config: &Config, reads_files: bool) -> anyhow::Result<()> {
        self.certificates.prepare(config, reads_files).map(drop)
    }

    /// Puts another configuration in force, all of it or nothing: what can fail comes first.
    /// `reads_files`: keys and tokens in files are read again, also where their names are as
    /// before.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub(super) fn apply(
        &self,
        config: &Config,
        shared: &Shared,
        reads_files: bool,
    ) -> anyhow::Result<()> {
        config.check()?;
        let mut actors = actors(config, &self.local_services, &self.validators)?;
        let portal = shared.portal.prepare(config.portal.clone(), reads_files)?;
        let certificates = self.certificates.prepare(config, reads_files)?;
        actors.local_services = self
            .backends
            .beside(&self.local_services, &config.services)?;
        if let Some(portal) = portal {
            shared.portal.apply(portal);
        }
        self.certificates.apply(certificates);
        self.factory.apply(config.avatar.clone());
        self.webhooks.apply(config.webhooks.clone());
        self.actors.set(actors);
        self.show_bounds(&shared.metrics);
        self.http.set(http(config));
        let services = services(config, &self.local_services);
        shared.settings.set(gateways(config, services.clone()));
        self.backends.look(&services);
        Ok(())
    }
}

/// The settings of the gateways.
pub(super) fn gateways(config: &Config, services: Services) -> GatewaySettings {
    let namespaces = config.namespaces();
    GatewaySettings {
        session: config.session.clone(),
        limits: config.limits.clone(),
        time: config.time,
        presence: config.presence.clone(),
        channels: Arc::new(config.namespaces()),
        permissions: Arc::new(PermissionBook::new(Roles::new(config.roles.clone()))),
        namespaces: namespaces.any_shows_members().then(|| Arc::new(namespaces)),
        below_max: config.channel.below_max,
        has_last_values: config.channels.values().any(|one| one.last_value_ms > 0),
        operator_users_max: config.channel.operator_users_max,
        disabled_users_max: config.avatar.disabled_users_max,
        message_bytes_max: config.server.max_message_bytes,
        send_buffer_bytes: config.server.send_buffer_bytes,
        transport: TransportSections {
            tunnel: config.tunnel.clone(),
            poll: config.poll.clone(),
            socketio: config.socketio.clone(),
        },
        inspection: config.inspection,
        incomplete: incomplete(&config.server),
        connections_max: config.server.connections_max,
        connections_per_address_max: config.server.connections_per_address_max,
        drain_spread_ms: config.server.drain_spread_ms,
        memory_bytes_max: config.server.memory_bytes_max,
        overload_wait_ms: config.server.overload_wait_ms,
        mailbox_max: config.server.mailbox_max,
        services,
        server_only: config.attributes.server_only.clone(),
        public: config.attributes.public.clone(),

        functions: functions(config),
        announced: announced(config),
    }
}

fn actors(
    config: &Config,
    local: &LocalServices,
    validators: &Validators,
) -> anyhow::Result<ActorSettings> {
    let rules = AttributeRules::new(&config.attributes.schema)
        .map_err(|(name, error)| anyhow::anyhow!("attributes.schema.{name}: {error}"))?;
    Ok(ActorSettings {
        presence: config.presence.clone(),
        attributes: config.attributes.clone(),
        attribute_rules: Arc::new(rules),
        validators: validators.clone(),
        room: Arc::new(rooms(config)),
        channel: config.channel.clone(),
        channels: config.namespaces(),
        games: config.games()?,
        services: services(config, local),
        functions: functions(config),
        local_services: local.clone(),
        sessions_per_user_max: config.session.sessions_per_user_max,
        sessions: config.portal.sessions,
    })
}

/// The states of rooms have this part of `server.memory_bytes_max`, and those of one address
/// this part of it, where no number says how much.
const STATE_SHARES: (u64, usize) = (8, 4);

/// The settings of rooms, with the bounds of their states; 0 where nothing is known.
fn rooms(config: &Config) -> RoomSettings {
    let mut room = config.room.clone();
    let (of_memory, of_total) = STATE_SHARES;
    if room.state_total_bytes_max == 0 {
        let bytes = memory::budget_bytes(config.server.memory_bytes_max).unwrap_or_default();
        room.state_total_bytes_max = usize::try_from(bytes / of_memory).unwrap_or_default();
    }
    if room.state_bytes_per_address_max == 0 {
        room.state_bytes_per_address_max = room.state_total_bytes_max.div_ceil(of_total);
    }
    room
}

/// The settings of what users offer. What a session has of calls leaves half of its outbox
/// to everything else.
fn functions(config: &Config) -> FunctionSettings {
    let mut functions = config.functions.clone();
    let max = config.session.outbox_bytes_max / 2;
    functions.in_flight_bytes_max = functions.in_flight_bytes_max.min(max);
    functions
}

/// The entries of the configuration, and one for each service in the server that has
/// none.
pub(super) fn services(config: &Config, local: &LocalServices) -> Services {
    let mut services = config.services.clone();
    for name in local.names() {
        services.entry(name.to_owned()).or_default();
    }
    let max = config.session.outbox_bytes_max / 2;
    for service in services.values_mut() {
        service.in_flight_bytes_max = service.in_flight_bytes_max.min(max);
    }
    Arc::new(services)
}

fn http(config: &Config) -> HttpSettings {
    HttpSettings {
        server: config.server.clone(),
        transports: config.transports,
        incomplete: incomplete(&config.server),
        tls_handshakes: config.limits.tls_handshake,
    }
}

/// Input that is not whole has this part of `server.memory_bytes_max`, where no number
/// says how much.
const INCOMPLETE_SHARE: u64 = 8;

fn incomplete(server: &ServerSettings) -> IncompleteLimits {
    let per_address = server.incomplete_bytes_per_address_max;
    let budget = memory::budget_bytes(server.memory_bytes_max);
    let share = budget.and_then(|bytes| usize::try_from(bytes / INCOMPLETE_SHARE).ok());
    let total = match server.incomplete_bytes_max {
        0 => share
            .unwrap_or(usize::MAX)
            .max(per_address.saturating_mul(2)),
        max => max,
    };
    IncompleteLimits { total, per_address }
}

/// The numbers that `welcome` reports.
fn announced(config: &Config) -> Vec<(&'static str, u64)> {
    vec![
        ("max_message_bytes", config.server.max_message_bytes as u64),
        ("resume_ms", config.session.resume_ms),
        ("watch_max", config.presence.watch_max as u64),
        ("lookup_max", config.presence.lookup_max as u64),
        ("rooms_max", config.session.rooms_max as u64),
        ("channels_max", config.session.channels_max as u64),
        ("actions_max", config.room.actions_max as u64),
        ("max_lag_ms", config.room.max_lag_ms),
    ]
}
