//! The doors: each turns the bytes of one protocol into packets, and frames
//! into bytes. They know sockets and limits, and no game.

pub mod entrance;
pub mod fault;
pub mod listener;
pub mod origin;
pub mod pages;
pub mod poll;
pub mod settings;
pub mod socketio;
pub mod takeable;
pub mod tunnel;
pub mod websocket;
