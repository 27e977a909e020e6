//! What an operator does with users, channels, rooms and services: by calls of the management
//! listener, and by functions of a program that embeds the server. Both have this code.
//!
//! Functions ask owners and gateways, and await the answers. They hold nothing.

pub mod channel;
pub mod node;
pub mod room;
pub mod service;
mod user;
