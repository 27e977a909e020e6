//! The attachments of a tunnel: the first, and those by which a client comes
//! back before it has identified.

use super::{Purpose, Stage, Tunnel, TunnelRequest, write};
use crate::gateway::connection::Connection;
use crate::gateway::delivery::encoding::Encoding;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::transport::Transport;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::socket;
use crate::gateway::work::Effect;
use turntable_core::packet::{ErrorBody, ServerPacket};
use turntable_core::reason::{CloseReason, ErrorCode};

/// Bytes that a tunnel's client may send on its socket, where none are expected.
const UNEXPECTED_BYTES_MAX: usize = 262_144;

impl Tunnel {
    /// Begins the first attachment of a connection.
    pub(crate) fn begin(connection: &mut Connection, purpose: Purpose, cx: &mut Cx<'_>) {
        write::arm(connection, cx);
        // What came behind the request makes no event of its own.
        cx.mark_unread(connection);
        match purpose {
            Purpose::New(None) => {
                Self::open(connection, cx);
                cx.send_direct(connection, &ServerPacket::IdYou, None);
            }
            Purpose::New(Some(claim)) => {
                cx.send_direct(connection, &ServerPacket::IdYou, None);
                cx.push_effect(Effect::Identify {
                    connection: cx.key,
                    user: claim.user,
                    credentials: claim.credentials,
                });
            }
            // What a client comes back to is resumed behind this.
            Purpose::Back(..) => {}
        }
    }
}

/// Gives a tunnel whose client has not identified its next attachment; the one
/// before ends.
pub(super) fn again(connection: &mut Connection, mut request: TunnelRequest, cx: &mut Cx<'_>) {
    let mut last = Vec::new();
    match Tunnel::of(connection) {
        Some(tunnel) if tunnel.stage == Stage::Waiting => {
            let reason = CloseReason::Replaced.name();
            last = tunnel.refused(&ErrorBody::new(ErrorCode::Unavailable, reason));
        }
        _ => write::edge(connection, &mut last, Some(CloseReason::Replaced), cx),
    }
    let next = Tunnel::new(&mut request, cx.encodings, cx.now_ms);
    let Some(tunnel) = Tunnel::of(connection) else {
        return;
    };
    let datagrams = std::mem::take(&mut tunnel.datagrams);
    let backlog = std::mem::take(&mut tunnel.backlog);
    let mut before = std::mem::replace(
        tunnel,
        Tunnel {
            datagrams,
            backlog,
            ..next
        },
    );
    before.name = None;
    before.stage = Stage::Ending;
    connection.encoding = Encoding::Datagrams(request.format);
    connection.queue.restart();
    if let (Some(_), Some(before)) = (&connection.io, &connection.permit) {
        before.close_file();
        request.permit.open_file();
    }
    let permit = connection.permit.replace(request.permit);
    connection.is_proxied = request.is_proxied;
    let mut ending = Connection::new(None, permit, Transport::Tunnel(Box::new(before)));
    ending.begin_closing(Frame::raw(&last));
    cx.push_effect(Effect::HandSocketOver(
        cx.key,
        Box::new(ending),
        CloseReason::Replaced,
    ));
    cx.push_effect(Effect::GiveSocket(cx.key, request.io));
    write::arm(connection, cx);
    cx.mark_unread(connection);
    if !connection.is_paused() {
        Tunnel::open(connection, cx);
    }
}

/// Reads what a tunnel's client has no reason to send, to see its end. One that
/// sends on and on would take the turns of others.
pub(super) fn read(connection: &mut Connection, buffer: &mut [u8], cx: &mut Cx<'_>) {
    socket::read(connection, buffer, cx, |connection, bytes, cx| {
        let Some(tunnel) = Tunnel::of(connection) else {
            return false;
        };
        tunnel.unexpected_bytes += bytes.len();
        if tunnel.unexpected_bytes > UNEXPECTED_BYTES_MAX {
            log::debug!("a tunnel is lost: its client sends where nothing is read");
            cx.push_effect(Effect::Lose(cx.key));
            return false;
        }
        true
    });
}
