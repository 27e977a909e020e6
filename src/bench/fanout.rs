//! Fan-out: one channel, many subscribers, one publisher.
//!
//! Closed loop: a message is published when all subscribers have got the one
//! `in-flight` before it, so the server is never idle and never overrun. Open
//! loop: messages are published at a rate, whatever has come back. The
//! publisher is the first subscriber.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::client::{Client, Links, Script};
use super::dialect::{Dialect, Step};
use super::error::BenchError;
use super::frame::ClientFrame;
use super::histogram::Histogram;
use super::meter::{Cost, Meter};
use super::report::{Cell, LATENCY_COLUMNS, Table, latency_cells};
use super::server::Server;
use super::stamp::{BLANK, Finder, Stamp};

type Result<T> = std::result::Result<T, BenchError>;

/// How long the server is warmed up before each measurement.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long the last deliveries may take to come.
const DRAIN_SECONDS: u64 = 10;
/// Messages that may be out at once in the open loop; beyond them the server
/// has lost the race, and publishing pauses.
const OPEN_LOOP_MAX: usize = 16_384;
const PUBLISHER: usize = 0;

/// Arguments of `turntable bench fanout`.
#[derive(Clone, Debug, clap::Args)]
pub struct FanoutArgs {
    /// Subscribers of the channel
    #[arg(long, default_value_t = 1000)]
    pub subscribers: usize,
    /// Messages that are out at once, one row for each value
    #[arg(long, value_delimiter = ',', default_value = "1,16")]
    pub in_flight: Vec<usize>,
    /// Bytes of the published data
    #[arg(long, default_value_t = 128)]
    pub bytes: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Publish this many messages a second instead (open loop)
    #[arg(long)]
    pub rate: Option<f64>,
    /// Measure a bare epoll loop too, by turns, and tell the ratio
    #[arg(long)]
    pub floor: bool,
    /// How many times each server has its turn
    #[arg(long, default_value_t = 1)]
    pub rounds: usize,
    /// What the server at --url speaks
    #[arg(long, value_enum, default_value_t = Dialect::Turntable)]
    pub peer: Dialect,
}

impl Default for FanoutArgs {
    fn default() -> Self {
        Self {
            subscribers: 1000,
            in_flight: vec![1, 16],
            bytes: 128,
            seconds: 5.0,
            rate: None,
            floor: true,
            rounds: 3,
            peer: Dialect::Turntable,
        }
    }
}

/// How messages are paced.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    /// So many are out at once.
    Closed(usize),
    /// So many go out in a second.
    Open(f64),
}

/// What was seen of one server.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) deliveries: u64,
    pub(super) cost: Cost,
    pub(super) latency_us: Histogram,
    /// Bytes of a delivered message, without the frame's header.
    message_bytes: usize,
    rss_bytes: u64,
    /// Deliveries that were missing or out of order.
    faults: u64,
}

/// Runs the scenario.
///
/// # Errors
/// Where a server cannot be started or breaks off.
pub(super) fn run(args: &FanoutArgs, server: Option<&Server>) -> Result<Table> {
    let started;
    let server = match server {
        Some(server) => server,
        None => {
            started = Server::start(&[])?;
            &started
        }
    };
    let floor = args.floor.then(Server::start_floor).transpose()?;
    let mut table = Table::new(
        format!(
            "Fan-out of {} bytes to {} subscribers",
            args.bytes, args.subscribers
        ),
        ["server", "pace", "deliveries_per_s", "cpu_s_per_million"]
            .into_iter()
            .chain(LATENCY_COLUMNS)
            .chain([
                "rss_mb",
                "server_busy_percent",
                "client_busy_percent",
                "faults",
            ]),
    );
    let paces: Vec<Pace> = match args.rate {
        Some(rate) => vec![Pace::Open(rate)],
        None => args.in_flight.iter().copied().map(Pace::Closed).collect(),
    };
    let name = match args.peer {
        Dialect::Turntable => "turntable",
        Dialect::Broadcast => "broadcast",
        Dialect::SocketIo => "socket.io",
    };
    let mut first_floor: Option<(Pace, f64)> = None;
    for pace in paces {
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..args.rounds.max(1) {
            let sample = measure(server, args.peer, args, args.bytes, pace)?;
            // The floor writes frames of the size that ours delivered.
            let delivered_bytes = sample.message_bytes;
            ours.push(sample);
            if let Some(floor) = &floor {
                floors.push(measure(
                    floor,
                    Dialect::Broadcast,
                    args,
                    delivered_bytes,
                    pace,
                )?);
            }
        }
        let (our_cost, floor_cost) = (median_cost(&ours), median_cost(&floors));
        for (name, samples) in [(name, ours), ("floor", floors)] {
            if let Some(sample) = Sample::sum(samples) {
                table.row(sample.cells(name, pace));
            }
        }
        if let (Some(ours), Some(floor)) = (our_cost, floor_cost) {
            let base = *first_floor.get_or_insert((pace, floor));
            let mut bases = vec![(pace, floor)];
            bases.extend((base.0 != pace).then_some(base));
            for (base_pace, base) in bases {
                table.note(format!(
                    "CPU s per million at {}: {ours:.3}, which is {:.3} of the floor's {base:.3} \
                     at {} (medians of the turns).",
                    pace.name(),
                    ours / base,
                    base_pace.name(),
                ));
            }
        }
    }
    Ok(table)
}

