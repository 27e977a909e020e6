//! Socket.IO protocol 5: events, acknowledgements and namespaces in the
//! messages of Engine.IO.
//!
//! Up: a text is a [`Packet`], which goes through the [`Assembler`] (bytes may
//! follow in packets of their own), and is then an [`Event`] that
//! [`command`] reads, an acknowledgement ([`answer`]) or a CONNECT with its
//! [`Auth`]. Down: a message in its v1 text becomes an [`Encoded`] packet.
//! Bytes are, inside, the hash `{"$bin": BASE64}`. Nothing builds trees of
//! JSON or recurses on it; what is not looked into passes byte for byte.
//!
//! Not taken from socketioxide-core and -parser-common: their decoder bounds
//! neither attachments nor namespaces, takes a malformed ack id for none, and
//! leaves the payload unchecked until serde turns it into values, while ours
//! has to hand on text.

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
