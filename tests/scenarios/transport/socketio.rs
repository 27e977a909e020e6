//! Socket.IO 5 (events and their acknowledgements) on Engine.IO 4 (packets that
//! begin with a digit, over polling or a WebSocket).

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;
use std::net::SocketAddr;

use serde_json::{Value, json};

use turntable_testkit::http::text;

use super::http::{Stream, post};
use super::ws::{Received, Socket};
use super::{Event, Feature, Invalid, Keys, Message, Position, Transport, answer};

const PATH: &str = "/socket.io/?EIO=4&transport=";

/// How packets travel.
enum Carrier {
    Socket(Socket),
    Polling {
        /// Path and query, with the session's id.
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
    /// Packets that arrived and were not taken yet.
    queue: VecDeque<String>,
}

impl Engine {
    async fn open_socket(address: SocketAddr) -> Self {
        let mut socket = Socket::open(address, &format!("{PATH}websocket"), None).await;
        let Received::Text(opened) = socket.next().await else {
            panic!("no open packet");
        };
        Self {
            address,
            sid: sid(&opened),
            carrier: Carrier::Socket(socket),
            queue: VecDeque::new(),
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
            queue: VecDeque::new(),
        }
    }

    /// Upgrades from polling to a WebSocket, as a browser's client does.
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
                // A refusal closes the connection, which is noticed by reading.
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
        while self.queue.is_empty() {
            match &mut self.carrier {
                Carrier::Socket(socket) => match socket.next().await {
                    Received::Text(text) => self.queue.push_back(text),
                    Received::Binary(bytes) => panic!("{} bytes of binary", bytes.len()),
                    Received::Closed(_) => return None,
                },
                Carrier::Polling { target, waiting } => {
                    let Some(stream) = waiting else {
                        let text = text(self.address, "GET", target, "", "");
                        let stream = Stream::open(self.address, text.as_bytes()).await.ok()?;
                        *waiting = Some(stream);
                        continue;
                    };
                    while stream.more().await {}
                    if stream.head.status != 200 {
                        return None;
                    }
                    let text = String::from_utf8(std::mem::take(&mut stream.body)).unwrap();
                    self.queue.extend(text.split('\u{1e}').map(str::to_owned));
                    *waiting = None;
                }
            }
        }
        self.queue.pop_front()
    }
}

/// The id in a packet `0{"sid":...}`.
fn sid(opened: &str) -> String {
    let json = opened
        .strip_prefix('0')
        .unwrap_or_else(|| panic!("{opened}"));
    let handshake: Value = serde_json::from_str(json).unwrap();
    handshake["sid"].as_str().unwrap().to_owned()
}

/// Which Engine.IO transports a connection uses.
pub trait Mode {
    const NAME: &'static str;
    const POLLING: bool;
    const UPGRADES: bool;
}

pub struct PollingOnly;
pub struct WebSocketOnly;
pub struct Upgraded;

impl Mode for PollingOnly {
    const NAME: &'static str = "socketio_polling";
    const POLLING: bool = true;
    const UPGRADES: bool = false;
}

impl Mode for WebSocketOnly {
    const NAME: &'static str = "socketio_websocket";
    const POLLING: bool = false;
    const UPGRADES: bool = false;
}

impl Mode for Upgraded {
    const NAME: &'static str = "socketio_upgrade";
    const POLLING: bool = true;
    const UPGRADES: bool = true;
}

/// The namespace `/`.
pub struct SocketIo<M> {
    engine: Engine,
    /// The commands that wait for their acknowledgement, with their ids.
    pending: HashMap<u64, (String, Value)>,
    next_ack: u64,
    mode: PhantomData<M>,
}

impl<M: Mode> Transport for SocketIo<M> {
    const NAME: &'static str = M::NAME;
    const QUICK_DISCONNECT: Option<Keys> = if M::POLLING && !M::UPGRADES {
        // The server notices at the next ping only.
        None
    } else {
        Some(&[])
    };

    fn supports(feature: Feature) -> bool {
        match feature {
            Feature::CloseCode | Feature::InvalidMessages => false,
            Feature::PersistentConnection => !M::POLLING || M::UPGRADES,
            Feature::Envelope | Feature::IdentifyTimeout => true,
        }
    }

    async fn open(address: SocketAddr) -> Self {
        let mut transport = Self::engine(address).await;
        transport.connect(None).await.unwrap();
        super::ws::expect_greeting(&mut transport).await;
        transport.upgrade().await;
        transport
    }

    async fn resume(address: SocketAddr, position: &Position) -> Result<Self, Value> {
        let mut transport = Self::engine(address).await;
        let auth = json!({"session": position.session, "received": position.received});
        transport.connect(Some(auth)).await?;
        super::ws::expect_greeting(&mut transport).await;
        match transport.next().await {
            Event::Message(message) if message.command == "welcome" => {
                assert_eq!(message.data["resumed"], true, "{message:?}");
            }
            Event::Message(message) if message.command == "error" => return Err(message.data),
            other => panic!("{other:?} instead of an answer to resume"),
        }
        transport.upgrade().await;
        Ok(transport)
    }

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>) {
        let mut ack = String::new();
        if let Some(id) = id {
            let number = self.next_ack;
            self.next_ack += 1;
            ack = number.to_string();
            self.pending
                .insert(number, (command.to_owned(), id.clone()));
        }
        let event = json!([command, data]);
        self.engine.send(format!("42{ack}{event}")).await;
    }

    async fn send_invalid(&mut self, _: Invalid) {
        panic!("invalid packets close the connection");
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
                let (request, id) = self.pending.remove(&number.parse().unwrap()).unwrap();
                let mut data: Vec<Value> = serde_json::from_str(data).unwrap();
                let data = data.remove(0);
                let error = data.get("error").filter(|error| error["code"].is_string());
                Event::Message(answer(&request, data.clone(), error.cloned(), id))
            }
            _ => panic!("{packet} instead of an event"),
        }
    }
}

impl<M: Mode> SocketIo<M> {
    async fn engine(address: SocketAddr) -> Self {
        let engine = if M::POLLING {
            Engine::open_polling(address).await
        } else {
            Engine::open_socket(address).await
        };
        Self {
            engine,
            pending: HashMap::new(),
            next_ack: 0,
            mode: PhantomData,
        }
    }

    /// Connects to the namespace; the data of a CONNECT_ERROR if that is refused.
    async fn connect(&mut self, auth: Option<Value>) -> Result<(), Value> {
        let auth = auth.map(|auth| auth.to_string()).unwrap_or_default();
        self.engine.send(format!("40{auth}")).await;
        let packet = self.engine.next().await.unwrap();
        if let Some(json) = packet.strip_prefix("44") {
            let mut error: Value = serde_json::from_str(json).unwrap();
            return Err(error["data"].take());
        }
        assert!(packet.starts_with("40{"), "{packet}");
        Ok(())
    }

    async fn upgrade(&mut self) {
        if M::UPGRADES {
            self.engine.upgrade().await;
        }
    }
}
