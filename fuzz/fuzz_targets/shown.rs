#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inspector::text::fuzz::shown(bytes));
