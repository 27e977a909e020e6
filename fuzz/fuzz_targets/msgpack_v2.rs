#![no_main]

#[path = "../checks/msgpack_v2.rs"]
mod msgpack_v2;

libfuzzer_sys::fuzz_target!(|data: &[u8]| msgpack_v2::check(data));
