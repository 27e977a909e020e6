//! Pure models of avatars, channels and rooms.
//!
//! Each is a state machine that takes `now` as a parameter and returns effects; the
//! actors around them only translate.

pub mod attribute_rule;
pub mod audience;
pub mod avatar;
pub mod channel;
pub mod game;
pub mod history;
pub mod interest;
pub mod ledger;
pub mod member;
pub mod mutual;
pub mod namespace;
pub mod pattern;
pub mod permission;
mod remaining;
pub mod room;
pub mod rule;
pub mod service;
pub mod settings;
pub mod timestamp;
