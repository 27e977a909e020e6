//! The one file that knows all parts: it starts workers, gateways, directories, the HTTP
//! server and the management listener, and stops them in the reverse order.

mod attribute;
mod avatar;
mod certificate;
mod channel;
mod client;
mod configuration;
mod files;
mod listeners;
mod operators;
mod paused;
mod program;
mod restart;
mod restoring;
mod serve;
mod service;
mod settings;
mod signals;
mod supervisor;
mod user;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Addr};
use actix_http::{HttpService, KeepAlive};
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerHandle};
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, web};
use parking_lot::Mutex;

use crate::actor::Surroundings;
use crate::actor::directory::Directory;
use crate::actor::totals::Totals;
use crate::actor::validator::AttributeValidator;
use crate::clock;
use crate::cluster;
use crate::cluster::bus::Bus;
use crate::cluster::local::{LocalBus, LocalOwners};
use crate::cluster::mailbox::Mailboxes;
use crate::cluster::owners::Owners;
use crate::cluster::probe::Probed;
use crate::config::source::{Composed, Sources};
use crate::config::{self, Config};
use crate::gateway::admission::ConnectionLimits;
use crate::gateway::delivery::encoding::Encodings;
use crate::gateway::peers::Peers;
use crate::gateway::{Gateway, Shared, overload};
use crate::http::accept::Acceptor;
use crate::http::admission::{Admission, AtWorker};
use crate::http::places::Places;
use crate::http::takeable::Takeable;
use crate::http::{own_files, pages, routes, turn};
use crate::management::Management;
pub use crate::management::configuration::{Applied, Change, Layer};
use crate::memory;
use crate::metric::{Metrics, past};
use crate::portal::Portal;
use crate::portal::ban::Bans;
use crate::portal::blocked::Blocked;
use crate::portal::checker::CredentialChecker;
use crate::portal::factory::{AvatarFactory, Factory};
use crate::restart::Parts;
use crate::restart::restore::restore;
use crate::service::LocalServices;
use crate::slow;
use crate::store::{self, Store};
use crate::watched::Watched;
use crate::webhook::Webhooks;
pub use avatar::{Avatar, Avatars, SessionInfo};
pub use channel::{Channel, Channels, History, Published, Since};
use configuration::LiveConfiguration;
use listeners::{Inherited, Named};
use operators::serve_operators;
use restoring::Restoring;
pub use serve::run;
pub use service::ServiceInfo;
use settings::NodeSettings;
use turntable_core::key::{GatewayId, NodeId, WorkerId};

/// What a program that embeds the server adds to it.
#[derive(Default)]
pub struct Extensions {
    /// Credential checkers, which `portal.checkers` may name.
    pub checkers: Vec<Arc<dyn CredentialChecker>>,
    /// Services that are implemented in the program. Those without an entry in
    /// `[services]` have the default settings.
    pub services: LocalServices,
    /// Validators of attributes, behind the rules of `[attributes.schema]`.
    pub validators: Vec<Arc<dyn AttributeValidator>>,
    /// Decides what avatars begin with, before `avatar.url` is asked.
    pub factory: Option<Arc<dyn AvatarFactory>>,
}

/// How often a stopping server looks whether all connections are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// How long the last events of a stopping server may take to be delivered.
const LAST_WEBHOOKS: Duration = Duration::from_secs(2);
/// How long a client may go on sending a body that nobody reads.
const UNREAD_BODY: Duration = Duration::from_secs(2);
/// A server that runs, for those who embed one. It has to be started within an
/// actix system.
pub struct Running {
    /// Where browsers connect.
    pub server: SocketAddr,
    /// Where metrics and health are.
    pub management: SocketAddr,
    shared: Arc<Shared>,
    settings: NodeSettings,
    operator: Management,
    store: Arc<dyn Store>,
    configuration: Arc<LiveConfiguration>,
    handles: [ServerHandle; 2],
    parts: Parts,
    /// Where sessions are saved for the next process.
    state_path: Option<PathBuf>,
    /// Copies of the listeners, with their names.
    listeners: Vec<Named>,
    /// The numbers of those that accept.
    descriptors: [i32; 2],
    /// The restoration of the sessions of the process before.
    restoring: Option<Restoring>,
}

