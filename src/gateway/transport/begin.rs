//! How a connection begins, once it is in the table.

use crate::gateway::connection::Connection;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::engineio::Engine;
use crate::gateway::transport::engineio::namespace::Namespace;
use crate::gateway::transport::engineio::probe::Probe;
use crate::gateway::transport::poll::Poll;
use crate::gateway::transport::tunnel::{Purpose, Tunnel};
use crate::gateway::transport::websocket::WebSocket;
use crate::gateway::work::Effect;
use turntable_core::key::ConnKey;
use turntable_core::packet::ServerPacket;
use turntable_core::reason::CloseReason;
use turntable_wire::socketio::Auth;

/// What a connection begins as, once it is in the table.
#[derive(Debug)]
pub(crate) enum Insertion {
    /// A WebSocket for sessions.
    WebSocket,
    /// A WebSocket that came from another worker; its client got `idyou` there.
    WebSocketAgain,
    /// A WebSocket that sends everything back.
    Echo,
    /// A tunnel.
    Tunnel(Purpose),
    /// A poll.
    Poll {
        /// Whether its client is new, and not one that resumes.
        is_new: bool,
    },
    /// A session of Engine.IO.
    Engine,
    /// One that came from another worker.
    EngineAgain,
    /// A WebSocket that this session of Engine.IO may move to.
    Probe(Option<ConnKey>),
    /// A namespace, with what came with its CONNECT; `None` for one that came
    /// from another worker.
    Namespace(Option<Box<Auth>>),
    /// It has its last frame already.
    Ending(CloseReason),
}

impl Insertion {
    /// Whether it is a client that comes, which metrics count as accepted; else it
    /// belongs to one that came before.
    pub(crate) const fn is_client(&self) -> bool {
        match self {
            Self::WebSocket | Self::Echo | Self::Tunnel(_) | Self::Poll { .. } | Self::Engine => {
                true
            }
            Self::WebSocketAgain
            | Self::EngineAgain
            | Self::Probe(_)
            | Self::Namespace(_)
            | Self::Ending(_) => false,
        }
    }

    /// Whether it is the next connection of a client whose transport has a connection for each
    /// answer.
    pub(crate) const fn comes_back(&self) -> bool {
        matches!(self, Self::Tunnel(Purpose::Back(..)))
    }

    /// Begins the connection.
    pub(crate) fn begin(self, connection: &mut Connection, cx: &mut Cx<'_>) {
        match self {
            Self::WebSocket => {
                cx.send_direct(connection, &ServerPacket::IdYou, None);
                read_first(connection, cx);
            }
            Self::WebSocketAgain => cx.mark_unread(connection),
            Self::Echo => {
                WebSocket::begin_echo(connection, cx);
                read_first(connection, cx);
            }
            Self::Tunnel(purpose) => Tunnel::begin(connection, purpose, cx),
            Self::Poll { is_new } => Poll::begin(connection, is_new, cx),
            Self::Engine => Engine::begin(connection, cx),
            Self::EngineAgain => Engine::begin_again(connection, cx),
            Self::Probe(engine) => Probe::begin(connection, engine, cx),
            Self::Namespace(auth) => Namespace::begin(connection, auth.map(|auth| *auth), cx),
            Self::Ending(_) => {}
        }
    }
}

/// Takes what came behind the handshake, and reads: what came between the
/// handshake and now makes no event of its own.
fn read_first(connection: &mut Connection, cx: &mut Cx<'_>) {
    cx.push_effect(Effect::Continue(cx.key));
    cx.mark_unread(connection);
}
