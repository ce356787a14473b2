//! The types that come with the program. What they are made of stands in the plan.

use super::PluginInfo;
use crate::config::types::PluginKind;

/// Each with its names and its sentence.
pub(super) fn all() -> Vec<PluginInfo> {
    use PluginKind::{Decoder, Encoder, Filter, Input, Output};
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
            Input,
            "stdin",
            "Reads standard input line by line, and ends with it.",
        ),
        info(Input, "dummy", "Makes events up, at a rate."),
        info(
            Input,
            "internal",
            "Makes events of what the daemon itself logs.",
        ),
        info(Filter, "grep", "Keeps or drops events by patterns."),
        info(
            Filter,
            "record_transformer",
            "Adds, removes and renames fields.",
        ),
        info(
            Filter,
            "parser",
            "Decodes a field: JSON, MessagePack, logfmt, a pattern's groups.",
        ),
        info(
            Filter,
            "rewrite_tag",
            "Gives events other tags, by patterns.",
        ),
        info(Filter, "route", "Chooses the routes of events."),
        info(
            Filter,
            "heartbeat_watch",
            "Tells of sources that fall silent, and of their return.",
        ),
        info(
            Filter,
            "counter",
            "Counts events, and tells how many at the end of each interval.",
        ),
        info(
            Filter,
            "rollup",
            "Sums numbers up, and tells the sums at the end of each interval.",
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
        info(Decoder, "json", "A JSON object: its members."),
        info(
            Decoder,
            "msgpack",
            "A map of MessagePack, or an entry of time and map, whose time is the event's.",
        ),
        info(
            Decoder,
            "logfmt",
            "Pairs such as `level=info msg=\"it works\"`, as text; a name alone is true.",
        ),
        info(
            Decoder,
            "regex",
            "What `pattern` matches: its named groups, as text.",
        ),
        info(Decoder, "text", "Anything, as the one field `message`."),
        info(
            Encoder,
            "ndjson",
            "A JSON object a line, with time and tag if they are named (file, http, stdout).",
        ),
        info(
            Encoder,
            "json",
            "The record alone, a JSON object a line (file, stdout).",
        ),
        info(
            Encoder,
            "json_array",
            "A JSON array with an object for each event (http).",
        ),
        info(
            Encoder,
            "csv",
            "The values of `fields` with commas between, a line for each event (file, stdout).",
        ),
        info(
            Encoder,
            "ltsv",
            "Labels and values with tabs between, a line for each event (file, stdout).",
        ),
        info(
            Encoder,
            "msgpack",
            "Entries of time and record in MessagePack, back to back (file, http, stdout).",
        ),
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
