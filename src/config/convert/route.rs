//! Routes, and how they name their outputs.

use super::{buffer, buffer_defaults, check, pattern};
use crate::config::decode::{Named, OneOrMany};
use crate::config::error::{At, Position, Problems, did_you_mean, list};
use crate::config::plan::RoutePlan;
use crate::config::schema;
use crate::config::settings::BufferDefaults;

/// Outputs of one route: as many as a chunk's header has room for.
const ROUTE_OUTPUTS_MAX: usize = 12;

/// All routes in the order of the text; `outputs` are the names that `to` may hold, and each must
/// be in one; `defaults` says what an output wants its routes' buffers to be.
pub(super) fn routes<'d>(
    routes: Named<schema::Route>,
    outputs: &[At<String>],
    defaults: &dyn Fn(&str) -> Option<&'d BufferDefaults>,
    problems: &mut Problems,
) -> Vec<RoutePlan> {
    let mut used: Vec<String> = Vec::new();
    let mut plans: Vec<RoutePlan> = Vec::new();
    for (name, route) in routes {
        check::name(&name, problems);
        refuse_unreachable(&name, &plans, problems);
        let to = destinations(route.to, outputs, name.position, problems);
        let secondary = secondary(route.secondary, &to, outputs, problems);
        used.extend(to.iter().chain(&secondary).cloned());
        let matcher = check::required(route.r#match, "match", name.position, problems)
            .and_then(|at| pattern::matcher(at, problems));
        let has_buffer_section = route.buffer.is_some();
        let mut settings = route.buffer.map_or_else(Default::default, |at| at.value);
        let defaults: Vec<_> = to
            .iter()
            .filter_map(|output| Some((output.as_str(), defaults(output)?)))
            .collect();
        buffer_defaults::fill_in(&mut settings, &defaults, name.position, problems);
        let buffer = buffer::buffer(settings, secondary.is_some(), problems);
        if let Some(matcher) = matcher {
            plans.push(RoutePlan {
                name: name.value,
                matcher,
                buffer,
                has_buffer_section,
                outputs: to,
                secondary,
            });
        }
    }
    for output in outputs
        .iter()
        .filter(|output| !used.contains(&output.value))
    {
        let message = format!("no route sends anything to `{}`", output.value);
        problems.add(output.position, message);
    }
    plans
}

/// The first route that matches takes the event, so that nothing comes after one for every tag.
fn refuse_unreachable(name: &At<String>, before: &[RoutePlan], problems: &mut Problems) {
    let taker = before
        .iter()
        .find(|route| pattern::takes_everything(&route.matcher));
    if let Some(taker) = taker {
        let message = format!(
            "the route `{}` gets nothing: `{}` above it takes every tag",
            name.value, taker.name
        );
        problems.add(name.position, message);
    }
}

/// The outputs that `to` names, each once and each known.
fn destinations(
    to: Option<At<OneOrMany<String>>>,
    outputs: &[At<String>],
    route: Position,
    problems: &mut Problems,
) -> Vec<String> {
    let Some(At { value, position }) = check::required(to, "to", route, problems) else {
        return Vec::new();
    };
    if value.is_empty() || value.len() > ROUTE_OUTPUTS_MAX {
        let message = format!(
            "a route has 1 to {ROUTE_OUTPUTS_MAX} outputs, not {}",
            value.len()
        );
        problems.add(position, message);
    }
    let mut names = Vec::new();
    for At { value, position } in value {
        if names.contains(&value) {
            problems.add(position, format!("`{value}` is named twice"));
        } else if !outputs.iter().any(|output| output.value == value) {
            unknown_output(&value, position, outputs, problems);
        }
        names.push(value);
    }
    names
}

/// The output that `secondary` names, which must be known and not be in `to`.
fn secondary(
    setting: Option<At<String>>,
    to: &[String],
    outputs: &[At<String>],
    problems: &mut Problems,
) -> Option<String> {
    let At { value, position } = setting?;
    if to.contains(&value) {
        let message = format!("`{value}` is in `to`: what it does not take needs another output");
        problems.add(position, message);
    } else if !outputs.iter().any(|output| output.value == value) {
        unknown_output(&value, position, outputs, problems);
    }
    Some(value)
}

fn unknown_output(name: &str, position: Position, outputs: &[At<String>], problems: &mut Problems) {
    let known = || outputs.iter().map(|output| output.value.as_str());
    let hint = did_you_mean(name, known())
        .or_else(|| (!outputs.is_empty()).then(|| format!("the outputs are {}", list(known()))));
    problems.add_with_hint(position, format!("there is no output `{name}`"), hint);
}
