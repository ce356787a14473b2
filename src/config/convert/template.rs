//! Templates, and whether they fit the chunk keys of every route that leads to them.

use std::collections::BTreeMap;

use crate::config::error::{At, Position, Problems};
use crate::config::plan::{OutputPlan, RoutePlan};
use crate::placeholder::{Coverage, Template};

/// The template that `at` is; `None` once `problems` says why.
pub(super) fn template(at: At<String>, problems: &mut Problems) -> Option<Template> {
    Template::compile(&at.value)
        .map_err(|error| problems.add(at.position, error.to_string()))
        .ok()
}

/// Checks that every placeholder has its chunk key in every route that leads to it. `positions`
/// says where the template of an output stands.
pub(super) fn check_all(
    routes: &[RoutePlan],
    outputs: &BTreeMap<String, OutputPlan>,
    positions: &BTreeMap<String, Position>,
    problems: &mut Problems,
) {
    for route in routes {
        for name in route.outputs.iter().chain(&route.secondary) {
            if let Some(OutputPlan::Other(other)) = outputs.get(name) {
                for (template, position) in &other.templates {
                    check(template, *position, route, problems);
                }
                continue;
            }
            let template = outputs.get(name).and_then(template_of);
            let (Some(template), Some(position)) = (template, positions.get(name)) else {
                continue;
            };
            check(template, *position, route, problems);
        }
    }
}

fn check(template: &Template, position: Position, route: &RoutePlan, problems: &mut Problems) {
    let fit = template.check(&route.buffer.keys, Coverage::PlaceholdersNeedKeys);
    if let Err(error) = fit {
        problems.add(position, format!("{error} of the route `{}`", route.name));
    }
}

fn template_of(output: &OutputPlan) -> Option<&Template> {
    match output {
        OutputPlan::Forward(output) => output.tag.as_ref(),
        OutputPlan::Http(output) => Some(&output.url),
        OutputPlan::File(output) => Some(&output.path),
        OutputPlan::Stdout(_) | OutputPlan::Null(_) | OutputPlan::Other(_) => None,
    }
}
