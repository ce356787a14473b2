//! What can never be delivered is kept, with its reason.

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::http_destination::HttpDestination;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

#[test]
fn a_rejected_chunk_is_a_dead_letter_that_can_be_read_offline() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    destination.answer("400 Bad Request");
    let daemon = Daemon::start(
        &site,
        &site.config(&format!(
            "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms, bisect: false }}, to: web }}
outputs:
  web: {{ type: http, url: \"http://{}/in\", format: ndjson }}
",
            destination.address()
        )),
    );
    let ids = EventId::run(1, 0, 7);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app.web", &ids);
    wait::until_true("a dead letter", || {
        daemon.route("all")["dead"]["events"] == 7
    });
    assert_eq!(
        destination.take_requests().len(),
        1,
        "a rejection is not tried again"
    );
    assert!(daemon.stop().success());

    let folder = site.data_dir();
    let folder = folder.to_str().unwrap();
    let (code, listing, errors) = daemon::run(&["buffer", "ls", folder]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        listing.contains("400"),
        "the listing tells the reason:\n{listing}"
    );
    let (code, events, errors) = daemon::run(&["buffer", "cat", folder]);
    assert_eq!(code, Some(0), "{errors}");
    for id in &ids {
        assert!(
            events.contains(&id.0.to_string()),
            "{id:?} is not in:\n{events}"
        );
    }
}

#[test]
fn what_can_never_be_stored_is_set_aside_and_the_rest_stored_once() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site
        .config_to(&destination)
        .replace("buffer: {", "buffer: { chunk_limit_size: 64KiB,");
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 3);
    let large = EventId::new(2, 0);
    let mut entries = event::entries(&ids[..1], 1);
    entries.extend(event::large_entry(large, 100_000));
    entries.extend(event::entries(&ids[1..2], 1));
    entries.extend(event::entry_without_map());
    entries.extend(event::entries(&ids[2..], 1));
    Sender::connect(site.forward())
        .unwrap()
        .deliver_entries("app", &entries);

    destination.arrivals().wait_for(&ids);
    wait::until_true("both to be dead letters", || {
        daemon.route("all")["dead"]["events"] == 2
    });
    assert_eq!(destination.arrivals().count(), ids.len());
    assert_eq!(destination.arrivals().repeat_count(), 0);
    assert!(!destination.arrivals().has(large));

    daemon.kill();
    let daemon = Daemon::start(&site, &config);
    assert_eq!(
        daemon.route("all")["dead"]["events"],
        2,
        "dead letters survive a kill"
    );
}
