//! Power cuts on real file systems, under load.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::cuts::Cuts;
use super::volume::{FileSystem, Volume};
use super::{kill, results};
use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::ledger::Ledger;
use crate::harness::load::Load;
use crate::harness::random::Random;
use crate::harness::{site::Site, wait};

const CYCLE_COUNT: u32 = 12;
const CONNECTION_COUNT: u32 = 4;
/// Most microseconds of load before a cut: short, so that a cut comes early in whatever goes on; and
/// in every sixth cycle long enough for commits to become durable.
const SHORT_US: u64 = 150_000;
const LONG_US: u64 = 4_000_000;
const TAGS: &[&str] = &["app.web", "app.db", "job"];

#[test]
fn every_acknowledged_event_survives_power_cuts_on_ext4() {
    survive(FileSystem::Ext4, 64);
}

#[test]
fn every_acknowledged_event_survives_power_cuts_on_xfs() {
    survive(FileSystem::Xfs, 320);
}

#[test]
fn every_acknowledged_event_survives_power_cuts_on_btrfs() {
    survive(FileSystem::Btrfs, 160);
}

fn survive(kind: FileSystem, size_mib: u64) {
    let mut random = Random::seeded(&format!("power cut on {kind}"));
    let site = Site::new();
    let Some(volume) = Volume::mount(&site, kind, size_mib, "power cut") else {
        return;
    };
    let ledger = Arc::new(Ledger::default());
    let mut destination = Destination::away(site.address());
    // So that what was taken is confirmed, however busy the machine is: no acknowledgement is too late.
    let config = kill::config(&site, &destination)
        .replace("ack_timeout: 200ms", "ack_timeout: 60s")
        .replace("delayed_commit_timeout: 2s", "delayed_commit_timeout: 60s");
    let cycles = results::cycle_count(CYCLE_COUNT);
    let mut cuts = Cuts::default();
    for number in 0..cycles {
        if random.within(0..2) == 0 {
            destination.come_back();
        } else {
            destination.go_away();
        }
        let daemon = Daemon::start(&site, &config);
        let randoms = (0..CONNECTION_COUNT).map(|_| random.fork()).collect();
        let first_client = number * CONNECTION_COUNT;
        let load = Load::start(site.forward(), &ledger, TAGS, first_client, randoms);
        wait::until_true("an acknowledgement", || load.acknowledged_batch_count() > 0);
        let most_us = if number % 6 == 5 { LONG_US } else { SHORT_US };
        wait::pause(Duration::from_micros(random.within(0..most_us)));
        cuts.note();
        ledger.set_power(false);
        match kind {
            FileSystem::Ext4 | FileSystem::Xfs => cut(&volume, daemon, load, &mut random),
            FileSystem::Btrfs => cut_by_copy(&volume, daemon, load),
        }
        ledger.set_power(true);
    }

    destination.come_back();
    let daemon = Daemon::start(&site, &config);
    let (name, faults) = (kind.to_string(), u64::from(cycles));
    results::settle("power cut", &name, cycles, faults, &ledger, &destination);
    cuts.print(&name, &destination);
    wait::until_true("the buffer to be empty", || kill::is_empty(&daemon));
    check_late(&name, &ledger, &destination);
    assert_eq!(daemon.route("all")["dead"]["events"], 0);
    assert!(daemon.stop().success());
}

/// What was acknowledged while the file system was going down has to be there like everything else; it is
/// counted apart, to tell what is lost at that moment from what is lost later.
fn check_late(file_system: &str, ledger: &Ledger, destination: &Destination) {
    let late = ledger.late();
    let is_lost = |id: &&EventId| !destination.arrivals().has(**id);
    let lost = late.iter().filter(is_lost).count();
    println!(
        "late on {file_system}: {} events acknowledged while the power went, {lost} lost",
        late.len()
    );
    assert_eq!(lost, 0, "acknowledged while {file_system} went down");
}

/// The file system stops first and the daemon goes on for a moment.
fn cut(volume: &Volume, daemon: Daemon, load: Load, random: &mut Random) {
    volume.cut_power();
    wait::pause(Duration::from_micros(random.within(0..20_000)));
    daemon.kill();
    load.finish();
    volume.remount();
}

/// The device is copied while the daemon is stopped, so that what it has not synced is in the page
/// cache and not in the copy.
fn cut_by_copy(volume: &Volume, daemon: Daemon, load: Load) {
    daemon.signal(Signal::STOP);
    let snapshot = volume.snapshot();
    daemon.kill();
    load.finish();
    volume.restore(&snapshot);
}
