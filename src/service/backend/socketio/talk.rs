//! One connection to a socket.io server: Engine.IO 4 over a WebSocket, Socket.IO 5.
//!
//! ```text
//! server: 0{"sid", "pingInterval", "pingTimeout", ...}
//! client: 40                              40{...}  :server
//! client: 420["forum:createPost", ARGS, {"user", "id"}]
//! server: 430[RESULT]
//! server: 2    client: 3                  every pingInterval
//! ```
//!
//! A server that is silent for longer than its ping, answers what it was not asked, or
//! sends what is no packet, is cut off.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::Out;
use super::address::{Address, NAMESPACE_BYTES_MAX};
use crate::service::backend::{DEPTH_MAX, nonsense};
use turntable_core::model::service::answer::outcome;
use turntable_core::model::service::{Outcome, ServiceSettings};
use turntable_core::packet::ClientPacket;
use turntable_wire::engineio;
use turntable_wire::json_v1::DecodeLimits;
use turntable_wire::socketio::{self, Assembler, Packet, PacketKind};

/// How long a connection may take until it is one to the namespace.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a message may take until the system has it.
const WRITE: Duration = Duration::from_secs(10);
/// Messages between two pings that answer no call, after which a server is cut off.
const UNEXPECTED_MAX: u32 = 100;
/// Attachments of one answer.
const ATTACHMENTS_MAX: usize = 64;

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// The server is not there, or went.
    #[error("{0}")]
    Connection(String),
    /// Nothing came for too long.
    #[error("it is silent")]
    Silent,
    /// It does not want this client.
    #[error("it refuses: {0}")]
    Refused(String),
    /// It closed the connection in order.
    #[error("it disconnected")]
    Closed,
    /// It sends what the protocol does not allow.
    #[error("it broke the protocol: {0}")]
    Protocol(String),
}

/// A call that the server has.
struct Call {
    number: u64,
    answer: oneshot::Sender<Outcome>,
}

/// A connection to the namespace.
pub(super) struct Talk {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    namespace: String,
    limits: socketio::Limits,
    assembler: Assembler,
    /// By the number of the acknowledgement, which is small enough for JavaScript.
    calls: HashMap<u64, Call>,
    acks: HashMap<u64, u64>,
    last_ack: u64,
    /// Acknowledgements that may come although they are not awaited any more.
    late: u64,
    unexpected: u32,
    /// How long the server may be silent.
    silence: Duration,
    heard: Instant,
}

impl Talk {
    /// Connects.
    ///
    /// # Errors
    /// [`End`].
    pub(super) async fn begin(address: &Address, settings: &ServiceSettings) -> Result<Self, End> {
        let begun = Self::connect(address, settings);
        timeout(CONNECT, begun).await.unwrap_or(Err(End::Silent))
    }

    async fn connect(address: &Address, settings: &ServiceSettings) -> Result<Self, End> {
        let bytes_max = settings.answer_bytes_max;
        let config = WebSocketConfig::default()
            .max_message_size(Some(bytes_max))
            .max_frame_size(Some(bytes_max));
        let connected = connect_async_with_config(&address.socket, Some(config), true).await;
        let (socket, _) = connected.map_err(|error| End::Connection(error.to_string()))?;
        let mut talk = Self {
            socket,
            namespace: address.namespace.clone(),
            limits: socketio::Limits {
                attachments_max: ATTACHMENTS_MAX,
                message_bytes_max: bytes_max,
                namespace_bytes_max: NAMESPACE_BYTES_MAX,
            },
            assembler: Assembler::default(),
            calls: HashMap::new(),
            acks: HashMap::new(),
            last_ack: 0,
            late: 0,
            unexpected: 0,
            silence: CONNECT,
            heard: Instant::now(),
        };
        let open = talk.text().await?;
        match engineio::Packet::decode(&open) {
            Ok(engineio::Packet::Open(handshake)) => {
                let ms = handshake
                    .ping_interval_ms
                    .saturating_add(handshake.ping_timeout_ms);
                talk.silence = Duration::from_millis(ms);
            }
            _ => {
                return Err(End::Protocol(
                    "it does not begin with a handshake".to_owned(),
                ));
            }
        }
        talk.write(Message::text(address.connect(&settings.token)))
            .await?;
        loop {
            let text = talk.text().await?;
            let Ok(engineio::Packet::Message(packet)) = engineio::Packet::decode(&text) else {
                talk.received_text(&text).await?;
                continue;
            };
            let packet = Packet::decode(packet, &talk.limits).map_err(protocol)?;
            match packet.kind {
                PacketKind::Connect if packet.namespace == talk.namespace => return Ok(talk),
                PacketKind::ConnectError => {
                    let why = packet.data.map_or("", |data| data.get());
                    return Err(End::Refused(why.chars().take(200).collect()));
                }
                _ => {}
            }
        }
    }

