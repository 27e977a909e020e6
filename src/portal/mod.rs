//! The portal: who may come in, and what they get.

pub mod settings;
