//! Memory of sessions: for each transport, and after their connection was lost.
//!
//! As in `idle`, memory is what the server has of its own, before and after. The memory of a
//! session without a connection, apart from its user's avatar, is measured by
//! connecting the same users twice: the second time neither avatars nor connections
//! add memory, because those of the first time are reused.

use std::time::{Duration, Instant};

use super::client::{Client, Script};
use super::conversation::Conversation;
use super::encoding::{Encoding, Goal};
use super::error::BenchError;
use super::idle::{patience, rest};
use super::links::Links;
use super::report::{Cell, Table};
use super::server::Server;
use super::transport::Transport;

type Result<T> = std::result::Result<T, BenchError>;

const TRANSPORTS: [Transport; 3] = [Transport::Ws, Transport::WsV2, Transport::Sse];
const GOALS: [Goal; 2] = [Goal::Connected, Goal::Identified];
/// How often the same users connect and disconnect.
const VISITS: usize = 3;

/// Memory of `connections` that only identify, for each transport.
///
/// # Errors
/// If a server cannot be started or fails.
pub(super) fn run(connections: usize, quiet: Duration) -> Result<Table> {
    let mut table = Table::new(
        format!("Memory of {connections} idle connections"),
        [
            "transport",
            "identified",
            "rss_before_mb",
            "rss_after_mb",
            "bytes_per_connection",
            "more_than_ws",
            "idle_cpu_percent",
        ],
    );
    for goal in GOALS {
        let mut base = None;
        for transport in TRANSPORTS {
            let server = Server::start(&[patience()])?;
            let conversation = Conversation {
                encoding: Encoding::Turntable(transport),
                goal,
            };
            // The first connection initialises parts of the server; this is not a cost
            // per connection.
            let _first = Visit::begin(&server, conversation, 1)?;
            let (before, own) = (server.process.rss_bytes()?, server.process.own_bytes()?);
            let mut visit = Visit::begin(&server, conversation, connections)?;
            let busy = rest(&mut visit.client, &mut visit.resident, &server, quiet)?;
            let after = server.process.rss_bytes()?;
            let own = server.process.own_bytes()? as f64 - own as f64;
            let each = own / connections as f64;
            let base = *base.get_or_insert(each);
            let is_identified = goal == Goal::Identified;
            table.row([
                Cell::Text(transport.name().to_owned()),
                Cell::Text(if is_identified { "yes" } else { "no" }.to_owned()),
                Cell::Number(before as f64 / 1e6, 1),
                Cell::Number(after as f64 / 1e6, 1),
                Cell::Number(each, 0),
                Cell::Number(each - base, 0),
                Cell::Number(busy, 1),
            ]);
        }
    }
    Ok(table)
}

/// Memory of sessions without a connection.
///
/// # Errors
/// If a server cannot be started or fails.
pub(super) fn run_detached(users: usize, quiet: Duration) -> Result<Table> {
    let mut table = Table::new(
        format!("Memory of sessions without a connection, {users} users"),
        ["sessions_each", "rss_mb", "bytes_per_new_session"],
    );
    let long = |name| (name, "3600000".to_owned());
    let server = Server::start(&[
        long("TURNTABLE_SESSION__RESUME_MS"),
        long("TURNTABLE_PRESENCE__GRACE_MS"),
    ])?;
    let conversation = Conversation {
        encoding: Encoding::Turntable(Transport::Ws),
        goal: Goal::Identified,
    };
    drop(Visit::begin(&server, conversation, 1)?);
    let mut before = server.process.own_bytes()?;
    for visit in 1..=VISITS {
        drop(Visit::begin(&server, conversation, users)?);
        std::thread::sleep(quiet);
        let after = server.process.own_bytes()?;
        table.row([
            Cell::count(visit as u64),
            Cell::Number(server.process.rss_bytes()? as f64 / 1e6, 1),
            Cell::Number((after as f64 - before as f64) / users as f64, 0),
        ]);
        before = after;
    }
    table.note(
        "The first sessions add an avatar each, and the slots of connections, \
         which are reused; the later ones add sessions only.",
    );
    Ok(table)
}

/// Open clients; dropping this closes them without `bye`.
struct Visit {
    client: Client,
    resident: Resident,
}

impl Visit {
    fn begin(server: &Server, conversation: Conversation, count: usize) -> Result<Self> {
        let mut visit = Self {
            client: Client::new()?,
            resident: Resident {
                conversation,
                ready: 0,
            },
        };
        let address = conversation.encoding.address(&server.address);
        visit.client.open(&mut visit.resident, &address, count)?;
        // Wait for messages in flight.
        visit
            .client
            .turn_until(&mut visit.resident, Instant::now())?;
        Ok(visit)
    }
}

/// Clients that reach their goal, and then send nothing more.
struct Resident {
    conversation: Conversation,
    ready: usize,
}

impl Script for Resident {
    fn opened(&mut self, links: &mut Links, link: usize) -> Result<()> {
        self.conversation.opened(links, link).map(drop)
    }

    fn message(&mut self, links: &mut Links, link: usize, payload: &[u8], _: u64) -> Result<()> {
        self.ready += usize::from(self.conversation.answer(links, link, payload)?);
        Ok(())
    }

    fn ready(&self) -> usize {
        self.ready
    }
}
