//! One WebSocket, and how its messages are written.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message, Utf8Bytes};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use turntable_core::packet::{ClientPacket, RequestId};
use turntable_wire::{json_v1, msgpack_v2};

use crate::error::Disconnection;
use crate::options::Encoding;

/// How long the handshake may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long what is written may take until the system has it.
const WRITE: Duration = Duration::from_secs(10);
/// How long the server may take to close what the client has ended.
const CLOSE: Duration = Duration::from_secs(2);
/// Bounds of a message of the server in MessagePack.
const LIMITS: msgpack_v2::DecodeLimits = msgpack_v2::DecodeLimits {
    depth_max: 1_024,
    message_bytes_max: 64 * 1_024 * 1_024,
};

/// What comes from the server.
pub(crate) enum Received {
    /// A message, as JSON.
    Message(Utf8Bytes),
    /// A frame that only shows that it is there.
    Sign,
    /// What cannot be read.
    Unreadable,
}

impl Encoding {
    const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "turntable.v1.json",
            Self::MessagePack => "turntable.v2.msgpack",
        }
    }

    /// A command as the frame that carries it.
    pub(crate) fn frame(self, packet: &ClientPacket, id: Option<&RequestId>) -> Message {
        let mut text = Vec::with_capacity(128);
        json_v1::encode_client(packet, id, &mut text);
        // The encoder writes valid UTF-8 only.
        let text = String::from_utf8(text).unwrap_or_default();
        match self {
            Self::Json => Message::text(text),
            Self::MessagePack => {
                let mut bytes = Vec::with_capacity(text.len());
                let is_command = msgpack_v2::encode_client(&text, &mut bytes);
                debug_assert!(is_command, "{text}");
                Message::binary(bytes)
            }
        }
    }
}

/// A connection to the server.
pub(crate) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Why that was not possible.
    pub(crate) async fn open(
        uri: &Uri,
        encoding: Encoding,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, Disconnection> {
        let request =
            ClientRequestBuilder::new(uri.clone()).with_sub_protocol(encoding.subprotocol());
        let connector = tls.map_or(Connector::Plain, Connector::Rustls);
        let opened = connect_async_tls_with_config(request, None, true, Some(connector));
        match timeout(CONNECT, opened).await {
            Ok(Ok((socket, _))) => Ok(Self { socket }),
            Ok(Err(error)) => Err(Disconnection::lost(error.to_string())),
            Err(_) => Err(Disconnection::lost("no answer to the handshake in time")),
        }
    }

    /// What comes next.
    ///
    /// # Errors
    /// How the connection ended.
    pub(crate) async fn next(&mut self) -> Result<Received, Disconnection> {
        let next = self.socket.next().await;
        read(next)
    }

    /// What has come already.
    ///
    /// # Errors
    /// How the connection ended.
    pub(crate) fn ready(&mut self) -> Option<Result<Received, Disconnection>> {
        self.socket.next().now_or_never().map(read)
    }

    /// Writes frames.
    ///
    /// # Errors
    /// How the connection ended.
    pub(crate) async fn write(
        &mut self,
        frames: impl IntoIterator<Item = Message>,
    ) -> Result<(), Disconnection> {
        let socket = &mut self.socket;
        let written = timeout(WRITE, async {
            for frame in frames {
                socket.feed(frame).await?;
            }
            socket.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            // What the server said before is more than that it is gone.
            Ok(Err(error)) => Err(self.last_words(error.to_string())),
            Err(_) => Err(Disconnection::lost("the server does not read")),
        }
    }

    fn last_words(&mut self, error: String) -> Disconnection {
        loop {
            match self.ready() {
                Some(Err(end)) if end.code.is_some() => return end,
                Some(Ok(_)) => {}
                _ => return Disconnection::lost(error),
            }
        }
    }

    /// Waits until the server has closed the connection, or for a moment.
    pub(crate) async fn finish(&mut self) {
        let _ = timeout(CLOSE, async { while self.next().await.is_ok() {} }).await;
    }
}

type Next = Option<Result<Message, tokio_tungstenite::tungstenite::Error>>;

fn read(next: Next) -> Result<Received, Disconnection> {
    match next {
        Some(Ok(Message::Text(text))) => Ok(Received::Message(text)),
        Some(Ok(Message::Binary(bytes))) => {
            let mut text = Vec::with_capacity(bytes.len() * 2);
            let decoded = msgpack_v2::decode_server(&bytes, &LIMITS, &mut text).ok();
            let text = decoded.and_then(|()| String::from_utf8(text).ok());
            Ok(text.map_or(Received::Unreadable, |text| Received::Message(text.into())))
        }
        Some(Ok(Message::Close(Some(frame)))) => Err(Disconnection {
            code: Some(frame.code.into()),
            text: frame.reason.as_str().to_owned(),
        }),
        Some(Ok(Message::Close(None))) | None => {
            Err(Disconnection::lost("the server closed the connection"))
        }
        Some(Ok(_)) => Ok(Received::Sign),
        Some(Err(error)) => Err(Disconnection::lost(error.to_string())),
    }
}

/// Waits until the program closes the client, or drops it.
pub(crate) async fn closed(closing: &mut tokio::sync::watch::Receiver<bool>) {
    // An error means that all handles are dropped.
    let _ = closing.wait_for(|is_closing| *is_closing).await;
}
