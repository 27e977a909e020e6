#![no_main]

#[path = "../checks/engineio.rs"]
mod engineio;

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::check(data));
