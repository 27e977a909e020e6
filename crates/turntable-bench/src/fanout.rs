//! Fan-out: one channel, many subscribers, one publisher.
//!
//! Closed loop: a message is published when all subscribers have received the one
//! `in-flight` before it, so the server is neither idle nor overloaded. Open loop:
//! messages are published at a fixed rate, independent of deliveries. The publisher
//! is the first subscriber.

mod base;

use std::time::{Duration, Instant};

use base::Base;

use super::channel::{Channel, DRAIN_SECONDS, Pace};
use super::client::Client;
use super::conversation::Conversation;
use super::encoding::{Encoding, Goal, Peer};
use super::error::BenchError;
use super::histogram::Histogram;
use super::meter::{self, Cost, LOAD_COLUMNS, Meter};
use super::report::{Cell, LATENCY_COLUMNS, Table, latency_cells};
use super::server::{Server, Target};
use super::transport::Transport;

type Result<T> = std::result::Result<T, BenchError>;

/// Warm-up time of the server before each measurement.
pub(super) const WARM_UP: Duration = Duration::from_millis(500);
/// Maximum messages in flight in the open loop; beyond them the server is
/// overloaded, and publishing pauses.
const OPEN_LOOP_MAX: usize = 16_384;

/// Arguments of `turntable bench fanout`.
#[derive(Clone, Debug, clap::Args)]
pub struct FanoutArgs {
    /// Subscribers of the channel
    #[arg(long, default_value_t = 1000)]
    pub subscribers: usize,
    /// Messages in flight, one row for each value
    #[arg(long, value_delimiter = ',', default_value = "1,16")]
    pub in_flight: Vec<usize>,
    /// Bytes of the published data
    #[arg(long, default_value_t = 128)]
    pub bytes: usize,
    /// Measuring time of each row in seconds, over all its rounds
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Publish this many messages per second instead (open loop)
    #[arg(long)]
    pub rate: Option<f64>,
    /// Also measure a bare epoll loop, in alternating rounds, and report the ratio
    #[arg(long)]
    pub floor: bool,
    /// Also measure a server whose channels retain nothing, in alternating rounds, and
    /// report the ratio
    #[arg(long, conflicts_with = "floor")]
    pub history: bool,
    /// Number of rounds of each server: 20 with --floor or --history, 1 without
    #[arg(long)]
    pub rounds: Option<usize>,
    /// The protocol of the server at --url
    #[arg(long, value_enum, default_value_t = Peer::Turntable)]
    pub peer: Peer,
    /// The transport of subscribers and publisher
    #[arg(long, value_enum, default_value_t = Transport::Ws)]
    pub transport: Transport,
    /// Publish over a separate WebSocket, independent of the subscribers' transport
    #[arg(long)]
    pub aside: bool,
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
            history: false,
            rounds: None,
            peer: Peer::Turntable,
            transport: Transport::Ws,
            aside: false,
        }
    }
}

/// The measurements of one server.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) deliveries: u64,
    pub(super) cost: Cost,
    pub(super) latency_us: Histogram,
    rss_bytes: u64,
    own_bytes: u64,
    /// Bytes read by the client in the measured time.
    pub(super) received_bytes: u64,
    /// Deliveries that were missing or out of order.
    pub(super) faults: u64,
}

/// The goal of all subscribers.
const CHANNEL: Goal = Goal::Channel("bench");

