//! Presence: a storm of users that connect at the same time, then churn.
//!
//! In the storm connections are opened evenly over the given time; it ends when every
//! user has received every friend as online. In the churn users leave with `bye` and
//! return a second later; the time from a user's change to each friend that receives
//! it is a latency.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::client::Client;
use super::crowd::{Crowd, UserPhase};
use super::error::BenchError;
use super::idle::settle;
use super::meter::{LOAD_COLUMNS, Meter};
use super::report::{Cell, LATENCY_COLUMNS, Table, latency_cells};
use super::server::{Server, Target};

type Result<T> = std::result::Result<T, BenchError>;

/// How long a user stays away.
const ABSENCE: Duration = Duration::from_secs(1);
/// Pause between storm and churn.
const CALM: Duration = Duration::from_secs(2);

/// Arguments of `turntable bench presence`.
#[derive(Clone, Debug, clap::Args)]
pub struct PresenceArgs {
    /// Users, each on a separate connection
    #[arg(long, default_value_t = 5000)]
    pub users: usize,
    /// Friends of each user
    #[arg(long, default_value_t = 50)]
    pub friends: usize,
    /// All connect within this many ms
    #[arg(long, default_value_t = 2000)]
    pub within_ms: u64,
    /// Percent of the users that leave, and of those that return, in each second after
    /// the storm; 0 for none
    #[arg(long, default_value_t = 5.0)]
    pub churn: f64,
    /// Seconds of churn
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
}

impl Default for PresenceArgs {
    fn default() -> Self {
        Self {
            users: 5000,
            friends: 50,
            within_ms: 2000,
            churn: 5.0,
            seconds: 10.0,
        }
    }
}

/// Runs the scenario: a table for the storm, and one for the churn.
///
/// # Errors
/// If the server cannot be started or fails.
pub(super) fn run(args: &PresenceArgs, server: Option<&Server>) -> Result<Vec<Table>> {
    let server = &*Target::of(server, &[])?;
    let mut client = Client::new()?;
    let mut crowd = Crowd::new(args.users, args.friends)?;
    let meter = Meter::start(server.process, &client)?;
    let (connecting, settling) = storm(&mut client, &mut crowd, args, server)?;
    let cost = meter.stop(&client)?;
    let mut storm = Table::new(
        "Presence: storm",
        [
            "users",
            "friends",
            "connecting_ms",
            "right_after_last_ms",
            "rss_mb",
            "own_mb",
            "cpu_s",
        ]
        .into_iter()
        .chain(LOAD_COLUMNS),
    );
    let mut row = vec![
        Cell::count(args.users as u64),
        Cell::count(args.friends as u64),
        Cell::Number(connecting.as_secs_f64() * 1000.0, 0),
        Cell::Number(settling.as_secs_f64() * 1000.0, 0),
        Cell::Number(server.process.rss_bytes()? as f64 / 1e6, 1),
        Cell::Number(server.process.own_bytes()? as f64 / 1e6, 1),
        Cell::Number(cost.server_cpu, 2),
    ];
    row.extend(cost.load_cells());
    storm.row(row);
    if args.churn <= 0.0 {
        return Ok(vec![storm]);
    }

    client.turn_until(&mut crowd, Instant::now() + CALM)?;
    crowd.latency_us.clear();
    crowd.notifications = 0;
    let meter = Meter::start(server.process, &client)?;
    let changes = churn(&mut client, &mut crowd, args, server)?;
    let cost = meter.stop(&client)?;
    let mut churn = Table::new(
        "Presence: churn",
        ["users", "percent_per_s", "changes", "notifications_per_s"]
            .into_iter()
            .chain(LATENCY_COLUMNS)
            .chain(["cpu_s_per_million"])
            .chain(LOAD_COLUMNS),
    );
    let mut row = vec![
        Cell::count(args.users as u64),
        Cell::Number(args.churn, 1),
        Cell::count(changes),
        Cell::Number(cost.rate(crowd.notifications), 0),
    ];
    row.extend(latency_cells(&crowd.latency_us));
    row.push(Cell::Number(cost.per_million(crowd.notifications), 2));
    row.extend(cost.load_cells());
    churn.row(row);
    churn.note("All users returned, and the presence of all friends was complete at the end.");
    Ok(vec![storm, churn])
}

/// Connects all users; returns the time in which connections were opened, and the time
/// from the last of them until every presence was complete.
fn storm(
    client: &mut Client,
    crowd: &mut Crowd,
    args: &PresenceArgs,
    server: &Server,
) -> Result<(Duration, Duration)> {
    let start = Instant::now();
    let interval = Duration::from_millis(args.within_ms).div_f64(args.users.max(1) as f64);
    let mut due = start;
    while client.links.len() < args.users {
        while due <= Instant::now() && client.links.len() < args.users {
            client.links.connect(&server.address)?;
            due += interval;
        }
        let wait = due.saturating_duration_since(Instant::now());
        client.turn(crowd, wait)?;
    }
    let last = Instant::now();
    settle(client, crowd)?;
    Ok((last - start, last.elapsed()))
}

/// Lets users leave and return; returns the number of changes.
fn churn(
    client: &mut Client,
    crowd: &mut Crowd,
    args: &PresenceArgs,
    server: &Server,
) -> Result<u64> {
    let start = Instant::now();
    let per_second = args.users as f64 * args.churn / 100.0;
    let interval = Duration::from_secs_f64(1.0 / per_second);
    let (mut due, mut changes, mut next) = (start, 0, 0);
    // A prime step visits all users before it returns to the first.
    let step = if args.users.is_multiple_of(7919) {
        1
    } else {
        7919
    };
    let mut away: VecDeque<(Instant, usize)> = VecDeque::new();
    let until = start + Duration::from_secs_f64(args.seconds);
    loop {
        let now = Instant::now();
        if now >= until && away.is_empty() && crowd.is_complete() {
            return Ok(changes);
        }
        if now >= until + Duration::from_secs(30) {
            return Err(BenchError::Timeout {
                waited_for: format!(
                    "complete presence of {} users after the churn",
                    crowd.wrong()
                ),
                seconds: 30,
            });
        }
        while due <= now && due < until {
            next = (next + step) % args.users;
            due += interval;
            if crowd.phase(next) == UserPhase::There {
                crowd.leave(&mut client.links, next)?;
                away.push_back((now + ABSENCE, next));
                changes += 1;
            }
        }
        while let Some((back, user)) = away.front().copied().filter(|(back, _)| *back <= now) {
            away.pop_front();
            if crowd.phase(user) == UserPhase::Closed {
                crowd.come(user);
                client.links.reconnect(user, &server.address)?;
                changes += 1;
            } else {
                // Its connection is not closed yet.
                away.push_back((back + ABSENCE, user));
            }
        }
        let next_due = if due < until { due } else { now + CALM };
        let next_back = away.front().map_or(next_due, |(back, _)| *back);
        let wait = next_due.min(next_back).saturating_duration_since(now);
        client.turn(crowd, wait.min(Duration::from_millis(20)))?;
    }
}
