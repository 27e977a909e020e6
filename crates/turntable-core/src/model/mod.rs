//! Pure models: what avatars, channels and rooms know and decide.
//!
//! Each is a state machine that gets `now` as a parameter and answers with
//! effects; the actors around them only translate.

pub mod avatar;
pub mod channel;
pub mod game;
pub mod interest;
pub mod room;
pub mod rule;
pub mod settings;
pub mod timestamp;
