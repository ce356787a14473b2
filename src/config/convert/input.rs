//! Inputs, and the addresses that are listened on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::check::{self, OrDefault as _};
use crate::config::decode::Named;
use crate::config::defaults::input as defaults;
use crate::config::error::{At, Position, Problems};
use crate::config::plan::{ForwardInputPlan, HttpInputPlan, InputPlan, ServerSecurity, ServerTls};
use crate::config::schema;
use crate::config::types::{PluginKind, Types};

/// More connections than this are a mistake, not a wish.
const CONNECTIONS_MAX: usize = 1_000_000;

/// Who listens where, to find two on one address.
#[derive(Default)]
pub(super) struct Listeners {
    taken: Vec<(SocketAddr, String)>,
}

impl Listeners {
    /// Notes that `owner` listens on `address`.
    pub(super) fn add(&mut self, address: At<SocketAddr>, owner: &str, problems: &mut Problems) {
        let At { value, position } = address;
        let other = self.taken.iter().find(|(taken, _)| overlaps(*taken, value));
        if let Some((taken, other)) = other {
            let message = format!("`{other}` listens on {taken} already");
            problems.add(position, message);
        }
        self.taken.push((value, owner.to_owned()));
    }
}

/// Whether two listeners cannot both be there. Port 0 is whatever is free.
fn overlaps(a: SocketAddr, b: SocketAddr) -> bool {
    let same_host = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && same_host
}

/// All inputs by name.
pub(super) fn inputs(
    inputs: Named<schema::Input>,
    listeners: &mut Listeners,
    types: &dyn Types,
    problems: &mut Problems,
) -> BTreeMap<String, InputPlan> {
    let mut plans = BTreeMap::new();
    for (name, input) in inputs {
        check::name(&name, problems);
        let plan = match input {
            schema::Input::Forward(input) => forward(*input, &name, listeners, problems),
            schema::Input::Http(input) => http(*input, &name, listeners, problems),
            schema::Input::Other(other) => {
                let builtin = schema::Input::TYPES;
                let kind = PluginKind::Input;
                match super::other(kind, &name, &other, builtin, types, problems) {
                    Some(plan) => InputPlan::Other(plan),
                    None => continue,
                }
            }
        };
        plans.insert(name.value, plan);
    }
    plans
}

fn forward(
    input: schema::ForwardInput,
    name: &At<String>,
    listeners: &mut Listeners,
    problems: &mut Problems,
) -> InputPlan {
    let listen = listen(input.listen, defaults::FORWARD_LISTEN, name.position);
    listeners.add(listen.clone(), &name.value, problems);
    let idle_timeout = input.idle_timeout.map(|at| {
        let default = at.value;
        check::positive(Some(at), default, problems)
    });
    InputPlan::Forward(ForwardInputPlan {
        listen: listen.value,
        message_size_max: check::memory_size(
            input.message_size_max,
            defaults::MESSAGE_SIZE_MAX,
            problems,
        ),
        unpacked_size_max: check::memory_size(
            input.unpacked_size_max,
            defaults::UNPACKED_SIZE_MAX,
            problems,
        ),
        connections_max: connections_max(input.connections_max, problems),
        read_memory_max: check::memory_size(
            input.read_memory_max,
            defaults::FORWARD_READ_MEMORY_MAX,
            problems,
        ),
        idle_timeout,
        security: input.security.and_then(|at| security(at, problems)),
        tls: input.tls.and_then(|at| tls(at, problems)),
    })
}

fn http(
    input: schema::HttpInput,
    name: &At<String>,
    listeners: &mut Listeners,
    problems: &mut Problems,
) -> InputPlan {
    let listen = listen(input.listen, defaults::HTTP_LISTEN, name.position);
    listeners.add(listen.clone(), &name.value, problems);
    InputPlan::Http(HttpInputPlan {
        listen: listen.value,
        body_size_max: check::memory_size(input.body_size_max, defaults::BODY_SIZE_MAX, problems),
        unpacked_size_max: check::memory_size(
            input.unpacked_size_max,
            defaults::UNPACKED_SIZE_MAX,
            problems,
        ),
        connections_max: connections_max(input.connections_max, problems),
        read_memory_max: check::memory_size(
            input.read_memory_max,
            defaults::HTTP_READ_MEMORY_MAX,
            problems,
        ),
        patience: input.patience.or_default_of(defaults::PATIENCE),
        tls: input.tls.and_then(|at| tls(at, problems)),
    })
}

fn listen(setting: Option<At<SocketAddr>>, default: SocketAddr, name: Position) -> At<SocketAddr> {
    setting.unwrap_or(At {
        value: default,
        position: name,
    })
}

fn connections_max(setting: Option<At<usize>>, problems: &mut Problems) -> usize {
    check::count(
        setting,
        defaults::CONNECTIONS_MAX,
        CONNECTIONS_MAX,
        problems,
    )
}

fn security(at: At<schema::InputSecurity>, problems: &mut Problems) -> Option<ServerSecurity> {
    let At { value, position } = at;
    let self_hostname = check::required(value.self_hostname, "self_hostname", position, problems);
    let shared_key = check::required(value.shared_key, "shared_key", position, problems);
    let users = value.users.or_default_of(Named::new());
    Some(ServerSecurity {
        self_hostname: check::non_empty(Some(self_hostname?), problems)?,
        shared_key: shared_key?.value,
        users: users
            .into_iter()
            .map(|(name, password)| (name.value, password))
            .collect(),
    })
}

fn tls(at: At<schema::ServerTls>, problems: &mut Problems) -> Option<ServerTls> {
    let At { value, position } = at;
    let cert_path = check::required(value.cert_path, "cert_path", position, problems);
    let key_path = check::required(value.key_path, "key_path", position, problems);
    Some(ServerTls {
        cert_path: check::non_empty(Some(cert_path?), problems)?.into(),
        key_path: check::non_empty(Some(key_path?), problems)?.into(),
        client_ca_path: check::non_empty(value.client_ca_path, problems).map(PathBuf::from),
    })
}
