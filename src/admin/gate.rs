//! What a request passes before its handler: how often its sender may ask, who that is, and whether
//! they may. Health is asked for without it, so that a probe needs no secret.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{Access, Caller, Stranger};
use super::audit::{Audit, Refused};
use super::rate::Rates;
use crate::config::plan::AdminRole;
use crate::wire::http::{Peer, Problem};

/// What is checked before a handler is called.
pub(super) struct Gate {
    pub(super) access: Access,
    pub(super) rates: Rates,
    pub(super) audit: Arc<Audit>,
}

/// Lets the request through if its sender may do what needs `role`; the handler learns the
/// [`Caller`].
pub(super) async fn pass(
    State((gate, role)): State<(Arc<Gate>, AdminRole)>,
    mut request: Request,
    next: Next,
) -> Response {
    match gate.admit(&request, role) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

impl Gate {
    fn admit(&self, request: &Request, role: AdminRole) -> Result<Caller, Problem> {
        let peer = peer(request);
        let ip = peer.address.ip();
        self.rates.take(ip).map_err(|wait| {
            let detail = "too many requests from this address";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(wait)
        })?;
        let caller = self.access.caller(request.headers(), &peer);
        let caller = caller.map_err(|stranger| {
            if stranger == Stranger::Unknown {
                self.rates.charge_guess(ip);
            }
            self.refuse(request, None, peer.address, stranger.problem())
        })?;
        if caller.role < role {
            let detail = "the token may look, but not act";
            let problem = Problem::new(StatusCode::FORBIDDEN, detail);
            return Err(self.refuse(request, Some(&caller.who), peer.address, problem));
        }
        Ok(caller)
    }

    fn refuse(
        &self,
        request: &Request,
        who: Option<&str>,
        address: SocketAddr,
        problem: Problem,
    ) -> Problem {
        self.audit.refused(&Refused {
            who,
            address,
            method: request.method().as_str(),
            path: request.uri().path(),
            problem: &problem,
        });
        problem
    }
}

/// Who sent the request; a router without a server, as tests have it, does not know.
fn peer(request: &Request) -> Peer {
    let nobody = Peer {
        address: SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
        certificate_sha256: None,
    };
    request.extensions().get().copied().unwrap_or(nobody)
}
