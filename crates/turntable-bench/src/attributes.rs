//! Attributes: one user changes a public attribute, many sessions watch the user.
//!
//! Closed loop: the next change is sent when every watcher has received the one before
//! it. The server collects no changes meanwhile (`presence.coalesce_ms` is 0), so each
//! is one message to each watcher; the server writes it once for all of a worker.

use std::time::{Duration, Instant};

use super::client::{Client, Script};
use super::encoding::{command, idme, message, user_id};
use super::error::BenchError;
use super::histogram::Histogram;
use super::links::Links;
use super::meter::{LOAD_COLUMNS, Meter};
use super::report::{Cell, LATENCY_COLUMNS, Table, latency_cells};
use super::server::{Server, Target};

type Result<T> = std::result::Result<T, BenchError>;

/// The connection of the user who is watched.
const SETTER: usize = 0;
/// Seconds that the last change may take at the end.
const PATIENCE_SECONDS: u64 = 10;

/// Arguments of `turntable bench attributes`.
#[derive(Clone, Debug, clap::Args)]
pub struct AttributesArgs {
    /// Sessions that watch the user
    #[arg(long, default_value_t = 1000)]
    pub watchers: usize,
    /// Measuring time in seconds
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
}

impl Default for AttributesArgs {
    fn default() -> Self {
        Self {
            watchers: 1000,
            seconds: 5.0,
        }
    }
}

/// The user, its watchers and the change on its way.
struct Profiles {
    watchers: usize,
    ready: usize,
    /// The value that is on its way; 0 before the first.
    value: u64,
    sent_us: u64,
    /// Watchers that have received it.
    received: usize,
    latency_us: Histogram,
    deliveries: u64,
    /// Messages with another value, or beyond one for each watcher.
    faults: u64,
}

impl Profiles {
    fn is_complete(&self) -> bool {
        self.received == self.watchers
    }

    fn change(&mut self, links: &mut Links) -> Result<()> {
        self.value += 1;
        self.received = 0;
        self.sent_us = links.now_us();
        let set = message("set", &serde_json::json!({ "score": self.value }));
        links.send_text(SETTER, &set)
    }

    fn received(&mut self, payload: &[u8], now_us: u64) {
        let value = std::str::from_utf8(payload).ok().and_then(|text| {
            let (_, rest) = text.split_once(r#""score":"#)?;
            rest.split('}').next()?.parse::<u64>().ok()
        });
        if value == Some(self.value) && !self.is_complete() {
            self.received += 1;
            self.deliveries += 1;
            self.latency_us.record(now_us.saturating_sub(self.sent_us));
        } else {
            self.faults += 1;
        }
    }
}

impl Script for Profiles {
    fn message(
        &mut self,
        links: &mut Links,
        link: usize,
        payload: &[u8],
        now_us: u64,
    ) -> Result<()> {
        match command(payload) {
            b"idyou" => links.send_text(link, &idme(link)),
            b"welcome" if link == SETTER => {
                self.ready += 1;
                Ok(())
            }
            b"welcome" => {
                let users = serde_json::json!([user_id(SETTER)]);
                links.send_text(link, &message("subscribe", &users))
            }
            b"userchange" => {
                self.ready += 1;
                Ok(())
            }
            b"profiles" => {
                self.received(payload, now_us);
                Ok(())
            }
            _ => super::refused(payload),
        }
    }

    fn ready(&self) -> usize {
        self.ready
    }
}

/// Runs the scenario.
///
/// # Errors
/// If the server cannot be started or fails.
pub(super) fn run(args: &AttributesArgs, server: Option<&Server>) -> Result<Table> {
    let at_once = ("TURNTABLE_PRESENCE__COALESCE_MS", "0".to_owned());
    let server = Target::of(server, &[at_once])?;
    let mut client = Client::new()?;
    let mut profiles = Profiles {
        watchers: args.watchers,
        ready: 0,
        value: 0,
        sent_us: 0,
        received: args.watchers,
        latency_us: Histogram::new(),
        deliveries: 0,
        faults: 0,
    };
    // The user is there before its watchers, so each gets one state.
    client.open(&mut profiles, &server.address, 1)?;
    client.open(&mut profiles, &server.address, args.watchers + 1)?;
    let warm_up = Duration::from_secs_f64(args.seconds / 10.0);
    drive(&mut client, &mut profiles, warm_up)?;
    profiles.latency_us.clear();
    let (first, deliveries) = (profiles.value, profiles.deliveries);
    let meter = Meter::start(server.process, &client)?;
    drive(
        &mut client,
        &mut profiles,
        Duration::from_secs_f64(args.seconds),
    )?;
    let cost = meter.stop(&client)?;
    let deliveries = profiles.deliveries - deliveries;
    let mut table = Table::new(
        "Attributes: changes to watchers",
        [
            "watchers",
            "changes_per_s",
            "deliveries_per_s",
            "cpu_s_per_million",
        ]
        .into_iter()
        .chain(LATENCY_COLUMNS)
        .chain(LOAD_COLUMNS)
        .chain(["faults"]),
    );
    let mut row = vec![
        Cell::count(args.watchers as u64),
        Cell::Number(cost.rate(profiles.value - first), 0),
        Cell::Number(cost.rate(deliveries), 0),
        Cell::Number(cost.per_million(deliveries), 3),
    ];
    row.extend(latency_cells(&profiles.latency_us));
    row.extend(cost.load_cells());
    row.push(Cell::count(profiles.faults));
    table.row(row);
    Ok(table)
}

/// Changes the attribute for this long, and waits for the last change.
fn drive(client: &mut Client, profiles: &mut Profiles, length: Duration) -> Result<()> {
    let until = Instant::now() + length;
    while Instant::now() < until {
        if profiles.is_complete() {
            profiles.change(&mut client.links)?;
        }
        client.turn(profiles, Duration::from_millis(20))?;
    }
    let is_under_way = |profiles: &Profiles| !profiles.is_complete();
    client.turn_while(profiles, PATIENCE_SECONDS, is_under_way, |profiles| {
        let missing = profiles.watchers - profiles.received;
        format!("a change at {missing} of {} watchers", profiles.watchers)
    })
}
