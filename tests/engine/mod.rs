//! Clients of Engine.IO and Socket.IO by hand: over requests, and over a
//! WebSocket.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use serde_json::{Value, json};

use super::support::{Client, Response, request};

/// What stands between packets of a payload.
const SEPARATOR: char = '\x1e';

/// Sends a request with a body of text.
pub fn send(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Response {
    let length = body.len();
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    request(address, &text)
}

/// An Engine.IO session over requests.
pub struct Polling {
    address: SocketAddr,
    path: &'static str,
    pub sid: String,
    pub handshake: Value,
}

impl Polling {
    pub fn open(address: SocketAddr, path: &'static str) -> Self {
        let target = format!("{path}?EIO=4&transport=polling");
        let response = send(address, "GET", &target, "", "");
        assert_eq!(response.status, 200, "{}", response.text());
        let text = response.text();
        let handshake: Value = serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap();
        Self {
            address,
            path,
            sid: handshake["sid"].as_str().unwrap().to_owned(),
            handshake,
        }
    }

    pub fn target(&self, transport: &str) -> String {
        format!("{}?EIO=4&transport={transport}&sid={}", self.path, self.sid)
    }

    /// Asks for packets.
    pub fn get(&self) -> Response {
        send(self.address, "GET", &self.target("polling"), "", "")
    }

    /// Asks for packets, on a thread of its own.
    pub fn ask(&self) -> JoinHandle<Response> {
        let (address, target) = (self.address, self.target("polling"));
        std::thread::spawn(move || send(address, "GET", &target, "", ""))
    }

    /// Brings packets.
    pub fn post(&self, body: &str) -> Response {
        send(self.address, "POST", &self.target("polling"), "", body)
    }

    /// Brings packets, which must be taken.
    pub fn push(&self, packets: &[&str]) {
        let response = self.post(&packets.join("\x1e"));
        assert_eq!((response.status, response.text()), (200, "ok"));
    }

    /// The packets of the next answer.
    pub fn poll(&self) -> Vec<String> {
        packets(&self.get())
    }

    /// A WebSocket that the session may move to.
    pub fn probe(&self) -> Client {
        Client::open(self.address, &self.target("websocket"))
    }
}

/// The packets of an answer.
pub fn packets(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 200, "{}", response.text());
    let packets = response.text().split(SEPARATOR);
    packets.map(str::to_owned).collect()
}

/// An Engine.IO session over a WebSocket, and its handshake.
pub fn websocket(address: SocketAddr, path: &str) -> (Client, Value) {
    let mut client = Client::open(address, &format!("{path}?EIO=4&transport=websocket"));
    let text = client.text();
    let handshake = serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap();
    (client, handshake)
}

/// A client of Socket.IO on one namespace, over either transport.
pub struct Socket {
    line: Line,
    namespace: String,
    /// Packets that came and were not asked for.
    pub packets: VecDeque<String>,
    /// What CONNECT was answered with.
    pub connect: Value,
    acks: u64,
    /// The messages that count for a resume.
    pub received: u64,
    is_welcome: bool,
}

/// What carries it.
pub enum Line {
    Polling(Polling),
    WebSocket(Box<Client>),
}

impl Line {
    pub fn send(&mut self, packet: &str) {
        match self {
            Self::Polling(polling) => polling.push(&[packet]),
            Self::WebSocket(client) => client.send_text(packet),
        }
    }

    pub fn take(&mut self) -> Vec<String> {
        match self {
            Self::Polling(polling) => polling.poll(),
            Self::WebSocket(client) => vec![client.text()],
        }
    }
}

impl Socket {
    /// Both kinds of lines.
    pub const TRANSPORTS: [&str; 2] = ["polling", "websocket"];

    pub fn line(address: SocketAddr, transport: &str) -> Line {
        match transport {
            "polling" => Line::Polling(Polling::open(address, "/socket.io/")),
            _ => Line::WebSocket(Box::new(websocket(address, "/socket.io/").0)),
        }
    }