/// The middle one of the turns' costs per delivery: a turn in which something
/// else ran on the machine does not count.
fn median_cost(samples: &[Sample]) -> Option<f64> {
    let mut costs: Vec<f64> = samples
        .iter()
        .map(|sample| sample.cost.per_million(sample.deliveries))
        .collect();
    costs.sort_unstable_by(f64::total_cmp);
    costs.get(costs.len() / 2).copied()
}

impl Pace {
    fn name(self) -> String {
        match self {
            Self::Closed(in_flight) => format!("{in_flight} in flight"),
            Self::Open(rate) => format!("{rate} a second"),
        }
    }
}

impl Sample {
    fn sum(samples: Vec<Self>) -> Option<Self> {
        samples.into_iter().reduce(|mut sum, sample| {
            sum.deliveries += sample.deliveries;
            sum.cost.add(sample.cost);
            sum.latency_us.merge(&sample.latency_us);
            sum.rss_bytes = sum.rss_bytes.max(sample.rss_bytes);
            sum.faults += sample.faults;
            sum
        })
    }

    #[allow(clippy::cast_precision_loss)]
    fn cells(&self, name: &str, pace: Pace) -> Vec<Cell> {
        let mut cells = vec![
            Cell::Text(name.to_owned()),
            Cell::Text(pace.name()),
            Cell::Number(self.cost.rate(self.deliveries), 0),
            Cell::Number(self.cost.per_million(self.deliveries), 3),
        ];
        cells.extend(latency_cells(&self.latency_us));
        cells.extend([
            Cell::Number(self.rss_bytes as f64 / 1e6, 1),
            Cell::Number(self.cost.server_busy(), 0),
            Cell::Number(self.cost.client_busy(), 0),
            Cell::count(self.faults),
        ]);
        cells
    }
}

fn measure(
    server: &Server,
    dialect: Dialect,
    args: &FanoutArgs,
    bytes: usize,
    pace: Pace,
) -> Result<Sample> {
    let mut client = Client::new()?;
    let mut script = Fanout::new(dialect, args.subscribers, bytes);
    client.open(
        &mut script,
        &dialect.address(&server.address),
        args.subscribers,
    )?;
    script.pace = Some(pace);
    script.fill(&mut client.links)?;
    drive(&mut client, &mut script, Instant::now() + WARM_UP)?;
    script.latency_us.clear();
    let meter = Meter::start(server.process)?;
    drive(
        &mut client,
        &mut script,
        Instant::now() + Duration::from_secs_f64(args.seconds),
    )?;
    let cost = meter.stop()?;
    let latency_us = script.latency_us.clone();
    let rss_bytes = server.process.rss_bytes()?;

    script.pace = None;
    let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS);
    while !script.out.is_empty() && Instant::now() < deadline {
        client.turn(&mut script, Duration::from_millis(100))?;
    }
    let missing: usize = script.out.iter().sum();
    Ok(Sample {
        deliveries: latency_us.total(),
        cost,
        latency_us,
        message_bytes: script.message_bytes,
        rss_bytes,
        faults: script.misordered + missing as u64,
    })
}

/// Turns until `until`, publishing when it is time in an open loop.
fn drive(client: &mut Client, script: &mut Fanout, until: Instant) -> Result<()> {
    let Some(Pace::Open(rate)) = script.pace else {
        return client.turn_until(script, until);
    };
    let interval = Duration::from_secs_f64(1.0 / rate);
    let mut due = Instant::now();
    while Instant::now() < until {
        while due <= Instant::now() && script.out.len() < OPEN_LOOP_MAX {
            script.publish(&mut client.links)?;
            due += interval;
        }
        let wait = due.saturating_duration_since(Instant::now());
        client.turn(script, wait.min(Duration::from_millis(100)))?;
    }
    Ok(())
}

/// One channel's subscribers, and the messages that are out.
struct Fanout {
    dialect: Dialect,
    subscribers: usize,
    ready: usize,
    pace: Option<Pace>,
    frame: ClientFrame,
    stamp_offset: usize,
    finder: Finder,
    /// The number of the message that is published next.
    next: u32,
    /// For each message that is out, oldest first: how many deliveries lack.
    out: VecDeque<usize>,
    /// The number that each subscriber gets next.
    expected: Vec<u32>,
    misordered: u64,
    message_bytes: usize,
    latency_us: Histogram,
}

