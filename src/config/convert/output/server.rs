//! The servers of a forward output.

use crate::config::convert::check::{self, OrDefault as _};
use crate::config::decode::OneOrMany;
use crate::config::defaults::output as defaults;
use crate::config::error::{At, Position, Problems};
use crate::config::plan::ForwardServer;
use crate::config::schema;

/// The servers, of which at least one is not standby and has a weight; `name` is the output's.
pub(super) fn servers(
    servers: Option<At<OneOrMany<schema::Server>>>,
    name: Position,
    problems: &mut Problems,
) -> Option<Vec<ForwardServer>> {
    let At { value, position } = check::required(servers, "servers", name, problems)?;
    let count = value.len();
    let plans: Vec<_> = value
        .into_iter()
        .filter_map(|at| server(at, problems))
        .collect();
    let is_usable = |server: &ForwardServer| !server.standby && server.weight > 0;
    if plans.len() == count && !plans.iter().any(is_usable) {
        let message = "at least one server must have a weight and not be standby";
        problems.add(position, message);
    }
    Some(plans)
}

fn server(at: At<schema::Server>, problems: &mut Problems) -> Option<ForwardServer> {
    let At { value, position } = at;
    let address = check::required(value.address, "address", position, problems)?;
    let Some((host, port)) = split_address(&address.value) else {
        problems.add_with_hint(
            address.position,
            format!("`{}` is not a server's address", address.value),
            Some("such as `logs.example.com:24224`, `10.0.0.7` or `[::1]:24224`".to_owned()),
        );
        return None;
    };
    Some(ForwardServer {
        host: host.to_owned(),
        port,
        weight: value.weight.or_default_of(defaults::SERVER_WEIGHT),
        standby: value.standby.or_default_of(false),
    })
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`; the port is 24224 if it is missing.
fn split_address(address: &str) -> Option<(&str, u16)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => address.split_at(address.find(':').unwrap_or(address.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None if port.is_empty() => defaults::FORWARD_PORT,
        None => return None,
    };
    let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/');
    is_host.then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_in_all_spellings() {
        for (address, split) in [
            ("a:1", Some(("a", 1))),
            ("logs.example.com", Some(("logs.example.com", 24224))),
            ("10.0.0.7:24225", Some(("10.0.0.7", 24225))),
            ("[::1]:5", Some(("::1", 5))),
            ("[::1]", Some(("::1", 24224))),
            ("::1", None),
            ("[::1", None),
            ("[::1]5", None),
            (":5", None),
            ("", None),
            ("a:", None),
            ("a:0", None),
            ("a:65536", None),
            ("a b:1", None),
            ("http://a:1", None),
        ] {
            assert_eq!(split_address(address), split, "{address}");
        }
    }
}
