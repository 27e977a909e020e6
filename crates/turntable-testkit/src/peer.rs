//! One session over any of the transports that callers and services use, with the
//! messages of version 1: what a test does with it is the same over each.

use std::collections::VecDeque;
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::websocket::Client;
use crate::{DEADLINE, Opcode, engineio, http};

/// Between two requests of a client that polls and waits.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A WebSocket with JSON.
    WebSocket,
    /// Calls and answers in batches.
    Poll,
    /// socket.io over a WebSocket.
    SocketIo,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::WebSocket, Self::Poll, Self::SocketIo];
}

/// A session over one of them. The end of its connection is no failure.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    way: Way,
    carrier: Carrier,
    /// Messages that have arrived and were not read.
    queue: VecDeque<Value>,
    /// Its secret.
    session: String,
    /// How many messages of the session have arrived: what a resume counts.
    arrived: u64,
    /// The data of its first `welcome`.
    pub welcome: Value,
}

#[derive(Debug)]
enum Carrier {
    WebSocket(Client),
    SocketIo(Client),
    Poll {
        /// Entries that go with the next request.
        outgoing: Vec<Value>,
        /// The query of the next request, of a resume.
        query: String,
        is_over: bool,
    },
}

impl Peer {
    /// A session that identifies with this data of `idme`.
    pub fn open(way: Way, address: SocketAddr, claim: &Value) -> Self {
        let carrier = match way {
            Way::WebSocket => Carrier::WebSocket(Client::greeted(address)),
            Way::SocketIo => Carrier::SocketIo(socketio(address, &json!({}))),
            Way::Poll => Carrier::Poll {
                outgoing: Vec::new(),
                query: String::new(),
                is_over: false,
            },
        };
        let mut peer = Self {
            address,
            way,
            carrier,
            queue: VecDeque::new(),
            session: String::new(),
            arrived: 0,
            welcome: Value::Null,
        };
        peer.send(&json!({"command": "idme", "data": claim, "id": 0}));
        let answer = peer.expect_answer(0);
        peer.session = answer["session"].as_str().unwrap().to_owned();
        peer.welcome = answer;
        peer.arrived = peer.queue.len() as u64;
        peer
    }

    /// A user.
    pub fn user(way: Way, address: SocketAddr, user: &str) -> Self {
        Self::open(way, address, &json!(user))
    }

    /// Its transport.
    pub const fn way(&self) -> Way {
        self.way
    }

    /// Sends a message; one that polls does with its next request. The id of a command is a
    /// number; that of a `reply` is the one of the call.
    pub fn send(&mut self, message: &Value) {
        let (command, data) = (message["command"].as_str().unwrap(), &message["data"]);
        let id = message.get("id");
        match &mut self.carrier {
            Carrier::WebSocket(client) => send_text(client, &message.to_string()),
            Carrier::SocketIo(client) => {
                let id = id.map(Value::to_string).unwrap_or_default();
                let packet = match command {
                    "reply" => format!("43{id}{}", json!([data])),
                    _ => format!("42{id}{}", json!([command, data])),
                };
                send_text(client, &packet);
            }
            Carrier::Poll { outgoing, .. } => {
                let mut entry = match command {
                    "reply" => json!({"r": data}),
                    "call" => data.clone(),
                    _ => json!({"f": format!("$av:{command}"), "args": data}),
                };
                if let Some(id) = id {
                    entry["id"] = id.clone();
                }
                outgoing.push(entry);
            }
        }
    }

    /// Sends a call.
    pub fn call(&mut self, f: &str, args: Value, id: u64) {
        self.send(&json!({"command": "call", "data": {"f": f, "args": args}, "id": id}));
    }

    /// Answers a call.
    pub fn reply(&mut self, called: &Value, result: Value) {
        self.send(&json!({"command": "reply", "data": result, "id": called["id"]}));
    }

    /// Sends what goes with the next request. It has arrived when this returns.
    pub fn flush(&mut self) {
        if let Carrier::Poll { outgoing, .. } = &self.carrier
            && !outgoing.is_empty()
        {
            self.request();
        }
    }