    /// Connects to the main namespace.
    pub fn connect(address: SocketAddr, transport: &str, auth: Value) -> Self {
        Self::on(Self::line(address, transport), "/", auth)
    }

    /// Connects to a namespace.
    pub fn on(line: Line, namespace: &str, auth: Value) -> Self {
        Self::try_on(line, namespace, auth)
            .unwrap_or_else(|error| panic!("{namespace} refused: {error}"))
    }

    /// Connects to a namespace, or tells what CONNECT was refused with.
    pub fn try_on(mut line: Line, namespace: &str, auth: Value) -> Result<Self, Value> {
        let namespace = match namespace {
            "/" => String::new(),
            other => format!("{other},"),
        };
        let auth = if auth.is_null() {
            String::new()
        } else {
            auth.to_string()
        };
        line.send(&format!("40{namespace}{auth}"));
        let mut socket = Self {
            line,
            namespace,
            packets: VecDeque::new(),
            connect: Value::Null,
            acks: 0,
            received: 0,
            is_welcome: false,
        };
        let packet = socket.packet();
        let connect = format!("40{}", socket.namespace);
        let refused = format!("44{}", socket.namespace);
        if let Some(json) = packet.strip_prefix(&refused) {
            return Err(serde_json::from_str(json).unwrap());
        }
        let json = packet.strip_prefix(&connect).expect(&packet);
        socket.connect = serde_json::from_str(json).unwrap();
        assert!(socket.connect["sid"].is_string());
        Ok(socket)
    }

    /// The next packet that is no ping.
    pub fn packet(&mut self) -> String {
        loop {
            match self.packets.pop_front() {
                Some(ping) if ping == "2" => self.line.send("3"),
                Some(packet) => return packet,
                None => {
                    let packets = self.line.take();
                    self.packets.extend(packets);
                }
            }
        }
    }

    pub fn raw(&mut self, packet: &str) {
        self.line.send(packet);
    }

    pub fn into_line(self) -> Line {
        self.line
    }

    pub fn emit(&mut self, name: &str, data: Value) {
        let text = format!("42{}{}", self.namespace, json!([name, data]));
        self.line.send(&text);
    }

    /// Emits an event and returns what it is acknowledged with, which must be
    /// the next packet.
    pub fn ask(&mut self, name: &str, data: Value) -> Value {
        let id = self.acks;
        self.acks += 1;
        let text = format!("42{}{id}{}", self.namespace, json!([name, data]));
        self.line.send(&text);
        let packet = self.packet();
        let ack = format!("43{}{id}[", self.namespace);
        let list = packet.strip_prefix(&ack).expect(&packet);
        self.received += u64::from(self.is_welcome);
        let list: Value = serde_json::from_str(&format!("[{list}")).unwrap();
        list[0].clone()
    }

    /// All arguments of the next packet, which must be this event.
    pub fn event(&mut self, name: &str) -> Vec<Value> {
        let packet = self.packet();
        let event = format!("42{}", self.namespace);
        let list = packet.strip_prefix(&event).expect(&packet);
        let Ok(Value::Array(mut list)) = serde_json::from_str(list) else {
            panic!("{packet} is no event");
        };
        let found = list.remove(0);
        assert_eq!(found, name, "{packet}");
        match name {
            "welcome" => self.is_welcome = true,
            _ => self.received += u64::from(self.is_welcome),
        }
        list
    }

    /// The first argument of the next packet, which must be this event.
    pub fn expect(&mut self, name: &str) -> Value {
        self.event(name).swap_remove(0)
    }

    /// A session was resumed: what comes now counts from here.
    pub fn event_follows(&mut self, received: u64) {
        self.received = received;
        self.is_welcome = true;
    }

    /// A user that is identified, with nothing unread.
    pub fn user(address: SocketAddr, transport: &str, user: &str) -> (Self, Value) {
        let mut socket = Self::connect(address, transport, json!({"user": user}));
        assert_eq!(socket.expect("idyou"), json!({}));
        let welcome = socket.expect("welcome");
        (socket, welcome)
    }
}
