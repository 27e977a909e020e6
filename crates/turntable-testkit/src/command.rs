//! The commands of the protocol.

/// What clients send, in the order of their numbers in docs/protocol.md, from 1.
pub const CLIENT: [&str; 21] = [
    "idme",
    "resume",
    "subscribe",
    "unsubscribe",
    "status",
    "joingame",
    "leavegame",
    "game",
    "declineinvite",
    "joinchannel",
    "leavechannel",
    "publish",
    "call",
    "reply",
    "set",
    "provide",
    "time",
    "lookup",
    "authenticate",
    "bye",
    "block",
];
