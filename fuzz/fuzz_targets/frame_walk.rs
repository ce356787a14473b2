//! Gives what libFuzzer makes to the target of this name; see `fuzz/targets/src/frame_walk.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| (forebay_fuzz_targets::FRAME_WALK.run)(bytes));
