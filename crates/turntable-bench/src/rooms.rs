//! Rooms: many games at the same time, with several actions per member and second.
//!
//! An open loop: members act on schedule, spread evenly over time and over the rooms,
//! independent of deliveries. A delivery is one action received by one member; with a
//! tick several of them share a message.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::client::{Client, Script};
use super::encoding::{command, idme, message, user_id};
use super::error::BenchError;
use super::frame::ClientFrame;
use super::histogram::Histogram;
use super::links::Links;
use super::meter::{LOAD_COLUMNS, Meter};
use super::report::{Cell, LATENCY_COLUMNS, Table, latency_cells};
use super::server::{Server, Target};
use super::stamp::{self, BLANK, Stamp};

type Result<T> = std::result::Result<T, BenchError>;

const WARM_UP: Duration = Duration::from_secs(1);
/// Timeout for the last deliveries.
const DRAIN_SECONDS: u64 = 10;
/// Thirteen digits, as Unix milliseconds have until the year 2286.
const BLANK_TIME: &str = "1000000000000";
/// The game with a tick that the server is configured with.
const GAME: &str = "bench";

/// Arguments of `turntable bench rooms`.
#[derive(Clone, Debug, clap::Args)]
pub struct RoomsArgs {
    /// Rooms, each with its own members
    #[arg(long, default_value_t = 50)]
    pub rooms: usize,
    /// Members of each room
    #[arg(long, default_value_t = 8)]
    pub members: usize,
    /// Actions of each member per second
    #[arg(long, default_value_t = 20.0)]
    pub rate: f64,
    /// Start the server with rooms that collect actions for this many ms
    #[arg(long, default_value_t = 0)]
    pub tick: u32,
    /// Duration of the measurement in seconds
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
}

impl Default for RoomsArgs {
    fn default() -> Self {
        Self {
            rooms: 50,
            members: 8,
            rate: 20.0,
            tick: 0,
            seconds: 5.0,
        }
    }
}

/// An empty table of this scenario.
pub(super) fn table() -> Table {
    let columns = ["rooms", "members", "tick_ms", "actions_per_s"];
    let figures = ["deliveries_per_s", "messages_per_s", "cpu_s_per_million"];
    Table::new(
        "Rooms",
        (columns.into_iter().chain(figures))
            .chain(LATENCY_COLUMNS)
            .chain(LOAD_COLUMNS)
            .chain(["late_p99_ms", "lost"]),
    )
}

/// Runs the scenario and appends a row.
///
/// # Errors
/// If the server cannot be started or fails.
pub(super) fn run(args: &RoomsArgs, server: Option<&Server>, table: &mut Table) -> Result<()> {
    if server.is_some() && args.tick > 0 {
        return Err(BenchError::Usage(
            "--tick requires a server that the benchmark starts".to_owned(),
        ));
    }
    let server = Target::of(server, &settings(args))?;
    let mut client = Client::new()?;
    let mut script = Rooms::new(args);
    let members = args.rooms * args.members;
    client.open(&mut script, &server.address, members)?;
    let interval = Duration::from_secs_f64(1.0 / (args.rate * members as f64));
    let mut due = Instant::now();
    script.drive(&mut client, &mut due, interval, WARM_UP)?;
    script.clear();
    let meter = Meter::start(server.process, &client)?;
    let length = Duration::from_secs_f64(args.seconds);
    script.drive(&mut client, &mut due, interval, length)?;
    let cost = meter.stop(&client)?;
    let (actions, messages) = (script.actions, script.messages);
    let latency_us = script.latency_us.clone();
    let deliveries = latency_us.total();

    let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS);
    while script.missing() > 0 && Instant::now() < deadline {
        client.turn(&mut script, Duration::from_millis(100))?;
    }
    let mut row = vec![
        Cell::count(args.rooms as u64),
        Cell::count(args.members as u64),
        Cell::count(args.tick.into()),
        Cell::Number(cost.rate(actions), 0),
        Cell::Number(cost.rate(deliveries), 0),
        Cell::Number(cost.rate(messages), 0),
        Cell::Number(cost.per_million(deliveries), 3),
    ];
    row.extend(latency_cells(&latency_us));
    row.extend(cost.load_cells());
    row.extend([
        Cell::Number(script.late_us.quantile(0.99) as f64 / 1000.0, 2),
        Cell::count(script.missing()),
    ]);
    table.row(row);
    Ok(())
}

fn settings(args: &RoomsArgs) -> Vec<(&'static str, String)> {
    let most = args.members.max(1).to_string();
    vec![
        ("TURNTABLE_ROOM__MEMBERS_MAX", most.clone()),
        ("TURNTABLE_GAMES__BENCH__MEMBERS_MAX", most),
        ("TURNTABLE_GAMES__BENCH__TICK_MS", args.tick.to_string()),
    ]
}

/// One member's next action, encoded without its times.
struct Member {
    frame: ClientFrame,
    time_offset: usize,
    stamp_offset: usize,
}

struct Rooms {
    rooms: usize,
    members_each: usize,
    has_tick: bool,
    members: Vec<Member>,
    ready: usize,
    /// The next member that acts.
    turn: usize,
    actions: u64,
    messages: u64,
    latency_us: Histogram,
    /// Delay of the client's sends relative to the schedule.
    late_us: Histogram,
    sent_ever: u64,
    delivered_ever: u64,
}

