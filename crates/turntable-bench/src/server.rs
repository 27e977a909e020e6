//! The server under test: a running one, or a child process on a separate core.
//!
//! Server and client use separate cores, so that their processor times are independent
//! and ratios of two servers are meaningful. The program `taskset` sets the core;
//! without it the benchmark prints a warning and continues.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::carrier::Carrier;
use super::error::BenchError;
use super::links::Address;
use super::process::Process;

/// The name of the listener for clients, as the server prints it.
const SERVER_LISTENER: &str = "server";
/// The core of the server.
const SERVER_CORE: usize = 0;
/// The core of the client.
const CLIENT_CORE: usize = 1;
/// The classes of work with a rate limit, which are switched off.
const RATE_CLASSES: [&str; 16] = [
    "PRESENCE",
    "USERS",
    "ROOM",
    "GAME",
    "CHANNEL",
    "PUBLISH",
    "CALL",
    "TIME",
    "CONTROL",
    "BYTES",
    "ADDRESS_BYTES",
    "ADDRESS_PUBLISH",
    "ADDRESS_DELIVERIES",
    "ADDRESS_USERS",
    "ADDRESS_INVITES",
    "SESSION",
];
/// Settings of a measured server: one worker, free ports, and none of the limits that
/// a benchmark from one address would exceed.
const SETTINGS: [(&str, &str); 9] = [
    ("TURNTABLE_SERVER__LISTEN", "127.0.0.1:0"),
    ("TURNTABLE_MANAGEMENT__LISTEN", "127.0.0.1:0"),
    ("TURNTABLE_SERVER__WORKERS", "1"),
    ("TURNTABLE_SESSION__UNIDENTIFIED_PER_ADDRESS_MAX", "1000000"),
    ("TURNTABLE_SESSION__UNIDENTIFIED_PER_SOCKET_MAX", "1000000"),
    ("TURNTABLE_CHANNEL__NEW_BY_USER__PER_SECOND", "0"),
    ("TURNTABLE_CHANNEL__NEW_BY_ADDRESS__PER_SECOND", "0"),
    ("TURNTABLE_ROOM__NEW_BY_ADDRESS__PER_SECOND", "0"),
    (
        "TURNTABLE_SESSION__SUBSCRIPTIONS_PER_ADDRESS_MAX",
        "1000000000",
    ),
];

/// Moves the calling process to the client's core.
///
/// Returns whether that succeeded; it fails on a machine with one core.
pub(super) fn pin_client() -> bool {
    Command::new("taskset")
        .args(["-p", "-c", &CLIENT_CORE.to_string()])
        .arg(std::process::id().to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A server to measure. A child is killed when this is dropped.
pub(super) struct Server {
    /// The address of its WebSocket transport.
    pub(super) address: Address,
    /// The measured process.
    pub(super) process: Process,
    child: Option<Child>,
    /// Where its management listens, if this started it.
    management: Option<SocketAddr>,
}

impl Server {
    /// A running server at `url` (`ws://HOST:PORT/PATH`). Without a process id, the
    /// process that listens there is used.
    ///
    /// # Errors
    /// If the URL is invalid, or no process of this machine listens there.
    pub(super) fn running(url: &str, pid: Option<u32>) -> Result<Self, BenchError> {
        let address = parse_url(url)?;
        let process = match pid {
            Some(pid) => Process { pid },
            None => Process::listening_on(address.socket.port()).ok_or_else(|| {
                BenchError::Usage(format!(
                    "no process of this machine was found to listen at {url}: \
                     name it with --server-pid"
                ))
            })?,
        };
        Ok(Self {
            address,
            process,
            child: None,
            management: None,
        })
    }

    /// The address of its management listener.
    ///
    /// # Errors
    /// If this did not start the server.
    pub(super) fn management(&self) -> Result<SocketAddr, BenchError> {
        let unknown = || BenchError::Usage("the server has no known management listener".into());
        self.management.ok_or_else(unknown)
    }

    /// Starts this program's own server with some settings (environment variables) in
    /// addition to the defaults of benchmarks.
    ///
    /// # Errors
    /// If it cannot be started or does not listen.
    pub(super) fn start(settings: &[(&str, String)]) -> Result<Self, BenchError> {
        Self::start_as(&["serve"], settings)
    }

    /// Starts the same server with a service of its own ([`super::LOCAL`]).
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(super) fn start_with_service(settings: &[(&str, String)]) -> Result<Self, BenchError> {
        Self::start_as(&["bench", "service-server"], settings)
    }

    fn start_as(arguments: &[&str], settings: &[(&str, String)]) -> Result<Self, BenchError> {
        let rates =
            RATE_CLASSES.map(|class| (format!("TURNTABLE_LIMITS__{class}__PER_SECOND"), "0"));
        let fan_out =
            ["CHANNEL", "ROOM"].map(|owner| (format!("TURNTABLE_{owner}__BYTES__PER_SECOND"), "0"));
        let mut command = child_command(arguments)?;
        command
            .envs(SETTINGS)
            .envs(rates)
            .envs(fan_out)
            .envs(settings.iter().map(|(name, value)| (name, value)));
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "error");
        }
        Self::spawn(command, SERVER_LISTENER, "/ws")
    }

    /// Starts the bare epoll loop of [`super::floor`].
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(super) fn start_floor() -> Result<Self, BenchError> {
        Self::spawn(child_command(&["bench", "floor-server"])?, "floor", "/")
    }

    /// Whether there is something at `path`: a disabled transport is not found, an
    /// enabled one requires a query.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(super) fn has(&self, path: &str) -> Result<bool, BenchError> {
        let path = path.split('?').next().unwrap_or_default();
        let asking = || BenchError::doing(format!("requesting {path}"));
        let mut stream = TcpStream::connect(self.address.socket).map_err(asking())?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address.socket
        );
        stream.write_all(request.as_bytes()).map_err(asking())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).map_err(asking())?;
        Ok(status != *b"HTTP/1.1 404")
    }

    fn spawn(mut command: Command, listener: &str, path: &str) -> Result<Self, BenchError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::doing(format!("starting {command:?}")))?;
        let process = Process { pid: child.id() };
        let stdout = child.stdout.take();
        let mut server = Self {
            address: Address {
                socket: SocketAddr::from(([127, 0, 0, 1], 0)),
                path: path.to_owned(),
                carrier: Carrier::WebSocket(None),
            },
            process,
            child: Some(child),
            management: None,
        };
        let mut lines = BufReader::new(stdout.into_iter().fold(
            Box::new(std::io::empty()) as Box<dyn std::io::Read + Send>,
            |_, stdout| Box::new(stdout),
        ))
        .lines();
        let mut listening = |name: &str| -> Option<SocketAddr> {
            let prefix = format!("listening {name} http://");
            lines.by_ref().map_while(Result::ok).find_map(|line| {
                line.strip_prefix(&prefix)?
                    .trim_end_matches('/')
                    .parse()
                    .ok()
            })
        };
        server.address.socket = listening(listener).ok_or_else(|| {
            BenchError::Conversation(format!("{command:?} ended without listening"))
        })?;
        // The server prints both, the floor has one.
        if listener == SERVER_LISTENER {
            server.management = listening("management");
        }
        // A full pipe would block the child.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The server that a scenario measures.
