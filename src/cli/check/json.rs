//! The same as one JSON document: the plan, or everything that is wrong.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::{describe_filter, describe_input, describe_output};
use crate::config::plan::{
    Durability, FlushMode, GivenUp, InputPlan, OutputPlan, Overflow, Plan, RoutePlan,
};
use crate::config::{Problem, Problems};

/// What a valid configuration means.
#[derive(Serialize)]
struct Valid<'a> {
    valid: bool,
    data_dir: &'a Path,
    inputs: Vec<Part<'a>>,
    filters: Vec<Part<'a>>,
    routes: Vec<Route<'a>>,
    outputs: Vec<Part<'a>>,
    admin: Option<Admin>,
}

/// An input, a filter or an output.
#[derive(Serialize)]
struct Part<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    /// What the text says of it.
    about: String,
}

#[derive(Serialize)]
struct Route<'a> {
    name: &'a str,
    #[serde(rename = "match")]
    patterns: &'a str,
    outputs: &'a [String],
    secondary: Option<&'a str>,
    durability: &'static str,
    flush_mode: &'static str,
    flush_interval_s: f64,
    chunk_limit_size: u64,
    total_limit_size: u64,
    overflow: &'static str,
    on_exhausted: &'static str,
    on_expired: &'static str,
}

#[derive(Serialize)]
struct Admin {
    url: String,
    tokens: usize,
}

/// What is wrong with one that is not valid.
#[derive(Serialize)]
struct Invalid<'a> {
    valid: bool,
    problems: Vec<Wrong<'a>>,
}

/// One thing that is wrong, in the words of the text.
#[derive(Serialize)]
struct Wrong<'a> {
    line: usize,
    column: usize,
    length: usize,
    message: &'a str,
    hint: Option<&'a str>,
}

/// Prints the plan.
///
/// # Errors
/// If `out` cannot be written.
pub(in crate::cli) fn check_json(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    let inputs = plan.inputs.iter().map(|(name, input)| Part {
        name,
        kind: input_type(input),
        about: describe_input(input),
    });
    let filters = plan.filters.iter().map(|filter| Part {
        name: &filter.name,
        kind: filter.kind.name(),
        about: describe_filter(filter),
    });
    let outputs = plan.outputs.iter().map(|(name, output)| Part {
        name,
        kind: output_type(output),
        about: describe_output(output),
    });
    let admin = plan.admin.as_ref().map(|admin| Admin {
        url: super::admin_url(admin),
        tokens: admin.tokens.len(),
    });
    let valid = Valid {
        valid: true,
        data_dir: &plan.data_dir,
        inputs: inputs.collect(),
        filters: filters.collect(),
        routes: plan.routes.iter().map(route).collect(),
        outputs: outputs.collect(),
        admin,
    };
    write(&valid, out)
}

/// Prints what is wrong.
///
/// # Errors
/// If `out` cannot be written.
pub(in crate::cli) fn problems_json(problems: &Problems, out: &mut dyn Write) -> io::Result<()> {
    let invalid = Invalid {
        valid: false,
        problems: problems.iter().map(Wrong::new).collect(),
    };
    write(&invalid, out)
}

impl<'a> Wrong<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self {
            line: problem.position.line,
            column: problem.position.column,
            length: problem.position.len,
            message: &problem.message,
            hint: problem.hint.as_deref(),
        }
    }
}

fn write(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)?;
    out.flush()
}

fn route(route: &RoutePlan) -> Route<'_> {
    let buffer = &route.buffer;
    Route {
        name: &route.name,
        patterns: route.matcher.as_str(),
        outputs: &route.outputs,
        secondary: route.secondary.as_deref(),
        durability: match buffer.durability {
            Durability::Disk => "disk",
            Durability::Memory => "memory",
        },
        flush_mode: match buffer.flush_mode {
            FlushMode::Lazy => "lazy",
            FlushMode::Interval => "interval",
            FlushMode::Immediate => "immediate",
        },
        flush_interval_s: buffer.flush_interval.as_secs_f64(),
        chunk_limit_size: buffer.chunk_limit_size,
        total_limit_size: buffer.total_limit_size,
        overflow: match buffer.overflow {
            Overflow::Block => "block",
            Overflow::Reject => "reject",
            Overflow::DropOldestChunk => "drop_oldest_chunk",
        },
        on_exhausted: given_up(buffer.on_exhausted),
        on_expired: given_up(buffer.on_expired),
    }
}

fn given_up(given_up: GivenUp) -> &'static str {
    match given_up {
        GivenUp::DeadLetter => "dead_letter",
        GivenUp::Drop => "drop",
    }
}

fn input_type(input: &InputPlan) -> &str {
    match input {
        InputPlan::Forward(_) => "forward",
        InputPlan::Http(_) => "http",
        InputPlan::Stdin(_) => "stdin",
        InputPlan::Dummy(_) => "dummy",
        InputPlan::Internal(_) => "internal",
        InputPlan::Other(plan) => plan.type_name,
    }
}

fn output_type(output: &OutputPlan) -> &str {
    match output {
        OutputPlan::Forward(_) => "forward",
        OutputPlan::Http(_) => "http",
        OutputPlan::File(_) => "file",
        OutputPlan::Stdout(_) => "stdout",
        OutputPlan::Null(_) => "null",
        OutputPlan::Other(plan) => plan.type_name,
    }
}