impl Rooms {
    fn new(args: &RoomsArgs) -> Self {
        let mut rooms = Self {
            rooms: args.rooms.max(1),
            members_each: args.members,
            has_tick: args.tick > 0,
            members: Vec::new(),
            ready: 0,
            turn: 0,
            actions: 0,
            messages: 0,
            latency_us: Histogram::new(),
            late_us: Histogram::new(),
            sent_ever: 0,
            delivered_ever: 0,
        };
        rooms.members = (0..args.rooms * args.members)
            .map(|link| Member::new(&rooms.room(link), &user_id(link)))
            .collect();
        rooms
    }

    /// The room of a connection: consecutive members in the order of acting are in
    /// different rooms.
    fn room(&self, link: usize) -> String {
        format!("bench-{}", link % self.rooms)
    }

    fn clear(&mut self) {
        (self.actions, self.messages) = (0, 0);
        self.latency_us.clear();
        self.late_us.clear();
    }

    /// Missing deliveries.
    fn missing(&self) -> u64 {
        (self.sent_ever * self.members_each as u64).saturating_sub(self.delivered_ever)
    }

    /// Members act for `length`, one per `interval`.
    fn drive(
        &mut self,
        client: &mut Client,
        due: &mut Instant,
        interval: Duration,
        length: Duration,
    ) -> Result<()> {
        let until = Instant::now() + length;
        *due = (*due).max(Instant::now());
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            let mut burst = 0;
            while *due <= now && burst < self.members.len() {
                let late = now.duration_since(*due).as_micros();
                self.late_us.record(u64::try_from(late).unwrap_or(u64::MAX));
                self.act(&mut client.links)?;
                *due += interval;
                burst += 1;
            }
            let wait = due.saturating_duration_since(Instant::now());
            client.turn(self, wait.min(Duration::from_millis(100)))?;
        }
    }

    fn act(&mut self, links: &mut Links) -> Result<()> {
        let link = self.turn;
        self.turn = (self.turn + 1) % self.members.len().max(1);
        let Some(member) = self.members.get_mut(link) else {
            return Ok(());
        };
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix_ms = unix.map(|time| time.as_millis()).unwrap_or_default();
        member
            .frame
            .patch(member.time_offset, unix_ms.to_string().as_bytes());
        let stamp = Stamp {
            at_us: links.now_us(),
            number: 0,
        };
        member.frame.patch(member.stamp_offset, &stamp.encode());
        self.actions += 1;
        self.sent_ever += 1;
        links.send(link, member.frame.bytes())
    }
}

impl Member {
    fn new(room: &str, user: &str) -> Self {
        let text = format!(
            r#"{{"command":"game","data":{{"channel":"{room}","actions":[{{"timestamp":{BLANK_TIME},"from":"{user}","data":{{"n":1,"at":"{BLANK}"}}}}]}}}}"#
        );
        Self {
            time_offset: text.find(BLANK_TIME).unwrap_or_default(),
            stamp_offset: text.find(BLANK).unwrap_or_default(),
            frame: ClientFrame::text(&text),
        }
    }
}

impl Script for Rooms {
    fn message(
        &mut self,
        links: &mut Links,
        link: usize,
        payload: &[u8],
        now_us: u64,
    ) -> Result<()> {
        let latency_us = &mut self.latency_us;
        let found = stamp::each(payload, |stamp| {
            latency_us.record(now_us.saturating_sub(stamp.at_us));
        });
        if found > 0 {
            self.messages += 1;
            self.delivered_ever += found;
            return Ok(());
        }
        match command(payload) {
            b"idyou" => links.send_text(link, &idme(link)),
            b"welcome" => {
                let (room, user) = (self.room(link), user_id(link));
                let data = if self.has_tick {
                    json!({ "channel": room, "self": user, "game": GAME })
                } else {
                    json!({ "channel": room, "self": user })
                };
                links.send_text(link, &message("joingame", &data))
            }
            b"joined" => {
                self.ready += 1;
                Ok(())
            }
            _ => super::refused(payload),
        }
    }

    fn ready(&self) -> usize {
        self.ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_has_the_form_of_the_protocol() {
        let member = Member::new("bench-3", "1:1000003");
        let text = format!(
            r#"{{"command":"game","data":{{"channel":"bench-3","actions":[{{"timestamp":{BLANK_TIME},"from":"1:1000003","data":{{"n":1,"at":"{BLANK}"}}}}]}}}}"#
        );
        assert_eq!(member.frame.bytes(), ClientFrame::text(&text).bytes());
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        assert_eq!(text.find(BLANK_TIME), Some(member.time_offset));
        assert_eq!(text.find(BLANK), Some(member.stamp_offset));
    }

    #[test]
    fn members_of_one_room_are_spread_over_the_schedule() {
        let rooms = Rooms::new(&RoomsArgs {
            rooms: 3,
            members: 2,
            ..RoomsArgs::default()
        });
        let order: Vec<String> = (0..6).map(|link| rooms.room(link)).collect();
        let once = ["bench-0", "bench-1", "bench-2"];
        assert_eq!(order, [once, once].concat());
    }
}
