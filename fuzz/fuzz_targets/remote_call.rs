#![no_main]

#[path = "../checks/remote_call.rs"]
mod remote_call;

libfuzzer_sys::fuzz_target!(|data: &[u8]| remote_call::check(data));
