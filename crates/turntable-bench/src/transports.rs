//! Compares transports: the cost of a delivery, a session and a poll.
//!
//! Fan-out over a transport and over a WebSocket of v1 alternate on one server, and a
//! transport's cost is the median ratio of its rounds: other load on the machine
//! affects both equally. Messages are published by one separate WebSocket, so that
//! only deliveries differ; one row publishes over the transport itself. Rooms have
//! actions with numbers, for which v2 differs most from v1.

use std::time::Duration;

use super::channel::Pace;
use super::conversation::Conversation;
use super::encoding::{Encoding, Goal};
use super::error::BenchError;
use super::fanout::{Audience, Sample, WARM_UP, median_ratio};
use super::idle::QUIET;
use super::meter::LOAD_COLUMNS;
use super::polls;
use super::report::{Cell, LATENCY_COLUMNS, Table, latency_cells};
use super::resident;
use super::server::{Server, Target};
use super::transport::Transport;

type Result<T> = std::result::Result<T, BenchError>;

/// The transport that others are compared with.
const BASE: Transport = Transport::Ws;
/// The channels of the base and of a transport. Names have equal length, so messages do,
/// too.
const PLACES: [&str; 2] = ["bench", "transports"];

/// Arguments of `turntable bench transports`.
#[derive(Clone, Debug, clap::Args)]
pub struct TransportsArgs {
    /// The transports to compare with a WebSocket of v1
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Self::default().transports)]
    pub transports: Vec<Transport>,
    /// Subscribers of a channel, and polling sessions
    #[arg(long, default_value_t = Self::default().subscribers)]
    pub subscribers: usize,
    /// Members of the room for actions with numbers; 0 omits it
    #[arg(long, default_value_t = Self::default().members)]
    pub members: usize,
    /// Messages in flight, rows for each value
    #[arg(long, value_delimiter = ',', default_values_t = Self::default().in_flight)]
    pub in_flight: Vec<usize>,
    /// Bytes of the published data
    #[arg(long, default_value_t = Self::default().bytes)]
    pub bytes: usize,
    /// Measuring time of each row in seconds, over all its rounds
    #[arg(long, default_value_t = Self::default().seconds)]
    pub seconds: f64,
    /// Number of rounds of each transport
    #[arg(long, default_value_t = Self::default().rounds)]
    pub rounds: usize,
    /// Connections for measuring memory, per transport; 0 omits it
    #[arg(long, default_value_t = Self::default().connections)]
    pub connections: usize,
    /// Seconds of idle time before memory is read
    #[arg(long, default_value_t = Self::default().quiet)]
    pub quiet: f64,
}

impl Default for TransportsArgs {
    fn default() -> Self {
        Self {
            transports: vec![
                Transport::WsV2,
                Transport::Sse,
                Transport::Ndjson,
                Transport::Socketio,
                Transport::SocketioPolling,
            ],
            subscribers: 1000,
            members: 200,
            in_flight: vec![1, 16],
            bytes: 128,
            seconds: 2.0,
            rounds: 8,
            connections: 10_000,
            quiet: QUIET.as_secs_f64(),
        }
    }
}

/// Runs the scenario, and passes on each table when it is complete.
///
/// # Errors
/// If a server cannot be started or fails.
pub(super) fn run(
    args: &TransportsArgs,
    server: Option<&Server>,
    done: &mut impl FnMut(Table),
) -> Result<()> {
    done(fan_outs(args, server)?);
    done(polls::run(args, server)?);
    if args.connections > 0 && server.is_none() {
        let quiet = Duration::from_secs_f64(args.quiet);
        done(resident::run(args.connections, quiet)?);
        done(resident::run_detached(args.connections, quiet)?);
    }
    Ok(())
}

/// The comparison in one block of rows.
#[derive(Clone, Copy)]
struct Comparison {
    transport: Transport,
    /// Whether it measures actions in a room instead of text on a channel.
    is_game: bool,
    /// Whether messages are published by a separate WebSocket.
    is_aside: bool,
}

