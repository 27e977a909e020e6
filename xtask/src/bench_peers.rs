//! `cargo xtask bench-peers`: the same fan-out on this server, a bare epoll loop and other
//! servers, alternating on the same two cores, so that their ratios are comparable on any
//! machine.
//!
//! With `--calls` it is the calls of services, next to socket.io's acknowledgements.
//!
//! The peers are in benches/peers; all of them run throughout, each a single process on
//! core 0, and are idle while another is measured. The client is `turntable bench
//! fanout` for all of them.

mod calls;
mod peer;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::machine::Machine;
use crate::process;
use peer::{actix_chat, nchan, node};

const FLOOR: &str = "floor";
/// The pace of the floor that all costs are relative to.
const BASE_PACE: &str = "1 in flight";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Subscribers of the channel
    #[arg(long, default_value_t = 1000)]
    subscribers: usize,
    /// Messages in flight
    #[arg(long, default_value = "1,16")]
    in_flight: String,
    /// Seconds of each round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Rounds of each server
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Compare calls instead: services of this server, and socket.io's acknowledgements
    #[arg(long)]
    calls: bool,
}

/// The results of one server at one pace: a row of JSON per round.
type Turns = BTreeMap<(String, String), Vec<Value>>;

/// # Errors
/// If a build, installation or start fails, or a server fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    let machine = Machine::look()?;
    let folder = machine.root.join("benches/peers");
    process::checked(
        machine
            .cargo("build")
            .args(["--release", "--bin", "turntable"]),
    )?;
    let bench = machine.target.join("release/turntable");
    if args.calls {
        return calls::run(args, &machine, &folder, &bench);
    }
    let mut peers = [
        actix_chat(&machine, &folder)?,
        node(&machine, &folder, "ws", "broadcast", "ws.js", "/")?,
        peer::socket_io(&machine, &folder)?,
        nchan(&machine, &folder)?,
    ];
    let mut turns = Turns::new();
    for round in 1..=args.rounds.max(1) {
        println!("    round {round}");
        take_turn(args, &bench, &["--floor"], None, &mut turns)?;
        for peer in &peers {
            let pid = peer.pid.to_string();
            let target = [
                "--url",
                &peer.url,
                "--server-pid",
                &pid,
                "--peer",
                peer.protocol,
            ];
            take_turn(args, &bench, &target, Some(peer.name), &mut turns)?;
        }
    }
    for peer in &mut peers {
        peer.expect_alive()?;
    }
    println!("{}", table(&turns));
    Ok(())
}

/// Measures one server, and adds its rows, named `name` if it is given.
fn take_turn(
    args: &Args,
    bench: &Path,
    target: &[&str],
    name: Option<&str>,
    turns: &mut Turns,
) -> Result<()> {
    let mut command = Command::new(bench);
    command
        .args(["bench", "fanout", "--json", "--in-flight", &args.in_flight])
        .args(["--subscribers", &args.subscribers.to_string()])
        .args(["--seconds", &args.seconds.to_string()])
        .args(target);
    for row in &rows(&mut command)? {
        let text = |field| row.get(field).and_then(Value::as_str).unwrap_or_default();
        let server = name.unwrap_or_else(|| text("server")).to_owned();
        println!(
            "    {server}, {}: {:.2} CPU s per million, client core {:.0} % busy",
            text("pace"),
            number(row, "cpu_s_per_million"),
            number(row, "client_busy_percent"),
        );
        turns
            .entry((text("pace").to_owned(), server))
            .or_default()
            .push(row.clone());
    }
    Ok(())
}

/// The rows that a benchmark prints.
fn rows(bench: &mut Command) -> Result<Vec<Value>> {
    let tables: Value = serde_json::from_str(&process::output(bench)?)?;
    let rows = tables.pointer("/0/rows").and_then(Value::as_array);
    rows.cloned().context("the bench printed no rows")
}

/// The medians of all rounds, in Markdown.
fn table(turns: &Turns) -> String {
    let cost = |turns: &[Value]| median(turns, "cpu_s_per_million");
    let floor_at = |pace: &str| {
        let floor = turns.get(&(pace.to_owned(), FLOOR.to_owned()));
        floor.map_or(f64::NAN, |turns| cost(turns))
    };
    let base = floor_at(BASE_PACE);
    let mut text = format!(
        "\n| server | pace | deliveries/s | CPU s per million | of the floor | \
         of the floor at {BASE_PACE} | p50 ms | p99 ms | client busy % | faults |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    );
    let mut rows: Vec<_> = turns.iter().collect();
    rows.sort_by(|one, other| {
        let pace = |((pace, _), _): &(&(String, String), &Vec<Value>)| pace.clone();
        (pace(one), cost(one.1))
            .partial_cmp(&(pace(other), cost(other.1)))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    for ((pace, server), turns) in rows {
        let faults: f64 = turns.iter().map(|turn| number(turn, "faults")).sum();
        text += &format!(
            "| {server} | {pace} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {faults} |\n",
            median(turns, "deliveries_per_s"),
            cost(turns),
            cost(turns) / floor_at(pace),
            cost(turns) / base,
            median(turns, "p50_ms"),
            median(turns, "p99_ms"),
            median(turns, "client_busy_percent"),
        );
    }
    text
}

fn number(row: &Value, field: &str) -> f64 {
    row.get(field).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn median(turns: &[Value], field: &str) -> f64 {
    let mut values: Vec<f64> = turns.iter().map(|turn| number(turn, field)).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
