//! Socket.IO protocol 5: events, acknowledgements and namespaces in the
//! messages of Engine.IO.
//!
//! Up: a text is a [`Packet`], which the [`Assembler`] completes with its binary
//! attachments. The result is an [`Event`] that [`command`] decodes, an
//! acknowledgement ([`answer`]) or a CONNECT with its [`Auth`]. Down: a message in
//! its v1 text becomes an [`Encoded`] packet. Inside the server, bytes are the
//! object `{"$bin": BASE64}`. Nothing builds trees of JSON or recurses on it;
//! opaque data is copied unchanged.
//!
//! socketioxide-core and -parser-common are not used: their decoder limits
//! neither attachments nor namespaces, ignores a malformed ack id, and does not
//! validate the payload until serde deserialises it, while this server passes it
//! on as text.

mod assemble;
mod auth;
mod binary;
mod encode;
mod event;
mod packet;
#[cfg(test)]
mod tests;

pub use assemble::{Assembler, Whole};
pub use auth::Auth;
pub use binary::{ATTACHMENTS_SENT_MAX, extract, has_binary};
pub use encode::{
    Encoded, ack, ack_list, connect, connect_error, connect_refused, disconnect, encode, event,
    event_list,
};
pub use event::{Event, answer, command};
pub use packet::{Limits, MAIN_NAMESPACE, Packet, PacketError, PacketKind};
