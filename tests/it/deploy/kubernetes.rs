//! The Kubernetes manifests: valid by the schemas of Kubernetes, consistent in themselves, and their
//! configurations work together.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::examples::place::{self, Place};
use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::tools;

/// The version of Kubernetes whose schemas are meant.
const VERSION: &str = "1.33";

/// Every object of every file, validated.
fn objects() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes");
    let mut command = Command::new(tools::find_client("python3"));
    command.arg(tools::script("manifests.py")).arg(VERSION);
    for entry in fs::read_dir(folder).unwrap() {
        command.arg(entry.unwrap().path());
    }
    let output = tools::succeed(&mut command);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let ours: Vec<_> = objects.iter().filter(|one| one["kind"] == kind).collect();
    assert!(!ours.is_empty(), "no {kind}");
    ours
}

/// What runs pods.
fn workloads(objects: &[Value]) -> Vec<&Value> {
    [
        of_kind(objects, "DaemonSet"),
        of_kind(objects, "StatefulSet"),
    ]
    .concat()
}

/// The configuration in the ConfigMap `name`.
fn configuration<'a>(objects: &'a [Value], name: &str) -> &'a str {
    let mut maps = of_kind(objects, "ConfigMap").into_iter();
    let map = maps.find(|map| map["metadata"]["name"] == name).unwrap();
    map["data"]["forebay.yaml"].as_str().unwrap()
}

#[test]
fn the_manifests_are_valid_and_every_name_in_them_leads_somewhere() {
    let objects = objects();
    for workload in workloads(&objects) {
        let pod = &workload["spec"]["template"];
        let labels = &pod["metadata"]["labels"];
        assert_eq!(&workload["spec"]["selector"]["matchLabels"], labels);
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        let map = volumes
            .iter()
            .find(|volume| volume["name"] == "configuration");
        let map = map.unwrap()["configMap"]["name"].as_str().unwrap();
        assert!(!configuration(&objects, map).is_empty());
        let container = &pod["spec"]["containers"][0];
        let ports = container["ports"].as_array().unwrap();
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let port = &container[probe]["httpGet"]["port"];
            assert!(ports.iter().any(|known| known["name"] == *port), "{probe}");
        }
        let services = of_kind(&objects, "Service");
        let mut ours = services
            .iter()
            .filter(|one| one["spec"]["selector"] == *labels);
        let service = ours.next().expect("a service for the pods");
        for port in service["spec"]["ports"].as_array().unwrap() {
            let known = ports
                .iter()
                .any(|known| known["name"] == port["targetPort"]);
            assert!(known, "{port}");
        }
    }
}

#[test]
fn no_pod_may_do_more_than_it_has_to_and_each_may_stop_in_order() {
    let objects = objects();
    for workload in workloads(&objects) {
        let pod = &workload["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let container = &pod["containers"][0];
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["capabilities"]["drop"][0], "ALL");
        assert!(container["resources"]["limits"]["memory"].is_string());
        let name = workload["metadata"]["name"].as_str().unwrap();
        let text = configuration(&objects, name);
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("stop_timeout: "));
        let stop_timeout: u64 = lines.next().unwrap().trim_end_matches('s').parse().unwrap();
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace > stop_timeout + 5, "{name}: {grace} {stop_timeout}");
    }
}

#[test]
fn the_agent_sends_to_the_aggregator_and_the_aggregator_on() {
    let objects = objects();
    let (mut agent, mut aggregator) = (Place::new(), Place::new());
    let destination = Destination::listen(aggregator.site.address());
    aggregator.put("logs.example.com:24224", &destination.address().to_string());
    let address = aggregator.site.forward().to_string();
    agent.put("forebay-aggregator:24224", &address);
    let start = |place: &Place, name: &str| {
        let text = place.with(configuration(&objects, name));
        let mut command = Command::new(daemon::binary());
        // Each pod has the name of its own; two sides of one name do not talk.
        command.envs(place::ENVIRONMENT).env("HOSTNAME", name);
        Daemon::start_by(&place.site, &text, command)
    };
    let _aggregator = start(&aggregator, "forebay-aggregator");
    let _agent = start(&agent, "forebay-agent");
    let ids = EventId::run(1, 0, 10);
    let mut sender = Sender::connect(agent.site.forward()).unwrap();
    sender.deliver("pod.web", &ids);
    destination.arrivals().wait_for(&ids);
}
