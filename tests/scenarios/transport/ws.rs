//! WebSocket with JSON text frames (version 1).

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{Event, Feature, Invalid, Message, Position, Transport};

/// What is read from a WebSocket, without pings and pongs.
pub enum Received {
    Text(String),
    Binary(Vec<u8>),
    Closed(Option<u16>),
}

/// A WebSocket of any subprotocol. It answers pings while it is read.
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    pub async fn open(address: SocketAddr, target: &str, protocol: Option<&str>) -> Self {
        let url = format!("ws://{address}{target}");
        let mut request = url.into_client_request().unwrap();
        if let Some(protocol) = protocol {
            let value = protocol.parse().unwrap();
            request
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", value);
        }
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, tcp)
            .await
            .unwrap_or_else(|error| panic!("{error} instead of a WebSocket at {target}"));
        Self(socket)
    }

    pub async fn send_text(&mut self, text: String) {
        // A closed connection is noticed by reading.
        let _ = self.0.send(Frame::text(text)).await;
    }

    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        let _ = self.0.send(Frame::binary(bytes)).await;
    }

    pub async fn next(&mut self) -> Received {
        loop {
            match self.0.next().await {
                Some(Ok(Frame::Text(text))) => return Received::Text(text.as_str().to_owned()),
                Some(Ok(Frame::Binary(bytes))) => return Received::Binary(bytes.to_vec()),
                Some(Ok(Frame::Close(close))) => {
                    let code = close.map(|close| close.code.into());
                    // Sends the answer and waits for the end.
                    while let Some(Ok(_)) = self.0.next().await {}
                    return Received::Closed(code);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Received::Closed(None),
            }
        }
    }
}

/// Version 1: a JSON text per message.
pub struct Ws(Socket);

impl Transport for Ws {
    const NAME: &'static str = "ws_v1";

    fn supports(_: Feature) -> bool {
        true
    }

    async fn open(address: SocketAddr) -> Self {
        let mut transport = Self(Socket::open(address, "/ws", None).await);
        expect_greeting(&mut transport).await;
        transport
    }

    async fn resume(address: SocketAddr, position: &Position) -> Result<Self, Value> {
        resume_by_command(Self::open(address).await, position).await
    }

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>) {
        let mut message = json!({"command": command, "data": data});
        if let Some(id) = id {
            message["id"] = id.clone();
        }
        self.0.send_text(message.to_string()).await;
    }

    async fn send_invalid(&mut self, invalid: Invalid) {
        let text = match invalid {
            Invalid::Syntax => "{",
            Invalid::Shape => "[]",
        };
        self.0.send_text(text.to_owned()).await;
    }

    async fn next(&mut self) -> Event {
        match self.0.next().await {
            Received::Text(text) => Event::Message(parse(&text)),
            Received::Binary(bytes) => panic!("{} bytes of binary on v1", bytes.len()),
            Received::Closed(code) => Event::Closed(code),
        }
    }
}

/// The text of a message of version 1.
pub fn parse(text: &str) -> Message {
    let mut value: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let command = value["command"].as_str().unwrap().to_owned();
    let id = value.get("id").cloned();
    Message::new(&command, value["data"].take(), id)
}

/// The next message must be `idyou`.
pub async fn expect_greeting<T: Transport>(transport: &mut T) {
    match transport.next().await {
        Event::Message(message) if message.command == "idyou" => {
            assert_eq!(message.data, json!({}));
        }
        other => panic!("{other:?} instead of idyou"),
    }
}

/// Resumes a session by the command `resume` on a new connection.
pub async fn resume_by_command<T: Transport>(
    mut transport: T,
    position: &Position,
) -> Result<T, Value> {
    let data = json!({"session": position.session, "received": position.received});
    transport.send("resume", &data, None).await;
    match transport.next().await {
        Event::Message(message) if message.command == "welcome" => {
            assert_eq!(message.data["resumed"], true, "{message:?}");
            assert_eq!(message.data["session"], position.session);
            Ok(transport)
        }
        Event::Message(message) if message.command == "error" => Err(message.data),
        other => panic!("{other:?} instead of an answer to resume"),
    }
}
