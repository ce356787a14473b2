use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::super::plan::{
    AdminRole, Alias, BufferPlan, Compression, DeadLetterOverflow, DeduplicatePlan, Durability,
    FileFormat, FlushMode, ForwardInputPlan, ForwardOutputPlan, GivenUp, HttpFormat, HttpInputPlan,
    HttpMethod, HttpOutputPlan, InputPlan, Ordered, OutputPlan, Overflow, RetryKind, RetryPlan,
};
use super::{plan, with_buffer, with_input, with_output};

fn buffer(settings: &[&str]) -> BufferPlan {
    plan(&with_buffer(settings)).routes.remove(0).buffer
}

fn output(kind: &str, settings: &[&str]) -> OutputPlan {
    plan(&with_output(kind, settings))
        .outputs
        .remove("o")
        .unwrap()
}

fn forward_output(settings: &[&str]) -> ForwardOutputPlan {
    match output("forward", settings) {
        OutputPlan::Forward(plan) => plan,
        other => panic!("{other:?}"),
    }
}

fn http_output(settings: &[&str]) -> HttpOutputPlan {
    match output("http", settings) {
        OutputPlan::Http(plan) => plan,
        other => panic!("{other:?}"),
    }
}

fn forward_input(settings: &[&str]) -> ForwardInputPlan {
    match plan(&with_input("forward", settings)).inputs.remove("i") {
        Some(InputPlan::Forward(plan)) => plan,
        other => panic!("{other:?}"),
    }
}