    /// The next text, while the connection begins.
    async fn text(&mut self) -> Result<String, End> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(_))) | None => return Err(End::Closed),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(End::Connection(error.to_string())),
            }
        }
    }

    /// Sends calls and takes answers until the connection ends.
    pub(super) async fn run(&mut self, due: &mut mpsc::Receiver<Out>) -> End {
        self.heard = Instant::now();
        loop {
            let quiet_until = self.heard + self.silence;
            let done = tokio::select! {
                message = timeout_at(quiet_until, self.socket.next()) => match message {
                    Err(_) => Err(End::Silent),
                    Ok(None) => Err(End::Closed),
                    Ok(Some(Err(error))) => Err(End::Connection(error.to_string())),
                    Ok(Some(Ok(message))) => self.received(message).await,
                },
                out = due.recv() => match out {
                    Some(out) => self.send(out).await,
                    None => Err(End::Closed),
                },
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn send(&mut self, out: Out) -> Result<(), End> {
        match out {
            Out::Call {
                number,
                list,
                answer,
            } => {
                if answer.is_closed() {
                    // Its deadline passed while it waited to be sent.
                    return Ok(());
                }
                self.last_ack += 1;
                let ack = self.last_ack;
                self.calls.insert(ack, Call { number, answer });
                self.acks.insert(number, ack);
                self.event(&list, Some(ack)).await
            }
            Out::Cancel { number } => {
                let Some(ack) = self.acks.remove(&number) else {
                    return Ok(());
                };
                self.calls.remove(&ack);
                self.late += 1;
                let cancel = serde_json::json!(["$av:cancel", { "id": number.to_string() }]);
                match serde_json::value::to_raw_value(&cancel) {
                    Ok(list) => self.event(&list, None).await,
                    Err(_) => Ok(()),
                }
            }
        }
    }

    async fn event(
        &mut self,
        list: &serde_json::value::RawValue,
        ack: Option<u64>,
    ) -> Result<(), End> {
        let packet = socketio::event_list(list, &self.namespace, ack);
        self.write(Message::text(packet.frame().to_owned())).await?;
        for bytes in packet.attachments {
            self.write(Message::binary(bytes)).await?;
        }
        Ok(())
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        match timeout(WRITE, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(|error| End::Connection(error.to_string())),
            Err(_) => Err(End::Silent),
        }
    }

    async fn received(&mut self, message: Message) -> Result<(), End> {
        self.heard = Instant::now();
        match message {
            Message::Text(text) => self.received_text(&text).await,
            Message::Binary(bytes) => {
                let whole = self.assembler.bytes(&bytes, &self.limits);
                match whole.map_err(protocol)? {
                    Some(whole) => self.packet(&whole.packet()),
                    None => Ok(()),
                }
            }
            Message::Close(_) => Err(End::Closed),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn received_text(&mut self, text: &str) -> Result<(), End> {
        let packet = engineio::Packet::decode(text);
        match packet.map_err(|error| End::Protocol(error.to_string()))? {
            engineio::Packet::Ping(data) => {
                self.unexpected = 0;
                self.write(Message::text(format!("3{data}"))).await
            }
            engineio::Packet::Message(text) => {
                let packet = Packet::decode(text, &self.limits).map_err(protocol)?;
                let whole = self.assembler.packet(packet).map_err(protocol)?;
                whole.map_or(Ok(()), |packet| self.packet(&packet))
            }
            engineio::Packet::Close => Err(End::Closed),
            _ => self.unexpected(),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>) -> Result<(), End> {
        if packet.namespace != self.namespace {
            return self.unexpected();
        }
        match (packet.kind, packet.id) {
            (PacketKind::Ack, Some(ack)) => self.answered(packet, ack),
            (PacketKind::Disconnect, _) => Err(End::Closed),
            // Events of the server are not for clients.
            _ => self.unexpected(),
        }
    }

    fn answered(&mut self, packet: &Packet<'_>, ack: u64) -> Result<(), End> {
        let Some(call) = self.calls.remove(&ack) else {
            if ack <= self.last_ack && self.late > 0 {
                self.late -= 1;
                return Ok(());
            }
            return Err(End::Protocol(
                "it answers a call that it was not given".to_owned(),
            ));
        };
        self.acks.remove(&call.number);
        let limits = DecodeLimits {
            depth_max: DEPTH_MAX,
        };
        let answer = match socketio::answer(packet, &limits) {
            Ok(message) => match message.packet {
                ClientPacket::Reply { result } => outcome(result),
                _ => Err(nonsense("it is no answer")),
            },
            Err(error) => Err(nonsense(error.message)),
        };
        // Its deadline may have passed meanwhile.
        let _ = call.answer.send(answer);
        Ok(())
    }

    fn unexpected(&mut self) -> Result<(), End> {
        self.unexpected += 1;
        match self.unexpected > UNEXPECTED_MAX {
            true => Err(End::Protocol("it sends more than answers".to_owned())),
            false => Ok(()),
        }
    }
}

fn protocol(error: socketio::PacketError) -> End {
    End::Protocol(error.to_string())
}
