//! The core of turntable, without sockets, actors and clocks.
//!
//! Ids and keys, the messages of the protocol as types, the tables of close and
//! error codes, sessions, and the models of avatars, channels and rooms. Every
//! function takes its input and `now` as arguments and returns its effects;
//! nothing waits, sends or reads a clock.

pub mod address;
pub mod backup;
pub mod budget;
pub mod call;
pub mod delivery;
pub mod duplicate_key;
pub mod even_share;
pub mod frame;
pub mod id;
pub mod key;
pub mod limit;
pub mod model;
pub mod owner;
pub mod packet;
pub mod payload;
pub mod pending;
pub mod rate;
pub mod reason;
pub mod release;
pub mod relief;
mod serial;
pub mod session;
pub mod spare;
pub mod turns;
