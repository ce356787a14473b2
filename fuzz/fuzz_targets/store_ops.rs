//! Gives what libFuzzer makes to the target of this name; see `fuzz/targets/src/store_ops.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| (forebay_fuzz_targets::STORE_OPS.run)(bytes));
