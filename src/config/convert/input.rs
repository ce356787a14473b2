//! Inputs, and the addresses that are listened on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::check::{self, OrDefault as _};
use super::filter;
use crate::config::decode::Named;
use crate::config::defaults::input as defaults;
use crate::config::error::{At, Position, Problems};
use crate::config::plan::{
    DummyInputPlan, ForwardInputPlan, HttpInputPlan, InputPlan, InternalInputPlan, LogLevel,
    RoutePlan, ServerSecurity, ServerTls, StdinInputPlan,
};
use crate::config::schema;
use crate::config::types::{PluginKind, Types};
use crate::decoder::DecoderPlan;
use crate::event::Record;

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
    routes: &[RoutePlan],
    listeners: &mut Listeners,
    types: &dyn Types,
    problems: &mut Problems,
) -> BTreeMap<String, InputPlan> {
    let mut plans = BTreeMap::new();
    let mut singles = Singles::default();
    for (name, input) in inputs {
        check::name(&name, problems);
        let plan = match input {
            schema::Input::Forward(input) => forward(*input, &name, listeners, problems),
            schema::Input::Http(input) => http(*input, &name, listeners, problems),
            schema::Input::Stdin(input) => {
                singles.add("reads standard input", &name, problems);
                match stdin(*input, &name, types, problems) {
                    Some(plan) => InputPlan::Stdin(plan),
                    None => continue,
                }
            }
            schema::Input::Dummy(input) => match dummy(*input, problems) {
                Some(plan) => InputPlan::Dummy(plan),
                None => continue,
            },
            schema::Input::Internal(input) => {
                singles.add("reads the daemon's log", &name, problems);
                InputPlan::Internal(internal(*input, routes, problems))
            }
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

/// What one input only can read.
#[derive(Default)]
struct Singles {
    /// What is read, and by which input.
    taken: Vec<(&'static str, String)>,
}

impl Singles {
    fn add(&mut self, reads: &'static str, name: &At<String>, problems: &mut Problems) {
        match self.taken.iter().find(|(taken, _)| *taken == reads) {
            Some((_, other)) => {
                problems.add(name.position, format!("`{other}` {reads} already"));
            }
            None => self.taken.push((reads, name.value.clone())),
        }
    }
}

fn stdin(
    input: schema::StdinInput,
    name: &At<String>,
    types: &dyn Types,
    problems: &mut Problems,
) -> Option<StdinInputPlan> {
    let schema::StdinInput { lines, decoder } = input;
    let decoder = filter::decoder(decoder, name.position, types, problems);
    let tag = filter::tag(lines.tag, defaults::STDIN_TAG, problems);
    let line_size_max = check::memory_size(lines.line_size_max, defaults::LINE_SIZE_MAX, problems);
    let (decoder, time_key) = decoder?;
    Some(StdinInputPlan {
        tag,
        decoder,
        time_key,
        line_size_max,
    })
}

fn dummy(input: schema::DummyInput, problems: &mut Problems) -> Option<DummyInputPlan> {
    let record = dummy_record(input.record, problems);
    Some(DummyInputPlan {
        tag: filter::tag(input.tag, defaults::DUMMY_TAG, problems),
        rate: rate(input.rate, problems),
        record: record?,
        counter: check::non_empty(input.counter, problems),
        count: input.count.map(|at| at.value),
    })
}

fn rate(setting: Option<At<f64>>, problems: &mut Problems) -> f64 {
    let Some(At { value, position }) = setting else {
        return defaults::DUMMY_RATE;
    };
    if !(value.is_finite() && value > 0.0) {
        problems.add(position, "this must be more than 0");
    }
    value
}

fn dummy_record(setting: Option<At<String>>, problems: &mut Problems) -> Option<Record> {
    let At { value, position } = setting.unwrap_or(At {
        value: defaults::DUMMY_RECORD.to_owned(),
        position: Position::START,
    });
    let decoded = DecoderPlan::Json.open(None).decode(value.as_bytes());
    decoded
        .map_err(|error| problems.add(position, format!("this is no record: {error}")))
        .map(|decoded| decoded.record)
        .ok()
}

/// What is logged about the routes that take the log itself must not become events: each of these
/// could bring about the next.
fn internal(
    input: schema::InternalInput,
    routes: &[RoutePlan],
    problems: &mut Problems,
) -> InternalInputPlan {
    let tag = filter::tag(input.tag, defaults::INTERNAL_TAG, problems);
    let taking: Vec<_> = LogLevel::ALL
        .into_iter()
        .filter_map(|level| {
            let tag = format!("{tag}.{}", level.name());
            routes.iter().find(|route| route.matcher.matches(&tag))
        })
        .collect();
    let outputs = |route: &&RoutePlan| {
        [
            route.outputs.clone(),
            route.secondary.iter().cloned().collect(),
        ]
        .concat()
    };
    InternalInputPlan {
        level: input.level.or_default_of(LogLevel::Warn),
        own_routes: taking.iter().map(|route| route.name.clone()).collect(),
        own_outputs: taking.iter().flat_map(outputs).collect(),
        tag,
    }
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

pub(super) fn tls(at: At<schema::ServerTls>, problems: &mut Problems) -> Option<ServerTls> {
    let At { value, position } = at;
    let cert_path = check::required(value.cert_path, "cert_path", position, problems);
    let key_path = check::required(value.key_path, "key_path", position, problems);
    Some(ServerTls {
        cert_path: check::non_empty(Some(cert_path?), problems)?.into(),
        key_path: check::non_empty(Some(key_path?), problems)?.into(),
        client_ca_path: check::non_empty(value.client_ca_path, problems).map(PathBuf::from),
    })
}
