#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inspector::read::fuzz::conversation(bytes));
