//! `turntable bench`: measures the server's throughput, latency and cost.
//!
//! Each scenario uses a server over real sockets: one that it starts on a separate
//! core, or a running one. The client is one event loop on another core (`client`).
//! It reports the load of its core, because results are invalid if the client is the
//! bottleneck. Processor time and memory are those of the server process, from
//! `/proc` (`process`). `docs/benchmarks.md` describes the method.

mod attributes;
mod caller;
mod calls;
mod carrier;
mod channel;
mod client;
mod conversation;
mod crowd;
mod encoding;
mod error;
mod fanout;
mod floor;
mod frame;
mod histogram;
mod idle;
mod links;
mod management;
mod meter;
mod operators;
mod polls;
mod presence;
mod process;
mod report;
mod resident;
mod rooms;
mod server;
mod stamp;
mod transport;
mod transports;

pub use attributes::AttributesArgs;
pub use calls::{CallsArgs, LOCAL};
pub use encoding::Peer;
pub use error::BenchError;
pub use fanout::FanoutArgs;
pub use idle::IdleArgs;
pub use management::ManagementArgs;
pub use presence::PresenceArgs;
pub use rooms::RoomsArgs;
pub use transport::Transport;
pub use transports::TransportsArgs;

use report::Table;
use server::Server;

/// Arguments of `turntable bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// The scenario to measure
    #[command(subcommand)]
    pub scenario: Scenario,
    /// Measure a running server (ws://HOST:PORT/PATH) instead of starting one
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// The process id of the server at --url, if it cannot be detected
    #[arg(long, global = true, requires = "url")]
    pub server_pid: Option<u32>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
}

/// The scenarios.
#[derive(Debug, clap::Subcommand)]
pub enum Scenario {
    /// Every scenario, as docs/benchmarks.md shows them
    All,
    /// One channel, many subscribers: the cost of a delivery
    Fanout(FanoutArgs),
    /// The same for every transport: deliveries, memory, polls
    Transports(TransportsArgs),
    /// Many games at the same time: the latency of actions
    Rooms(RoomsArgs),
    /// Memory of silent connections
    Idle(IdleArgs),
    /// Friends that connect and disconnect: a storm, then churn
    Presence(PresenceArgs),
    /// A user's public attribute that changes, and many who watch it
    Attributes(AttributesArgs),
    /// Calls of services: throughput, latency and cost, next to an echo
    Calls(CallsArgs),
    /// Messages beside many calls of the management listener: their latency
    Management(ManagementArgs),
    /// The stand-alone service of `calls`
    #[command(hide = true)]
    CallService {
        /// The server's address
        url: String,
    },
    /// The server of `calls`, with a service of its own
    #[command(hide = true)]
    ServiceServer,
    /// The bare epoll loop that `fanout --floor` compares with
    #[command(hide = true)]
    FloorServer,
}

/// Runs a benchmark and prints its results on standard output.
///
/// # Errors
/// If a server cannot be started, fails or does not answer.
pub fn run(args: &BenchArgs) -> Result<(), BenchError> {
    match &args.scenario {
        Scenario::FloorServer => return floor::serve_process(),
        Scenario::CallService { url } => return calls::serve_process(url),
        _ => {}
    }
    if !server::pin_client() {
        eprintln!("bench: the client cannot be pinned to a separate core");
    }
    let running = match &args.url {
        Some(url) => Some(Server::running(url, args.server_pid)?),
        None => None,
    };
    let running = running.as_ref();
    let mut tables = Vec::new();
    let mut done = |table: Table| {
        if !args.json {
            print!("{}", table.markdown());
        }
        tables.push(table.json());
    };
    match &args.scenario {
        Scenario::All => all(running, &mut done)?,
        Scenario::Fanout(args) => done(fanout::run(args, running)?),
        Scenario::Transports(args) => transports::run(args, running, &mut done)?,
        Scenario::Rooms(args) => {
            let mut table = rooms::table();
            rooms::run(args, running, &mut table)?;
            done(table);
        }
        Scenario::Idle(args) => {
            let mut table = idle::table();
            idle::run(args, running, &mut table)?;
            done(table);
        }
        Scenario::Presence(args) => presence::run(args, running)?.into_iter().for_each(done),
        Scenario::Attributes(args) => done(attributes::run(args, running)?),
        Scenario::Calls(args) => done(calls::run(args, running)?),
        Scenario::Management(args) => done(management::run(args, running)?),
        // They are no measurements; the program itself is the last one.
        Scenario::FloorServer | Scenario::CallService { .. } | Scenario::ServiceServer => {}
    }
    if args.json {
        println!("{}", serde_json::Value::Array(tables));
    }
    Ok(())
}

/// Every scenario with its default arguments. Each starts its own server, so that
/// results do not depend on earlier scenarios.
fn all(running: Option<&Server>, done: &mut impl FnMut(Table)) -> Result<(), BenchError> {
    done(fanout::run(&FanoutArgs::default(), running)?);
    let mut table = rooms::table();
    let few = RoomsArgs::default();
    rooms::run(&few, running, &mut table)?;
    if running.is_none() {
        rooms::run(
            &RoomsArgs {
                tick: 20,
                ..few.clone()
            },
            None,
            &mut table,
        )?;
        let many = RoomsArgs {
            rooms: 400,
            tick: 20,
            ..few
        };
        rooms::run(&many, None, &mut table)?;
    }
    done(table);
    let mut table = idle::table();
    let silent = IdleArgs::default();
    idle::run(&silent, running, &mut table)?;
    idle::run(
        &IdleArgs {
            users: true,
            ..silent
        },
        running,
        &mut table,
    )?;
    done(table);
    presence::run(&PresenceArgs::default(), running)?
        .into_iter()
        .for_each(&mut *done);
    done(attributes::run(&AttributesArgs::default(), running)?);
    if running.is_none() {
        done(calls::run(&CallsArgs::default(), None)?);
        done(management::run(&ManagementArgs::default(), None)?);
    }
    transports::run(&TransportsArgs::default(), running, done)
}

/// An error message from the server ends a benchmark: its results would be those of
/// refusals. Other messages that a script does not need are ignored.
fn refused(payload: &[u8]) -> Result<(), BenchError> {
    if encoding::command(payload) == b"error" {
        let text = String::from_utf8_lossy(payload).into_owned();
        return Err(BenchError::Conversation(text));
    }
    Ok(())
}
