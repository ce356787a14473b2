//! What there is and what can be set: `forebay plugins` and `forebay schema`.

use std::path::Path;
use std::process::Command;

use crate::harness::{daemon, site::Site, tools};

#[test]
fn i02_every_type_is_listed_with_its_sentence() {
    let (code, listed, _) = daemon::run(&["plugins"]);
    assert_eq!(code, Some(0));
    for line in [
        "input   forward         Takes events from senders of the Fluent forward protocol.",
        "output  file            Writes events to files, whose names may have placeholders.",
    ] {
        assert!(listed.lines().any(|listed| listed == line), "{listed}");
    }
}

#[test]
fn a_type_is_shown_with_its_settings_and_defaults() {
    let (code, shown, _) = daemon::run(&["plugins", "http"]);
    assert_eq!(code, Some(0));
    for line in [
        "input `http`: Takes events in HTTP requests: `POST /<tag>`.",
        "  patience: duration, default 5s",
        "output `http`: Sends each chunk as an HTTP request.",
        "  format: ndjson | json_array | msgpack, default ndjson",
        "  tls.ca_path: text",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    let (_, json, _) = daemon::run(&["plugins", "http", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json[1]["settings"]["properties"]["buffered"]["default"],
        true
    );
    let (code, _, error) = daemon::run(&["plugins", "htpp"]);
    assert_eq!(code, Some(64));
    assert!(error.contains("called `htpp`"), "{error}");
}

#[test]
fn the_schema_takes_every_example_and_refuses_what_the_program_refuses() {
    let site = Site::new();
    let (code, schema, _) = daemon::run(&["schema"]);
    assert_eq!(code, Some(0));
    let file = site.path("schema.json");
    std::fs::write(&file, schema).unwrap();
    let mut validate = validator(&file);
    validate.args(examples());
    tools::succeed(&mut validate);

    let wrong = site.path("wrong.yaml");
    let text = std::fs::read_to_string(&examples()[0]).unwrap();
    let changed = [
        text.replace("type: forward", "type: forwards"),
        text.replace("data_dir:", "data_dirs:"),
        format!("{text}\nadmin: {{listens: 1}}\n"),
    ];
    for text in changed {
        std::fs::write(&wrong, &text).unwrap();
        let refused = validator(&file).arg(&wrong).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{text}");
    }
}

fn validator(schema: &Path) -> Command {
    let mut command = Command::new(tools::find_client("python3"));
    command.arg(tools::script("validate.py")).arg(schema);
    command
}

/// The configurations in `deploy/`.
fn examples() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/config");
    let mut found = Vec::new();
    for folder in [folder.clone(), folder.join("first-minute")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 4);
    found
}
