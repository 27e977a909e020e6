//! The other servers: built, installed and started, each a single process on core 0.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::machine::{Machine, cargo, find};
use crate::process;

/// The folder of nginx's modules in Debian's packages.
const NGINX_MODULES: &str = "/usr/lib/nginx/modules";
const START_SECONDS: u64 = 20;

/// Another server.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) protocol: &'static str,
    pub(super) url: String,
    pub(super) pid: u32,
    child: Child,
}

/// # Errors
/// If it cannot be built or started.
pub(super) fn actix_chat(machine: &Machine, folder: &Path) -> Result<Peer> {
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

/// npm's socket.io.
///
/// # Errors
/// As [`node`].
pub(super) fn socket_io(machine: &Machine, folder: &Path) -> Result<Peer> {
    let path = "/socket.io/?EIO=4&transport=websocket";
    node(
        machine,
        folder,
        "socket.io",
        "socket-io",
        "socket_io.js",
        path,
    )
}

/// One of `benches/peers/node`.
///
/// # Errors
/// If its packages cannot be installed, or it cannot be started.
pub(super) fn node(
    machine: &Machine,
    folder: &Path,
    name: &'static str,
    protocol: &'static str,
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
    Peer::listening(name, protocol, command, path)
}

/// # Errors
/// If nginx or its module cannot be installed, or it cannot be started.
pub(super) fn nchan(machine: &Machine, folder: &Path) -> Result<Peer> {
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
        protocol: "broadcast",
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
    /// # Errors
    /// If it has ended.
    pub(super) fn expect_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended unexpectedly: {status}", self.name),
        }
    }

    /// Starts a server that prints `listening NAME http://HOST:PORT`.
    fn listening(
        name: &'static str,
        protocol: &'static str,
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
            protocol,
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
