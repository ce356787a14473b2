//! A Forebay behind a Forebay.

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::{certificate, site::Site, wait};

#[test]
fn a_forebay_sends_to_another_over_tls_with_keys_users_and_certificates() {
    let (edge_site, central_site) = (Site::new(), Site::new());
    let destination = Destination::listen(edge_site.address());
    certificate::make(&edge_site, "edge");
    certificate::make(&edge_site, "central");
    let folder = edge_site.folder().display().to_string();
    let central_config = central_site.config_to(&destination).replace(
        "type: forward, listen",
        &format!(
            "type: forward, security: {{ self_hostname: central, shared_key: river, users: {{ mill: wheel }} }},
    tls: {{ cert_path: {folder}/central.pem, key_path: {folder}/central.key, client_ca_path: {folder}/edge.pem }}, listen"
        ),
    );
    let edge_config = |password: &str| {
        edge_site.config(&format!(
            "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms, retry_wait: 50ms, retry_max_interval: 200ms }}, to: central }}
outputs:
  central:
    type: forward
    servers: [\"{}\"]
    compress: zstd
    ack_timeout: 5s
    security: {{ self_hostname: edge, shared_key: river, username: mill, password: {password} }}
    tls: {{ ca_path: {folder}/central.pem, server_name: central, cert_path: {folder}/edge.pem, key_path: {folder}/edge.key }}
",
            central_site.forward()
        ))
    };

    let central = Daemon::start(&central_site, &central_config);
    let edge = Daemon::start(&edge_site, &edge_config("wrong"));
    let ids = EventId::run(1, 0, 1_000);
    let mut sender = Sender::connect(edge_site.forward()).unwrap();
    sender.deliver("app", &ids[..500]);
    wait::until_true("an attempt with the wrong password to fail", || {
        edge.output("all", "central")["attempts"].as_u64().unwrap() >= 2
    });
    assert_eq!(edge.output("all", "central")["chunks_delivered"], 0);
    assert!(edge.stop().success());

    let _edge = Daemon::start(&edge_site, &edge_config("wheel"));
    destination.arrivals().wait_for(&ids[..500]);
    central.kill();
    let mut sender = Sender::connect(edge_site.forward()).unwrap();
    sender.deliver("app", &ids[500..]);
    let _central = Daemon::start(&central_site, &central_config);
    destination.arrivals().wait_for(&ids);
}
