//! Every crash point of a scenario: the power goes off after each operation in turn.

use super::*;
use crate::SealReason;
use crate::fs::sim::Faults;

/// What was promised before the power went off.
#[derive(Default)]
struct Promised {
    /// Payloads whose receipts resolved, by tag, in order.
    stored: Vec<(&'static str, Vec<u8>)>,
    /// Payloads that were tried.
    tried: Vec<Vec<u8>>,
    /// Payloads whose delivery was committed, as far as the power allowed.
    committed: Vec<Vec<u8>>,
    /// Payloads whose commit succeeded.
    settled: Vec<Vec<u8>>,
}

impl Promised {
    fn append(&mut self, rig: &Rig, tag: &'static str, payload: Vec<u8>) {
        self.tried.push(payload.clone());
        let Ok(appended) = rig.try_append(tag, &payload) else {
            return;
        };
        if appended.receipt.wait().is_ok() {
            self.stored.push((tag, payload));
        }
    }

    fn append_group(&mut self, rig: &Rig, tag: &'static str, payloads: [Vec<u8>; 3]) {
        let receipts: Vec<_> = payloads
            .into_iter()
            .filter_map(|payload| {
                self.tried.push(payload.clone());
                Some((rig.try_append(tag, &payload).ok()?.receipt, payload))
            })
            .collect();
        let stored = receipts
            .into_iter()
            .filter_map(|(receipt, payload)| receipt.wait().is_ok().then_some((tag, payload)));
        self.stored.extend(stored);
    }

    /// Delivers the oldest chunk, as far as the power allows.
    fn deliver(&mut self, rig: &Rig) {
        let Some(chunk) = rig.route.chunks().into_iter().next() else {
            return;
        };
        let Ok(claim) = rig.route.claim(chunk.id, 0) else {
            return;
        };
        let Ok(mut reader) = claim.reader() else {
            return;
        };
        let mut delivered = Vec::new();
        while let Ok(Some(window)) = reader.next_window() {
            delivered.extend(window.frames().map(|frame| frame.payload.to_vec()));
        }
        if u32::try_from(delivered.len()) == Ok(chunk.frame_count) {
            // Once tried, a commit may be on disk even if it answers with an error.
            self.committed.extend(delivered.clone());
            if claim.commit(500).is_ok() {
                self.settled.extend(delivered);
            }
        }
    }
}

fn payload(n: u8, len: usize) -> Vec<u8> {
    vec![n; len]
}

/// Two lives: appends, a seal, a delivery, a restart, more of all.
fn scenario(fs: &SimFs) -> Promised {
    let mut promised = Promised::default();
    if let Ok(rig) = try_rig(fs, options()) {
        promised.append(&rig, "a", payload(1, 10));
        promised.append_group(
            &rig,
            "b",
            [payload(2, 700), payload(3, 5000), payload(4, 3)],
        );
        promised.append(&rig, "a", payload(5, 6000));
        rig.route.seal_staged(SealReason::Age, 200);
        rig.store.sync();
        promised.deliver(&rig);
        promised.append(&rig, "a", payload(6, 100));
    }
    if let Ok(rig) = try_rig(fs, options()) {
        promised.append(&rig, "a", payload(7, 1500));
        promised.append_group(&rig, "c", [payload(8, 20), payload(9, 20), payload(10, 20)]);
        rig.route.seal_staged(SealReason::Shutdown, 300);
    }
    promised
}

/// Everything promised is there, once, in order, and nothing is that was never appended.
fn check(survivor: &SimFs, promised: &Promised, context: &str) {
    let rig = try_rig(survivor, options()).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(
        rig.recovered.failures.is_empty(),
        "{context}: {:?}",
        rig.recovered.failures
    );
    let found = rig.all_payloads();
    for payload in &found {
        assert!(
            promised.tried.contains(payload),
            "{context}: foreign payload"
        );
        let copies = found.iter().filter(|other| *other == payload).count();
        assert_eq!(copies, 1, "{context}: a payload twice");
    }
    for tag in ["a", "b", "c"] {
        let of_tag: Vec<_> = promised
            .stored
            .iter()
            .filter(|(other, _)| *other == tag)
            .map(|(_, p)| p)
            .collect();
        let mut last = None;
        for payload in of_tag {
            let place = found.iter().position(|other| other == payload);
            assert!(
                place.is_some() || promised.committed.contains(payload),
                "{context}: {} bytes of {} lost; {:?}",
                payload.len(),
                payload[0],
                rig.recovered.steps,
            );
            assert!(place.is_none() || place > last, "{context}: out of order");
            last = place.or(last);
        }
    }
    // What recovery left must work, and be stable.
    rig.store("a", b"after")
        .unwrap_or_else(|error| panic!("{context}: {error}"));
}

#[test]
fn no_crash_point_loses_repeats_or_invents_an_append() {
    let healthy = SimFs::new();
    let promised = scenario(&healthy);
    assert_eq!(promised.stored.len(), 10);
    let op_count = healthy.op_count();
    assert!(op_count > 40, "{op_count}");
    for after in 0..op_count + 3 {
        let fs = SimFs::new();
        fs.set_faults(Faults {
            power_off_after: Some(after),
            ..Faults::default()
        });
        let promised = scenario(&fs);
        for seed in 0..6 {
            check(
                &fs.after_power_cut(seed),
                &promised,
                &format!("cut {after}, seed {seed}"),
            );
        }
        let killed = fs.after_kill();
        check(&killed, &promised, &format!("kill {after}"));
        let found = rig_on(&killed, options()).all_payloads();
        assert!(
            !promised
                .settled
                .iter()
                .any(|payload| found.contains(payload)),
            "kill {after}"
        );
    }
}

#[test]
fn a_crash_during_recovery_loses_nothing_either() {
    let fs = SimFs::new();
    fs.set_faults(Faults {
        power_off_after: Some(31),
        ..Faults::default()
    });
    let promised = scenario(&fs);
    for seed in 0..8 {
        let torn = fs.after_power_cut(seed);
        let ops = {
            let copy = torn.after_kill();
            drop(try_rig(&copy, options()));
            copy.op_count()
        };
        for after in 0..ops {
            let again = torn.after_kill();
            again.set_faults(Faults {
                power_off_after: Some(after),
                ..Faults::default()
            });
            drop(try_rig(&again, options()));
            let context = format!("seed {seed}, second cut {after}");
            check(&again.after_power_cut(seed + 100), &promised, &context);
        }
    }
}
