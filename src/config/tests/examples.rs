use super::plan;

#[test]
fn the_example_of_the_design_is_valid() {
    let plan = plan(
        r#"
data_dir: ./data
inputs:
  app:
    type: forward
    listen: 127.0.0.1:24224
routes:
  web:
    match: "app.**"
    buffer:
      keys: [tag, time]
      timekey: 1h
      timekey_wait: 5m
      flush_mode: interval
      flush_interval: 1s
      chunk_limit_size: 8MiB
      total_limit_size: 20GiB
      overflow: block
    to: [central, archive]
outputs:
  central:
    type: forward
    servers: ["127.0.0.1:24225"]
  archive:
    type: file
    path: "./archive/${tag}/%Y%m%d-%H.ndjson"
admin:
  listen: 127.0.0.1:2020
"#,
    );
    assert_eq!(plan.routes[0].outputs, ["central", "archive"]);
    assert_eq!(plan.routes[0].buffer.total_limit_size, 20 << 30);
}
