//! The real server, as an operator starts it: the binary, variables, signals.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Client, DEADLINE, Response, request};

/// How often something is looked at that can only be looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A server that runs until it is dropped. Dropping it fails the test if
/// anything in it panicked.
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
    /// The defaults, on two workers and free ports.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With keys of the configuration set: `("presence.grace_ms", "50")`.
    pub fn with(keys: &[(&str, &str)]) -> Self {
        Self::launch(&[], keys)
    }

    /// With a configuration file of this content, and keys set over it.
    pub fn configured(file: &str, keys: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        // It is read before the addresses are told, so the folder may go then.
        Self::launch(&["--config", path.to_str().unwrap()], keys)
    }

    fn launch(arguments: &[&str], keys: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turntable"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            // What the whole run is made with, as the bus that encodes, stays.
            if text.starts_with("TURNTABLE_") && !text.starts_with("TURNTABLE_TEST_") {
                command.env_remove(name);
            }
        }
        let base = [
            ("server.listen", "127.0.0.1:0"),
            ("management.listen", "127.0.0.1:0"),
            ("server.workers", "2"),
        ];
        for (key, value) in base.iter().chain(keys) {
            command.env(variable(key), value);
        }
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
            let prefix = format!("listening {name} http://");
            match line.strip_prefix(&prefix) {
                Some(address) => address.parse().unwrap(),
                None => panic!("{line:?} instead of {prefix}; {}", log.lock().unwrap()),
            }
        };
        let (address, management) = (address("server"), address("management"));
        Self {
            child,
            address,
            management,
            log,
            exit: None,
        }
    }

    /// A connection that was greeted with `idyou`.
    pub fn connect(&self) -> Client {
        Client::greeted(self.address)
    }

    /// A connection of this user, identified.
    pub fn user(&self, id: &str) -> Client {
        let mut client = self.connect();
        client.identify(id);
        client
    }

    /// A connection to `/echo`, where it is switched on.
    pub fn echo(&self) -> Client {
        Client::open(self.address, "/echo")
    }

    /// A page.
    pub fn get(&self, path: &str) -> Response {
        get(self.address, path)
    }

    /// A page of the management listener.
    pub fn manage(&self, path: &str) -> Response {
        get(self.management, path)
    }

    /// The value of a metric, as `turntable_actors{name="avatar"}`; 0 while
    /// nothing was counted.
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
            std::thread::sleep(LOOK);
        }
    }

    /// Memory that the process holds, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal, as `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the process to end.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        while self.exit.is_none() {
            self.exit = self.child.try_wait().unwrap();
            assert!(Instant::now() < until, "the server does not end");
            std::thread::sleep(LOOK);
        }
        self.exit.unwrap()
    }

    /// What the server wrote on standard error.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
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
            eprintln!("the server said:\n{}", log.get(from..).unwrap_or(&log));
        } else {
            let panics = log.matches("panicked at").count();
            let requested = log.matches("a fault for a test").count();
            assert_eq!(panics, requested, "the server panicked:\n{log}");
        }
    }
}

fn variable(key: &str) -> String {
    format!("TURNTABLE_{}", key.to_uppercase().replace('.', "__"))
}

fn get(address: SocketAddr, path: &str) -> Response {
    let text = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    request(address, &text)
}

/// Reads in the background: a full pipe would stop the server.
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
