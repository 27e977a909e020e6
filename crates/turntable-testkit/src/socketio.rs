//! A client of Socket.IO by hand, on one namespace, over polling or a WebSocket.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::engineio::{Polling, websocket};
use crate::websocket::Client;

/// Both transports of Engine.IO.
pub const TRANSPORTS: [&str; 2] = ["polling", "websocket"];

/// The Engine.IO session that carries namespaces.
#[derive(Debug)]
pub enum Carrier {
    /// Over requests.
    Polling(Polling),
    /// Over a WebSocket.
    WebSocket(Box<Client>),
}

impl Carrier {
    /// Opens a session over one of [`TRANSPORTS`].
    pub fn open(address: SocketAddr, transport: &str) -> Self {
        match transport {
            "polling" => Self::Polling(Polling::open(address, "/socket.io/")),
            _ => Self::WebSocket(Box::new(websocket(address, "/socket.io/").0)),
        }
    }

    fn send(&mut self, packet: &str) {
        match self {
            Self::Polling(polling) => polling.push(&[packet]),
            Self::WebSocket(client) => client.send_text(packet),
        }
    }

    fn receive(&mut self) -> Vec<String> {
        match self {
            Self::Polling(polling) => polling.poll(),
            Self::WebSocket(client) => vec![client.text()],
        }
    }
}

/// A client on one namespace.
#[derive(Debug)]
pub struct Socket {
    carrier: Carrier,
    namespace: String,
    /// Packets that were received and not read yet.
    packets: VecDeque<String>,
    /// The data of the answer to CONNECT.
    pub connect: Value,
    acks: u64,
    /// How many messages of the session were received: what a resume counts.
    pub received: u64,
    is_welcome: bool,
}

impl Socket {
    /// Connects to the main namespace.
    pub fn connect(address: SocketAddr, transport: &str, auth: Value) -> Self {
        Self::on(Carrier::open(address, transport), "/", auth)
    }

    /// Connects to a namespace.
    pub fn on(carrier: Carrier, namespace: &str, auth: Value) -> Self {
        Self::try_on(carrier, namespace, auth)
            .unwrap_or_else(|error| panic!("{namespace} refused: {error}"))
    }

    /// Connects to a namespace.
    ///
    /// # Errors
    /// The data of a CONNECT_ERROR.
    pub fn try_on(carrier: Carrier, namespace: &str, auth: Value) -> Result<Self, Value> {
        let namespace = match namespace {
            "/" => String::new(),
            other => format!("{other},"),
        };
        let auth = if auth.is_null() {
            String::new()
        } else {
            auth.to_string()
        };
        let mut socket = Self {
            carrier,
            namespace,
            packets: VecDeque::new(),
            connect: Value::Null,
            acks: 0,
            received: 0,
            is_welcome: false,
        };
        let connect = format!("40{}", socket.namespace);
        socket.send_packet(&format!("{connect}{auth}"));
        let packet = socket.packet();
        let refused = format!("44{}", socket.namespace);
        if let Some(json) = packet.strip_prefix(&refused) {
            return Err(serde_json::from_str(json).unwrap());
        }
        let json = packet.strip_prefix(&connect).expect(&packet);
        socket.connect = serde_json::from_str(json).unwrap();
        assert!(socket.connect["sid"].is_string());
        Ok(socket)
    }

    /// A user that is identified, with nothing unread, and its `welcome`.
    pub fn user(address: SocketAddr, transport: &str, user: &str) -> (Self, Value) {
        let mut socket = Self::connect(address, transport, json!({"user": user}));
        assert_eq!(socket.expect("idyou"), json!({}));
        let welcome = socket.expect("welcome");
        (socket, welcome)
    }

    /// The next packet that is no ping.
    pub fn packet(&mut self) -> String {
        loop {
            match self.packets.pop_front() {
                Some(ping) if ping == "2" => self.carrier.send("3"),
                Some(packet) => return packet,
                None => {
                    let packets = self.carrier.receive();
                    self.packets.extend(packets);
                }
            }
        }
    }

    /// Sends a packet as it is.
    pub fn send_packet(&mut self, packet: &str) {
        self.carrier.send(packet);
    }

    /// What carries it.
    pub fn into_carrier(self) -> Carrier {
        self.carrier
    }

    /// The WebSocket that carries it.
    pub fn into_websocket(self) -> Client {
        match self.carrier {
            Carrier::WebSocket(client) => *client,
            Carrier::Polling(polling) => panic!("{polling:?} instead of a WebSocket"),
        }
    }

    /// Emits an event.
    pub fn emit(&mut self, name: &str, data: Value) {
        let text = format!("42{}{}", self.namespace, json!([name, data]));
        self.carrier.send(&text);
    }

    /// Emits an event and returns the data of its acknowledgement, which must be
    /// the next packet.
    pub fn request(&mut self, name: &str, data: Value) -> Value {
        let id = self.acks;
        self.acks += 1;
        let text = format!("42{}{id}{}", self.namespace, json!([name, data]));
        self.carrier.send(&text);
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
        self.received += u64::from(self.is_welcome);
        self.is_welcome |= name == "welcome";
        list
    }

    /// The first argument of the next packet, which must be this event.
    pub fn expect(&mut self, name: &str) -> Value {
        self.event(name).swap_remove(0)
    }

    /// A session was resumed: further messages are counted from here.
    pub fn resumed_at(&mut self, received: u64) {
        self.received = received;
        self.is_welcome = true;
    }
}
