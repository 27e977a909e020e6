//! What sessions take in memory: at each transport, and when their connection is
//! lost.
//!
//! As in `idle`, memory is the server's resident set, before and after. What a
//! lost session takes beside its user's avatar is seen by having the same
//! users come twice: the second time neither avatars nor connections add
//! anything, since the first ones' places are free again.

use std::time::{Duration, Instant};

use super::client::{Client, Script};
use super::encoding::{Encoding, Goal};
use super::error::BenchError;
use super::idle::{patience, rest};
use super::links::Links;
use super::report::{Cell, Table};
use super::server::Server;
use super::talk::Talk;
use super::transport::Transport;

type Result<T> = std::result::Result<T, BenchError>;

const TRANSPORTS: [Transport; 3] = [Transport::Ws, Transport::WsV2, Transport::Sse];
const GOALS: [Goal; 2] = [Goal::Connected, Goal::Identified];
/// How often the same users come and are lost.
const VISITS: usize = 3;

/// Memory of `connections` that say no more than who they are, at each transport.
///
/// # Errors
/// Where a server cannot be started or breaks off.
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
            let talk = Talk {
                encoding: Encoding::Turntable(transport),
                goal,
            };
            // What the first connection sets up is no cost of the last one.
            let _first = Visit::begin(&server, talk, 1)?;
            let before = server.process.rss_bytes()?;
            let mut visit = Visit::begin(&server, talk, connections)?;
            let busy = rest(&mut visit.client, &mut visit.resident, &server, quiet)?;
            let after = server.process.rss_bytes()?;
            let each = (after as f64 - before as f64) / connections as f64;
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

/// Memory of sessions whose connection was lost.
///
/// # Errors
/// Where a server cannot be started or breaks off.
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
    let talk = Talk {
        encoding: Encoding::Turntable(Transport::Ws),
        goal: Goal::Identified,
    };
    drop(Visit::begin(&server, talk, 1)?);
    let mut before = server.process.rss_bytes()?;
    for visit in 1..=VISITS {
        drop(Visit::begin(&server, talk, users)?);
        std::thread::sleep(quiet);
        let after = server.process.rss_bytes()?;
        table.row([
            Cell::count(visit as u64),
            Cell::Number(after as f64 / 1e6, 1),
            Cell::Number((after as f64 - before as f64) / users as f64, 0),
        ]);
        before = after;
    }
    table.note(
        "The first sessions bring an avatar each, and the places of connections, \
         which are free again; the later ones are sessions alone.",
    );
    Ok(table)
}

/// Clients that came to stay; they are gone without a word when this is
/// dropped.
struct Visit {
    client: Client,
    resident: Resident,
}

impl Visit {
    fn begin(server: &Server, talk: Talk, count: usize) -> Result<Self> {
        let mut visit = Self {
            client: Client::new()?,
            resident: Resident { talk, ready: 0 },
        };
        let address = talk.encoding.address(&server.address);
        visit.client.open(&mut visit.resident, &address, count)?;
        // What is still on its way.
        visit
            .client
            .turn_until(&mut visit.resident, Instant::now())?;
        Ok(visit)
    }
}

/// Clients that go as far as their goal, and then say nothing more.
struct Resident {
    talk: Talk,
    ready: usize,
}

impl Script for Resident {
    fn opened(&mut self, links: &mut Links, link: usize) -> Result<()> {
        self.talk.opened(links, link).map(drop)
    }

    fn message(&mut self, links: &mut Links, link: usize, payload: &[u8], _: u64) -> Result<()> {
        self.ready += usize::from(self.talk.answer(links, link, payload)?);
        Ok(())
    }

    fn ready(&self) -> usize {
        self.ready
    }
}