impl Running {
    /// Starts everything.
    ///
    /// # Errors
    /// What prevented its start.
    pub fn start(config: Config) -> anyhow::Result<Self> {
        Self::start_with(config, Extensions::default())
    }

    /// Starts everything, with what this program adds, after all checks of the configuration.
    /// What `config.set` has set at the same store before is above the configuration.
    ///
    /// # Errors
    /// What prevented its start.
    pub fn start_with(config: Config, extensions: Extensions) -> anyhow::Result<Self> {
        let sources = Sources::program(config).with_saved()?;
        let composed = sources.compose()?;
        Self::start_from(sources, composed, extensions, &Inherited::default())
    }

    /// Starts everything, with a configuration and the layers that it is made of.
    fn start_from(
        sources: Sources,
        composed: Composed,
        extensions: Extensions,
        inherited: &Inherited,
    ) -> anyhow::Result<Self> {
        let config = composed.config.clone();
        slow::set(config.log.slow_ms);
        let workers = files::workers(config.server.workers);
        let files = files::of_connections(workers, config.server.connections_max)?;
        let warned = config::Warned::default();
        for warning in warned.news(&config) {
            log::warn!("{warning}");
        }
        let listeners = inherited.bind([config.server.listen, config.management.listen])?;
        let [
            (name, server_listener),
            (operators_name, management_listener),
        ] = listeners;
        let listeners = vec![
            (name, server_listener.try_clone()?),
            (operators_name, management_listener.try_clone()?),
        ];
        let descriptors = [&server_listener, &management_listener].map(listeners::number_of);
        let store_settings = config.store.clone();
        let (server, management) = (
            server_listener.local_addr()?,
            management_listener.local_addr()?,
        );
        let metrics = Arc::new(Metrics::begun());
        let places = Places::new(files);
        let node = Node::new(config, extensions, workers, &metrics)?;
        let (shared, settings) = (node.shared.clone(), node.settings.clone());
        let store = node.store.clone();
        let node_parts = Parts {
            shared: shared.clone(),
            directories: node.directories.clone(),
        };
        let (state_path, state) = restoring::saved_state(&store_settings, &shared);
        let parts = (settings.clone(), shared.clone());
        let configuration = LiveConfiguration::new(sources, composed, parts, server, warned)?;
        let configuration = Arc::new(configuration);
        let operator = Management::new(
            metrics.registry(),
            (shared.clone(), store.clone()),
            configuration.clone(),
            configuration.operator(),
        );
        let http = node.serve(server_listener, workers, places)?;
        let operators = serve_operators(management_listener, operator.clone(), &settings)?;
        let handles = [http.handle(), operators.handle()];
        actix_rt::spawn(overload::watch(Arc::downgrade(&shared)));
        actix_rt::spawn(past::watch(Arc::downgrade(&operator.past())));
        actix_rt::spawn(configuration::watch(Arc::downgrade(&configuration)));
        let certificates = Arc::downgrade(&settings.certificates);
        actix_rt::spawn(certificate::watch(certificates));
        actix_rt::spawn(http);
        actix_rt::spawn(operators);
        let restoring = state.zip(state_path.clone()).map(|(state, path)| {
            let parts = node_parts.clone();
            let work = async move { restore(state, &parts, workers).await };
            Restoring::begin(path, shared.clone(), work)
        });
        log::info!("{workers} workers");
        Ok(Self {
            server,
            management,
            shared,
            settings,
            operator,
            store,
            configuration,
            handles,
            parts: node_parts,
            state_path,
            listeners,
            descriptors,
            restoring,
        })
    }

