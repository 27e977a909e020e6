//! socket.io by the libraries that people use: `socket.io-client` of npm and
//! `python-socketio` of PyPI, each behind a program of the folder `bridge` that
//! speaks lines of JSON. One program serves all clients of a test process.

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

use super::{Cut, Door, Event, Feature, Garbage, Keys, Message, answer};
use crate::support::{has_npm_package, python, root};

/// What the Python of a bridge needs, and what tells that it has it. The sync
/// client of `tests/foreign.rs` needs less.
const PACKAGES: &[&str] = &["python-socketio>=5.11,<6", "aiohttp>=3.9,<4"];
const CHECK: &str = "import socketio as s, aiohttp; s.AsyncClient";

/// A program that is many clients. It ends when this process does, by the end
/// of its standard input.
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
        let mut complaints = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut complaints, &mut std::io::stderr()));
        let mut line = String::new();
        Lines::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port: u16 = line
            .trim_end()
            .parse()
            .unwrap_or_else(|_| panic!("{script} says {line:?} instead of a port"));
        Self {
            _child: child,
            address: (Ipv4Addr::LOCALHOST, port).into(),
        }
    }

    fn npm() -> Option<&'static Self> {
        static HOST: OnceLock<Option<Host>> = OnceLock::new();
        let start = || {
            let is_there = has_npm_package("socket.io-client");
            is_there.then(|| Self::start(Path::new("node"), "node.mjs"))
        };
        HOST.get_or_init(start).as_ref()
    }

    fn python() -> Option<&'static Self> {
        static HOST: OnceLock<Option<Host>> = OnceLock::new();
        let start = || Some(Self::start(&python(PACKAGES, CHECK)?, "python.py"));
        HOST.get_or_init(start).as_ref()
    }
}

/// How a library is told to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Polling,
    Websocket,
    /// By polling, and then upgraded.
    Both,
}

/// A library, and how it connects.
pub trait Kind {
    const NAME: &'static str;
    const WAY: Way;

    fn host() -> Option<&'static Host>;
}

macro_rules! kinds {
    ($($kind:ident: $name:literal, $host:path, $way:expr;)*) => {
        $(pub struct $kind;

        impl Kind for $kind {
            const NAME: &'static str = $name;
            const WAY: Way = $way;

            fn host() -> Option<&'static Host> {
                $host()
            }
        })*
    };
}

kinds! {
    NpmPolling: "npm_polling", Host::npm, Way::Polling;
    NpmWebsocket: "npm_websocket", Host::npm, Way::Websocket;
    NpmUpgrade: "npm_upgrade", Host::npm, Way::Both;
    PythonPolling: "python_polling", Host::python, Way::Polling;
    PythonWebsocket: "python_websocket", Host::python, Way::Websocket;
    PythonUpgrade: "python_upgrade", Host::python, Way::Both;
}

/// A client of a library. Dropped, it is dead at once: nothing more is sent,
/// no goodbye either.
pub struct Bridge<K> {
    said: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    tell: OwnedWriteHalf,
    /// The process, where the client has one of its own.
    pid: Option<u64>,
    is_paused: bool,
    /// What came while it was connecting.
    came: VecDeque<Event>,
    /// The commands that wait for their acknowledgement, by their ids.
    asked: HashMap<String, String>,
    kind: PhantomData<K>,
}

impl<K: Kind> Door for Bridge<K> {
    const NAME: &'static str = K::NAME;
    const SOON_MISSED: Option<Keys> = match K::WAY {
        // Not before a ping is due.
        Way::Polling => None,
        // Such a client is slow to come back.
        Way::Websocket | Way::Both => Some(&[("session.resume_ms", "3000")]),
    };

    fn supports(feature: Feature) -> bool {
        match feature {
            // A library sends nothing but packets that are right, and tells why
            // it was closed in words of its own, without the number.
            Feature::CloseCode | Feature::Garbage => false,
            Feature::StandingLine => K::WAY != Way::Polling,
            Feature::Envelope | Feature::ClaimInTime => true,
        }
    }

    fn is_there() -> bool {
        let is_there = K::host().is_some();
        if !is_there {
            eprintln!("SKIPPED: {} was not tested", K::NAME);
        }
        is_there
    }

    async fn open(address: SocketAddr) -> Self {
        let mut door = Self::connect(address, None).await.unwrap();
        super::ws::expect_greeting(&mut door).await;
        door
    }