/// Runs the scenario.
///
/// # Errors
/// If a server cannot be started or fails.
pub(super) fn run(args: &FanoutArgs, server: Option<&Server>) -> Result<Table> {
    let server = &*Target::of(server, &[])?;
    let base = Base::of(args)
        .map(|base| Ok((base, base.start()?)))
        .transpose()?;
    let mut table = Table::new(
        format!(
            "Fan-out of {} bytes to {} subscribers",
            args.bytes, args.subscribers
        ),
        ["server", "pace", "deliveries_per_s", "cpu_s_per_million"]
            .into_iter()
            .chain(LATENCY_COLUMNS)
            .chain(["bytes_per_delivery", "rss_mb", "own_mb"])
            .chain(LOAD_COLUMNS)
            .chain(["faults"]),
    );
    let paces: Vec<Pace> = match args.rate {
        Some(rate) => vec![Pace::Open(rate)],
        None => args.in_flight.iter().copied().map(Pace::Closed).collect(),
    };
    let name = match args.peer {
        Peer::Turntable => "turntable",
        Peer::Broadcast => "broadcast",
        Peer::SocketIo => "socket.io",
    };
    let rounds = args
        .rounds
        .unwrap_or(if base.is_some() { 20 } else { 1 })
        .max(1);
    let turn = Duration::from_secs_f64(args.seconds / rounds as f64);
    let conversation = Conversation {
        encoding: args.peer.encoding(args.transport),
        goal: CHANNEL,
    };
    let (subscribers, bytes) = (args.subscribers, args.bytes);
    let mut ours = Audience::gather(server, conversation, subscribers, bytes, args.aside)?;
    let mut base_audience = match &base {
        None => None,
        Some((Base::Bare, server)) => Some(Audience::gather(
            server,
            conversation,
            subscribers,
            bytes,
            args.aside,
        )?),
        Some((Base::Floor, server)) => {
            // The floor writes frames of the same size as our deliveries.
            let bytes = ours.delivered_bytes()?;
            let conversation = Conversation {
                encoding: Encoding::Broadcast,
                goal: CHANNEL,
            };
            Some(Audience::gather(
                server,
                conversation,
                subscribers,
                bytes,
                false,
            )?)
        }
    };
    let base_name = base.as_ref().map_or("", |(base, _)| base.name());
    // Rounds are short, so that other load on the machine affects all servers equally.
    // Paces are not mixed: for a while after a burst TCP delays the acknowledgement of
    // single messages, which costs the server more.
    let mut rows: Vec<Row> = Vec::new();
    for pace in paces {
        let mut row = Row::new(pace);
        ours.turn(pace, WARM_UP)?;
        if let Some(base) = &mut base_audience {
            base.turn(pace, WARM_UP)?;
        }
        for _ in 0..rounds {
            row.ours.push(ours.turn(pace, turn)?);
            if let Some(base) = &mut base_audience {
                row.base.push(base.turn(pace, turn)?);
            }
        }
        rows.push(row);
    }
    ours.leave()?;
    for row in &rows {
        for (name, samples) in [(name, &row.ours), (base_name, &row.base)] {
            if let Some(sample) = Sample::sum(samples) {
                table.row(sample.cells(name, row.pace));
            }
        }
    }
    for (index, row) in rows.iter().enumerate() {
        let base = rows.first().filter(|_| index > 0);
        for base in base.into_iter().chain([row]) {
            if let Some(ratio) = median_ratio(&row.ours, &base.base) {
                table.note(format!(
                    "CPU per delivery at {}: {ratio:.3} of that of {base_name} at {} \
                     (median of {rounds} rounds).",
                    row.pace.name(),
                    base.pace.name(),
                ));
            }
        }
    }
    Ok(table)
}

/// The measurements at one pace, per round.
struct Row {
    pace: Pace,
    ours: Vec<Sample>,
    base: Vec<Sample>,
}

impl Row {
    fn new(pace: Pace) -> Self {
        Self {
            pace,
            ours: Vec::new(),
            base: Vec::new(),
        }
    }
}

/// The median of the rounds' ratios of costs per delivery.
pub(super) fn median_ratio(samples: &[Sample], bases: &[Sample]) -> Option<f64> {
    let cost = |sample: &Sample| sample.cost.per_million(sample.deliveries);
    let pairs = samples.iter().zip(bases);
    meter::median_ratio(pairs.map(|(one, base)| (cost(one), cost(base))))
}

