//! Turntable.
