//! What can be asked for: each path with the function that answers it, from whose types its
//! description is made.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Router, middleware};

use super::gate::{self, Gate};
use super::look::Admin;
use crate::config::plan::AdminRole;

mod describe;
mod document;
mod parts;

pub(super) use describe::{Gives, Schemas, Sketch};
pub(super) use document::Outline;
pub(super) use parts::{Asked, At, Given};

use describe::Described;

/// The paths and their description.
pub(super) struct Api {
    router: Router<Admin>,
    gate: Arc<Gate>,
    outline: Outline,
}

/// One thing that can be asked for.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// Its name, for programs that are made from the description.
    pub(super) id: &'static str,
    /// What it does, in a sentence.
    pub(super) summary: &'static str,
    /// What one must be allowed to do; `None`: everybody may.
    pub(super) role: Option<AdminRole>,
}

impl Operation {
    /// Something that everybody may see.
    pub(super) fn open(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            id,
            summary,
            role: None,
        }
    }

    /// Something that readers may see.
    pub(super) fn read(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            role: Some(AdminRole::Read),
            ..Self::open(path, id, summary)
        }
    }

    /// Something that those may do who may act.
    pub(super) fn act(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method: Method::POST,
            role: Some(AdminRole::Admin),
            ..Self::open(path, id, summary)
        }
    }

    /// Something that those may set who may act.
    pub(super) fn set(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method: Method::PUT,
            ..Self::act(path, id, summary)
        }
    }
}

impl Api {
    /// Nothing yet, behind `gate`.
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        let outline = Outline::new(gate.access.asks());
        Self {
            router: Router::new(),
            gate,
            outline,
        }
    }

    /// Has `handler` answer `operation`.
    pub(super) fn add<H, Arguments, Types>(&mut self, operation: Operation, handler: H)
    where
        H: Handler<Arguments, Admin> + Described<Types>,
        Arguments: 'static,
    {
        let method = operation.method.clone();
        let filter = MethodFilter::try_from(method).unwrap_or(MethodFilter::GET);
        self.route(&operation, on(filter, handler));
        self.outline.add(operation, H::describe);
    }

    fn route(&mut self, operation: &Operation, mut route: MethodRouter<Admin>) {
        if let Some(role) = operation.role {
            let gate = (Arc::clone(&self.gate), role);
            route = route.route_layer(middleware::from_fn_with_state(gate, gate::pass));
        }
        let router = std::mem::take(&mut self.router);
        self.router = router.route(operation.path, route);
    }

    #[cfg(test)]
    pub(super) fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The paths, and what describes them.
    pub(super) fn finish(self) -> (Router<Admin>, Outline) {
        (self.router, self.outline)
    }
}
