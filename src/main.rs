//! Turntable.
fn main() {}
