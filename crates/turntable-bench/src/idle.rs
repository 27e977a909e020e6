//! Idle memory: the cost of a silent connection.
//!
//! Before identification a connection consists of a socket and its state in the
//! server; identified users with friends add a session, an avatar and subscriptions.
//! Memory is what the server has of its own, before and after, divided by the number of
//! connections. Neither pages of its program are included, which it also gives back, nor the
//! kernel's memory of sockets.

use std::time::{Duration, Instant};

use super::client::{Client, Script};
use super::crowd::Crowd;
use super::encoding::command;
use super::error::BenchError;
use super::links::Links;
use super::meter::Meter;
use super::report::{Cell, Table};
use super::server::{Server, Target};

type Result<T> = std::result::Result<T, BenchError>;

/// Timeout until every user has received the presence of all friends.
const SETTLE_SECONDS: u64 = 60;
/// Idle time before memory is read, so that temporary memory has been released, and
/// before idle processor time is read.
pub(super) const QUIET: Duration = Duration::from_secs(3);

/// Arguments of `turntable bench idle`.
#[derive(Clone, Debug, clap::Args)]
pub struct IdleArgs {
    /// Connections
    #[arg(long, default_value_t = 10_000)]
    pub connections: usize,
    /// Identify each as a separate user with friends
    #[arg(long)]
    pub users: bool,
    /// Friends of each user, all online
    #[arg(long, default_value_t = 50)]
    pub friends: usize,
}

impl Default for IdleArgs {
    fn default() -> Self {
        Self {
            connections: 10_000,
            users: false,
            friends: 50,
        }
    }
}

/// An empty table of this scenario.
pub(super) fn table() -> Table {
    Table::new(
        "Idle memory",
        [
            "connections",
            "identified",
            "friends",
            "rss_before_mb",
            "rss_after_mb",
            "bytes_per_connection",
            "idle_cpu_percent",
        ],
    )
}

/// Runs the scenario and appends a row.
///
/// # Errors
/// If the server cannot be started or fails.
pub(super) fn run(args: &IdleArgs, server: Option<&Server>, table: &mut Table) -> Result<()> {
    // Identified users do not need this setting.
    let patience = [patience()];
    let settings = if args.users { &[][..] } else { &patience[..] };
    let server = &*Target::of(server, settings)?;
    // The first connection initialises parts of the server; this is not a cost per
    // connection.
    let mut first = Client::new()?;
    first.open(&mut Silent::default(), &server.address, 1)?;
    let (before, own_before) = (server.process.rss_bytes()?, server.process.own_bytes()?);
    let mut client = Client::new()?;
    let idle_cpu = if args.users {
        let mut crowd = Crowd::new(args.connections, args.friends)?;
        client.open(&mut crowd, &server.address, args.connections)?;
        settle(&mut client, &mut crowd)?;
        crowd.acknowledge(&mut client.links)?;
        let deadline = Instant::now() + Duration::from_secs(SETTLE_SECONDS);
        while crowd.acknowledged < args.connections && Instant::now() < deadline {
            client.turn(&mut crowd, Duration::from_millis(20))?;
        }
        rest(&mut client, &mut crowd, server, QUIET)?
    } else {
        let mut silent = Silent::default();
        client.open(&mut silent, &server.address, args.connections)?;
        rest(&mut client, &mut silent, server, QUIET)?
    };
    let (after, own_after) = (server.process.rss_bytes()?, server.process.own_bytes()?);
    let own = own_after as f64 - own_before as f64;
    table.row([
        Cell::count(args.connections as u64),
        Cell::Text(if args.users { "yes" } else { "no" }.to_owned()),
        if args.users {
            Cell::count(args.friends as u64)
        } else {
            Cell::None
        },
        Cell::Number(before as f64 / 1e6, 1),
        Cell::Number(after as f64 / 1e6, 1),
        Cell::Number(own / args.connections as f64, 0),
        Cell::Number(idle_cpu, 1),
    ]);
    Ok(())
}

/// The setting that keeps unidentified connections open.
pub(super) fn patience() -> (&'static str, String) {
    let name = "TURNTABLE_SESSION__IDENTIFY_TIMEOUT_MS";
    (name, "600000".to_owned())
}

/// Waits until every user has received every friend as online.
pub(super) fn settle(client: &mut Client, crowd: &mut Crowd) -> Result<()> {
    let is_wrong = |crowd: &Crowd| !crowd.is_complete();
    client.turn_while(crowd, SETTLE_SECONDS, is_wrong, |crowd| {
        format!("complete presence of {} users", crowd.wrong())
    })
}

/// Only answers pings for the time `quiet`; returns the server's processor time in
/// percent.
///
/// # Errors
/// If the server fails.
pub(super) fn rest(
    client: &mut Client,
    script: &mut impl Script,
    server: &Server,
    quiet: Duration,
) -> Result<f64> {
    let meter = Meter::start(server.process, client)?;
    client.turn_until(script, Instant::now() + quiet)?;
    Ok(meter.stop(client)?.server_busy())
}

/// Connections that never identify.
#[derive(Default)]
struct Silent {
    ready: usize,
}

impl Script for Silent {
    fn message(&mut self, _: &mut Links, _: usize, payload: &[u8], _: u64) -> Result<()> {
        self.ready += usize::from(command(payload) == b"idyou");
        super::refused(payload)
    }

    fn ready(&self) -> usize {
        self.ready
    }
}
