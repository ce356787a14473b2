//! `forebay check`: what a configuration means.

use std::io::{self, Write};
use std::time::Duration;

use crate::config::plan::{
    AdminPlan, BufferPlan, Durability, FilterPlan, FlushMode, GivenUp, HttpMethod, HttpOutputPlan,
    InputPlan, OnError, OutputPlan, Overflow, Plan, RoutePlan,
};

mod json;

pub(super) use json::{check_json, problems_json};

/// Prints the plan, one thing a line.
///
/// # Errors
/// If `out` cannot be written.
pub(super) fn check(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "the configuration is valid")?;
    writeln!(out, "data    {}", plan.data_dir.display())?;
    for (name, input) in &plan.inputs {
        writeln!(out, "input   {name}: {}", describe_input(input))?;
    }
    for filter in &plan.filters {
        writeln!(out, "filter  {}", describe_filter(filter))?;
    }
    for route in &plan.routes {
        writeln!(out, "route   {}", describe_route(route))?;
        writeln!(out, "        {}", describe_buffer(&route.buffer))?;
    }
    for (name, output) in &plan.outputs {
        writeln!(out, "output  {name}: {}", describe_output(output))?;
    }
    if let Some(admin) = &plan.admin {
        let tokens = match admin.tokens.len() {
            0 => "",
            _ => ", for those with a token",
        };
        writeln!(out, "admin   {}{tokens}", admin_url(admin))?;
    }
    out.flush()
}

/// Where the admin API is.
pub(super) fn admin_url(admin: &AdminPlan) -> String {
    let scheme = if admin.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", admin.listen)
}

fn describe_input(input: &InputPlan) -> String {
    match input {
        InputPlan::Stdin(input) => format!("standard input, decoded by {}", input.decoder.name()),
        InputPlan::Dummy(input) => format!("dummy, {} events a second", input.rate),
        InputPlan::Internal(input) => format!("the daemon's log from {} on", input.level.name()),
        InputPlan::Other(input) => input.type_name.to_owned(),
        InputPlan::Forward(input) => {
            let tls = if input.tls.is_some() { ", TLS" } else { "" };
            let key = if input.security.is_some() {
                ", shared key"
            } else {
                ""
            };
            format!("forward on {}{tls}{key}", input.listen)
        }
        InputPlan::Http(input) => {
            let scheme = if input.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}", input.listen)
        }
    }
}

fn describe_filter(filter: &FilterPlan) -> String {
    let tags = filter
        .matcher
        .as_ref()
        .map_or("**", |matcher| matcher.as_str());
    let on_error = match filter.on_error {
        OnError::Keep => "what it fails on goes on unchanged",
        OnError::Tag => "what it fails on goes on as `filter_failed.` and its tag",
        OnError::DeadLetter => "what it fails on goes to the dead letters",
    };
    format!(
        "{}: {} of {tags}; {on_error}",
        filter.name,
        filter.kind.name()
    )
}

fn describe_route(route: &RoutePlan) -> String {
    let secondary = route.secondary.as_ref();
    format!(
        "{}: {} -> {}{}",
        route.name,
        route.matcher.as_str(),
        route.outputs.join(", "),
        secondary.map_or_else(String::new, |name| format!(", else {name}"))
    )
}

fn describe_buffer(buffer: &BufferPlan) -> String {
    let durability = match buffer.durability {
        Durability::Disk => "acknowledged when synced",
        Durability::Memory => "acknowledged when written, NOT synced",
    };
    let flush = match buffer.flush_mode {
        FlushMode::Lazy => "when full or their time is over".to_owned(),
        FlushMode::Interval => format!("when full or {} old", seconds(buffer.flush_interval)),
        FlushMode::Immediate => "at once".to_owned(),
    };
    let overflow = match buffer.overflow {
        Overflow::Block => "then senders wait",
        Overflow::Reject => "then senders are refused",
        Overflow::DropOldestChunk => "then the oldest chunk is DROPPED",
    };
    let given_up = match (buffer.on_exhausted, buffer.on_expired) {
        (GivenUp::DeadLetter, GivenUp::DeadLetter) => "",
        _ => "; what is given up is DROPPED",
    };
    let limits = format!(
        "chunks of {} flushed {flush}; up to {}, {overflow}",
        size(buffer.chunk_limit_size),
        size(buffer.total_limit_size)
    );
    format!("{durability}; {limits}{given_up}")
}

fn describe_output(output: &OutputPlan) -> String {
    match output {
        OutputPlan::Forward(output) => {
            let servers: Vec<_> = output
                .servers
                .iter()
                .map(|server| format!("{}:{}", server.host, server.port))
                .collect();
            let ack = if output.require_ack {
                ""
            } else {
                ", NOT acknowledged"
            };
            let tls = if output.tls.is_some() { ", TLS" } else { "" };
            format!("forward to {}{tls}{ack}", servers.join(", "))
        }
        OutputPlan::Http(output) => describe_http(output),
        OutputPlan::File(output) => format!("files {}", output.path.as_str()),
        OutputPlan::Stdout(_) => "standard output".to_owned(),
        OutputPlan::Null(_) => "nowhere".to_owned(),
        OutputPlan::Other(output) => output.type_name.to_owned(),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

/// Bytes in the largest unit that divides them.
fn size(bytes: u64) -> String {
    let units = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    for (unit, name) in units {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} bytes")
}

fn describe_http(output: &HttpOutputPlan) -> String {
    let method = match output.method {
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
    };
    format!("{method} {}", output.url.as_str())
}
