//! `cargo xtask bench-peers --calls`: `turntable bench calls` and the same calls to socket.io
//! in turns: an event with an acknowledgement.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use super::{Args, median, number, peer, rows};
use crate::machine::Machine;

/// The answerer that all costs are relative to.
const ECHO: &str = "echo";

/// # Errors
/// If socket.io cannot be installed or started, or a server fails.
pub(super) fn run(args: &Args, machine: &Machine, folder: &Path, bench: &Path) -> Result<()> {
    let mut socket_io = peer::socket_io(machine, folder)?;
    let pid = socket_io.pid.to_string();
    let target = [
        "--url",
        &socket_io.url,
        "--server-pid",
        &pid,
        "--peer",
        socket_io.protocol,
    ];
    let mut turns: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for round in 1..=args.rounds.max(1) {
        println!("    round {round}");
        for target in [&[][..], &target] {
            let mut command = Command::new(bench);
            command
                .args(["bench", "calls", "--json", "--rounds", "4"])
                .args(["--seconds", &args.seconds.to_string()])
                .args(target);
            for row in rows(&mut command)? {
                let name = row.get("answerer").and_then(Value::as_str);
                let name = name.unwrap_or_default().to_owned();
                println!(
                    "    {name}: {:.0} calls/s, {:.2} CPU s per million, others {:.0} % busy",
                    number(&row, "calls_per_s"),
                    number(&row, "cpu_s_per_million"),
                    number(&row, "others_busy_percent"),
                );
                turns.entry(name).or_default().push(row);
            }
        }
    }
    socket_io.expect_alive()?;
    println!("{}", table(&turns));
    Ok(())
}

/// The medians of all rounds, in Markdown, the cheapest first.
fn table(turns: &BTreeMap<String, Vec<Value>>) -> String {
    let cost = |turns: &[Value]| median(turns, "cpu_s_per_million");
    let echo = turns.get(ECHO).map_or(f64::NAN, |turns| cost(turns));
    let mut text = String::from(
        "\n| answerer | calls/s | CPU s per million | of the echo | CPU s of the service | \
         p50 ms | p99 ms | client busy % | others busy % | faults |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut answerers: Vec<_> = turns.iter().collect();
    answerers.sort_by(|one, other| cost(one.1).total_cmp(&cost(other.1)));
    for (name, turns) in answerers {
        let faults: f64 = turns.iter().map(|turn| number(turn, "faults")).sum();
        let service = match median(turns, "service_cpu_s_per_million") {
            cpu if cpu.is_nan() => String::new(),
            cpu => format!("{cpu:.2}"),
        };
        text += &format!(
            "| {name} | {:.0} | {:.2} | {:.2} | {service} | {:.2} | {:.2} | {:.0} | {:.0} | {faults} |\n",
            median(turns, "calls_per_s"),
            cost(turns),
            cost(turns) / echo,
            median(turns, "p50_ms"),
            median(turns, "p99_ms"),
            median(turns, "client_busy_percent"),
            median(turns, "others_busy_percent"),
        );
    }
    text
}
