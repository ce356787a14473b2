//! Which hosts a request may name.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::wire::http::Problem;

/// What this server goes by.
#[derive(Clone)]
pub(super) struct Names {
    /// The address that it is bound to.
    pub(super) bound: IpAddr,
    /// Names from the configuration, in lower case.
    pub(super) hosts: Arc<[String]>,
}

/// Refuses requests whose `Host` is not ours. One without the header is let through: browsers always
/// send it.
pub(super) async fn check(State(names): State<Names>, request: Request, next: Next) -> Response {
    let named = request.headers().get(HOST).map(|host| host.to_str());
    let is_ours = match named {
        None => true,
        Some(Ok(host)) => is_ours(host, &names),
        Some(Err(_)) => false,
    };
    if is_ours {
        return next.run(request).await;
    }
    let detail = "the Host header names neither localhost nor an address of this server, nor one of \
                  the `hosts` of its configuration";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
}

/// Names that are not configured can be made to resolve to us by anybody; addresses cannot.
fn is_ours(host: &str, names: &Names) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let hosts = names.hosts.iter();
    let mut known = hosts.map(String::as_str).chain(["localhost"]);
    if known.any(|known| known.eq_ignore_ascii_case(name)) {
        return true;
    }
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match bare.unwrap_or(name).parse::<IpAddr>() {
        Ok(address) => {
            let bound = names.bound;
            address.is_loopback() || address == bound || bound.is_unspecified()
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_ours_and_localhost_are_ours() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        let lan: IpAddr = "192.0.2.7".parse().unwrap();
        let any: IpAddr = "0.0.0.0".parse().unwrap();
        for (host, bound, expected) in [
            ("localhost", loopback, true),
            ("LocalHost:2020", loopback, true),
            ("127.0.0.1:2020", loopback, true),
            ("127.8.8.8", loopback, true),
            ("[::1]:2020", loopback, true),
            ("192.0.2.7:2020", loopback, false),
            ("192.0.2.7:2020", lan, true),
            ("192.0.2.8", lan, false),
            ("192.0.2.8", any, true),
            ("attacker.example", loopback, false),
            ("attacker.example:2020", any, false),
            ("localhost.attacker.example", loopback, false),
            ("127.0.0.1.attacker.example", loopback, false),
            ("", loopback, false),
            ("a b", loopback, false),
        ] {
            let names = Names {
                bound,
                hosts: Arc::new([]),
            };
            assert_eq!(is_ours(host, &names), expected, "{host} at {bound}");
        }
    }

    #[test]
    fn configured_names_are_ours() {
        let names = Names {
            bound: "192.0.2.7".parse().unwrap(),
            hosts: Arc::new(["logs.example.com".to_owned()]),
        };
        for (host, expected) in [
            ("logs.example.com", true),
            ("Logs.Example.com:2020", true),
            ("localhost", true),
            ("example.com", false),
            ("a.logs.example.com", false),
        ] {
            assert_eq!(is_ours(host, &names), expected, "{host}");
        }
    }
}
