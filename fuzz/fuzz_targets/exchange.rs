#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| traffic_agent::fuzz::exchange(bytes));
