//! HTTP: requests are parsed and admitted, then their socket or their content is
//! handed to a gateway. One admission, one mapping from errors to answers.

pub mod admission;
pub mod fault;
pub mod listener;
pub mod origin;
pub mod pages;
pub mod poll;
pub mod routes;
pub mod settings;
pub mod socketio;
pub mod takeable;
pub mod tunnel;
pub mod tunnel_send;
pub mod websocket;
