//! The admin API, which is safe by default: whoever reaches it can read every event on disk and stop
//! the daemon, so that beyond this machine it is served only to those who prove who they are.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::check::{self, OrDefault as _};
use super::input::{self, Listeners};
use crate::config::decode::{Named, OneOrMany};
use crate::config::defaults;
use crate::config::error::{At, Position, Problems};
use crate::config::plan::{AdminPlan, AdminRole, AdminToken, Alias};
use crate::config::schema;

/// Shorter secrets can be guessed.
const SECRET_LEN_MIN: usize = 16;

/// The plan for the admin API.
pub(super) fn admin(
    at: At<schema::Admin>,
    listeners: &mut Listeners,
    problems: &mut Problems,
) -> AdminPlan {
    let At { value, position } = at;
    let listen = value.listen.unwrap_or(At {
        value: defaults::ADMIN_LISTEN,
        position,
    });
    listeners.add(listen.clone(), "admin", problems);
    let plan = AdminPlan {
        listen: listen.value,
        hosts: hosts(value.hosts.or_default_of(Vec::new()), problems),
        tokens: tokens(value.tokens.or_default_of(Named::new()), problems),
        tls: value.tls.and_then(|at| input::tls(at, problems)),
        requests_per_second_max: requests_per_second_max(value.requests_per_second_max, problems),
        metrics_aliases: metrics_aliases(value.metrics.map(|at| at.value)),
    };
    refuse_open_door(&plan, listen.position, problems);
    plan
}

fn refuse_open_door(plan: &AdminPlan, position: Position, problems: &mut Problems) {
    let certificates = plan.tls.as_ref().map(|tls| tls.client_ca_path.is_some());
    let asks = !plan.tokens.is_empty() || certificates == Some(true);
    if !plan.listen.ip().is_loopback() && !asks {
        problems.add_with_hint(
            position,
            "whoever reaches this address could read every event and stop the daemon",
            Some("set `tokens`, or `tls` with `client_ca_path`; or listen on 127.0.0.1".to_owned()),
        );
    }
}

fn hosts(hosts: OneOrMany<String>, problems: &mut Problems) -> Vec<String> {
    for At { value, position } in &hosts {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if value.is_empty() || !value.chars().all(is_allowed) {
            let hint = "a name without scheme and port, such as `logs.example.com`".to_owned();
            problems.add_with_hint(*position, format!("`{value}` is no host"), Some(hint));
        }
    }
    let hosts = hosts.into_iter();
    hosts.map(|at| at.value.to_ascii_lowercase()).collect()
}

fn tokens(
    tokens: Named<schema::AdminToken>,
    problems: &mut Problems,
) -> BTreeMap<String, AdminToken> {
    let mut plans: BTreeMap<String, AdminToken> = BTreeMap::new();
    for (name, token) in tokens {
        check::name(&name, problems);
        let secret = check::required(token.secret, "secret", name.position, problems);
        let Some(At { value, position }) = secret else {
            continue;
        };
        check_secret(&value, position, &plans, problems);
        let role = token.role.or_default_of(AdminRole::Read);
        plans.insert(
            name.value,
            AdminToken {
                role,
                secret: value,
            },
        );
    }
    plans
}

fn check_secret(
    secret: &SecretString,
    position: Position,
    others: &BTreeMap<String, AdminToken>,
    problems: &mut Problems,
) {
    let text = secret.expose_secret();
    if text.len() < SECRET_LEN_MIN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.add_with_hint(
            position,
            format!("a secret has at least {SECRET_LEN_MIN} visible ASCII characters"),
            Some("such as `openssl rand -hex 32` gives".to_owned()),
        );
    }
    let mut others = others.iter();
    if let Some((other, _)) = others.find(|(_, token)| token.secret.expose_secret() == text) {
        problems.add(position, format!("`{other}` has the same secret"));
    }
}

fn metrics_aliases(metrics: Option<schema::AdminMetrics>) -> Vec<Alias> {
    let aliases = metrics.and_then(|metrics| metrics.aliases);
    let aliases = aliases.or_default_of(Vec::new()).into_iter();
    aliases.map(|at| at.value).collect()
}

fn requests_per_second_max(setting: Option<At<u32>>, problems: &mut Problems) -> u32 {
    let Some(At { value, position }) = setting else {
        return defaults::ADMIN_REQUESTS_PER_SECOND_MAX;
    };
    if value == 0 {
        problems.add(position, "this must be at least 1");
    }
    value
}