fn http_input(settings: &[&str]) -> HttpInputPlan {
    match plan(&with_input("http", settings)).inputs.remove("i") {
        Some(InputPlan::Http(plan)) => plan,
        other => panic!("{other:?}"),
    }
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn what_is_not_written_has_the_documented_value() {
    let plan = plan(&with_buffer(&[]));
    assert_eq!(plan.stop_timeout, seconds(10));
    assert_eq!(plan.open_files_max, None);
    assert!(plan.admin.is_none());
    assert_eq!(plan.log.filter, "info");
    assert!(!plan.log.json);
    assert_eq!(plan.routes[0].name, "r");
    assert_eq!(plan.routes[0].outputs, ["o"]);
}

#[test]
fn a_buffer_has_the_documented_defaults() {
    let buffer = buffer(&[]);
    assert_eq!(buffer.durability, Durability::Disk);
    assert_eq!(buffer.flush_mode, FlushMode::Interval);
    assert_eq!(buffer.flush_interval, seconds(1));
    assert!(!buffer.flush_at_shutdown);
    assert_eq!(buffer.timekey_wait, seconds(600));
    assert_eq!(buffer.chunk_limit_size, 8 << 20);
    assert_eq!(buffer.chunk_limit_records, None);
    assert!((buffer.chunk_full_threshold - 0.95).abs() < f64::EPSILON);
    assert_eq!(buffer.total_limit_size, 10 << 30);
    assert_eq!(buffer.overflow, Overflow::Block);
    assert_eq!(buffer.dead_letter_limit_size, 1 << 30);
    assert_eq!(buffer.dead_letter_max_age, None);
    assert_eq!(buffer.dead_letter_overflow, DeadLetterOverflow::Block);
    assert!((buffer.secondary_threshold - 0.8).abs() < f64::EPSILON);
    assert!(buffer.bisect);
    assert_eq!(buffer.on_exhausted, GivenUp::DeadLetter);
    assert_eq!(
        (buffer.max_age, buffer.on_expired),
        (None, GivenUp::DeadLetter)
    );
    assert_eq!(buffer.ordered, Ordered::None);
    assert_eq!(buffer.max_concurrent, 16);
    assert_eq!(buffer.delayed_commit_timeout, seconds(60));
    assert_eq!(buffer.slow_flush_log_threshold, seconds(20));
    assert_eq!(
        buffer.retry,
        RetryPlan {
            kind: RetryKind::ExponentialBackoff,
            wait: seconds(1),
            exponential_base: 2.0,
            max_interval: seconds(60),
            randomization: 0.125,
            timeout: seconds(72 * 3600),
            max_times: None,
            forever: true,
        }
    );
}

#[test]
fn batches_are_remembered_unless_that_is_off() {
    let plan = |window, batches_max| {
        Some(DeduplicatePlan {
            window,
            batches_max,
        })
    };
    for (settings, expected) in [
        (&[][..], plan(seconds(600), 100_000)),
        (&["deduplicate: on"], plan(seconds(600), 100_000)),
        (&["deduplicate: {window: 1h}"], plan(seconds(3600), 100_000)),
        (&["deduplicate: {batches_max: 7}"], plan(seconds(600), 7)),
        (&["deduplicate: off"], None),
    ] {
        assert_eq!(buffer(settings).deduplicate, expected, "{settings:?}");
    }
}

#[test]
fn inputs_have_the_documented_defaults() {
    let forward = forward_input(&[]);
    assert_eq!(forward.listen.to_string(), "127.0.0.1:24224");
    assert_eq!(forward.message_size_max, 64 << 20);
    assert_eq!(forward.unpacked_size_max, 256 << 20);
    assert_eq!(forward.connections_max, 1024);
    assert_eq!(forward.read_memory_max, 32 << 20);
    assert_eq!(forward.idle_timeout, None);
    assert!(forward.security.is_none() && forward.tls.is_none());
    let http = http_input(&[]);
    assert_eq!(http.listen.to_string(), "127.0.0.1:9880");
    assert_eq!(http.body_size_max, 32 << 20);
    assert_eq!(http.unpacked_size_max, 256 << 20);
    assert_eq!(http.connections_max, 1024);
    assert_eq!(http.read_memory_max, 64 << 20);
    assert_eq!(http.patience, seconds(5));
}

#[test]
fn outputs_have_the_documented_defaults() {
    let forward = forward_output(&["servers: [a]"]);
    assert_eq!(forward.connect_timeout, seconds(10));
    assert_eq!(forward.send_timeout, seconds(60));
    assert_eq!(forward.ack_timeout, seconds(60));
    assert!(forward.require_ack);
    assert_eq!(forward.compress, Compression::None);
    assert!(forward.security.is_none() && forward.tls.is_none() && forward.tag.is_none());
    assert_eq!(forward.servers[0].port, 24224);
    assert_eq!(forward.servers[0].weight, 60);
    assert!(!forward.servers[0].standby);
    let http = http_output(&["url: http://a"]);
    assert_eq!(http.method, HttpMethod::Post);
    assert_eq!(http.format, HttpFormat::Ndjson);
    assert_eq!(http.connect_timeout, seconds(10));
    assert_eq!(http.request_timeout, seconds(30));
    let OutputPlan::File(file) = output("file", &["path: x"]) else {
        panic!("not a file");
    };
    assert!(file.append);
    assert_eq!(file.format, FileFormat::Ndjson);
    assert_eq!(file.compress, Compression::None);
}

#[test]
fn retries_end_only_if_the_user_sets_a_limit() {
    for (settings, forever) in [
        (&["retry_wait: 2s"][..], true),
        (&["retry_timeout: 1h"], false),
        (&["retry_max_times: 3"], false),
        (&["retry_max_times: 3", "retry_forever: true"], true),
        (&["retry_forever: false"], false),
    ] {
        assert_eq!(buffer(settings).retry.forever, forever, "{settings:?}");
    }
}

#[test]
fn jitter_can_be_set_and_turned_off() {
    for (settings, factor) in [
        (&["retry_randomize: true"][..], 0.125),
        (&["retry_randomize: false"], 0.0),
        (&["retry_randomization_factor: 0.5"], 0.5),
        (
            &["retry_randomization_factor: 0", "retry_randomize: false"],
            0.0,
        ),
    ] {
        let found = buffer(settings).retry.randomization;
        assert!((found - factor).abs() < f64::EPSILON, "{settings:?}");
    }
}

#[test]
fn names_that_people_know_are_understood() {
    let plan = buffer(&[
        "flush_thread_count: 3",
        "overflow_action: throw_exception",
        "max_elapsed_time: 1h",
        "max_retry_interval: 5m",
        "retry_type: periodic",
    ]);
    assert_eq!(plan.max_concurrent, 3);
    assert_eq!(plan.overflow, Overflow::Reject);
    assert_eq!(plan.retry.timeout, seconds(3600));
    assert_eq!(plan.retry.max_interval, seconds(300));
    assert_eq!(plan.retry.kind, RetryKind::Periodic);
    let plan = forward_output(&[
        "servers: a:1",
        "ack_response_timeout: 190",
        "require_ack_response: false",
        "compress: text",
    ]);
    assert_eq!(plan.ack_timeout, seconds(190));
    assert!(!plan.require_ack);
    assert_eq!(plan.compress, Compression::None);
    assert_eq!(
        forward_input(&["chunk_size_limit: 1m"]).message_size_max,
        1 << 20
    );
    assert_eq!(http_input(&["body_size_limit: 1m"]).body_size_max, 1 << 20);
    assert_eq!(
        http_output(&["endpoint: 'https://a/b'"]).method,
        HttpMethod::Post
    );
}

#[test]
fn servers_are_written_as_text_or_as_tables() {
    let plan = forward_output(&[
        "servers:",
        "  - 10.0.0.1:5000",
        "  - {address: '[::1]:24225', weight: 5, standby: true}",
    ]);
    let servers: Vec<_> = plan
        .servers
        .iter()
        .map(|s| (s.host.as_str(), s.port, s.weight, s.standby))
        .collect();
    assert_eq!(
        servers,
        [("10.0.0.1", 5000, 60, false), ("::1", 24225, 5, true)]
    );
}

#[test]
fn secrets_are_taken_as_written_and_never_shown() {
    let plan = forward_output(&[
        "servers: a",
        "security: {self_hostname: me, shared_key: 0123, username: u, password: 1e3}",
    ]);
    let security = plan.security.unwrap();
    assert_eq!(security.shared_key.expose_secret(), "0123");
    assert_eq!(security.user.as_ref().unwrap().1.expose_secret(), "1e3");
    assert!(!format!("{security:?}").contains("0123"));
}

#[test]
fn secrets_come_from_the_environment_and_from_files() {
    let plan = forward_input(&[
        "security:",
        "  self_hostname: me",
        "  shared_key: ${FOREBAY_SHARED_KEY}",
        "  users: {alice: '${file:/run/secrets/key}'}",
    ]);
    let security = plan.security.unwrap();
    assert_eq!(security.shared_key.expose_secret(), "0123");
    assert_eq!(security.users["alice"].expose_secret(), "from a file");
}

#[test]
fn csv_has_its_columns() {
    let OutputPlan::Stdout(plan) = output("stdout", &["format: csv", "fields: [a, b]"]) else {
        panic!("not stdout");
    };
    let fields = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(plan.format, FileFormat::Csv { fields });
}

#[test]
fn an_output_may_be_null() {
    assert!(matches!(output("null", &[]), OutputPlan::Null(_)));
}

#[test]
fn routes_keep_the_order_of_the_text() {
    let text = "\
data_dir: d
inputs: {i: {type: http}}
outputs: {o: {type: 'null'}}
routes:
  z: {match: a, to: o}
  a: {match: [b, c], to: [o]}
";
    let names: Vec<_> = plan(text).routes.into_iter().map(|r| r.name).collect();
    assert_eq!(names, ["z", "a"]);
}

#[test]
fn last_resorts_are_what_is_written() {
    let buffer = buffer(&[
        "dead_letter_max_age: 7d",
        "dead_letter_overflow: drop_oldest",
        "bisect: false",
        "retry_timeout: 1h",
        "on_exhausted: drop",
        "max_age: 2d",
        "on_expired: drop",
        "ordered: key",
    ]);
    assert_eq!(buffer.dead_letter_max_age, Some(seconds(7 * 86_400)));
    assert_eq!(buffer.dead_letter_overflow, DeadLetterOverflow::DropOldest);
    assert!(!buffer.bisect);
    assert_eq!(buffer.on_exhausted, GivenUp::Drop);
    assert_eq!(
        (buffer.max_age, buffer.on_expired),
        (Some(seconds(2 * 86_400)), GivenUp::Drop)
    );
    assert_eq!(buffer.ordered, Ordered::Key);
}

#[test]
fn a_route_may_have_a_secondary_output() {
    let plan = plan(
        "\
data_dir: d
inputs: {i: {type: http}}
outputs: {o: {type: stdout}, rest: {type: 'null'}}
routes: {r: {match: '**', to: o, secondary: rest, buffer: {retry_timeout: 1h, retry_secondary_threshold: 0.5}}}
",
    );
    assert_eq!(plan.routes[0].secondary.as_deref(), Some("rest"));
    assert!((plan.routes[0].buffer.secondary_threshold - 0.5).abs() < f64::EPSILON);
}

#[test]
fn the_admin_api_knows_who_may_come_in() {
    let plan = plan(&format!(
        "{}admin:
  listen: 0.0.0.0:2020
  hosts: [Logs.example.com]
  tokens:
    prometheus: {{secret: 'read-0123456789abcdef'}}
    ops: {{role: admin, secret: 'admin-0123456789abcdef'}}
",
        with_buffer(&[])
    ));
    let admin = plan.admin.unwrap();
    assert_eq!(admin.hosts, ["logs.example.com"]);
    assert_eq!(admin.requests_per_second_max, 100);
    let roles: Vec<_> = admin.tokens.values().map(|token| token.role).collect();
    assert_eq!(roles, [AdminRole::Admin, AdminRole::Read]);
    let shown = format!("{admin:?}");
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn metrics_may_have_the_names_of_others_too() {
    let with = |admin: &str| plan(&format!("{}admin: {admin}\n", with_buffer(&[])));
    let aliases = |admin: &str| with(admin).admin.unwrap().metrics_aliases;
    assert_eq!(aliases("{}"), []);
    assert_eq!(
        aliases("{metrics: {aliases: [fluentbit]}}"),
        [Alias::Fluentbit]
    );
    assert_eq!(
        aliases("{metrics: {aliases: fluentbit}}"),
        [Alias::Fluentbit]
    );
}

#[test]
fn client_certificates_do_instead_of_tokens() {
    let plan = plan(&format!(
        "{}admin: {{listen: '0.0.0.0:2020', tls: {{cert_path: c, key_path: k, client_ca_path: a}}}}\n",
        with_buffer(&[])
    ));
    assert!(plan.admin.unwrap().tls.unwrap().client_ca_path.is_some());
}
