//! Socket.IO by third-party clients: npm's `socket.io-client` and PyPI's
//! `python-socketio`, each controlled through a program of the folder `bridge` by
//! lines of JSON. One program runs all clients of a test process.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader as Lines};
use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Event, Feature, Invalid, Keys, Message, Position, Transport, answer};
use turntable_testkit::package::{has_npm_package, python};
use turntable_testkit::workspace::root;

/// The packages of the Python bridge.
const PACKAGES: &[&str] = &["python-socketio>=5.11,<6", "aiohttp>=3.9,<4"];
/// A script that fails without them.
const CHECK: &str = "import socketio as s, aiohttp; s.AsyncClient";

/// A program that runs many clients. It ends with this process, when its standard
/// input ends.
pub struct Host {
    _child: Child,
    address: SocketAddr,
}

impl Host {
    fn start(program: &Path, script: &str) -> Self {
        let mut child = Command::new(program)
            .arg(root().join("tests/scenarios/bridge").join(script))
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::stderr()));
        let mut line = String::new();
        Lines::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port: u16 = line
            .trim_end()
            .parse()
            .unwrap_or_else(|_| panic!("{script} prints {line:?} instead of a port"));
        Self {
            _child: child,
            address: (Ipv4Addr::LOCALHOST, port).into(),
        }
    }

    fn npm() -> Option<&'static Self> {
        static HOST: OnceLock<Option<Host>> = OnceLock::new();
        let start = || {
            let is_available = has_npm_package("socket.io-client");
            is_available.then(|| Self::start(Path::new("node"), "node.mjs"))
        };
        HOST.get_or_init(start).as_ref()
    }

    fn python() -> Option<&'static Self> {
        static HOST: OnceLock<Option<Host>> = OnceLock::new();
        let start = || Some(Self::start(&python(PACKAGES, CHECK)?, "python.py"));
        HOST.get_or_init(start).as_ref()
    }
}

/// Which transports a library uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Polling,
    Websocket,
    /// Polling, and then an upgrade.
    Upgrade,
}

/// A library and its mode.
pub trait Kind {
    const NAME: &'static str;
    const MODE: Mode;

    fn host() -> Option<&'static Host>;
}

macro_rules! kinds {
    ($($kind:ident: $name:literal, $host:path, $mode:expr;)*) => {
        $(pub struct $kind;

        impl Kind for $kind {
            const NAME: &'static str = $name;
            const MODE: Mode = $mode;

            fn host() -> Option<&'static Host> {
                $host()
            }
        })*
    };
}

kinds! {
    NpmPolling: "npm_polling", Host::npm, Mode::Polling;
    NpmWebsocket: "npm_websocket", Host::npm, Mode::Websocket;
    NpmUpgrade: "npm_upgrade", Host::npm, Mode::Upgrade;
    PythonPolling: "python_polling", Host::python, Mode::Polling;
    PythonWebsocket: "python_websocket", Host::python, Mode::Websocket;
    PythonUpgrade: "python_upgrade", Host::python, Mode::Upgrade;
}

/// A client of a library. When dropped, it sends nothing more, also no close.
pub struct Bridge<K> {
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
    /// The process, if the client has one of its own.
    pid: Option<u64>,
    is_paused: bool,
    /// Events that arrived while it was connecting.
    queue: VecDeque<Event>,
    /// The commands that wait for their acknowledgement, by their ids.
    pending: HashMap<String, String>,
    kind: PhantomData<K>,
}

impl<K: Kind> Transport for Bridge<K> {
    const NAME: &'static str = K::NAME;
    const QUICK_DISCONNECT: Option<Keys> = match K::MODE {
        // The server notices at the next ping only.
        Mode::Polling => None,
        // These clients need longer to resume.
        Mode::Websocket | Mode::Upgrade => Some(&[("session.resume_ms", "3000")]),
    };

    // A library may report a close before the last messages in front of it.
    const REPORTS_IN_ORDER: bool = false;

    fn supports(feature: Feature) -> bool {
        match feature {
            // A library sends valid packets only, and reports the reason of a close in
            // its own words, without the code.
            Feature::CloseCode | Feature::InvalidMessages => false,
            Feature::PersistentConnection => K::MODE != Mode::Polling,
            Feature::Envelope | Feature::IdentifyTimeout => true,
        }
    }

    fn is_available() -> bool {
        let is_available = K::host().is_some();
        if !is_available {
            eprintln!("SKIPPED: {} was not tested", K::NAME);
        }
        is_available
    }

    async fn open(address: SocketAddr) -> Self {
        let mut transport = Self::connect(address, None).await.unwrap();
        super::ws::expect_greeting(&mut transport).await;
        transport
    }

