//! socket.io: Engine.IO 4 below (packets with a digit in front, by polling or by
//! WebSocket), Socket.IO 5 above (events and their acknowledgements).

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{Stream, post, request};
use super::ws::{Received, Socket};
use super::{Cut, Door, Event, Feature, Garbage, Keys, Message, answer};

const PATH: &str = "/socket.io/?EIO=4&transport=";

/// How packets travel.
enum Carrier {
    Socket(Socket),
    Polling {
        /// With the session's id.
        target: String,
        /// The request that waits for packets.
        waiting: Option<Stream>,
    },
}

/// An Engine.IO connection.
struct Engine {
    address: SocketAddr,
    carrier: Carrier,
    sid: String,
    /// Packets that came by polling and were not taken yet.
    came: VecDeque<String>,
}

impl Engine {
    async fn open_socket(address: SocketAddr) -> Self {
        let mut socket = Socket::open(address, &format!("{PATH}websocket"), None).await;
        let Received::Text(opened) = socket.next().await else {
            panic!("no packet opens the connection");
        };
        Self {
            address,
            sid: sid(&opened),
            carrier: Carrier::Socket(socket),
            came: VecDeque::new(),
        }
    }

    async fn open_polling(address: SocketAddr) -> Self {
        let target = format!("{PATH}polling");
        let answer = super::http::get(address, &target).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let sid = sid(answer.text());
        Self {
            address,
            carrier: Carrier::Polling {
                target: format!("{target}&sid={sid}"),
                waiting: None,
            },
            sid,
            came: VecDeque::new(),
        }
    }

    /// Moves from polling to a WebSocket, as a browser's client does.
    async fn upgrade(&mut self) {
        let target = format!("{PATH}websocket&sid={}", self.sid);
        let mut socket = Socket::open(self.address, &target, None).await;
        socket.send_text("2probe".to_owned()).await;
        match socket.next().await {
            Received::Text(text) => assert_eq!(text, "3probe"),
            _ => panic!("the probe is not answered"),
        }
        socket.send_text("5".to_owned()).await;
        self.carrier = Carrier::Socket(socket);
    }

    async fn send(&mut self, packet: String) {
        match &mut self.carrier {
            Carrier::Socket(socket) => socket.send_text(packet).await,
            Carrier::Polling { target, .. } => {
                // What is refused ends the connection, which is seen there.
                let kind = "text/plain;charset=UTF-8";
                let _ = post(self.address, target, "", kind, &packet).await;
            }
        }
    }

    /// The next packet that is no ping; none at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            let packet = self.packet().await?;
            match packet.split_at(1) {
                ("2", data) => self.send(format!("3{data}")).await,
                ("1", _) => return None,
                ("6", _) => {}
                _ => return Some(packet),
            }
        }
    }

    async fn packet(&mut self) -> Option<String> {
        while self.came.is_empty() {
            match &mut self.carrier {
                Carrier::Socket(socket) => match socket.next().await {
                    Received::Text(text) => self.came.push_back(text),
                    Received::Binary(bytes) => panic!("{} bytes of binary", bytes.len()),
                    Received::Closed(_) => return None,
                },
                Carrier::Polling { target, waiting } => {
                    let Some(stream) = waiting else {
                        let text = request(self.address, "GET", target, "");
                        let stream = Stream::open(self.address, text.as_bytes()).await.ok()?;
                        *waiting = Some(stream);
                        continue;
                    };
                    while stream.more().await {}
                    if stream.head.status != 200 {
                        return None;
                    }
                    let text = String::from_utf8(std::mem::take(&mut stream.body)).unwrap();
                    self.came.extend(text.split('\u{1e}').map(str::to_owned));
                    *waiting = None;
                }
            }
        }
        self.came.pop_front()
    }
}

/// The id in a packet `0{"sid":...}`.
fn sid(opened: &str) -> String {
    let told = opened
        .strip_prefix('0')
        .unwrap_or_else(|| panic!("{opened}"));
    let told: Value = serde_json::from_str(told).unwrap();
    told["sid"].as_str().unwrap().to_owned()
}

/// The ways of a connection.
pub trait Way {
    const NAME: &'static str;
    const POLLING: bool;
    const UPGRADES: bool;
}

pub struct ByPolling;
pub struct BySocket;
pub struct ByUpgrade;

impl Way for ByPolling {
    const NAME: &'static str = "socketio_polling";
    const POLLING: bool = true;
    const UPGRADES: bool = false;
}

