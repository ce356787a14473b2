//! From what the user wrote to what the program needs: the only place of validation.
//!
//! Every check runs, so that one run shows everything that is wrong. A part that cannot be planned
//! is left out, and the caller gives no plan at all once anything was wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::decode::{Named, possible_types};
use super::defaults;
use super::error::{At, Position, Problems, did_you_mean};
use super::plan::{LogPlan, OutputPlan, Plan, RoutePlan};
use super::schema;
use super::settings::BufferDefaults;
use super::types::{Other, OtherPlan, PluginKind, Reading, Types};

mod admin;
mod buffer;
mod buffer_defaults;
mod check;
mod filter;
mod input;
mod keys;
mod output;
mod pattern;
mod route;
mod template;

use check::OrDefault as _;

/// The plan for `config`; what is wrong goes to `problems`, and then the plan is not to be used.
pub(super) fn plan(config: schema::Config, types: &dyn Types, problems: &mut Problems) -> Plan {
    let mut listeners = input::Listeners::default();
    let inputs = section(config.inputs, "inputs", problems);
    let routes = section(config.routes, "routes", problems);
    let outputs = config.outputs.map_or_else(Named::new, |at| at.value);
    let (routes, outputs) = routes_and_outputs(routes, outputs, types, problems);
    let route_names: Vec<_> = routes.iter().map(|route| route.name.clone()).collect();
    Plan {
        data_dir: data_dir(config.data_dir, problems),
        stop_timeout: config.stop_timeout.or_default_of(defaults::STOP_TIMEOUT),
        open_files_max: config
            .open_files_max
            .map(|at| open_files_max(&at, problems)),
        inputs: input::inputs(inputs, &routes, &mut listeners, types, problems),
        filters: filter::filters(config.filters, &route_names, types, problems),
        routes,
        outputs,
        admin: config
            .admin
            .map(|at| admin::admin(at, &mut listeners, problems)),
        log: log(config.log.map(|at| at.value), problems),
    }
}

/// Routes and outputs, and whether they fit together.
fn routes_and_outputs(
    routes: Named<schema::Route>,
    outputs: Named<schema::Output>,
    types: &dyn Types,
    problems: &mut Problems,
) -> (Vec<RoutePlan>, BTreeMap<String, OutputPlan>) {
    let names: Vec<_> = outputs.iter().map(|(name, _)| name.clone()).collect();
    let template_positions = outputs
        .iter()
        .filter_map(|(name, output)| Some((name.value.clone(), output.template_position()?)))
        .collect();
    let unbuffered: Vec<_> = outputs
        .iter()
        .filter_map(|(name, output)| Some((name.value.clone(), output.unbuffered_position()?)))
        .collect();
    let outputs = plan_outputs(outputs, types, problems);
    let defaults = |name: &str| buffer_defaults(outputs.get(name)?);
    let routes = route::routes(routes, &names, &defaults, problems);
    refuse_idle_wishes(&routes, &unbuffered, problems);
    template::check_all(&routes, &outputs, &template_positions, problems);
    (routes, outputs)
}

/// The named things of a section that must be there and not be empty.
fn section<T>(setting: Option<At<Named<T>>>, name: &str, problems: &mut Problems) -> Named<T> {
    let position = setting.as_ref().map_or(Position::START, |at| at.position);
    let named = setting.map_or_else(Named::new, |at| at.value);
    if named.is_empty() {
        problems.add(position, format!("there are no `{name}`"));
    }
    named
}

fn data_dir(setting: Option<At<String>>, problems: &mut Problems) -> PathBuf {
    let setting = check::required(setting, "data_dir", Position::START, problems);
    check::non_empty(setting, problems)
        .unwrap_or_default()
        .into()
}

/// Fewer than this cannot hold an input, a chunk, a lock and a catalogue.
const OPEN_FILES_MIN: usize = 16;

fn open_files_max(at: &At<usize>, problems: &mut Problems) -> usize {
    if at.value < OPEN_FILES_MIN {
        problems.add(
            at.position,
            format!("this must be at least {OPEN_FILES_MIN}"),
        );
    }
    at.value
}

/// An output that is not to be buffered, in routes that all have a buffer section.
fn refuse_idle_wishes(
    routes: &[RoutePlan],
    unbuffered: &[(String, Position)],
    problems: &mut Problems,
) {
    for (output, position) in unbuffered {
        let mut leading = routes.iter().filter(|route| route.outputs.contains(output));
        let first = leading.clone().next();
        if let (Some(route), true) = (first, leading.all(|route| route.has_buffer_section)) {
            let message = format!(
                "this has no effect: the route `{}` has a `buffer` section",
                route.name
            );
            problems.add(*position, message);
        }
    }
}

/// What the buffers of an output's routes are by default, if it has an opinion.
fn buffer_defaults(output: &OutputPlan) -> Option<&BufferDefaults> {
    match output {
        OutputPlan::Other(other) => Some(&other.buffer_defaults),
        _ => None,
    }
}

/// The plan for a plugin of a type that is not built in; `None` once `problems` says why.
fn other(
    kind: PluginKind,
    name: &At<String>,
    other: &Other,
    builtin: &[&'static str],
    types: &dyn Types,
    problems: &mut Problems,
) -> Option<OtherPlan> {
    let At { value, position } = &other.kind;
    let mut known = builtin.to_vec();
    known.extend(types.names(kind));
    if !known.contains(&value.as_str()) {
        let hint = did_you_mean(value, known.iter().copied());
        let hint = hint.unwrap_or_else(|| possible_types(&known));
        problems.add_with_hint(*position, format!("unknown type `{value}`"), Some(hint));
        return None;
    }
    types.read(kind, value, Reading::new(kind, name, &other.node, problems))
}

fn plan_outputs(
    outputs: Named<schema::Output>,
    types: &dyn Types,
    problems: &mut Problems,
) -> BTreeMap<String, OutputPlan> {
    let mut plans = BTreeMap::new();
    for (name, output) in outputs {
        check::name(&name, problems);
        if let Some(plan) = output::output(output, &name, types, problems) {
            plans.insert(name.value, plan);
        }
    }
    plans
}

fn log(log: Option<schema::Log>, problems: &mut Problems) -> LogPlan {
    let (filter, format) = log.map_or((None, None), |log| (log.filter, log.format));
    if let Some(at) = &filter
        && let Err(error) = crate::telemetry::check_filter(&at.value)
    {
        let hint = "such as `info` or `warn,forebay=debug`".to_owned();
        problems.add_with_hint(at.position, error.to_string(), Some(hint));
    }
    LogPlan {
        filter: filter.or_default_of(defaults::LOG_FILTER.to_owned()),
        json: format.or_default_of(schema::LogFormat::Text) == schema::LogFormat::Json,
    }
}