    async fn resume(address: SocketAddr, position: &Position) -> Result<Self, Value> {
        let auth = json!({"session": position.session, "received": position.received});
        let mut transport = Self::connect(address, Some(auth)).await?;
        super::ws::expect_greeting(&mut transport).await;
        match transport.next().await {
            Event::Message(message) if message.command == "welcome" => {
                assert_eq!(message.data["resumed"], true, "{message:?}");
                assert_eq!(message.data["session"], position.session);
            }
            other => panic!("{other:?} instead of welcome"),
        }
        Ok(transport)
    }

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>) {
        let mut message = json!({"command": command, "data": data});
        if let Some(id) = id {
            self.pending.insert(id.to_string(), command.to_owned());
            message["id"] = id.clone();
        }
        self.write(&message).await;
    }

    async fn send_invalid(&mut self, _: Invalid) {
        panic!("a library sends no invalid packets");
    }

    async fn next(&mut self) -> Event {
        if let Some(event) = self.queue.pop_front() {
            return event;
        }
        let line = self.line().await;
        self.event(line)
    }

    fn pause_reading(&mut self) {
        self.is_paused = true;
        self.stop("STOP");
    }

    fn resume_reading(&mut self) {
        self.is_paused = false;
        self.stop("CONT");
    }
}

impl<K: Kind> Bridge<K> {
    /// Connects to the namespace `/`, including the upgrade; the server's error if it
    /// refuses.
    async fn connect(address: SocketAddr, auth: Option<Value>) -> Result<Self, Value> {
        let host = K::host().unwrap();
        let stream = TcpStream::connect(host.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        let mut transport = Self {
            lines: BufReader::new(reader).lines(),
            writer,
            pid: None,
            is_paused: false,
            queue: VecDeque::new(),
            pending: HashMap::new(),
            kind: PhantomData,
        };
        let (mode, engine) = match K::MODE {
            Mode::Polling => ("polling", "polling"),
            Mode::Websocket => ("websocket", "websocket"),
            Mode::Upgrade => ("upgrade", "websocket"),
        };
        let mut start = json!({"url": format!("http://{address}"), "mode": mode});
        if let Some(auth) = auth {
            start["auth"] = auth;
        }
        transport.write(&start).await;
        loop {
            let mut line = transport.line().await;
            if let Some(pid) = line["pid"].as_u64() {
                transport.pid = Some(pid);
            } else if let Some(open) = line["open"].as_str() {
                assert_eq!(open, engine, "{}", K::NAME);
                return Ok(transport);
            } else if line.get("refused").is_some() {
                return Err(line["refused"].take());
            } else {
                let event = transport.event(line);
                transport.queue.push_back(event);
            }
        }
    }

    async fn write(&mut self, line: &Value) {
        // A bridge that is gone is noticed by reading.
        let _ = self.writer.write_all(format!("{line}\n").as_bytes()).await;
    }

    async fn line(&mut self) -> Value {
        let line = self.lines.next_line().await.ok().flatten();
        let line = line.unwrap_or_else(|| panic!("the bridge of {} broke", K::NAME));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn event(&mut self, mut line: Value) -> Event {
        let data = line["data"].take();
        if line.get("closed").is_some() {
            return Event::Closed(None);
        }
        if let Some(command) = line["command"].as_str() {
            return Event::Message(Message::new(command, data, None));
        }
        let id = line["id"].take();
        let request = self.pending.remove(&id.to_string());
        let request = request.unwrap_or_else(|| panic!("{id} answers nothing"));
        let error = data.get("error").filter(|error| error["code"].is_string());
        let error = error.cloned();
        Event::Message(answer(&request, data, error, id))
    }

    /// A client in a process of its own gets the signal; one of many in one process
    /// does not read its sockets, which has the same effect for the server.
    fn stop(&mut self, signal: &str) {
        if let Some(pid) = self.pid {
            let mut kill = Command::new("kill");
            let status = kill.args(["-s", signal, &pid.to_string()]).status();
            assert!(status.unwrap().success());
        } else {
            let line = format!("{}\n", json!({"paused": self.is_paused}));
            let written = self.writer.try_write(line.as_bytes());
            assert_eq!(written.unwrap(), line.len());
        }
    }
}

impl<K> Drop for Bridge<K> {
    fn drop(&mut self) {
        // A stopped process does not notice that its input ends.
        if let Some(pid) = self.pid.filter(|_| self.is_paused) {
            let mut kill = Command::new("kill");
            let _ = kill.args(["-s", "KILL", &pid.to_string()]).status();
        }
    }
}
