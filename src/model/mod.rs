//! Pure models.

pub mod settings;
