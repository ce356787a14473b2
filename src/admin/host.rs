//! Which hosts a request may name.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::wire::http::Problem;

/// Refuses requests whose `Host` is no address of a server that is bound to `bound`. One without
/// the header is let through: browsers always send it.
pub(super) async fn check(State(bound): State<IpAddr>, request: Request, next: Next) -> Response {
    let named = request.headers().get(HOST).map(|host| host.to_str());
    let is_ours = match named {
        None => true,
        Some(Ok(host)) => is_ours(host, bound),
        Some(Err(_)) => false,
    };
    if is_ours {
        return next.run(request).await;
    }
    let detail = "the Host header names neither localhost nor an address of this server";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
}

/// Names other than `localhost` can be made to resolve to us by anybody; addresses cannot.
fn is_ours(host: &str, bound: IpAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match bare.unwrap_or(name).parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address == bound || bound.is_unspecified(),
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
            assert_eq!(is_ours(host, bound), expected, "{host} at {bound}");
        }
    }
}
