//! The types that come with the program. What they are made of stands in the plan.

use super::PluginInfo;
use crate::config::types::PluginKind;

/// Each with its names and its sentence.
pub(super) fn all() -> Vec<PluginInfo> {
    use PluginKind::{Input, Output};
    vec![
        info(
            Input,
            "forward",
            "Takes events from senders of the Fluent forward protocol.",
        ),
        info(
            Input,
            "http",
            "Takes events in HTTP requests: `POST /<tag>`.",
        ),
        info(
            Output,
            "forward",
            "Sends events to servers of the Fluent forward protocol.",
        ),
        info(Output, "http", "Sends each chunk as an HTTP request."),
        info(
            Output,
            "file",
            "Writes events to files, whose names may have placeholders.",
        ),
        info(Output, "stdout", "Prints events to standard output."),
        info(Output, "null", "Forgets events."),
    ]
}

fn info(kind: PluginKind, name: &'static str, about: &'static str) -> PluginInfo {
    PluginInfo {
        kind,
        name,
        other_names: &[],
        about,
    }
}
