//! The server as an operator starts it: the binary, environment variables,
//! signals.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Response, get, send};
use crate::workspace::turntable;
use crate::{Client, DEADLINE};

/// Between two looks at something that does not report its changes: a metric,
/// the end of a process.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A server that runs until it is dropped. Dropping it fails the test if
/// anything in it panicked.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where browsers connect.
    pub address: SocketAddr,
    /// Where metrics and health are.
    pub management: SocketAddr,
    log: Arc<Mutex<String>>,
    exit: Option<ExitStatus>,
}

impl Server {
    /// A server with the defaults, two workers and free ports.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with configuration keys set: `("presence.grace_ms", "50")`.
    pub fn with(keys: &[(&str, &str)]) -> Self {
        Self::launch(turntable(), &[], keys)
    }

    /// A server that may have so many files open.
    pub fn limited_to_files(files: u32) -> Self {
        let turntable = turntable();
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!("ulimit -n {files} && exec \"$0\" \"$@\""))
            .arg(turntable.get_program());
        Self::launch(shell, &[], &[])
    }

    /// A server whose files may have so many bytes, in place of a full disk. A write beyond
    /// it fails, and does not end the process.
    pub fn limited_to_file_bytes(bytes: u64, keys: &[(&str, &str)]) -> Self {
        let turntable = turntable();
        let mut shell = Command::new("sh");
        // 25 is SIGXFSZ; the unit of the limit is 512 bytes.
        let blocks = bytes / 512;
        shell
            .arg("-c")
            .arg(format!(
                "trap '' 25; ulimit -f {blocks} && exec \"$0\" \"$@\""
            ))
            .arg(turntable.get_program());
        Self::launch(shell, &[], keys)
    }

    /// A server with a configuration file of this content, and keys that override
    /// it.
    pub fn configured(file: &str, keys: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        // The file is read before the addresses are printed, so its folder may be
        // deleted then.
        Self::launch(turntable(), &["--config", path.to_str().unwrap()], keys)
    }

    /// A server with this configuration file, which it reads again when it changes, and keys
    /// that override it.
    pub fn of_file(path: &std::path::Path, keys: &[(&str, &str)]) -> Self {
        Self::launch(turntable(), &["--config", path.to_str().unwrap()], keys)
    }

    /// A server of this program, with this configuration file and no keys that override it.
    pub fn of_command(command: Command, path: &std::path::Path) -> Self {
        Self::begin(command, &["--config", path.to_str().unwrap()])
    }

    /// A server of this program without arguments, which has its variables.
    pub fn of_variables(command: Command) -> Self {
        Self::launch(command, &[], &[])
    }

    /// A server with a configuration file of this content that trusts these certificates
    /// and no others.
    pub fn trusting(file: &str, certificates: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (config, trusted) = (path("config.toml"), path("trusted.pem"));
        std::fs::write(&config, file).unwrap();
        std::fs::write(&trusted, certificates).unwrap();
        let mut turntable = turntable();
        turntable
            .env("SSL_CERT_FILE", trusted)
            .env_remove("SSL_CERT_DIR");
        Self::launch(turntable, &["--config", config.to_str().unwrap()], &[])
    }

    fn launch(mut command: Command, arguments: &[&str], keys: &[(&str, &str)]) -> Self {
        // The environment of the test run reaches the server, so that a variable
        // set for the run changes what all tests run against.
        let base = [
            ("server.listen", "127.0.0.1:0"),
            ("management.listen", "127.0.0.1:0"),
            ("server.workers", "2"),
        ];
        for (key, value) in base.iter().chain(keys) {
            command.env(variable(key), value);
        }
        Self::begin(command, arguments)
    }

    fn begin(mut command: Command, arguments: &[&str]) -> Self {
        let mut child = command
            .env("RUST_LOG", "info")
            .arg("serve")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = collect(child.stderr.take().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |name: &str| -> SocketAddr {
            let line = lines.next().and_then(Result::ok).unwrap_or_default();
            let url = line.strip_prefix(&format!("listening {name} "));
            let address = url.and_then(|url| {
                let plain = url.strip_prefix("http://");
                plain.or_else(|| url.strip_prefix("https://"))
            });
            match address {
                Some(address) => address.parse().unwrap(),
                None => panic!("{line:?} of {name}; {}", log.lock().unwrap()),
            }
        };
        let (address, management) = (address("server"), address("management"));
        let server = Self {
            child,
            address,
            management,
            log,
            exit: None,
        };
        if std::env::var_os("TURNTABLE_TEST_BUS").is_some_and(|bus| bus == "bytes") {
            // Else a run over the codec would be one without it, and pass.
            let _log = server.await_log("calls and deliveries pass the codec");
        }
        server
    }

    /// A connection that got `idyou`.
    pub fn connect(&self) -> Client {
        Client::greeted(self.address)
    }

    /// A connection of this user, identified.
    pub fn user(&self, id: &str) -> Client {
        let mut client = self.connect();
        client.identify(id);
        client
    }

    /// A connection to `/echo`, which must be switched on.
    pub fn echo(&self) -> Client {
        Client::open(self.address, "/echo")
    }

    /// Reads a page.
    pub fn get(&self, path: &str) -> Response {
        get(self.address, path)
    }

    /// Reads a page of the management listener.
    pub fn manage(&self, path: &str) -> Response {
        get(self.management, path)
    }

    /// Calls a method of the management listener, named `SERVICE/METHOD`.
    pub fn rpc(&self, method: &str, arguments: &Value) -> Response {
        let json = "Content-Type: application/json\r\n";
        let (path, body) = (format!("/rpc/{method}"), arguments.to_string());
        send(self.management, "POST", &path, json, &body)
    }

    /// The value of a metric, named as in [`metric`](crate::metric); 0 while nothing
    /// was counted.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.manage("/metrics");
        let line = page.text().lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(' ')?;
            Some(value.parse().unwrap())
        });
        line.unwrap_or(0.0)
    }

    /// Waits until a metric has this value.
    pub fn await_metric(&self, name: &str, value: f64) {
        let until = Instant::now() + DEADLINE;
        loop {
            let now = self.metric(name);
            if now == value {
                return;
            }
            assert!(Instant::now() < until, "{name} is {now}, not {value}");
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Resident memory of the process, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Processor time of the process since its start, in ms.
    pub fn processor_ms(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Behind the name, which may contain blanks: user and system time in ticks of
        // 10 ms.
        let fields = stat.rsplit_once(')').unwrap().1;
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum()
    }

    /// From now on no file of the server may grow beyond this many bytes, as if the disk
    /// were full. It has to be one of [`Server::limited_to_file_bytes`].
    pub fn limit_file_bytes(&self, bytes: u64) {
        let status = Command::new("prlimit")
            .args(["--pid", &self.child.id().to_string()])
            .arg(format!("--fsize={bytes}:"))
            .status();
        assert!(status.unwrap().success());
    }

    /// From now on the server can open no file, as if clients had all of them.
    pub fn exhaust_files(&self) {
        let open = format!("/proc/{}/fd", self.child.id());
        let open = std::fs::read_dir(open).unwrap();
        let numbers: BTreeSet<u32> = open
            .map(|file| file.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        let unused = (0..).find(|number| !numbers.contains(number)).unwrap();
        self.limit_files(unused);
    }

    /// From now on it can open as many as the system allows.
    pub fn free_files(&self) {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let max = line.unwrap().split_whitespace().nth(4).unwrap();
        self.limit_files(max.parse().unwrap());
    }

    fn limit_files(&self, files: u32) {
        let status = Command::new("prlimit")
            .args(["--pid", &self.child.id().to_string()])
            .arg(format!("--nofile={files}:"))
            .status();
        assert!(status.unwrap().success());
    }

    /// Sends a signal, as `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Stops the process, and waits until none of its threads runs: the signal alone may
    /// be sent while some of them still do.
    pub fn freeze(&self) {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.child.id());
        let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
            // A thread that is gone does not run.
            stat.map_or(true, |stat| {
                let (_, fields) = stat.rsplit_once(')').unwrap();
                fields.trim_start().starts_with('T')
            })
        };
        await_true("the process does not stop", || {
            std::fs::read_dir(&tasks).unwrap().all(is_stopped)
        });
    }

    /// Lets a process that was frozen go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Waits until the system has what a client has sent in the server's socket. What was
    /// sent may arrive later, even on one machine.
    pub fn await_arrival(&self, client: &Client) {
        let port = |address: SocketAddr| format!("{:04X}", address.port());
        let from = port(client.stream.local_addr().unwrap());
        let to = port(self.address);
        await_true("what was sent does not arrive", || {
            let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
            sockets.lines().any(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                // sl, local, remote, state, tx:rx, ...
                let [_, local, remote, _, queues, ..] = fields[..] else {
                    return false;
                };
                let is_client = local.ends_with(&from) && remote.ends_with(&to);
                // Nothing is sent that was not acknowledged.
                is_client && queues.starts_with("00000000:")
            })
        });
    }

    /// Waits for the process to end.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        while self.exit.is_none() {
            self.exit = self.child.try_wait().unwrap();
            assert!(Instant::now() < until, "the server does not end");
            std::thread::sleep(LOOK_INTERVAL);
        }
        self.exit.unwrap()
    }

    /// What the server wrote on standard error.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The log, once it contains `text`: it is read in the background.
    #[must_use]
    pub fn await_log(&self, text: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let log = self.log();
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < until, "no {text:?} in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.exit.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let log = self.log();
        if std::thread::panicking() {
            let from = log.len().saturating_sub(4_000);
            eprintln!("the server's log:\n{}", log.get(from..).unwrap_or(&log));
        } else {
            let panics = log.matches("panicked at").count();
            let requested = log.matches("a fault for a test").count();
            assert_eq!(panics, requested, "the server panicked:\n{log}");
        }
    }
}

/// Waits until something is so that does not report its changes.
fn await_true(otherwise: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < until, "{otherwise}");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

fn variable(key: &str) -> String {
    format!("TURNTABLE_{}", key.to_uppercase().replace('.', "__"))
}

/// Reads in the background: a full pipe would block the server.
fn collect(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let into = log.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]);
            into.lock().unwrap().push_str(&text);
        }
    });
    log
}
