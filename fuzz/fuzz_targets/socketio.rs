#![no_main]

#[path = "../checks/socketio.rs"]
mod socketio;

libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio::check(data));