    /// The next message; `None` at the end of the connection.
    pub fn next(&mut self) -> Option<Value> {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Some(message);
            }
            assert!(Instant::now() < until, "nothing comes by {:?}", self.way);
            match &mut self.carrier {
                Carrier::WebSocket(client) => {
                    let message = text_or_end(client)?;
                    self.arrive(serde_json::from_str(&message).unwrap());
                }
                Carrier::SocketIo(client) => {
                    let packet = text_or_end(client)?;
                    match packet.as_str() {
                        "2" => send_text(client, "3"),
                        "1" | "41" => return None,
                        packet => {
                            let message = unpacked(packet);
                            self.arrive(message);
                        }
                    }
                }
                Carrier::Poll { is_over: true, .. } => return None,
                Carrier::Poll { .. } => {
                    self.request();
                    if self.queue.is_empty() {
                        std::thread::sleep(POLL_INTERVAL);
                    }
                }
            }
        }
    }

    /// The next message that is not about services.
    pub fn next_answer(&mut self) -> Value {
        loop {
            let message = self.next().expect("a connection that goes on");
            if message["command"] != "service" {
                return message;
            }
        }
    }

    /// The data of the next message of this command; others are skipped.
    pub fn await_command(&mut self, command: &str) -> Value {
        loop {
            let mut message = self.next().expect("a connection that goes on");
            if message["command"] == command {
                return message["data"].take();
            }
        }
    }

    /// Sends a command and returns the data of its answer; others are skipped.
    pub fn request_of(&mut self, command: &str, data: &Value, id: u64) -> Value {
        self.send(&json!({"command": command, "data": data, "id": id}));
        self.expect_answer(id)
    }

    /// All that has come before the answer to a command that is sent now: what was sent
    /// before has no other answer.
    pub fn pending(&mut self) -> Vec<Value> {
        const LAST: u64 = 4_711_000;
        self.send(&json!({"command": "lookup", "data": [], "id": LAST}));
        let mut before = Vec::new();
        loop {
            let message = self.next().expect("a connection that goes on");
            if message["id"] == LAST {
                return before;
            }
            before.push(message);
        }
    }

    /// Breaks the connection. One that polls makes its request and loses the answer.
    pub fn cut(&mut self) {
        match &mut self.carrier {
            Carrier::WebSocket(client) | Carrier::SocketIo(client) => {
                let _ = client.stream.shutdown(Shutdown::Both);
            }
            Carrier::Poll { outgoing, .. } => {
                let body = Value::from(std::mem::take(outgoing)).to_string();
                let session = format!("Turntable-Session: {}\r\n", self.session);
                let request = http::text(self.address, "POST", "/poll", &session, &body);
                drop(http::Pending::send(self.address, &request));
            }
        }
    }

    /// Resumes the session on a new connection; returns the data of `welcome`. Messages that
    /// had arrived are not sent again.
    pub fn resume(&mut self) -> Value {
        let resume = json!({"session": self.session, "received": self.arrived});
        self.carrier = match self.way {
            Way::WebSocket => {
                let mut client = Client::greeted(self.address);
                client.command("resume", resume);
                Carrier::WebSocket(client)
            }
            Way::SocketIo => Carrier::SocketIo(socketio(self.address, &resume)),
            Way::Poll => Carrier::Poll {
                outgoing: Vec::new(),
                query: format!("?received={}", self.arrived),
                is_over: false,
            },
        };
        let before = std::mem::take(&mut self.queue);
        let welcome = self.next().expect("an answer to resume");
        assert_eq!(welcome["command"], "welcome", "{welcome}");
        assert_eq!(welcome["data"]["resumed"], true, "{welcome}");
        self.arrived -= 1;
        for message in before.into_iter().rev() {
            self.queue.push_front(message);
        }
        welcome["data"].clone()
    }

    fn arrive(&mut self, message: Value) {
        self.arrived += 1;
        self.queue.push_back(message);
    }

    fn expect_answer(&mut self, id: u64) -> Value {
        loop {
            let mut message = self.next().expect("a connection that goes on");
            if message["id"] == id {
                assert_ne!(message["command"], "error", "{message}");
                return message["data"].take();
            }
        }
    }

    /// The server ended the session.
    fn end_poll(&mut self) {
        if let Carrier::Poll { is_over, .. } = &mut self.carrier {
            *is_over = true;
        }
    }

    /// Posts what is to be sent, and takes what the answer has.
    fn request(&mut self) {
        let Carrier::Poll {
            outgoing,
            query,
            is_over,
        } = &mut self.carrier
        else {
            return;
        };
        let body = Value::from(std::mem::take(outgoing)).to_string();
        let session = match self.session.as_str() {
            "" => String::new(),
            session => format!("Turntable-Session: {session}\r\n"),
        };
        let target = format!("/poll{}", std::mem::take(query));
        let request = http::text(self.address, "POST", &target, &session, &body);
        let answer = http::try_request(self.address, &request);
        let answer = match answer {
            Ok(answer) if answer.status == 200 => answer.json(),
            Ok(answer) if !matches!(answer.status, 410 | 503) => panic!("{}", answer.text()),
            Ok(_) | Err(_) => {
                *is_over = true;
                return;
            }
        };
        for entry in answer.as_array().unwrap() {
            if entry["f"] == "$av:connected" {
                self.session = entry["args"]["session"].as_str().unwrap().to_owned();
            } else if entry["f"] == "$av:close" {
                self.end_poll();
            } else {
                self.arrive(of_entry(entry));
            }
        }
    }
}