    /// Puts another configuration in force, for everything that happens from now
    /// on, below what `config.set` has set. What is fixed at the start waits for the next
    /// one, and is in the answer: addresses, the number of workers, formats of tunnels,
    /// namespaces of socket.io, the store. Rules of rooms that exist do not change.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub fn apply(&self, config: Config) -> anyhow::Result<Applied> {
        self.configuration.apply(config)
    }

    /// The URLs of the public and of the operator's listener.
    fn urls(&self) -> [String; 2] {
        let certificates = &self.settings.certificates;
        [
            (&certificates.server, self.server),
            (&certificates.management, self.management),
        ]
        .map(|(listener, address)| format!("{}://{address}", listener.settings().scheme()))
    }

    /// How long a stopping server waits for its connections to end.
    fn shutdown(&self) -> Duration {
        Duration::from_millis(self.settings.http.get().server.shutdown_ms)
    }

    /// Asks all clients to reconnect elsewhere and stops: at once when all are gone, and in
    /// `shutdown` at the latest. A restoration that has not ended ([`Self::restored`]) is left to
    /// the next start.
    pub async fn stop(mut self, shutdown: Duration) {
        if let Some(restoring) = self.restoring.take() {
            restoring.give_up();
        }
        // Connections are accepted on, to answer them that the server stops.
        self.shared.begin_shutdown(shutdown, false);
        self.await_clients(shutdown).await;
        self.end_parts().await;
    }

    /// Waits until all connections are gone.
    async fn await_clients(&self, wait: Duration) {
        let deadline = Instant::now() + wait;
        while self.shared.limits.total() > 0 && Instant::now() < deadline {
            actix_rt::time::sleep(DRAIN_LOOK).await;
        }
        // Answers of requests that waited are on their way through the workers.
        actix_rt::time::sleep(DRAIN_LOOK).await;
        let left = self.shared.limits.total();
        if left > 0 {
            log::warn!(
                "{left} connections were still open after {} ms",
                wait.as_millis()
            );
        }
    }

    async fn end_parts(self) {
        let [http, operators] = &self.handles;
        http.stop(false).await;
        operators.stop(false).await;
        self.settings.webhooks.stop(LAST_WEBHOOKS).await;
        self.store.stop();
    }
}

/// What the workers of a node share.
#[derive(Clone)]
struct Node {
    shared: Arc<Shared>,
    settings: NodeSettings,
    store: Arc<dyn Store>,
    local_owners: Arc<LocalOwners>,
    local_bus: Arc<LocalBus>,
    owners: Arc<dyn Owners>,
    bus: Arc<dyn Bus>,
    directories: Arc<Mutex<BTreeMap<WorkerId, Addr<Directory>>>>,
    totals: Arc<Totals>,
    started: Arc<AtomicU16>,
    /// Which life of the node this is: no two begin in the same second.
    boot: u32,
}

impl Node {
    fn new(
        config: Config,
        extensions: Extensions,
        workers: usize,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let mailboxes = Arc::new(Mailboxes::new(workers, metrics));
        let local_owners = Arc::new(LocalOwners::new(mailboxes.clone()));
        let local_bus = Arc::new(LocalBus::new(mailboxes.clone()));
        let (owners, bus) = cluster::ways(local_owners.clone(), local_bus.clone());
        let Extensions {
            checkers,
            services,
            validators,
            factory,
        } = extensions;
        let named = settings::services(&config, &services);
        let budget = memory::budget_bytes(config.server.memory_bytes_max);
        let seen_max = config.presence.last_seen_max;
        let store =
            store::open(&config.store, seen_max, budget, metrics).map_err(anyhow::Error::msg)?;
        let portal = Arc::new(Portal::new(config.portal.clone(), checkers, store.clone())?);
        let avatar = config.avatar.clone();
        let factory = Factory::new(avatar, factory, portal.clone(), metrics.clone());
        let webhooks = Webhooks::new(config.webhooks.clone(), metrics.clone());
        let validators = validators.into();
        let settings = NodeSettings::new(
            &config,
            services,
            validators,
            owners.clone(),
            (factory, webhooks),
            metrics,
        )?;
        settings.show_bounds(metrics);
        let started_ms = clock::now_ms();
        let boot = (started_ms / 1_000) as u32;
        let encodings = Encodings {
            formats: config.formats()?,
            namespaces: config.socketio.all_namespaces(),
            has_offsets: config.socketio.recovery,
        };
        let shared = Arc::new(Shared {
            settings: Watched::new(settings::gateways(&config, named)),
            portal,
            store: store.clone(),
            bans: Bans::open(store.clone()).map_err(anyhow::Error::msg)?,
            blocked: Blocked::open(store.clone(), clock::now_ms() / 1_000)
                .map_err(anyhow::Error::msg)?,
            metrics: metrics.clone(),
            limits: Arc::new(ConnectionLimits::default()),
            incomplete: Arc::default(),
            unidentified: Arc::default(),
            phase: Default::default(),
            gate: Default::default(),
            started_ms,
            restarts: Default::default(),
            peers: Peers::new(workers, NodeId::default(), boot),
            ended: Default::default(),
            owners: owners.clone(),
            mailboxes,
            encodings,
            overload: Default::default(),
            by_operator: Default::default(),
            disabled: Default::default(),
            offered: Default::default(),
            reach: Default::default(),
            sockets: Default::default(),
        });
        let all = Arc::downgrade(&shared);
        shared.portal.on_revoked(move |revocation| {
            if let Some(shared) = all.upgrade() {
                shared.end_revoked(revocation);
            }
        });
        Ok(Self {
            totals: Arc::new(Totals::new(metrics.clone(), shared.offered.clone())),
            shared,
            settings,
            store,
            local_owners,
            local_bus,
            owners,
            bus,
            directories: Arc::default(),
            started: Arc::default(),
            boot,
        })
    }

