#![no_main]

#[path = "../checks/cluster_v1.rs"]
mod cluster_v1;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cluster_v1::check(data));
