//! HTTP: requests are parsed and admitted, then their socket or their content is
//! handed to a gateway. One admission, one mapping from errors to answers.

pub mod accept;
pub mod admission;
pub mod allowed;
pub mod body;
pub mod certificate;
pub mod fault;
pub mod flow;
mod forwarded;
pub mod handshake;
mod handshake_rate;
mod handshake_turn;
pub mod head_end;
pub mod invalid;
pub mod listener;
mod login;
pub mod network;
pub mod operator;
pub mod operator_connection;
pub mod origin;
pub mod own_files;
pub mod pages;
pub mod places;
pub mod poll;
pub mod proxy_protocol;
pub mod routes;
pub mod settings;
pub mod socket;
pub mod socketio;
pub mod takeable;
pub mod tls;
pub mod tls_handshake;
pub mod tunnel;
pub mod tunnel_send;
pub mod turn;
pub mod unread;
pub mod websocket;

/// The bytes of a percent-encoded text; what is no escape stays as it is.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    out
}