impl Sample {
    /// The sum of all rounds; `None` if there was none.
    pub(super) fn sum(samples: &[Self]) -> Option<Self> {
        samples.iter().cloned().reduce(|mut sum, sample| {
            sum.deliveries += sample.deliveries;
            sum.cost.add(sample.cost);
            sum.latency_us.merge(&sample.latency_us);
            sum.received_bytes += sample.received_bytes;
            sum.rss_bytes = sum.rss_bytes.max(sample.rss_bytes);
            sum.own_bytes = sum.own_bytes.max(sample.own_bytes);
            sum.faults += sample.faults;
            sum
        })
    }

    /// Bytes read per delivery, including all headers above TCP's.
    pub(super) fn bytes_per_delivery(&self) -> f64 {
        self.received_bytes as f64 / self.deliveries as f64
    }

    fn cells(&self, name: &str, pace: Pace) -> Vec<Cell> {
        let mut cells = vec![
            Cell::Text(name.to_owned()),
            Cell::Text(pace.name()),
            Cell::Number(self.cost.rate(self.deliveries), 0),
            Cell::Number(self.cost.per_million(self.deliveries), 3),
        ];
        cells.extend(latency_cells(&self.latency_us));
        cells.push(Cell::Number(self.bytes_per_delivery(), 1));
        cells.push(Cell::Number(self.rss_bytes as f64 / 1e6, 1));
        cells.push(Cell::Number(self.own_bytes as f64 / 1e6, 1));
        cells.extend(self.cost.load_cells());
        cells.push(Cell::count(self.faults));
        cells
    }
}

/// All subscribers of one server's channel.
pub(super) struct Audience<'a> {
    server: &'a Server,
    client: Client,
    channel: Channel,
}

impl<'a> Audience<'a> {
    /// Connects and joins all subscribers, and a separate publisher if `is_aside` is
    /// set.
    ///
    /// # Errors
    /// If the server refuses one or fails.
    pub(super) fn gather(
        server: &'a Server,
        conversation: Conversation,
        subscribers: usize,
        bytes: usize,
        is_aside: bool,
    ) -> Result<Self> {
        let mut client = Client::new()?;
        let mut channel = Channel::new(conversation, subscribers, bytes);
        let address = conversation.encoding.address(&server.address);
        client.open(&mut channel, &address, subscribers)?;
        if is_aside {
            channel.publish_aside(&mut client, &server.address)?;
        }
        let mut audience = Self {
            server,
            client,
            channel,
        };
        audience.turn(Pace::Closed(1), WARM_UP)?;
        Ok(audience)
    }

    /// Bytes of a delivered message, without the frame's header.
    fn delivered_bytes(&self) -> Result<usize> {
        match self.channel.message_bytes {
            0 => Err(BenchError::Conversation(
                "no message was delivered".to_owned(),
            )),
            bytes => Ok(bytes),
        }
    }

    /// Publishes for `length`, and waits for the messages in flight at the end.
    ///
    /// # Errors
    /// If the server fails.
    pub(super) fn turn(&mut self, pace: Pace, length: Duration) -> Result<Sample> {
        self.turn_beside(pace, length, &mut || Ok(()))
    }

    /// The same, while other work is done on the way.
    ///
    /// # Errors
    /// If the server fails, or the other work.
    pub(super) fn turn_beside(
        &mut self,
        pace: Pace,
        length: Duration,
        beside: &mut impl FnMut() -> Result<()>,
    ) -> Result<Sample> {
        let Self {
            server,
            client,
            channel,
        } = self;
        channel.pace = Some(pace);
        // The previous round was another server's: caches are cold.
        drive(client, channel, Instant::now() + length / 10, beside)?;
        channel.latency_us.clear();
        let meter = Meter::start(server.process, client)?;
        let received_bytes = client.links.received_bytes;
        drive(client, channel, Instant::now() + length, beside)?;
        // On a busy machine it is possible that nothing arrives in so short a time.
        let patience = Instant::now() + Duration::from_secs(DRAIN_SECONDS);
        while channel.latency_us.total() == 0 && Instant::now() < patience {
            drive(client, channel, Instant::now() + length, beside)?;
        }
        let cost = meter.stop(client)?;
        let received_bytes = client.links.received_bytes - received_bytes;
        let latency_us = channel.latency_us.clone();
        let rss_bytes = server.process.rss_bytes()?;
        let own_bytes = server.process.own_bytes()?;

        channel.pace = None;
        let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS);
        while !channel.out.is_empty() && Instant::now() < deadline {
            client.turn(channel, Duration::from_millis(100))?;
        }
        Ok(Sample {
            deliveries: latency_us.total(),
            cost,
            latency_us,
            rss_bytes,
            own_bytes,
            received_bytes,
            faults: channel.take_faults(),
        })
    }

    /// Ends all sessions.
    ///
    /// # Errors
    /// If they do not end in time.
    pub(super) fn leave(&mut self) -> Result<()> {
        self.channel.leave(&mut self.client)
    }
}

