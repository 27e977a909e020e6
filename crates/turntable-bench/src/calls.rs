//! Calls: clients that call a service and wait for the answer, next to an echo.
//!
//! Each client has `in-flight` calls under way. The answerers take turns on one server: its
//! bare echo (a frame comes back, without a session or a message), a service within the
//! server, and one that is a program of its own and connected over a WebSocket. That
//! program shares the server's core, as the service within does, and its processor time is
//! a column of its own.

mod alone;

use std::time::Duration;

use super::caller::{Answerer, Callers, Sample};
use super::encoding::Peer;
use super::error::BenchError;
use super::meter::{LOAD_COLUMNS, median_ratio};
use super::report::{Cell, LATENCY_COLUMNS, Table, latency_cells};
use super::server::Server;
use alone::Alone;
pub(super) use alone::serve_process;

type Result<T> = std::result::Result<T, BenchError>;

/// The service within the server, and its function.
pub const LOCAL: (&str, &str) = ("local", "echo");
/// The service that is a program of its own.
const ALONE: &str = "alone";
/// Warm-up time of each answerer.
const WARM_UP: Duration = Duration::from_millis(500);

/// Arguments of `turntable bench calls`.
#[derive(Clone, Debug, clap::Args)]
pub struct CallsArgs {
    /// Clients that call
    #[arg(long, default_value_t = 50)]
    pub clients: usize,
    /// Calls of each client that are under way
    #[arg(long, default_value_t = 1)]
    pub in_flight: usize,
    /// Bytes of the arguments, and of the result
    #[arg(long, default_value_t = 128)]
    pub bytes: usize,
    /// Measuring time of each answerer in seconds, over all its rounds
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Rounds of each answerer
    #[arg(long, default_value_t = 20)]
    pub rounds: usize,
    /// The protocol of the server at --url
    #[arg(long, value_enum, default_value_t = Peer::Turntable)]
    pub peer: Peer,
}

impl Default for CallsArgs {
    fn default() -> Self {
        Self {
            clients: 50,
            in_flight: 1,
            bytes: 128,
            seconds: 5.0,
            rounds: 20,
            peer: Peer::Turntable,
        }
    }
}

/// Runs the scenario.
///
/// # Errors
/// If a server or the service cannot be started or fails.
pub(super) fn run(args: &CallsArgs, running: Option<&Server>) -> Result<Table> {
    let (server, alone);
    let answerers = match (running, args.peer) {
        (Some(running), Peer::SocketIo) => {
            vec![("socket.io", running, Answerer::SocketIo, None)]
        }
        (Some(_), _) => {
            return Err(BenchError::Usage(
                "calls measures a server that it starts, or one of socket.io \
                 (--url with --peer socket-io)"
                    .to_owned(),
            ));
        }
        (None, _) => {
            server = Server::start_with_service(&settings())?;
            alone = Alone::start(&server)?;
            let local = Answerer::Service(LOCAL.0);
            vec![
                ("echo", &server, Answerer::Echo, None),
                ("local service", &server, local, None),
                (
                    "stand-alone service",
                    &server,
                    Answerer::Service(ALONE),
                    Some(alone.process),
                ),
            ]
        }
    };
    let mut turns = Vec::new();
    for (name, server, answerer, service) in answerers {
        let (clients, in_flight) = (args.clients, args.in_flight);
        let mut callers =
            Callers::gather(server, answerer, service, clients, in_flight, args.bytes)?;
        callers.turn(WARM_UP)?;
        turns.push((name, callers, Vec::new()));
    }
    let rounds = args.rounds.max(1);
    let length = Duration::from_secs_f64(args.seconds / rounds as f64);
    for _ in 0..rounds {
        for (_, callers, samples) in &mut turns {
            samples.push(callers.turn(length)?);
        }
    }
    let samples: Vec<(&str, Vec<Sample>)> = turns
        .into_iter()
        .map(|(name, _, samples)| (name, samples))
        .collect();
    Ok(report(args, &samples))
}

/// Settings of the server: its echo, and a service for the program of its own.
fn settings() -> Vec<(&'static str, String)> {
    let most = "100000".to_owned();
    vec![
        ("TURNTABLE_SERVER__ECHO", "true".to_owned()),
        ("TURNTABLE_SERVICES__ALONE__PROVIDERS", alone::providers()),
        ("TURNTABLE_SERVICES__ALONE__IN_FLIGHT_MAX", most.clone()),
        ("TURNTABLE_SERVICES__LOCAL__IN_FLIGHT_MAX", most),
    ]
}

fn report(args: &CallsArgs, answerers: &[(&str, Vec<Sample>)]) -> Table {
    let mut table = Table::new(
        format!(
            "Calls of {} clients, {} in flight each, {} bytes",
            args.clients, args.in_flight, args.bytes
        ),
        [
            "answerer",
            "calls_per_s",
            "cpu_s_per_million",
            "service_cpu_s_per_million",
        ]
        .into_iter()
        .chain(LATENCY_COLUMNS)
        .chain(LOAD_COLUMNS)
        .chain(["faults"]),
    );
    for (name, samples) in answerers {
        let Some(sum) = Sample::sum(samples) else {
            continue;
        };
        let service = match sum.service_cpu {
            0.0 => Cell::None,
            cpu => Cell::Number(cpu / sum.calls as f64 * 1e6, 2),
        };
        let mut row = vec![
            Cell::Text((*name).to_owned()),
            Cell::Number(sum.cost.rate(sum.calls), 0),
            Cell::Number(sum.cost.per_million(sum.calls), 2),
            service,
        ];
        row.extend(latency_cells(&sum.latency_us));
        row.extend(sum.cost.load_cells());
        row.push(Cell::count(sum.faults));
        table.row(row);
    }
    let cost = |sample: &Sample| sample.cost.per_million(sample.calls);
    if let Some(((_, echo), services)) = answerers.split_first() {
        for (name, samples) in services {
            let pairs = samples.iter().zip(echo);
            let ratio = median_ratio(pairs.map(|(one, echo)| (cost(one), cost(echo))));
            if let Some(ratio) = ratio {
                table.note(format!(
                    "CPU of the server per call to the {name}: {ratio:.2} of that of an echo \
                     (median of {} rounds).",
                    samples.len()
                ));
            }
        }
    }
    table
}