    async fn resume(address: SocketAddr, cut: &Cut) -> Result<Self, Value> {
        let auth = json!({"session": cut.session, "received": cut.received});
        let mut door = Self::connect(address, Some(auth)).await?;
        super::ws::expect_greeting(&mut door).await;
        match door.next().await {
            Event::Message(message) if message.command == "welcome" => {
                assert_eq!(message.data["resumed"], true, "{message:?}");
                assert_eq!(message.data["session"], cut.session);
            }
            other => panic!("{other:?} instead of welcome"),
        }
        Ok(door)
    }

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>) {
        let mut message = json!({"command": command, "data": data});
        if let Some(id) = id {
            self.asked.insert(id.to_string(), command.to_owned());
            message["id"] = id.clone();
        }
        self.tell(&message).await;
    }

    async fn send_garbage(&mut self, _: Garbage) {
        panic!("a library sends no garbage");
    }

    async fn next(&mut self) -> Event {
        if let Some(event) = self.came.pop_front() {
            return event;
        }
        let said = self.line().await;
        self.event(said)
    }

    fn pause(&mut self) {
        self.is_paused = true;
        self.stop("STOP");
    }

    fn go_on(&mut self) {
        self.is_paused = false;
        self.stop("CONT");
    }
}

impl<K: Kind> Bridge<K> {
    /// Connects to the namespace `/`, all the way that it shall go; what the
    /// server says where it refuses that.
    async fn connect(address: SocketAddr, auth: Option<Value>) -> Result<Self, Value> {
        let host = K::host().unwrap();
        let line = TcpStream::connect(host.address).await.unwrap();
        line.set_nodelay(true).unwrap();
        let (said, tell) = line.into_split();
        let mut door = Self {
            said: BufReader::new(said).lines(),
            tell,
            pid: None,
            is_paused: false,
            came: VecDeque::new(),
            asked: HashMap::new(),
            kind: PhantomData,
        };
        let (way, transport) = match K::WAY {
            Way::Polling => ("polling", "polling"),
            Way::Websocket => ("websocket", "websocket"),
            Way::Both => ("both", "websocket"),
        };
        let mut start = json!({"url": format!("http://{address}"), "way": way});
        if let Some(auth) = auth {
            start["auth"] = auth;
        }
        door.tell(&start).await;
        loop {
            let mut said = door.line().await;
            if let Some(pid) = said["pid"].as_u64() {
                door.pid = Some(pid);
            } else if let Some(open) = said["open"].as_str() {
                assert_eq!(open, transport, "{}", K::NAME);
                return Ok(door);
            } else if said.get("refused").is_some() {
                return Err(said["refused"].take());
            } else {
                let event = door.event(said);
                door.came.push_back(event);
            }
        }
    }

    async fn tell(&mut self, line: &Value) {
        // A bridge that is gone is missed where it is read.
        let _ = self.tell.write_all(format!("{line}\n").as_bytes()).await;
    }

    async fn line(&mut self) -> Value {
        let line = self.said.next_line().await.ok().flatten();
        let line = line.unwrap_or_else(|| panic!("the bridge of {} broke", K::NAME));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn event(&mut self, mut said: Value) -> Event {
        let data = said["data"].take();
        if said.get("closed").is_some() {
            return Event::Closed(None);
        }
        if let Some(command) = said["command"].as_str() {
            return Event::Message(Message::new(command, data, None));
        }
        let id = said["id"].take();
        let asked = self.asked.remove(&id.to_string());
        let asked = asked.unwrap_or_else(|| panic!("nobody asked {id}"));
        let error = data.get("error").filter(|error| error["code"].is_string());
        let error = error.cloned();
        Event::Message(answer(&asked, data, error, id))
    }

    /// A client of its own process gets the signal; one of many in one process
    /// leaves its sockets unread, which is the same to the server.
    fn stop(&mut self, signal: &str) {
        if let Some(pid) = self.pid {
            let mut kill = Command::new("kill");
            let status = kill.args(["-s", signal, &pid.to_string()]).status();
            assert!(status.unwrap().success());
        } else {
            let line = format!("{}\n", json!({"paused": self.is_paused}));
            let told = self.tell.try_write(line.as_bytes());
            assert_eq!(told.unwrap(), line.len());
        }
    }
}

impl<K> Drop for Bridge<K> {
    fn drop(&mut self) {
        // What is stopped does not see that its line ends.
        if let Some(pid) = self.pid.filter(|_| self.is_paused) {
            let mut kill = Command::new("kill");
            let _ = kill.args(["-s", "KILL", &pid.to_string()]).status();
        }
    }
}
