//! Encodes messages of the server to shared bytes.

use std::cell::Cell;
use std::sync::Arc;

use turntable_core::frame::SharedFrame;
use turntable_core::id::MessageId;
use turntable_core::packet::{RequestId, ServerPacket};

use crate::json_v1;
use crate::websocket::FrameBuilder;

thread_local! {
    /// A scratch buffer per thread, because the length must be known first.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer that grew beyond this size is not reused.
const SCRATCH_BYTES_MAX: usize = 65_536;

/// The complete text frame around the v1 text that `write` appends.
pub fn text_frame(write: impl FnOnce(&mut Vec<u8>)) -> Arc<[u8]> {
    let mut builder = FrameBuilder::begin(SCRATCH.take());
    write(builder.payload());
    let frame = builder.text_in_place().into();
    let buffer = builder.into_buffer();
    if buffer.capacity() <= SCRATCH_BYTES_MAX {
        SCRATCH.set(buffer);
    }
    frame
}

/// Encodes a message once for all its receivers. `answers` is the id of the
/// command that it answers, `id` the id of its datagrams.
///
/// ```
/// use turntable_core::id::MessageId;
/// use turntable_core::packet::ServerPacket;
/// use turntable_wire::frame;
/// let shared = frame::encode(&ServerPacket::IdYou, None, MessageId::nil());
/// assert_eq!(shared.text(), r#"{"command":"idyou","data":{}}"#);
/// ```
#[must_use]
pub fn encode(packet: &ServerPacket, answers: Option<&RequestId>, id: MessageId) -> SharedFrame {
    let v1 = text_frame(|out| json_v1::encode(packet, answers, out));
    SharedFrame::new(v1, id)
}
