//! Gives what libFuzzer makes to the target of this name; see `fuzz/targets/src/forward_message.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| (forebay_fuzz_targets::FORWARD_MESSAGE.run)(bytes));