impl Way for BySocket {
    const NAME: &'static str = "socketio_websocket";
    const POLLING: bool = false;
    const UPGRADES: bool = false;
}

impl Way for ByUpgrade {
    const NAME: &'static str = "socketio_upgrade";
    const POLLING: bool = true;
    const UPGRADES: bool = true;
}

/// The namespace `/`.
pub struct SocketIo<W> {
    engine: Engine,
    /// The commands that wait for their acknowledgement, with their ids.
    asked: HashMap<u64, (String, Value)>,
    next_ack: u64,
    way: PhantomData<W>,
}

impl<W: Way> Door for SocketIo<W> {
    const NAME: &'static str = W::NAME;
    const SOON_MISSED: Option<Keys> = if W::POLLING && !W::UPGRADES {
        // Not before a ping is due.
        None
    } else {
        Some(&[])
    };

    fn supports(feature: Feature) -> bool {
        match feature {
            Feature::CloseCode | Feature::Garbage => false,
            Feature::StandingLine => !W::POLLING || W::UPGRADES,
            Feature::Envelope | Feature::ClaimInTime => true,
        }
    }

    async fn open(address: SocketAddr) -> Self {
        let mut door = Self::engine(address).await;
        door.connect(None).await.unwrap();
        super::ws::expect_greeting(&mut door).await;
        door.upgrade().await;
        door
    }

    async fn resume(address: SocketAddr, cut: &Cut) -> Result<Self, Value> {
        let mut door = Self::engine(address).await;
        let auth = json!({"session": cut.session, "received": cut.received});
        door.connect(Some(auth)).await?;
        super::ws::expect_greeting(&mut door).await;
        match door.next().await {
            Event::Message(message) if message.command == "welcome" => {
                assert_eq!(message.data["resumed"], true, "{message:?}");
            }
            Event::Message(message) if message.command == "error" => return Err(message.data),
            other => panic!("{other:?} instead of an answer to resume"),
        }
        door.upgrade().await;
        Ok(door)
    }

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>) {
        let mut ack = String::new();
        if let Some(id) = id {
            let number = self.next_ack;
            self.next_ack += 1;
            ack = number.to_string();
            self.asked.insert(number, (command.to_owned(), id.clone()));
        }
        let event = json!([command, data]);
        self.engine.send(format!("42{ack}{event}")).await;
    }

    async fn send_garbage(&mut self, _: Garbage) {
        panic!("what is no packet ends the connection");
    }

    async fn next(&mut self) -> Event {
        let Some(packet) = self.engine.next().await else {
            return Event::Closed(None);
        };
        let Some(packet) = packet.strip_prefix('4') else {
            panic!("{packet} is no message");
        };
        let (kind, rest) = packet.split_at(1);
        match kind {
            "1" => Event::Closed(None),
            "2" => {
                let mut event: Vec<Value> = serde_json::from_str(rest).unwrap();
                let data = event.remove(1);
                Event::Message(Message::new(event[0].as_str().unwrap(), data, None))
            }
            "3" => {
                let (number, data) = rest.split_at(rest.find('[').unwrap());
                let (asked, id) = self.asked.remove(&number.parse().unwrap()).unwrap();
                let mut data: Vec<Value> = serde_json::from_str(data).unwrap();
                let data = data.remove(0);
                let error = data.get("error").filter(|error| error["code"].is_string());
                Event::Message(answer(&asked, data.clone(), error.cloned(), id))
            }
            _ => panic!("{packet} instead of an event"),
        }
    }
}

impl<W: Way> SocketIo<W> {
    async fn engine(address: SocketAddr) -> Self {
        let engine = if W::POLLING {
            Engine::open_polling(address).await
        } else {
            Engine::open_socket(address).await
        };
        Self {
            engine,
            asked: HashMap::new(),
            next_ack: 0,
            way: PhantomData,
        }
    }

    /// Enters the namespace; what a CONNECT_ERROR says where that is refused.
    async fn connect(&mut self, auth: Option<Value>) -> Result<(), Value> {
        let auth = auth.map(|auth| auth.to_string()).unwrap_or_default();
        self.engine.send(format!("40{auth}")).await;
        let packet = self.engine.next().await.unwrap();
        if let Some(told) = packet.strip_prefix("44") {
            let mut told: Value = serde_json::from_str(told).unwrap();
            return Err(told["data"].take());
        }
        assert!(packet.starts_with("40{"), "{packet}");
        Ok(())
    }

    async fn upgrade(&mut self) {
        if W::UPGRADES {
            self.engine.upgrade().await;
        }
    }
}