pub(super) enum Target<'a> {
    /// One that runs already.
    Running(&'a Server),
    /// One of its own.
    Started(Server),
}

impl<'a> Target<'a> {
    /// The running server, or one that is started with these settings.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(super) fn of(
        running: Option<&'a Server>,
        settings: &[(&str, String)],
    ) -> Result<Self, BenchError> {
        match running {
            Some(server) => Ok(Self::Running(server)),
            None => Server::start(settings).map(Self::Started),
        }
    }
}

impl Deref for Target<'_> {
    type Target = Server;

    fn deref(&self) -> &Server {
        match self {
            Self::Running(server) => server,
            Self::Started(server) => server,
        }
    }
}

/// This program with other arguments, on the server's core if possible.
pub(super) fn child_command(arguments: &[&str]) -> Result<Command, BenchError> {
    let own = std::env::current_exe().map_err(BenchError::doing("finding this program"))?;
    let has_taskset = Command::new("taskset")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    let mut command = if has_taskset {
        // taskset replaces itself by the program: the process id stays the same.
        let mut command = Command::new("taskset");
        command.args(["-c", &SERVER_CORE.to_string()]).arg(own);
        command
    } else {
        Command::new(own)
    };
    command.args(arguments);
    Ok(command)
}

fn parse_url(url: &str) -> Result<Address, BenchError> {
    let wrong = || BenchError::Usage(format!("--url must be ws://HOST:PORT/PATH, not {url:?}"));
    let rest = url.strip_prefix("ws://").ok_or_else(wrong)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, "ws"));
    let socket = authority
        .to_socket_addrs()
        .map_err(BenchError::doing(format!("looking up {authority}")))?
        .next()
        .ok_or_else(wrong)?;
    Ok(Address {
        socket,
        path: format!("/{path}"),
        carrier: Carrier::WebSocket(None),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn url_is_host_port_and_path() {
        let address = parse_url("ws://127.0.0.1:8080/socket.io/?EIO=4").unwrap();
        assert_eq!(address.socket, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!(address.path, "/socket.io/?EIO=4");
        assert_eq!(parse_url("ws://127.0.0.1:8080").unwrap().path, "/ws");
        assert!(parse_url("http://127.0.0.1:8080/ws").is_err());
        assert!(parse_url("ws://127.0.0.1/ws").is_err());
    }
}
