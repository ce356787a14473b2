//! `forebay plugins`: which types there are, and what can be set for one. `forebay schema`: all of it
//! for an editor.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::config;
use crate::registry::{PluginInfo, Registry};

/// Prints all types, or those called `name` with their settings; false if there is none.
///
/// # Errors
/// If `out` cannot be written.
pub(super) fn plugins(
    registry: &Registry,
    name: Option<&str>,
    as_json: bool,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let is_asked = |info: &&PluginInfo| name.is_none_or(|name| info.names().any(|one| one == name));
    let found: Vec<_> = registry.plugins().filter(is_asked).collect();
    if as_json {
        let all: Vec<_> = found.iter().map(|info| to_json(registry, info)).collect();
        writeln!(out, "{:#}", Value::Array(all))?;
    } else if name.is_none() {
        for PluginInfo {
            kind, name, about, ..
        } in &found
        {
            writeln!(out, "{:8}{name:16}{about}", kind.to_string())?;
        }
    } else {
        for info in &found {
            write_type(registry, info, out)?;
        }
    }
    out.flush()?;
    Ok(!found.is_empty())
}

/// Prints the JSON Schema of a configuration file.
///
/// # Errors
/// If `out` cannot be written.
pub(super) fn schema(registry: &Registry, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:#}", config::file_schema(registry))?;
    out.flush()
}

fn to_json(registry: &Registry, info: &PluginInfo) -> Value {
    json!({
        "kind": info.kind.to_string(),
        "name": info.name,
        "other_names": info.other_names,
        "about": info.about,
        "settings": registry.settings(info.kind, info.name),
    })
}

fn write_type(registry: &Registry, info: &PluginInfo, out: &mut dyn Write) -> io::Result<()> {
    let PluginInfo {
        kind, name, about, ..
    } = info;
    writeln!(out, "{kind} `{name}`: {about}")?;
    if !info.other_names.is_empty() {
        writeln!(out, "also called {}", info.other_names.join(", "))?;
    }
    let settings = registry.settings(*kind, name).unwrap_or_default();
    write_settings(&settings, "", out)?;
    writeln!(out)
}

/// One setting on two lines, those of a table behind it.
fn write_settings(schema: &Value, prefix: &str, out: &mut dyn Write) -> io::Result<()> {
    let Some(properties) = schema["properties"].as_object() else {
        return Ok(());
    };
    for (name, setting) in properties {
        let about = setting["description"].as_str().unwrap_or_default();
        if about.starts_with("Another name of") {
            continue;
        }
        let default = match &setting["default"] {
            Value::Null => String::new(),
            Value::String(text) => format!(", default {text}"),
            other => format!(", default {other}"),
        };
        writeln!(
            out,
            "  {prefix}{name}: {}{default}",
            config::kind_word(setting)
        )?;
        if !about.is_empty() {
            writeln!(out, "      {about}")?;
        }
        write_settings(setting, &format!("{prefix}{name}."), out)?;
    }
    Ok(())
}

/// What somebody who asks for a type that is not there is told.
pub(super) fn unknown(registry: &Registry, name: &str) -> String {
    let names: BTreeSet<_> = registry.plugins().map(|info| info.name).collect();
    let names: Vec<_> = names.into_iter().collect();
    format!(
        "no input, filter, output, decoder or encoder is called `{name}`; there are {}",
        names.join(", ")
    )
}
