//! A small disk that fills up, and has room again.

use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;

use super::volume::{FileSystem, Volume};
use super::{kill, results};
use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::ledger::Ledger;
use crate::harness::load::Load;
use crate::harness::random::Random;
use crate::harness::{http, site::Site, wait};

const SIZE_MIB: u64 = 48;
const BALLAST_MIB: usize = 12;
const TAGS: &[&str] = &["app.web", "app.db", "job"];

#[test]
fn a_full_disk_holds_senders_back_until_there_is_room() {
    let mut random = Random::seeded("full disk");
    let site = Site::new();
    let Some(volume) = Volume::mount(&site, FileSystem::Ext4, SIZE_MIB, "full disk") else {
        return;
    };
    let ballast = site.data_dir().join("ballast");
    fs::write(&ballast, vec![1; BALLAST_MIB << 20]).unwrap();
    let ledger = Arc::new(Ledger::default());
    let mut destination = Destination::away(site.address());
    let config = config(&site, &destination);

    let daemon = Daemon::start(&site, &config);
    let randoms = (0..4).map(|_| random.fork()).collect();
    let load = Load::start(site.forward(), &ledger, TAGS, 0, randoms);
    fill(&daemon);
    refuses_over_http(&site, &ledger);

    // Room that another program makes.
    let before = load.acknowledged_batch_count();
    fs::remove_file(&ballast).unwrap();
    wait::until_true("the senders to go on", || {
        load.acknowledged_batch_count() > before
    });
    fill(&daemon);

    // Not one byte is left, and the daemon is killed and starts again.
    daemon.kill();
    load.finish();
    fill_to_the_brim(&site);
    let daemon = Daemon::start(&site, &config);
    let randoms = (0..4).map(|_| random.fork()).collect();
    let load = Load::start(site.forward(), &ledger, TAGS, 4, randoms);
    fill(&daemon);

    // Room that deliveries make: deleting needs none.
    let before = load.acknowledged_batch_count();
    destination.come_back();
    wait::until_true("the senders to go on", || {
        load.acknowledged_batch_count() > before + 100
    });
    load.finish();
    results::settle("full disk", "ext4", 1, 3, &ledger, &destination);
    wait::until_true("the buffer to be empty", || kill::is_empty(&daemon));
    assert_eq!(daemon.route("all")["dead"]["events"], 0);
    assert!(daemon.stop().success());
    drop(volume);
}

/// Waits until senders wait.
fn fill(daemon: &Daemon) {
    wait::until_true("the disk to be full", || {
        daemon.route("all")["senders_waiting"] != 0
    });
}

fn fill_to_the_brim(site: &Site) {
    let mut file = File::create(site.data_dir().join("brim")).unwrap();
    for size in [1 << 20, 4096, 1] {
        let bytes = vec![1; size];
        while file.write_all(&bytes).is_ok() && file.sync_data().is_ok() {}
    }
}

/// A small event may still fit where no batch does, so events come until one is refused.
fn refuses_over_http(site: &Site, ledger: &Ledger) {
    let mut ids = (0..).map(|sequence| EventId::new(99, sequence));
    let refused = wait::until("an event to be refused", || {
        let id = ids.next().unwrap();
        let text = "x".repeat(64 << 10);
        let body = format!("{{\"id\":{},\"text\":\"{text}\"}}", id.0);
        let answer = http::post(site.http(), "/app.web", "application/json", body.as_bytes());
        if answer.status == 200 {
            ledger.acknowledge(&[id]);
            return None;
        }
        Some(answer)
    });
    assert_eq!(refused.status, 503, "{}", refused.text());
    let seconds = refused.header("retry-after").map(str::parse::<u64>);
    assert!(matches!(seconds, Some(Ok(1..))), "{seconds:?}");
}

/// The route's own limit is far above the disk's.
fn config(site: &Site, destination: &Destination) -> String {
    let config = kill::config(site, destination).replace("64KiB", "1MiB");
    config.replace("type: http,", "type: http, patience: 200ms,")
}
