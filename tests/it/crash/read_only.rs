//! A file system that has met an error and takes no more writes.

use std::fs;
use std::sync::Arc;

use super::volume::{FileSystem, Volume};
use super::{kill, results};
use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::ledger::Ledger;
use crate::harness::load::Load;
use crate::harness::random::Random;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, wait};

#[test]
fn a_file_system_that_becomes_read_only_under_load_loses_nothing() {
    let mut random = Random::seeded("read-only");
    let site = Site::new();
    let Some(volume) = Volume::mount(&site, FileSystem::Ext4, 64, "read-only") else {
        return;
    };
    let ledger = Arc::new(Ledger::default());
    let mut destination = Destination::away(site.address());
    let config = kill::config(&site, &destination);
    let daemon = Daemon::start(&site, &config);
    let randoms = (0..4).map(|_| random.fork()).collect();
    let load = Load::start(site.forward(), &ledger, &["app", "job"], 0, randoms);
    wait::until_true("a load", || load.acknowledged_batch_count() > 50);
    become_read_only(&volume);
    is_red(&site, &daemon);
    load.finish();
    heal(
        "read-only, under load",
        &site,
        &volume,
        daemon,
        &config,
        &ledger,
        &mut destination,
    );
}

#[test]
fn a_file_system_that_becomes_read_only_while_nothing_is_open_is_noticed() {
    let site = Site::new();
    let Some(volume) = Volume::mount(&site, FileSystem::Ext4, 64, "read-only, idle") else {
        return;
    };
    let ledger = Arc::new(Ledger::default());
    let mut destination = Destination::listen(site.address());
    let config = kill::config(&site, &destination);
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 10);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    ledger.acknowledge(&ids);
    wait::until_true("the buffer to be empty", || kill::is_empty(&daemon));
    become_read_only(&volume);
    is_red(&site, &daemon);
    heal(
        "read-only, nothing open",
        &site,
        &volume,
        daemon,
        &config,
        &ledger,
        &mut destination,
    );
}

/// The kernel's own way to test what ext4 does when it finds an error.
fn become_read_only(volume: &Volume) {
    let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", volume.device());
    fs::write(trigger, "test").unwrap();
}

/// Nothing is acknowledged any more, and the daemon says so to whoever asks.
fn is_red(site: &Site, daemon: &Daemon) {
    for (client, sequence) in (50..).zip(0..5) {
        let ids = [EventId::new(client, sequence)];
        let sender = Sender::connect(site.forward());
        let answer = sender.and_then(|mut sender| {
            sender.send("app", "never", &event::entries(&ids, 1))?;
            sender.read_ack()
        });
        assert!(answer.is_err(), "acknowledged on a read-only file system");
    }
    let answer = http::post(site.http(), "/app", "application/json", b"{\"id\":1}");
    assert_eq!(answer.status, 503, "{}", answer.text());
    let ready = wait::until("/readyz to be red", || {
        let ready = http::get(site.admin(), "/readyz");
        (ready.status == 503).then_some(ready)
    });
    let text = ready.text();
    assert!(text.contains("Read-only file system"), "{text}");
    assert_eq!(http::get(site.admin(), "/healthz").status, 200);
    assert!(daemon.log_text().contains("Read-only file system"));
}

fn heal(
    test: &str,
    site: &Site,
    volume: &Volume,
    daemon: Daemon,
    config: &str,
    ledger: &Ledger,
    destination: &mut Destination,
) {
    daemon.kill();
    volume.repair();
    destination.come_back();
    let daemon = Daemon::start(site, config);
    results::settle(test, "ext4", 1, 1, ledger, destination);
    assert!(daemon.stop().success());
}
