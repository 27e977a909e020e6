//! Engine.IO by hand: sessions over requests and over a WebSocket.

use std::net::SocketAddr;

use serde_json::Value;

use crate::http::{self, Pending, Response};
use crate::websocket::Client;

/// Separates the packets of a payload.
const SEPARATOR: &str = "\x1e";

/// A session over requests.
#[derive(Debug)]
pub struct Polling {
    address: SocketAddr,
    path: &'static str,
    /// Its id.
    pub sid: String,
    /// The data of the open packet.
    pub handshake: Value,
}

impl Polling {
    /// Opens a session.
    pub fn open(address: SocketAddr, path: &'static str) -> Self {
        let target = format!("{path}?EIO=4&transport=polling");
        let response = http::get(address, &target);
        assert_eq!(response.status, 200, "{}", response.text());
        let handshake = handshake(response.text());
        Self {
            address,
            path,
            sid: handshake["sid"].as_str().unwrap().to_owned(),
            handshake,
        }
    }

    /// Path and query of a request of this session.
    pub fn target(&self, transport: &str) -> String {
        format!("{}?EIO=4&transport={transport}&sid={}", self.path, self.sid)
    }

    /// Requests packets.
    pub fn get(&self) -> Response {
        self.start_poll().answer()
    }

    /// Sends a request for packets, whose answer is read later.
    ///
    /// A server with one worker takes requests in the order in which they were
    /// sent. There the answer to any later request on another connection proves
    /// that this one waits.
    pub fn start_poll(&self) -> Pending {
        let text = http::text(self.address, "GET", &self.target("polling"), "", "");
        Pending::send(self.address, &text)
    }

    /// Posts a payload; the answer may be a refusal.
    pub fn post(&self, body: &str) -> Response {
        let kind = "Content-Type: text/plain;charset=UTF-8\r\n";
        http::send(self.address, "POST", &self.target("polling"), kind, body)
    }

    /// Posts packets, which must be accepted.
    pub fn push(&self, packets: &[&str]) {
        let response = self.post(&packets.join(SEPARATOR));
        assert_eq!((response.status, response.text()), (200, "ok"));
    }

    /// The packets of the next answer.
    pub fn poll(&self) -> Vec<String> {
        packets(&self.get())
    }

    /// Opens a WebSocket that the session may be upgraded to.
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

/// Opens a session over a WebSocket; also returns the data of the open packet.
pub fn websocket(address: SocketAddr, path: &str) -> (Client, Value) {
    let mut client = Client::open(address, &format!("{path}?EIO=4&transport=websocket"));
    let opened = handshake(&client.text());
    (client, opened)
}

/// The data of an open packet.
fn handshake(packet: &str) -> Value {
    serde_json::from_str(packet.strip_prefix('0').expect(packet)).unwrap()
}
