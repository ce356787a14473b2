//! A type of output, and how settings of it become a plan.

use std::sync::Arc;

use super::TestError;
use crate::config::plan::{OutputPlan, RoutePlan};
use crate::config::{self, System};
use crate::registry::{OutputPlugin, Registry};

/// What the output is called in the configuration that is made for it.
pub(super) const OUTPUT_NAME: &str = "tested";

/// A type of output that is to be tested: one of your own, or one that comes with the program.
#[derive(Clone)]
pub struct Factory {
    registry: Arc<Registry>,
    type_name: &'static str,
}

/// The configuration of one output and its route.
pub(super) struct Planned {
    pub(super) output: OutputPlan,
    pub(super) route: RoutePlan,
}

impl Factory {
    /// The type that comes with the program by that name.
    #[must_use]
    pub fn builtin(type_name: &'static str) -> Self {
        Self {
            registry: Arc::new(Registry::builtin()),
            type_name,
        }
    }

    /// The name of its type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The plan for `settings`, and for a route with this `buffer` section; both are YAML.
    pub(super) fn plan(&self, settings: &str, buffer: Option<&str>) -> Result<Planned, TestError> {
        let text = self.configuration(settings, buffer);
        let plan = config::load_with("settings", &text, &System, &*self.registry);
        let mut plan = plan.map_err(TestError::Settings)?;
        let output = plan.outputs.remove(OUTPUT_NAME);
        let (Some(output), Some(route)) = (output, plan.routes.pop()) else {
            unreachable!("the plan has what its text has");
        };
        Ok(Planned { output, route })
    }

    fn configuration(&self, settings: &str, buffer: Option<&str>) -> String {
        let buffer = buffer.map_or_else(String::new, |buffer| {
            format!("    buffer:\n{}", indented(buffer, 6))
        });
        format!(
            "data_dir: unused\ninputs: {{unused: {{type: http}}}}\nroutes:\n  tested:\n    \
             match: '**'\n    to: {OUTPUT_NAME}\n{buffer}outputs:\n  {OUTPUT_NAME}:\n    type: {}\n{}",
            self.type_name,
            indented(settings, 4)
        )
    }
}

impl<P: OutputPlugin> From<P> for Factory {
    fn from(plugin: P) -> Self {
        let registry = Registry::default().output(plugin);
        Self {
            registry: Arc::new(registry.unwrap_or_else(|error| panic!("{error}"))),
            type_name: P::NAME,
        }
    }
}

/// The block of YAML in `text`, deeper by `by` spaces.
fn indented(text: &str, by: usize) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let own = |line: &str| line.len() - line.trim_start().len();
    let margin = lines.clone().map(own).min().unwrap_or(0);
    lines
        .map(|line| format!("{:by$}{}\n", "", &line[margin..]))
        .collect()
}