impl Fanout {
    fn new(dialect: Dialect, subscribers: usize, bytes: usize) -> Self {
        let bare = format!(r#"{{"at":"{BLANK}","pad":""}}"#);
        let padding = "x".repeat(bytes.saturating_sub(bare.len()));
        let data = format!(r#"{{"pad":"{padding}","at":"{BLANK}"}}"#);
        let text = dialect.publication(&data);
        Self {
            dialect,
            subscribers,
            ready: 0,
            pace: None,
            stamp_offset: text.find(BLANK).unwrap_or_default(),
            frame: ClientFrame::text(&text),
            finder: Finder::default(),
            next: 0,
            out: VecDeque::new(),
            expected: vec![0; subscribers],
            misordered: 0,
            message_bytes: 0,
            latency_us: Histogram::new(),
        }
    }

    /// Publishes as long as fewer messages are out than may be.
    fn fill(&mut self, links: &mut Links) -> Result<()> {
        while matches!(self.pace, Some(Pace::Closed(in_flight)) if self.out.len() < in_flight) {
            self.publish(links)?;
        }
        Ok(())
    }

    fn publish(&mut self, links: &mut Links) -> Result<()> {
        let stamp = Stamp {
            at_us: links.now_us(),
            number: self.next,
        };
        self.next = self.next.wrapping_add(1);
        self.out.push_back(self.subscribers);
        self.frame.patch(self.stamp_offset, &stamp.encode());
        links.send(PUBLISHER, self.frame.bytes())
    }

    fn delivered(
        &mut self,
        links: &mut Links,
        link: usize,
        stamp: Stamp,
        now_us: u64,
    ) -> Result<()> {
        self.latency_us.record(now_us.saturating_sub(stamp.at_us));
        if let Some(expected) = self.expected.get_mut(link) {
            self.misordered += u64::from(*expected != stamp.number);
            *expected = stamp.number.wrapping_add(1);
        }
        let oldest = self
            .next
            .wrapping_sub(u32::try_from(self.out.len()).unwrap_or(u32::MAX));
        let index = stamp.number.wrapping_sub(oldest) as usize;
        if let Some(lacking) = self.out.get_mut(index) {
            *lacking = lacking.saturating_sub(1);
        }
        if self.out.front() == Some(&0) {
            while self.out.front() == Some(&0) {
                self.out.pop_front();
            }
            self.fill(links)?;
        }
        Ok(())
    }
}

impl Script for Fanout {
    fn opened(&mut self, _links: &mut Links, _link: usize) -> Result<()> {
        self.ready += usize::from(self.dialect.is_ready_when_open());
        Ok(())
    }

    fn message(
        &mut self,
        links: &mut Links,
        link: usize,
        payload: &[u8],
        now_us: u64,
    ) -> Result<()> {
        if self.next != 0
            && let Some(stamp) = self.finder.one(payload)
        {
            self.message_bytes = payload.len();
            return self.delivered(links, link, stamp, now_us);
        }
        match self.dialect.step(link, payload) {
            Step::Say(text) => links.send_text(link, &text),
            Step::Ready => {
                self.ready += 1;
                Ok(())
            }
            Step::Wait => super::refused(payload),
        }
    }

    fn ready(&self) -> usize {
        self.ready
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bench::process::Process;
    use std::sync::mpsc;

    fn floor() -> Server {
        let (told, address) = mpsc::channel();
        std::thread::spawn(move || {
            super::super::floor::serve(|address| told.send(address).unwrap())
        });
        let url = format!("ws://{}/", address.recv().unwrap());
        Server::running(&url, Some(Process::own().pid)).unwrap()
    }

    #[test]
    fn a_closed_loop_over_the_floor_loses_nothing() {
        let args = FanoutArgs {
            subscribers: 20,
            seconds: 0.2,
            ..FanoutArgs::default()
        };
        let floor = floor();
        for in_flight in [1, 16] {
            let sample = measure(
                &floor,
                Dialect::Broadcast,
                &args,
                128,
                Pace::Closed(in_flight),
            )
            .unwrap();
            assert_eq!(sample.faults, 0);
            assert_eq!(sample.message_bytes, 128);
            assert!(sample.deliveries >= 20, "{}", sample.deliveries);
        }
    }

    #[test]
    fn an_open_loop_keeps_its_rate() {
        let args = FanoutArgs {
            subscribers: 5,
            seconds: 0.5,
            ..FanoutArgs::default()
        };
        let sample = measure(&floor(), Dialect::Broadcast, &args, 64, Pace::Open(200.0)).unwrap();
        assert_eq!(sample.faults, 0);
        // 0.5 s of 200 messages to 5: a busy machine may shift a few beyond
        // the end of the measurement.
        assert!(
            (400..=600).contains(&sample.deliveries),
            "{}",
            sample.deliveries
        );
    }
}