/// A socket.io connection whose CONNECT has this `auth`, after `idyou`.
fn socketio(address: SocketAddr, auth: &Value) -> Client {
    let (mut client, _) = engineio::websocket(address, "/socket.io/");
    client.send_text(&format!("40{auth}"));
    let connected = client.text();
    assert!(connected.starts_with("40{"), "{connected}");
    assert_eq!(client.text(), r#"42["idyou",{}]"#);
    client
}

/// The other end may be gone, which is noticed by reading.
fn send_text(client: &mut Client, text: &str) {
    use std::io::Write as _;
    let _ = client.stream.write_all(&crate::Frame::text(text).masked());
}

/// The next text; `None` at the end of the connection.
fn text_or_end(client: &mut Client) -> Option<String> {
    loop {
        let frame = client.frame_or_end()?;
        match frame.opcode {
            Opcode::TEXT => return Some(String::from_utf8(frame.payload).unwrap()),
            Opcode::PING => client.send_frame(&crate::Frame::new(Opcode::PONG, frame.payload)),
            Opcode::CLOSE => return None,
            _ => {}
        }
    }
}

/// A packet as a message. An acknowledgement is an answer; an event that requests one has its
/// number as its id.
fn unpacked(packet: &str) -> Value {
    let (head, list) = packet.split_at(packet.find('[').expect(packet));
    let mut list: Vec<Value> = serde_json::from_str(list).unwrap();
    let (kind, id) = head.split_at(2);
    let mut message = match kind {
        "42" => json!({"command": list[0].take(), "data": list[1].take()}),
        "43" => match list[0].get("error") {
            Some(error) if error["code"].is_string() => json!({"command": "error", "data": error}),
            _ => json!({"command": "reply", "data": list[0].take()}),
        },
        _ => panic!("{packet} is neither an event nor an acknowledgement"),
    };
    if let Ok(id) = id.parse::<u64>() {
        message["id"] = id.into();
    }
    message
}

/// An entry as a message.
fn of_entry(entry: &Value) -> Value {
    let Some(f) = entry["f"].as_str() else {
        return match entry.get("error") {
            Some(error) => json!({"command": "error", "data": error, "id": entry["id"]}),
            None => json!({"command": "reply", "data": entry["r"], "id": entry["id"]}),
        };
    };
    let command = match f.strip_prefix("$av:") {
        None | Some("cancel") => {
            let mut message = json!({"command": "call", "data": entry});
            if let Some(id) = entry.get("id") {
                message["id"] = id.clone();
            }
            return message;
        }
        Some("set") => "attributes",
        Some("setService") => "service",
        Some(command) => command,
    };
    json!({"command": command, "data": entry["args"]})
}