fn fan_outs(args: &TransportsArgs, server: Option<&Server>) -> Result<Table> {
    let members = args.members.max(1).to_string();
    let settings = [("TURNTABLE_ROOM__MEMBERS_MAX", members)];
    let server = &*Target::of(server, &settings)?;
    let mut table = Table::new(
        format!(
            "Transports: {} bytes to {} subscribers",
            args.bytes, args.subscribers
        ),
        ["transport", "content", "published_by", "pace"]
            .into_iter()
            .chain(["deliveries_per_s", "cpu_s_per_million", "ratio_to_ws"])
            .chain(["bytes_per_delivery"])
            .chain(LATENCY_COLUMNS)
            .chain(LOAD_COLUMNS)
            .chain(["faults"]),
    );
    let mut transports = Vec::new();
    for transport in args
        .transports
        .iter()
        .copied()
        .filter(|transport| *transport != BASE)
    {
        if server.has(&transport.address(&server.address).path)? {
            transports.push(transport);
        } else {
            table.note(format!(
                "{}: the server has no such transport.",
                transport.name()
            ));
        }
    }
    let others = || transports.iter().copied();
    let text = |transport| Comparison {
        transport,
        is_game: false,
        is_aside: true,
    };
    let mut comparisons: Vec<Comparison> = others().map(text).collect();
    if let Some(transport) = others().find(|transport| transport.needs_upstream()) {
        comparisons.push(Comparison {
            is_aside: false,
            ..text(transport)
        });
    }
    block(args, server, &comparisons, &mut table)?;
    if args.members > 0 && others().any(|transport| transport == Transport::WsV2) {
        // The acting client is a member, so there is no separate publisher.
        let game = Comparison {
            is_game: true,
            is_aside: false,
            ..text(Transport::WsV2)
        };
        block(args, server, &[game], &mut table)?;
        table.note(format!(
            "Actions go to the {} members of a room.",
            args.members
        ));
    }
    table.note(format!(
        "ratio_to_ws: CPU per delivery, relative to the WebSocket of v1 in the same \
         round; the median of {} rounds.",
        args.rounds.max(1)
    ));
    Ok(table)
}

/// Compares transports with the base, and appends a row for each of them.
fn block(
    args: &TransportsArgs,
    server: &Server,
    comparisons: &[Comparison],
    table: &mut Table,
) -> Result<()> {
    let Some(first) = comparisons.first() else {
        return Ok(());
    };
    let base = Comparison {
        transport: BASE,
        ..*first
    };
    let [base_place, place] = PLACES;
    let mut base_audience = base.gather(args, server, base_place)?;
    let mut base_samples = vec![Vec::new(); args.in_flight.len()];
    let mut rows = Vec::new();
    let rounds = args.rounds.max(1);
    let turn = Duration::from_secs_f64(args.seconds / rounds as f64);
    let warm_up = WARM_UP.min(turn * 4);
    for comparison in comparisons {
        let mut audience = comparison.gather(args, server, place)?;
        for (in_flight, base_samples) in args.in_flight.iter().zip(&mut base_samples) {
            let pace = Pace::Closed(*in_flight);
            base_audience.turn(pace, warm_up)?;
            audience.turn(pace, warm_up)?;
            let (mut ours, mut beside) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                beside.push(base_audience.turn(pace, turn)?);
                ours.push(audience.turn(pace, turn)?);
            }
            let ratio = median_ratio(&ours, &beside);
            base_samples.extend(beside);
            rows.push((comparison, pace, ours, ratio));
        }
        audience.leave()?;
    }
    base_audience.leave()?;
    for (in_flight, samples) in args.in_flight.iter().zip(&base_samples) {
        base.row(Pace::Closed(*in_flight), samples, Some(1.0), table);
    }
    for (comparison, pace, samples, ratio) in rows {
        comparison.row(pace, &samples, ratio, table);
    }
    Ok(())
}

impl Comparison {
    fn gather<'a>(
        &self,
        args: &TransportsArgs,
        server: &'a Server,
        place: &'static str,
    ) -> Result<Audience<'a>> {
        let (goal, count) = match self.is_game {
            true => (Goal::Room(place), args.members),
            false => (Goal::Channel(place), args.subscribers),
        };
        let conversation = Conversation {
            encoding: Encoding::Turntable(self.transport),
            goal,
        };
        Audience::gather(server, conversation, count, args.bytes, self.is_aside)
    }

    fn row(&self, pace: Pace, samples: &[Sample], ratio: Option<f64>, table: &mut Table) {
        let Some(sample) = Sample::sum(samples) else {
            return;
        };
        let word = |word: &str| Cell::Text(word.to_owned());
        let mut cells = vec![
            word(self.transport.name()),
            word(if self.is_game { "actions" } else { "text" }),
            word(if self.is_aside {
                "ws"
            } else {
                self.transport.name()
            }),
            Cell::Text(pace.name()),
            Cell::Number(sample.cost.rate(sample.deliveries), 0),
            Cell::Number(sample.cost.per_million(sample.deliveries), 3),
            ratio.map_or(Cell::None, |ratio| Cell::Number(ratio, 3)),
            Cell::Number(sample.bytes_per_delivery(), 1),
        ];
        cells.extend(latency_cells(&sample.latency_us));
        cells.extend(sample.cost.load_cells());
        cells.push(Cell::count(sample.faults));
        table.row(cells);
    }
}
