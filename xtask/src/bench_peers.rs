//! `cargo xtask bench-peers`: the same fan-out on this server, a bare epoll loop and other
//! servers, alternating on the same two cores, so that their ratios are comparable on any
//! machine.
//!
//! The peers are in benches/peers; all of them run throughout, each a single process on
//! core 0, and are idle while another is measured. The client is `turntable bench
//! fanout` for all of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::machine::{Machine, cargo, find};
use crate::process;

/// The folder of nginx's modules in Debian's packages.
const NGINX_MODULES: &str = "/usr/lib/nginx/modules";
const START_SECONDS: u64 = 20;
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
}

/// Another server.
struct Peer {
    name: &'static str,
    dialect: &'static str,
    url: String,
    pid: u32,
    child: Child,
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
    let mut peers = [
        actix_chat(&machine, &folder)?,
        node(&machine, &folder, "ws", "broadcast", "ws.js", "/")?,
        node(
            &machine,
            &folder,
            "socket.io",
            "socket-io",
            "socket_io.js",
            "/socket.io/?EIO=4&transport=websocket",
        )?,
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
                peer.dialect,
            ];
            take_turn(args, &bench, &target, Some(peer.name), &mut turns)?;
        }
    }
    for peer in &mut peers {
        if let Some(status) = peer.child.try_wait()? {
            bail!("{} ended unexpectedly: {status}", peer.name);
        }
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
    let tables: Value = serde_json::from_str(&process::output(&mut command)?)?;
    let rows = tables.pointer("/0/rows").and_then(Value::as_array);
    for row in rows.context("the bench printed no rows")? {
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

fn actix_chat(machine: &Machine, folder: &Path) -> Result<Peer> {
    let target = machine.target.join("peers");
    process::checked(
        machine
            .command(cargo())
            .args(["build", "--release", "--locked", "--manifest-path"])
            .arg(folder.join("actix-chat/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target),
    )?;
    let program = target.join("release/actix-chat");
    Peer::listening("actix-chat", "broadcast", pinned(program), "/chat")
}

fn node(
    machine: &Machine,
    folder: &Path,
    name: &'static str,
    dialect: &'static str,
    file: &str,
    path: &str,
) -> Result<Peer> {
    let folder = folder.join("node");
    if find("node").is_none() || find("npm").is_none() {
        machine.apt_install(&["nodejs", "npm"], "install Node 20 or newer with npm")?;
    }
    if !folder.join("node_modules/.package-lock.json").is_file() {
        let mut install = machine.command("npm");
        install.args(["ci", "--no-audit", "--no-fund"]);
        process::checked(install.current_dir(&folder))?;
    }
    let mut command = pinned("node".into());
    command.arg(folder.join(file)).env("NODE_ENV", "production");
    Peer::listening(name, dialect, command, path)
}

fn nchan(machine: &Machine, folder: &Path) -> Result<Peer> {
    let modules = Path::new(NGINX_MODULES);
    if find("nginx").is_none() || !modules.join("ngx_nchan_module.so").is_file() {
        machine.apt_install(
            &["nginx-light", "libnginx-mod-nchan"],
            "install nginx with the module nchan",
        )?;
    }
    let scratch = machine.target.join("peers/nginx");
    fs::create_dir_all(&scratch)?;
    // nginx cannot report the port it selected. The port of a listener that was closed again
    // is free.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = fs::read_to_string(folder.join("nginx/nchan.conf.in"))?
        .replace("@FOLDER@", &scratch.display().to_string())
        .replace("@MODULES@", NGINX_MODULES)
        .replace("@PORT@", &port.to_string());
    let file = scratch.join("nchan.conf");
    fs::write(&file, config)?;
    let child = pinned("nginx".into()).arg("-c").arg(&file).spawn()?;
    let mut peer = Peer {
        name: "nginx-nchan",
        dialect: "broadcast",
        url: format!("ws://127.0.0.1:{port}/chat"),
        pid: child.id(),
        child,
    };
    // The master listens before its worker starts: both are waited for.
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS);
    loop {
        let children = format!("/proc/{0}/task/{0}/children", peer.child.id());
        let worker = fs::read_to_string(children).unwrap_or_default();
        let worker = worker.split_ascii_whitespace().next().map(str::parse);
        if let Some(Ok(worker)) = worker
            && TcpStream::connect(("127.0.0.1", port)).is_ok()
        {
            peer.pid = worker;
            return Ok(peer);
        }
        if Instant::now() > deadline || peer.child.try_wait()?.is_some() {
            bail!("nginx does not listen at port {port}: see its messages above");
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a program on core 0, like the servers that the bench starts itself.
fn pinned(program: PathBuf) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program).stdin(Stdio::null());
    command
}

impl Peer {
    /// Starts a server that prints `listening NAME http://HOST:PORT`.
    fn listening(
        name: &'static str,
        dialect: &'static str,
        mut command: Command,
        path: &str,
    ) -> Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let stdout = child.stdout.take();
        let mut peer = Self {
            name,
            dialect,
            url: String::new(),
            pid: child.id(),
            child,
        };
        let mut lines = BufReader::new(stdout.context("no standard output")?).lines();
        let prefix = format!("listening {name} http://");
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix(&prefix)?.to_owned()))
            .with_context(|| format!("{name} ended without listening"))?;
        // A full pipe would block the child.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        peer.url = format!("ws://{address}{path}");
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // nginx's master ends its worker when it is asked to stop, but leaves it running when it
        // is killed.
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
