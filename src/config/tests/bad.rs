//! The texts are compared as a whole: they are what the user sees.

use super::{problems, with_buffer, with_input, with_output};

#[track_caller]
fn assert_problems(text: &str, expected: &str) {
    assert_eq!(problems(text), expected.trim_matches('\n'));
}

#[test]
fn a_file_without_anything_in_it_is_refused() {
    assert_problems(
        "",
        r#"
f.yaml:1:1: nothing stands where a table should
 1 |
   | ^
"#,
    );
    assert_problems(
        "\
log: {}
",
        r#"
f.yaml:1:1: there are no `inputs`
 1 | log: {}
   | ^

f.yaml:1:1: there are no `routes`
 1 | log: {}
   | ^

f.yaml:1:1: `data_dir` is missing
 1 | log: {}
   | ^
"#,
    );
}

#[test]
fn syntax_errors_show_their_place() {
    assert_problems(
        "\
data_dir: d
routes: {r: {match: a, to: o}
outputs: {}
",
        r#"
f.yaml:3:1: while parsing a flow mapping, did not find expected ',' or '}'
 3 | outputs: {}
   | ^
"#,
    );
    assert_problems(
        "\
data_dir: a
data_dir: b
",
        r#"
f.yaml:2:1: the key `data_dir` is there twice
 2 | data_dir: b
   | ^^^^^^^^
"#,
    );
    assert_problems(
        "\
a: 1
---
b: 2
",
        r#"
f.yaml:3:1: multiple YAML documents detected
 3 | b: 2
   | ^
"#,
    );
    assert_problems(
        "\
data_dir: !secret d
",
        r#"
f.yaml:1:19: unsupported tag `!secret`
 1 | data_dir: !secret d
   |                   ^
"#,
    );
}

#[test]
fn the_nearest_name_is_suggested() {
    assert_problems(
        &with_buffer(&["flush_intervall: 1s"]),
        r#"
f.yaml:10:7: unknown key `flush_intervall`
 10 |       flush_intervall: 1s
    |       ^^^^^^^^^^^^^^^ did you mean `flush_interval`?
"#,
    );
    assert_problems(
        &with_buffer(&["flush_mode: intervall"]),
        r#"
f.yaml:10:19: `intervall` is none of `lazy`, `interval`, `immediate`
 10 |       flush_mode: intervall
    |                   ^^^^^^^^^ did you mean `interval`?
"#,
    );
    assert_problems(
        &with_output("forwrad", &[]),
        r#"
f.yaml:6:11: unknown type `forwrad`
 6 |     type: forwrad
   |           ^^^^^^^ did you mean `forward`?
"#,
    );
    assert_problems(
        &with_output("forward", &["servers: [{adress: a}]"]),
        r#"
f.yaml:7:16: unknown key `adress`
 7 |     servers: [{adress: a}]
   |                ^^^^^^ did you mean `address`?
"#,
    );
    assert_problems(
        "\
data_dir: d
input: {}
",
        r#"
f.yaml:2:1: unknown key `input`
 2 | input: {}
   | ^^^^^ did you mean `inputs`?
"#,
    );
}

#[test]
fn where_no_name_is_near_all_are_listed() {
    assert_problems(
        &with_output("kafka", &[]),
        r#"
f.yaml:6:11: unknown type `kafka`
 6 |     type: kafka
   |           ^^^^^ possible types: `forward`, `http`, `file`, `stdout`, `null`
"#,
    );
    assert_problems(
        &with_input("tail", &[]),
        r#"
f.yaml:6:11: unknown type `tail`
 6 |     type: tail
   |           ^^^^ possible types: `forward`, `http`, `stdin`, `dummy`, `internal`
"#,
    );
    assert_problems(
        &with_buffer(&["compress: gzip"]),
        r#"
f.yaml:10:7: unknown key `compress`
 10 |       compress: gzip
    |       ^^^^^^^^ possible here: `keys`, `timekey`, `timekey_wait`, `timekey_zone`, `timekey_use_utc`, `durability`, `flush_mode`, `flush_interval`, `flush_at_shutdown`, `chunk_limit_size`, `chunk_limit_records`, `chunk_full_threshold`, `total_limit_size`, `overflow`, `dead_letter_limit_size`, `dead_letter_max_age`, `dead_letter_overflow`, `deduplicate`, `max_concurrent`, `delayed_commit_timeout`, `slow_flush_log_threshold`, `retry_type`, `retry_wait`, `retry_exponential_backoff_base`, `retry_max_interval`, `retry_randomize`, `retry_randomization_factor`, `retry_timeout`, `retry_max_times`, `retry_forever`, `retry_secondary_threshold`, `bisect`, `on_exhausted`, `max_age`, `on_expired`, `ordered`
"#,
    );
    assert_problems(
        "\
data_dir: d
inputs: {i: {type: http, certificate: x}}
",
        r#"
f.yaml:2:26: unknown key `certificate`
 2 | inputs: {i: {type: http, certificate: x}}
   |                          ^^^^^^^^^^^ possible here: `type`, `listen`, `body_size_max`, `unpacked_size_max`, `connections_max`, `read_memory_max`, `patience`, `tls`
"#,
    );
}

#[test]
fn values_of_the_wrong_kind_are_shown() {
    assert_problems(
        &with_buffer(&["flush_interval: 1 sec"]),
        r#"
f.yaml:10:23: `sec` is not a unit of time
 10 |       flush_interval: 1 sec
    |                       ^^^^^ a duration is written as `1m30s`, `500ms` or `10` (seconds)
"#,
    );
    assert_problems(
        &with_buffer(&["flush_interval: [1]"]),
        r#"
f.yaml:10:23: a list stands where a single value should
 10 |       flush_interval: [1]
    |                       ^
"#,
    );
    assert_problems(
        &with_buffer(&["flush_interval:"]),
        r#"
f.yaml:10:7: `flush_interval` has no value
 10 |       flush_interval:
    |       ^^^^^^^^^^^^^^
"#,
    );
    assert_problems(
        &with_buffer(&["chunk_limit_size: 8 apples"]),
        r#"
f.yaml:10:25: `apples` is not a unit of size
 10 |       chunk_limit_size: 8 apples
    |                         ^^^^^^^^ a size is written as `8MiB`, `512KiB` or `1000` (bytes)
"#,
    );
    assert_problems(
        &with_buffer(&["deduplicate: no"]),
        r#"
f.yaml:10:20: `no` is none of `on`, `off`
 10 |       deduplicate: no
    |                    ^^ did you mean `on`?
"#,
    );
    assert_problems(
        &with_buffer(&["retry_randomize: yes"]),
        r#"
f.yaml:10:24: `yes` is not a truth value
 10 |       retry_randomize: yes
    |                        ^^^ `true` or `false`
"#,
    );
    assert_problems(
        &with_buffer(&["max_concurrent: -1"]),
        r#"
f.yaml:10:23: `-1` is not a count
 10 |       max_concurrent: -1
    |                       ^^ a whole number from 0 to 18446744073709551615
"#,
    );
    assert_problems(
        &with_buffer(&["retry_exponential_backoff_base: two"]),
        r#"
f.yaml:10:39: `two` is not a number
 10 |       retry_exponential_backoff_base: two
    |                                       ^^^ such as `0.5` or `2`
"#,
    );
    assert_problems(
        &with_input("forward", &["listen: localhost:24224"]),
        r#"
f.yaml:7:13: `localhost:24224` is not an address to listen on
 7 |     listen: localhost:24224
   |             ^^^^^^^^^^^^^^^ an IP address and a port, such as `127.0.0.1:24224` or `[::]:24224`
"#,
    );
    assert_problems(
        &with_output("forward", &["servers: [a]", "tls: true"]),
        r#"
f.yaml:8:10: `true` stands where a table should
 8 |     tls: true
   |          ^^^^
"#,
    );
    assert_problems(
        &with_buffer(&["timekey_wait: null"]),
        r#"
f.yaml:10:21: `null` is not a duration
 10 |       timekey_wait: null
    |                     ^^^^ a duration is written as `1m30s`, `500ms` or `10` (seconds)
"#,
    );
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert_problems(
        &with_buffer(&["flush_interval: 0"]),
        r#"
f.yaml:10:23: this must be longer than 0
 10 |       flush_interval: 0
    |                       ^
"#,
    );
    assert_problems(
        &with_buffer(&["chunk_limit_size: 0"]),
        r#"
f.yaml:10:25: this must be more than 0 bytes
 10 |       chunk_limit_size: 0
    |                         ^
"#,
    );
    assert_problems(
        &with_buffer(&["chunk_full_threshold: 1.5"]),
        r#"
f.yaml:10:29: this must be more than 0 and at most 1
 10 |       chunk_full_threshold: 1.5
    |                             ^^^
"#,
    );
    assert_problems(
        &with_buffer(&["chunk_full_threshold: 0"]),
        r#"
f.yaml:10:29: this must be more than 0 and at most 1
 10 |       chunk_full_threshold: 0
    |                             ^
"#,
    );
    assert_problems(
        &with_buffer(&["max_concurrent: 0"]),
        r#"
f.yaml:10:23: this must be from 1 to 1024
 10 |       max_concurrent: 0
    |                       ^
"#,
    );
    assert_problems(
        &with_buffer(&["deduplicate: {batches_max: 0}"]),
        r#"
f.yaml:10:34: this must be from 1 to 10000000
 10 |       deduplicate: {batches_max: 0}
    |                                  ^
"#,
    );
    assert_problems(
        &with_buffer(&["chunk_limit_records: 0"]),
        r#"
f.yaml:10:28: this must be at least 1
 10 |       chunk_limit_records: 0
    |                            ^
"#,
    );
    assert_problems(
        &with_buffer(&["retry_exponential_backoff_base: 0.5"]),
        r#"
f.yaml:10:39: this must be at least 1
 10 |       retry_exponential_backoff_base: 0.5
    |                                       ^^^
"#,
    );
    assert_problems(
        &with_buffer(&["retry_randomization_factor: 1"]),
        r#"
f.yaml:10:35: this must be at least 0 and less than 1
 10 |       retry_randomization_factor: 1
    |                                   ^
"#,
    );
    assert_problems(
        &with_input("http", &["connections_max: 0"]),
        r#"
f.yaml:7:22: this must be from 1 to 1000000
 7 |     connections_max: 0
   |                      ^
"#,
    );
    assert_problems(
        "\
open_files_max: 3
data_dir: d
inputs: {i: {type: http}}
routes: {r: {match: '**', to: o}}
outputs: {o: {type: stdout}}
",
        r#"
f.yaml:1:17: this must be at least 16
 1 | open_files_max: 3
   |                 ^
"#,
    );
}

#[test]
fn one_setting_under_two_names_is_refused() {
    assert_problems(
        &with_buffer(&["max_concurrent: 2", "flush_thread_count: 2"]),
        r#"
f.yaml:11:7: `flush_thread_count` and `max_concurrent` are two names of one setting
 11 |       flush_thread_count: 2
    |       ^^^^^^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    assert_problems(
        &with_buffer(&["flush_mode: lazy", "flush_interval: 1s"]),
        r#"
f.yaml:11:23: `flush_interval` has no effect: `flush_mode` is `lazy`
 11 |       flush_interval: 1s
    |                       ^^ set `flush_mode: interval`, or leave this out
"#,
    );
    assert_problems(
        &with_buffer(&["flush_mode: immediate", "flush_interval: 1s"]),
        r#"
f.yaml:11:23: `flush_interval` has no effect: `flush_mode` is `immediate`
 11 |       flush_interval: 1s
    |                       ^^ set `flush_mode: interval`, or leave this out
"#,
    );
    assert_problems(
        &with_buffer(&["keys: time", "timekey: 1h", "flush_interval: 1s"]),
        r#"
f.yaml:12:23: `flush_interval` has no effect: `flush_mode` is `lazy` when `time` is among the `keys`
 12 |       flush_interval: 1s
    |                       ^^ set `flush_mode: interval`, or leave this out
"#,
    );
    assert_problems(
        &with_buffer(&["total_limit_size: 1MiB"]),
        r#"
f.yaml:10:25: `total_limit_size` (1048576 bytes) is less than `chunk_limit_size` (8388608 bytes)
 10 |       total_limit_size: 1MiB
    |                         ^^^^
"#,
    );
    assert_problems(
        &with_buffer(&["chunk_limit_size: 20GiB"]),
        r#"
f.yaml:10:25: `total_limit_size` (10737418240 bytes) is less than `chunk_limit_size` (21474836480 bytes)
 10 |       chunk_limit_size: 20GiB
    |                         ^^^^^
"#,
    );
    assert_problems(
        &with_buffer(&["retry_randomize: false", "retry_randomization_factor: 0.5"]),
        r#"
f.yaml:11:35: this has no effect: `retry_randomize` is `false`
 11 |       retry_randomization_factor: 0.5
    |                                   ^^^
"#,
    );
    assert_problems(
        &with_buffer(&[
            "keys: [time]",
            "timekey: 1h",
            "timekey_zone: Asia/Tokyo",
            "timekey_use_utc: true",
        ]),
        r#"
f.yaml:12:21: this has no effect: `timekey_use_utc` is `true`
 12 |       timekey_zone: Asia/Tokyo
    |                     ^^^^^^^^^^
"#,
    );
}

#[test]
fn chunk_keys_are_checked() {
    assert_problems(
        &with_buffer(&["keys: [tag, time]"]),
        r#"
f.yaml:10:19: the chunk key `time` needs a `timekey`, the length of its windows
 10 |       keys: [tag, time]
    |                   ^^^^ such as `timekey: 1h`
"#,
    );
    assert_problems(
        &with_buffer(&["keys: [time]", "timekey: 1500ms"]),
        r#"
f.yaml:11:16: this must be whole seconds, at least one and less than 136 years
 11 |       timekey: 1500ms
    |                ^^^^^^
"#,
    );
    assert_problems(
        &with_buffer(&["keys: [time]", "timekey: 0"]),
        r#"
f.yaml:11:16: this must be whole seconds, at least one and less than 136 years
 11 |       timekey: 0
    |                ^
"#,
    );
    assert_problems(
        &with_buffer(&[
            "keys: [tag]",
            "timekey: 1h",
            "timekey_wait: 5m",
            "timekey_zone: UTC",
            "timekey_use_utc: true",
        ]),
        r#"
f.yaml:11:16: this has no effect: `time` is not among the `keys`
 11 |       timekey: 1h
    |                ^^

f.yaml:12:21: this has no effect: `time` is not among the `keys`
 12 |       timekey_wait: 5m
    |                     ^^

f.yaml:13:21: this has no effect: `time` is not among the `keys`
 13 |       timekey_zone: UTC
    |                     ^^^

f.yaml:14:24: this has no effect: `time` is not among the `keys`
 14 |       timekey_use_utc: true
    |                        ^^^^
"#,
    );
    assert_problems(
        &with_buffer(&["keys: [tag, user, user]"]),
        r#"
f.yaml:10:25: the chunk key `user` is there twice
 10 |       keys: [tag, user, user]
    |                         ^^^^
"#,
    );
    assert_problems(
        &with_buffer(&["keys: [tag, 'a b', '$.x..y']"]),
        r#"
f.yaml:10:19: field `a b`: ' ' at position 1 cannot be part of a name
 10 |       keys: [tag, 'a b', '$.x..y']
    |                   ^^^^^

f.yaml:10:26: field `$.x..y`: a name is missing at position 4
 10 |       keys: [tag, 'a b', '$.x..y']
    |                          ^^^^^^^^
"#,
    );
    assert_problems(
        &with_buffer(&["keys: time", "timekey: 1d", "timekey_zone: Mars/Base"]),
        r#"
f.yaml:12:21: zone `Mars/Base` is not in this system's zone database
 12 |       timekey_zone: Mars/Base
    |                     ^^^^^^^^^
"#,
    );
}

#[test]
fn what_an_output_needs_must_be_there() {
    assert_problems(
        &with_output("forward", &[]),
        r#"
f.yaml:5:3: `servers` is missing
 5 |   o:
   |   ^
"#,
    );
    assert_problems(
        &with_output("forward", &["servers: []"]),
        r#"
f.yaml:7:5: at least one server must have a weight and not be standby
 7 |     servers: []
   |     ^^^^^^^
"#,
    );
    assert_problems(
        &with_output("forward", &["servers: [a:b]"]),
        r#"
f.yaml:7:15: `a:b` is not a server's address
 7 |     servers: [a:b]
   |               ^^^ such as `logs.example.com:24224`, `10.0.0.7` or `[::1]:24224`
"#,
    );
    assert_problems(
        &with_output("forward", &["servers: [{weight: 1}]"]),
        r#"
f.yaml:7:15: `address` is missing
 7 |     servers: [{weight: 1}]
   |               ^
"#,
    );
    assert_problems(
        &with_output(
            "forward",
            &["servers: [{address: a, weight: 0}, {address: b, standby: true}]"],
        ),
        r#"
f.yaml:7:5: at least one server must have a weight and not be standby
 7 |     servers: [{address: a, weight: 0}, {address: b, standby: true}]
   |     ^^^^^^^
"#,
    );
    assert_problems(
        &with_output("http", &[]),
        r#"
f.yaml:5:3: `url` is missing
 5 |   o:
   |   ^
"#,
    );
    assert_problems(
        &with_output("http", &["url: ftp://x"]),
        r#"
f.yaml:7:10: `ftp://x` is not a URL
 7 |     url: ftp://x
   |          ^^^^^^^ it begins with `http://` or `https://` and a host
"#,
    );
    assert_problems(
        &with_output("file", &[]),
        r#"
f.yaml:5:3: `path` is missing
 5 |   o:
   |   ^
"#,
    );
    assert_problems(
        &with_output("file", &["path: ''"]),
        r#"
f.yaml:7:11: this must not be empty
 7 |     path: ''
   |           ^^
"#,
    );
    assert_problems(
        &with_output("stdout", &["format: csv"]),
        r#"
f.yaml:7:13: `csv` needs `fields`, the columns in their order
 7 |     format: csv
   |             ^^^
"#,
    );
    assert_problems(
        &with_output("stdout", &["format: csv", "fields: [a, 'b c']"]),
        r#"
f.yaml:8:17: field `b c`: ' ' at position 1 cannot be part of a name
 8 |     fields: [a, 'b c']
   |                 ^^^^^
"#,
    );
    assert_problems(
        &with_output("stdout", &["fields: [a]"]),
        r#"
f.yaml:7:5: `fields` belongs to `format: csv`
 7 |     fields: [a]
   |     ^^^^^^
"#,
    );
    assert_problems(
        &with_output("http", &["url: http://x", "headers: {'a b': c}"]),
        r#"
f.yaml:8:15: `a b` cannot be a header's name
 8 |     headers: {'a b': c}
   |               ^^^^^
"#,
    );
}

#[test]
fn security_is_complete_or_refused() {
    assert_problems(
        &with_output("forward", &["servers: [a]", "security: {}"]),
        r#"
f.yaml:8:5: `self_hostname` is missing
 8 |     security: {}
   |     ^^^^^^^^

f.yaml:8:5: `shared_key` is missing
 8 |     security: {}
   |     ^^^^^^^^
"#,
    );
    assert_problems(
        &with_output(
            "forward",
            &[
                "servers: [a]",
                "security: {self_hostname: a, shared_key: b, username: c}",
            ],
        ),
        r#"
f.yaml:8:59: `username` without `password`
 8 |     security: {self_hostname: a, shared_key: b, username: c}
   |                                                           ^
"#,
    );
    assert_problems(
        &with_output("forward", &["servers: [a]", "tls: {cert_path: x}"]),
        r#"
f.yaml:8:22: `cert_path` without `key_path`
 8 |     tls: {cert_path: x}
   |                      ^
"#,
    );
    assert_problems(
        &with_input(
            "forward",
            &["security: {self_hostname: '', shared_key: ''}"],
        ),
        r#"
f.yaml:7:47: a secret must not be empty
 7 |     security: {self_hostname: '', shared_key: ''}
   |                                               ^^
"#,
    );
    assert_problems(
        &with_input("forward", &["security: {self_hostname: ''}"]),
        r#"
f.yaml:7:5: `shared_key` is missing
 7 |     security: {self_hostname: ''}
   |     ^^^^^^^^

f.yaml:7:31: this must not be empty
 7 |     security: {self_hostname: ''}
   |                               ^^
"#,
    );
    assert_problems(
        &with_input("http", &["tls: {cert_path: x}"]),
        r#"
f.yaml:7:5: `key_path` is missing
 7 |     tls: {cert_path: x}
   |     ^^^
"#,
    );
    assert_problems(
        &with_input("forward", &["tls:"]),
        r#"
f.yaml:7:5: `tls` has no value
 7 |     tls:
   |     ^^^
"#,
    );
}

#[test]
fn variables_and_files_must_be_there() {
    assert_problems(
        &with_input(
            "forward",
            &["security: {self_hostname: a, shared_key: '${NOPE}'}"],
        ),
        r#"
f.yaml:7:46: the environment variable `NOPE` is not set
 7 |     security: {self_hostname: a, shared_key: '${NOPE}'}
   |                                              ^^^^^^^^^
"#,
    );
    assert_problems(
        &with_output("stdout", &["format: ${file:/nope}"]),
        r#"
f.yaml:7:13: cannot read the file `/nope`: entity not found
 7 |     format: ${file:/nope}
   |             ^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn addresses_are_listened_on_once() {
    assert_problems(
        "\
data_dir: d
admin: {listen: '127.0.0.1:9880'}
inputs:
  a: {type: http}
  b: {type: http}
  c: {type: http, listen: '127.0.0.1:0'}
  d: {type: http, listen: '127.0.0.1:0'}
routes: {r: {match: '**', to: o}}
outputs: {o: {type: stdout}}
",
        r#"
f.yaml:2:17: `a` listens on 127.0.0.1:9880 already
 2 | admin: {listen: '127.0.0.1:9880'}
   |                 ^^^^^^^^^^^^^^^^

f.yaml:5:3: `a` listens on 127.0.0.1:9880 already
 5 |   b: {type: http}
   |   ^
"#,
    );
}

#[test]
fn routes_and_outputs_must_fit_together() {
    assert_problems(
        "\
data_dir: d
inputs: {i: {type: http}}
outputs:
  one: {type: 'null'}
  two: {type: 'null'}
routes:
  a: {match: x, to: [oen, one, one]}
  b: {match: y, to: []}
  c: {match: z}
  d: {to: one}
",
        r#"
f.yaml:5:3: no route sends anything to `two`
 5 |   two: {type: 'null'}
   |   ^^^

f.yaml:7:22: there is no output `oen`
 7 |   a: {match: x, to: [oen, one, one]}
   |                      ^^^ did you mean `one`?

f.yaml:7:32: `one` is named twice
 7 |   a: {match: x, to: [oen, one, one]}
   |                                ^^^

f.yaml:8:17: a route has 1 to 12 outputs, not 0
 8 |   b: {match: y, to: []}
   |                 ^^

f.yaml:9:3: `to` is missing
 9 |   c: {match: z}
   |   ^

f.yaml:10:3: `match` is missing
 10 |   d: {to: one}
    |   ^
"#,
    );
    assert_problems(
        "\
data_dir: d
inputs: {i: {type: http}}
routes:
  r: {match: x, to: [a, b, c, d, e, f, g, h, i, j, k, l, m]}
outputs: {a: {type: stdout}, b: {type: stdout}, c: {type: stdout}, d: {type: stdout}, e: {type: stdout}, f: {type: stdout}, g: {type: stdout}, h: {type: stdout}, i: {type: stdout}, j: {type: stdout}, k: {type: stdout}, l: {type: stdout}, m: {type: stdout}}
",
        r#"
f.yaml:4:17: a route has 1 to 12 outputs, not 13
 4 |   r: {match: x, to: [a, b, c, d, e, f, g, h, i, j, k, l, m]}
   |                 ^^
"#,
    );
}

#[test]
fn names_must_be_fit_for_a_directory() {
    assert_problems(
        "\
data_dir: ''
inputs: {../i: {type: http}}
routes: {.: {match: x, to: '-o'}}
outputs: {'-o': {type: stdout}}
",
        r#"
f.yaml:1:11: this must not be empty
 1 | data_dir: ''
   |           ^^

f.yaml:2:10: `../i` cannot be a name
 2 | inputs: {../i: {type: http}}
   |          ^^^^ up to 64 letters, digits, `_`, `-` and `.`, the first a letter, digit or `_`

f.yaml:3:10: `.` cannot be a name
 3 | routes: {.: {match: x, to: '-o'}}
   |          ^ up to 64 letters, digits, `_`, `-` and `.`, the first a letter, digit or `_`

f.yaml:4:11: `-o` cannot be a name
 4 | outputs: {'-o': {type: stdout}}
   |           ^^^^ up to 64 letters, digits, `_`, `-` and `.`, the first a letter, digit or `_`
"#,
    );
    assert_problems(
        "\
data_dir: d
inputs: {i: {type: http}}
routes: {'': {match: x, to: o}, rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr: {match: y, to: o}}
outputs: {o: {type: stdout}}
",
        r#"
f.yaml:3:10: `` cannot be a name
 3 | routes: {'': {match: x, to: o}, rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr: {match: y, to: o}}
   |          ^^ up to 64 letters, digits, `_`, `-` and `.`, the first a letter, digit or `_`

f.yaml:3:33: `rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr` cannot be a name
 3 | routes: {'': {match: x, to: o}, rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr: {match: y, to: o}}
   |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ up to 64 letters, digits, `_`, `-` and `.`, the first a letter, digit or `_`
"#,
    );
}

#[test]
fn patterns_are_checked() {
    assert_problems(
        "\
data_dir: d
inputs: {i: {type: http}}
routes:
  r: {match: ['a.**', 'b.{c', '/x/'], to: o}
  s: {match: [], to: o}
outputs: {o: {type: stdout}}
",
        r#"
f.yaml:4:23: pattern `b.{c`: `{` is never closed at position 2
 4 |   r: {match: ['a.**', 'b.{c', '/x/'], to: o}
   |                       ^^^^^^

f.yaml:4:31: pattern `/x/`: regular expressions are not supported at position 0
 4 |   r: {match: ['a.**', 'b.{c', '/x/'], to: o}
   |                               ^^^^^

f.yaml:5:7: pattern ``: a pattern is missing at position 0
 5 |   s: {match: [], to: o}
   |       ^^^^^
"#,
    );
    assert_problems(
        "\
data_dir: d
inputs: {i: {type: http}}
routes:
  r: {match: ['a', '**'], to: o}
  s: {match: b, to: o}
outputs: {o: {type: stdout}}
",
        r#"
f.yaml:5:3: the route `s` gets nothing: `r` above it takes every tag
 5 |   s: {match: b, to: o}
   |   ^
"#,
    );
}

#[test]
fn placeholders_are_checked_against_every_route() {
    assert_problems(
        &with_output("file", &["path: 'x/${tag'"]),
        r#"
f.yaml:7:11: `x/${tag`: `${` at position 2 is never closed
 7 |     path: 'x/${tag'
   |           ^^^^^^^^^
"#,
    );
    assert_problems(
        &with_output("file", &["path: 'x/${t ag}'"]),
        r#"
f.yaml:7:11: `x/${t ag}`: `${t ag}` at position 2 is no placeholder
 7 |     path: 'x/${t ag}'
   |           ^^^^^^^^^^^
"#,
    );
    assert_problems(
        &with_output("file", &["path: 'x/%Q'"]),
        r#"
f.yaml:7:11: `x/%Q`: `%Q` needs `time` among the chunk keys of the route `r`
 7 |     path: 'x/%Q'
   |           ^^^^^^
"#,
    );
    assert_problems(
        "\
data_dir: d
inputs: {i: {type: http}}
routes:
  a: {match: a, to: [f, h], buffer: {keys: [time, user], timekey: 1d}}
  b: {match: b, to: [f, c]}
outputs:
  f: {type: file, path: 'x/${user}/%Y'}
  h: {type: http, url: 'http://a/${tag[0]}'}
  c: {type: forward, servers: [a], tag: 'x.${user}'}
",
        r#"
f.yaml:7:25: `x/${user}/%Y`: `${user}` needs `user` among the chunk keys of the route `b`
 7 |   f: {type: file, path: 'x/${user}/%Y'}
   |                         ^^^^^^^^^^^^^^

f.yaml:8:24: `http://a/${tag[0]}`: `${tag[0]}` needs `tag` among the chunk keys of the route `a`
 8 |   h: {type: http, url: 'http://a/${tag[0]}'}
   |                        ^^^^^^^^^^^^^^^^^^^^

f.yaml:9:41: `x.${user}`: `${user}` needs `user` among the chunk keys of the route `b`
 9 |   c: {type: forward, servers: [a], tag: 'x.${user}'}
   |                                         ^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_log_filter_is_checked() {
    assert_problems(
        "\
data_dir: d
log: {filter: 'a=loud', format: xml}
",
        r#"
f.yaml:2:33: `xml` is none of `text`, `json`
 2 | log: {filter: 'a=loud', format: xml}
   |                                 ^^^
"#,
    );
    assert_problems(
        "\
data_dir: d
log: {filter: 'a=loud'}
inputs: {i: {type: http}}
routes: {r: {match: '**', to: o}}
outputs: {o: {type: stdout}}
",
        r#"
f.yaml:2:15: `a=loud` is not a log filter
 2 | log: {filter: 'a=loud'}
   |               ^^^^^^^^ such as `info` or `warn,forebay=debug`
"#,
    );
}

#[test]
fn all_that_is_wrong_is_shown_in_the_order_of_the_text() {
    assert_problems(
        &with_buffer(&[
            "retry_wait: 0s",
            "flush_mode: lazy",
            "flush_interval: 0s",
            "keys: [a b]",
            "total_limit_size: 1k",
        ]),
        r#"
f.yaml:10:19: this must be longer than 0
 10 |       retry_wait: 0s
    |                   ^^

f.yaml:12:23: `flush_interval` has no effect: `flush_mode` is `lazy`
 12 |       flush_interval: 0s
    |                       ^^ set `flush_mode: interval`, or leave this out

f.yaml:12:23: this must be longer than 0
 12 |       flush_interval: 0s
    |                       ^^

f.yaml:13:14: field `a b`: ' ' at position 1 cannot be part of a name
 13 |       keys: [a b]
    |              ^^^

f.yaml:14:25: `total_limit_size` (1024 bytes) is less than `chunk_limit_size` (8388608 bytes)
 14 |       total_limit_size: 1k
    |                         ^^
"#,
    );
    assert_problems(
        &with_buffer(&["retry_wait: soon", "nonsense: 1", "overflow: explode"]),
        r#"
f.yaml:10:19: `soon` is not a duration
 10 |       retry_wait: soon
    |                   ^^^^ a duration is written as `1m30s`, `500ms` or `10` (seconds)

f.yaml:11:7: unknown key `nonsense`
 11 |       nonsense: 1
    |       ^^^^^^^^ possible here: `keys`, `timekey`, `timekey_wait`, `timekey_zone`, `timekey_use_utc`, `durability`, `flush_mode`, `flush_interval`, `flush_at_shutdown`, `chunk_limit_size`, `chunk_limit_records`, `chunk_full_threshold`, `total_limit_size`, `overflow`, `dead_letter_limit_size`, `dead_letter_max_age`, `dead_letter_overflow`, `deduplicate`, `max_concurrent`, `delayed_commit_timeout`, `slow_flush_log_threshold`, `retry_type`, `retry_wait`, `retry_exponential_backoff_base`, `retry_max_interval`, `retry_randomize`, `retry_randomization_factor`, `retry_timeout`, `retry_max_times`, `retry_forever`, `retry_secondary_threshold`, `bisect`, `on_exhausted`, `max_age`, `on_expired`, `ordered`

f.yaml:12:17: `explode` is none of `block`, `reject`, `throw_exception`, `drop_oldest_chunk`
 12 |       overflow: explode
    |                 ^^^^^^^
"#,
    );
}

#[test]
fn last_resorts_without_effect_are_refused() {
    assert_problems(
        &with_buffer(&["on_exhausted: drop", "on_expired: drop"]),
        r#"
f.yaml:10:21: `on_exhausted` has no effect: `retry_forever` is `true`
 10 |       on_exhausted: drop
    |                     ^^^^ set `retry_timeout` or `retry_max_times`, or leave this out

f.yaml:11:19: `on_expired` has no effect without `max_age`
 11 |       on_expired: drop
    |                   ^^^^
"#,
    );
    assert_problems(
        &with_buffer(&["retry_secondary_threshold: 0.5"]),
        r#"
f.yaml:10:34: this has no effect: the route has no `secondary`
 10 |       retry_secondary_threshold: 0.5
    |                                  ^^^
"#,
    );
    assert_problems(
        &with_buffer(&["retry_secondary_threshold: 1.0", "max_age: 0s"]),
        r#"
f.yaml:10:34: this must be more than 0 and less than 1
 10 |       retry_secondary_threshold: 1.0
    |                                  ^^^

f.yaml:11:16: this must be longer than 0
 11 |       max_age: 0s
    |                ^^
"#,
    );
    assert_problems(
        &with_buffer(&["dead_letter_overflow: drop", "ordered: tag"]),
        r#"
f.yaml:10:29: `drop` is none of `block`, `drop_oldest`
 10 |       dead_letter_overflow: drop
    |                             ^^^^ did you mean `drop_oldest`?

f.yaml:11:16: `tag` is none of `none`, `key`
 11 |       ordered: tag
    |                ^^^
"#,
    );
}

#[test]
fn the_secondary_output_is_another_one_that_there_is() {
    let with = |secondary: &str| {
        format!(
            "\
data_dir: d
inputs: {{i: {{type: http}}}}
outputs:
  o: {{type: stdout}}
  rest: {{type: file, path: 'x/${{k}}'}}
routes: {{r: {{match: '**', to: o, secondary: {secondary}}}}}
"
        )
    };
    assert_problems(
        &with("o"),
        r#"
f.yaml:5:3: no route sends anything to `rest`
 5 |   rest: {type: file, path: 'x/${k}'}
   |   ^^^^

f.yaml:6:45: `o` is in `to`: what it does not take needs another output
 6 | routes: {r: {match: '**', to: o, secondary: o}}
   |                                             ^
"#,
    );
    // Placeholders need their chunk keys as everywhere.
    let problems = problems(&with("rest"));
    assert!(problems.contains("f.yaml:5:"), "{problems}");
    assert!(problems.contains("of the route `r`"), "{problems}");
    let problems = super::problems(&with("rst"));
    assert!(problems.contains("there is no output `rst`"), "{problems}");
}

#[test]
fn the_admin_api_is_open_to_nobody_but_this_machine_without_proof() {
    for listen in ["0.0.0.0:2020", "192.0.2.1:2020", "'[::]:2020'"] {
        for more in ["", "\n  tokens: {}", "\n  tls: {cert_path: c, key_path: k}"] {
            let text = format!("{}admin:\n  listen: {listen}{more}\n", with_buffer(&[]));
            let said = problems(&text);
            assert!(
                said.contains("could read every event and stop the daemon"),
                "{said}"
            );
            assert!(
                said.contains("set `tokens`, or `tls` with `client_ca_path`"),
                "{said}"
            );
        }
    }
}

#[test]
fn what_lets_nobody_in_or_everybody_is_no_token() {
    assert_problems(
        &format!(
            "{}admin:
  hosts: ['https://a']
  requests_per_second_max: 0
  tokens:
    b: {{secret: '0123456789abcde'}}
    c: {{secret: '0123456789 abcdef'}}
    d: {{role: admin}}
",
            with_buffer(&[])
        ),
        r#"
f.yaml:10:11: `https://a` is no host
 10 |   hosts: ['https://a']
    |           ^^^^^^^^^^^ a name without scheme and port, such as `logs.example.com`

f.yaml:11:28: this must be at least 1
 11 |   requests_per_second_max: 0
    |                            ^

f.yaml:13:17: a secret has at least 16 visible ASCII characters
 13 |     b: {secret: '0123456789abcde'}
    |                 ^^^^^^^^^^^^^^^^^ such as `openssl rand -hex 32` gives

f.yaml:14:17: a secret has at least 16 visible ASCII characters
 14 |     c: {secret: '0123456789 abcdef'}
    |                 ^^^^^^^^^^^^^^^^^^^ such as `openssl rand -hex 32` gives

f.yaml:15:5: `secret` is missing
 15 |     d: {role: admin}
    |     ^
"#,
    );
    let twice =
        "admin: {tokens: {a: {secret: '0123456789abcdef'}, b: {secret: '0123456789abcdef'}}}\n";
    let said = problems(&format!("{}{twice}", with_buffer(&[])));
    assert!(said.contains("`a` has the same secret"), "{said}");
}
