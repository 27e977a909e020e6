#![no_main]

#[path = "../checks/tunnel_format.rs"]
mod tunnel_format;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tunnel_format::check(data));