/// How long a turn of the open loop takes at the most, while nothing comes.
const TURN_MAX: Duration = Duration::from_micros(200);

/// Runs turns until `until`, publishing on schedule in an open loop.
fn drive(
    client: &mut Client,
    script: &mut Channel,
    until: Instant,
    beside: &mut impl FnMut() -> Result<()>,
) -> Result<()> {
    let Some(Pace::Open(rate)) = script.pace else {
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            script.fill(&mut client.links)?;
            client.turn(script, left)?;
            beside()?;
        }
        return Ok(());
    };
    let interval = Duration::from_secs_f64(1.0 / rate);
    let mut due = Instant::now();
    while Instant::now() < until {
        while due <= Instant::now() && script.out.len() < OPEN_LOOP_MAX {
            script.publish(&mut client.links)?;
            due += interval;
        }
        let wait = due.saturating_duration_since(Instant::now());
        client.turn(script, wait.min(TURN_MAX))?;
        beside()?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::process::Process;
    use std::sync::mpsc;

    const FLOOR: Conversation = Conversation {
        encoding: Encoding::Broadcast,
        goal: CHANNEL,
    };

    fn floor() -> Server {
        let (listening, address) = mpsc::channel();
        std::thread::spawn(move || {
            super::super::floor::serve(|address| listening.send(address).unwrap())
        });
        let url = format!("ws://{}/", address.recv().unwrap());
        Server::running(&url, Some(Process::own().pid)).unwrap()
    }

    #[test]
    fn closed_loop_over_the_floor_loses_nothing() {
        let floor = floor();
        let mut audience = Audience::gather(&floor, FLOOR, 20, 128, false).unwrap();
        assert_eq!(audience.delivered_bytes().unwrap(), 128);
        for in_flight in [1, 16] {
            let length = Duration::from_millis(200);
            let sample = audience.turn(Pace::Closed(in_flight), length).unwrap();
            assert_eq!(sample.faults, 0);
            assert!(sample.deliveries >= 20, "{}", sample.deliveries);
        }
        audience.leave().unwrap();
    }

    #[test]
    fn open_loop_keeps_its_rate() {
        let floor = floor();
        let mut audience = Audience::gather(&floor, FLOOR, 5, 64, false).unwrap();
        let length = Duration::from_millis(500);
        let sample = audience.turn(Pace::Open(200.0), length).unwrap();
        assert_eq!(sample.faults, 0);
        // 0.5 s of 200 messages to 5: on a busy machine a few may fall outside the
        // measurement.
        assert!(
            (400..=600).contains(&sample.deliveries),
            "{}",
            sample.deliveries
        );
    }

    #[test]
    fn median_ratio_is_the_ratio_of_one_round() {
        let sample = |cpu: f64| Sample {
            deliveries: 1_000_000,
            cost: Cost {
                server_cpu: cpu,
                ..Cost::default()
            },
            latency_us: Histogram::new(),
            rss_bytes: 0,
            own_bytes: 0,
            received_bytes: 0,
            faults: 0,
        };
        let ours = [2.0, 3.0, 90.0].map(sample);
        let floor = [1.0, 2.0, 3.0].map(sample);
        assert_eq!(median_ratio(&ours, &floor), Some(2.0));
        assert_eq!(median_ratio(&ours, &[]), None);
    }
}