    /// Starts a worker's gateway and directory, on the worker's own thread.
    fn start_worker(&self) -> std::io::Result<Admission> {
        let worker = WorkerId(self.started.fetch_add(1, Ordering::Relaxed));
        let id = GatewayId {
            node: NodeId::default(),
            boot: self.boot,
            worker,
        };
        let gateway = Gateway::new(id, self.shared.clone())?.start();
        let surroundings = Surroundings::new(
            worker,
            self.bus.clone(),
            self.owners.clone(),
            self.settings.actors.clone(),
            self.shared.metrics.clone(),
            self.shared.mailboxes.clone(),
            self.totals.clone(),
            self.store.clone(),
            self.settings.factory.clone(),
            self.settings.webhooks.clone(),
        );
        let directory = Directory::new(Rc::new(surroundings)).start();
        let probed = Probed {
            gateway: gateway.clone().recipient(),
            directory: directory.clone().recipient(),
        };
        self.shared.mailboxes.connect(worker, probed);
        self.local_bus.connect(id, gateway.clone().recipient());
        self.shared.peers.connect(worker, gateway.clone());
        self.local_owners
            .connect(worker, directory.clone().recipient());
        self.directories.lock().insert(worker, directory);
        Ok(Admission::new(AtWorker {
            gateway,
            shared: self.shared.clone(),
            settings: self.settings.http.clone(),
        }))
    }

    /// Serves browsers: pages by the web application, upgrades by the gateways.
    fn serve(
        self,
        listener: TcpListener,
        workers: usize,
        places: Places,
    ) -> anyhow::Result<Server> {
        let acceptor = Acceptor {
            shared: self.shared.clone(),
            places: Arc::new(places),
            settings: self.settings.http.clone(),
            tls: self.settings.certificates.server.clone(),
        };
        let server = Server::build()
            .workers(workers)
            .max_concurrent_connections(acceptor.places.per_worker(workers))
            .disable_signals()
            .listen("server", listener, move || {
                let folder = self.settings.http.get().server.static_dir.clone();
                let admission = self.start_worker();
                if let Err(error) = &admission {
                    log::error!("a worker cannot start: {error}");
                }
                let admission = admission.ok();
                let upgrades = admission.clone();
                let app = App::new()
                    .wrap(Compress::default())
                    .wrap(from_fn(turn::one_at_a_time))
                    .app_data(web::Data::new(admission.clone()))
                    .configure(move |config| routes::configure(config, admission.clone()))
                    .configure(|config| own_files::configure(config, &folder))
                    .default_service(web::to(pages::page));
                let http = HttpService::build()
                    // `Takeable` has the limit, for every head of a connection.
                    .client_request_timeout(Duration::ZERO)
                    // So it has for the time between requests.
                    .keep_alive(KeepAlive::Os)
                    .client_disconnect_timeout(UNREAD_BODY)
                    .on_connect_ext(|stream: &Takeable, data| {
                        data.insert(stream.clone());
                    })
                    .upgrade(fn_service(move |upgrade| {
                        routes::upgrade(upgrades.clone(), upgrade)
                    }))
                    .finish(map_config(app, |()| AppConfig::default()));
                let acceptor = acceptor.clone();
                fn_service(move |stream: TcpStream| acceptor.clone().accept(stream)).and_then(http)
            })?
            .run();
        Ok(server)
    }
}
