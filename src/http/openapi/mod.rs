//! The contract at `/openapi.json` (OpenAPI 3.1) and the router, built from one and the same declaration.
//!
//! * this file – [`Routes`]: a handler and its [`Op`] come together or not at all
//! * `operation` – what is said of one operation
//! * `glossary` – a sentence for every member of an answer
//! * `shape` – a short notation for answers, from which schema and example are made
//! * `problems` – every error code, with the very answer that the code gives
//! * `access` – who may: the cells of the authorization matrix that tests drive
//! * `render` – an operation as OpenAPI has it
//! * `document` – everything put together
//!
//! Must not decide anything about requests.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn;
use axum::routing::{MethodFilter, any, on};
use http::Method;
use serde_json::Value;

use super::{Site, caching, query};

pub(super) mod access;
mod document;
mod glossary;
mod operation;
pub(super) mod problems;
mod render;
mod shape;

pub(super) use operation::{Op, op};
pub(super) use problems::Dialect;
pub(super) use shape::one_of;

/// The routes, and those of the contract itself.
pub(super) fn routed(routes: Routes, site: &Site) -> Router<Site> {
    let routes = routes.and(document::routes());
    let document = document::Lazy::new(routes.described, routes.shapes, &site.public_url);
    routes.router.layer(axum::Extension(document))
}

/// Routes with what is said of them.
pub(super) struct Routes {
    router: Router<Site>,
    described: Vec<Described>,
    /// Shapes with names, which answers refer to.
    shapes: Vec<(&'static str, Value)>,
    about: About,
}

/// What operations of one group have in common.
#[derive(Clone, Copy)]
struct About {
    tag: &'static str,
    dialect: &'static Dialect,
}

/// An operation at its place.
struct Described {
    method: Method,
    path: String,
    op: Op,
    about: About,
}

impl Routes {
    /// No routes yet; those that are added belong to the group `tag`, whose errors are problem details.
    pub(super) fn of(tag: &'static str) -> Self {
        Self::speaking(tag, &problems::NATIVE)
    }

    /// The same for a protocol with errors of its own.
    pub(super) fn speaking(tag: &'static str, dialect: &'static Dialect) -> Self {
        Self { router: Router::new(), described: Vec::new(), shapes: Vec::new(), about: About { tag, dialect } }
    }

    /// Adds the routes of another group.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.described.extend(other.described);
        self.shapes.extend(other.shapes);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// Gives a shape a name, so that answers can refer to it as `@Name`.
    pub(super) fn names(mut self, name: &'static str, shape: Value) -> Self {
        self.shapes.push((name, shape));
        self
    }

    fn add<H, T>(mut self, (method, filter): (Method, MethodFilter), path: &str, handler: H, op: Op) -> Self
    where
        H: Handler<T, Site>,
        T: 'static,
    {
        let mut route = on(filter, handler);
        let described = op.parameters.iter().any(|parameter| parameter.place == "query");
        if path.starts_with("/v1/") && !described && !op.any_parameters {
            route = route.layer(from_fn(query::refuse_parameters));
        }
        if op.kept {
            route = route.layer(from_fn(caching::validated));
        }
        self.router = self.router.route(path, route);
        self.described.push(Described { method, path: path.to_owned(), op, about: self.about });
        self
    }

    /// Answers GET, and HEAD as axum does: without a body.
    pub(super) fn get<H: Handler<T, Site>, T: 'static>(self, path: &str, handler: H, op: Op) -> Self {
        self.add((Method::GET, MethodFilter::GET), path, handler, op)
    }

    /// Answers GET and HEAD, where HEAD means something of its own.
    pub(super) fn get_and_head<H: Handler<T, Site>, T: 'static>(mut self, path: &str, handler: H, op: Op) -> Self {
        let head = op.clone().named(op.id.replacen("get", "head", 1)).without_body();
        self = self.add((Method::GET, MethodFilter::GET), path, handler, op);
        self.described.push(Described { method: Method::HEAD, path: path.to_owned(), op: head, about: self.about });
        self
    }

    pub(super) fn post<H: Handler<T, Site>, T: 'static>(self, path: &str, handler: H, op: Op) -> Self {
        self.add((Method::POST, MethodFilter::POST), path, handler, op)
    }

    pub(super) fn put<H: Handler<T, Site>, T: 'static>(self, path: &str, handler: H, op: Op) -> Self {
        self.add((Method::PUT, MethodFilter::PUT), path, handler, op)
    }

    pub(super) fn patch<H: Handler<T, Site>, T: 'static>(self, path: &str, handler: H, op: Op) -> Self {
        self.add((Method::PATCH, MethodFilter::PATCH), path, handler, op)
    }

    pub(super) fn delete<H: Handler<T, Site>, T: 'static>(self, path: &str, handler: H, op: Op) -> Self {
        self.add((Method::DELETE, MethodFilter::DELETE), path, handler, op)
    }

    /// Hands a path to the same handler that is described elsewhere already: a spelling of the same address.
    pub(super) fn also<H: Handler<T, Site>, T: 'static>(mut self, path: &str, handler: H) -> Self {
        self.router = self.router.route(path, any(handler));
        self
    }

    /// Hands every method to a handler that tells these ones apart.
    pub(super) fn any<H, T, const N: usize>(mut self, path: &str, handler: H, ops: [(Method, Op); N]) -> Self
    where
        H: Handler<T, Site>,
        T: 'static,
    {
        self.router = self.router.route(path, any(handler));
        let about = self.about;
        let described = ops.map(|(method, op)| Described { method, path: path.to_owned(), op, about });
        self.described.extend(described);
        self
    }
}
