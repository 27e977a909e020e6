#![no_main]

#[path = "../checks/json_v1.rs"]
mod json_v1;

libfuzzer_sys::fuzz_target!(|data: &[u8]| json_v1::check(data));
