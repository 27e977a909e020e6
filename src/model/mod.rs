//! Pure models.

pub mod game;
pub mod room;
pub mod rule;
pub mod session_ref;
pub mod settings;
pub mod timestamp;
