//! Management: what 100 calls of the management listener at a time do to the messages of
//! clients.
//!
//! One channel has its subscribers and a fixed rate of messages, as in `fanout`. Rounds take
//! turns: without calls, and with so many programs that call all the time. The calls are
//! cheap ones, lists, and bad ones, which must be refused with the right status and a
//! sentence.

use std::time::Duration;

use super::channel::Pace;
use super::conversation::Conversation;
use super::encoding::{Encoding, Goal};
use super::error::BenchError;
use super::fanout::{Audience, Sample, WARM_UP};
use super::histogram::Histogram;
use super::meter::LOAD_COLUMNS;
use super::operators::{Call, OVERSIZE, Operators};
use super::report::{Cell, LATENCY_COLUMNS, Table, latency_cells};
use super::server::Server;
use super::transport::Transport;

type Result<T> = std::result::Result<T, BenchError>;

/// What the programs call, in turns.
const CALLS: &[Call] = &[
    ("GET", "/node/getStatus", "", 200),
    ("GET", "/user/getPresence/1:1", "", 200),
    ("POST", "/rpc/user/getSessions", r#"{"userId": "1:1"}"#, 200),
    ("GET", "/session/listAll/100", "", 200),
    ("GET", "/user/listAll/100", "", 200),
    ("GET", "/channel/getHistory/nowhere", "", 200),
    ("GET", "/metrics", "", 200),
    ("POST", "/rpc/user/kick", r#"{"userId": []}"#, 400),
    (
        "POST",
        "/rpc/user/kick",
        r#"{"userId": "1:x", "surplus": 1}"#,
        400,
    ),
    ("POST", "/rpc/user/kick", "{", 400),
    ("GET", "/user/ban/1:x/soon", "", 400),
    ("GET", "/session/get/0123456789abcdef", "", 404),
    ("GET", "/user/nothing", "", 404),
    ("POST", "/rpc/channel/publish", OVERSIZE, 413),
];

/// Arguments of `turntable bench management`.
#[derive(Clone, Debug, clap::Args)]
pub struct ManagementArgs {
    /// Programs that call, each one call at a time
    #[arg(long, default_value_t = 100)]
    pub calls: usize,
    /// Subscribers of the channel
    #[arg(long, default_value_t = 200)]
    pub subscribers: usize,
    /// Messages a second on the channel
    #[arg(long, default_value_t = 100.0)]
    pub rate: f64,
    /// Bytes of the published data
    #[arg(long, default_value_t = 128)]
    pub bytes: usize,
    /// Measuring time in seconds of each, with and without calls, over all rounds
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Rounds of each
    #[arg(long, default_value_t = 20)]
    pub rounds: usize,
}

impl Default for ManagementArgs {
    fn default() -> Self {
        Self {
            calls: 100,
            subscribers: 200,
            rate: 100.0,
            bytes: 128,
            seconds: 10.0,
            rounds: 20,
        }
    }
}

/// Runs the scenario.
///
/// # Errors
/// If the server cannot be started or fails.
pub(super) fn run(args: &ManagementArgs, running: Option<&Server>) -> Result<Table> {
    if running.is_some() {
        return Err(BenchError::Usage(
            "management measures a server that it starts, without --url".to_owned(),
        ));
    }
    let server = Server::start(&[])?;
    let conversation = Conversation {
        encoding: Encoding::Turntable(Transport::Ws),
        goal: Goal::Channel("bench"),
    };
    let (subscribers, bytes) = (args.subscribers, args.bytes);
    let mut audience = Audience::gather(&server, conversation, subscribers, bytes, false)?;
    let mut operators = Operators::new(server.management()?, CALLS, args.calls)?;
    let pace = Pace::Open(args.rate);
    let rounds = args.rounds.max(1);
    let turn = Duration::from_secs_f64(args.seconds / rounds as f64);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let mut calls = (Histogram::new(), 0.0, 0, None);
    audience.turn(pace, WARM_UP)?;
    for _ in 0..rounds {
        alone.push(audience.turn(pace, turn)?);
        operators.begin()?;
        let sample = audience.turn_beside(pace, turn, &mut || operators.turn(Duration::ZERO))?;
        operators.end()?;
        let answers = operators.answers.clone();
        calls.0.merge(&answers.latency_us);
        calls.1 += sample.cost.seconds;
        calls.2 += answers.faults;
        calls.3 = calls.3.or(answers.fault);
        beside.push(sample);
    }
    audience.leave()?;
    Ok(report(args, [&alone, &beside], calls))
}

/// Latencies of calls, the time that they took together, their faults and one of them.
type Calls = (Histogram, f64, u64, Option<String>);

fn report(args: &ManagementArgs, samples: [&Vec<Sample>; 2], calls: Calls) -> Table {
    let mut table = Table::new(
        format!(
            "Messages beside {} calls of the management listener: {} subscribers, {} messages a second, {} bytes",
            args.calls, args.subscribers, args.rate, args.bytes
        ),
        ["what", "per_s"]
            .into_iter()
            .chain(LATENCY_COLUMNS)
            .chain(LOAD_COLUMNS)
            .chain(["faults"]),
    );
    let mut p99 = Vec::new();
    for (name, samples) in ["messages alone", "messages beside calls"]
        .into_iter()
        .zip(samples)
    {
        let Some(sum) = Sample::sum(samples) else {
            continue;
        };
        let mut row = vec![
            Cell::Text(name.to_owned()),
            Cell::Number(sum.cost.rate(sum.deliveries), 0),
        ];
        row.extend(latency_cells(&sum.latency_us));
        row.extend(sum.cost.load_cells());
        row.push(Cell::count(sum.faults));
        table.row(row);
        p99.push(sum.latency_us.quantile(0.99));
    }
    let (latency_us, seconds, faults, fault) = calls;
    let mut row = vec![
        Cell::Text("calls".to_owned()),
        Cell::Number(latency_us.total() as f64 / seconds, 0),
    ];
    row.extend(latency_cells(&latency_us));
    row.extend([Cell::None, Cell::None, Cell::None, Cell::count(faults)]);
    table.row(row);
    if let [alone, beside] = p99.as_slice() {
        let ratio = *beside as f64 / *alone as f64;
        table.note(format!(
            "p99 of messages beside the calls: {ratio:.2} of that without ({} rounds in turns).",
            args.rounds
        ));
    }
    if let Some(fault) = fault {
        table.note(format!("A fault of the calls: {fault}"));
    }
    table
}
