//! The contract at `/openapi.json` (OpenAPI 3.1) and the router, built from one and the same declaration.
//!
//! * this file – [`ApiRoutes`]: a handler and its [`OperationSpec`] come together or not at all
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

use super::{AppState, caching, query};

pub(super) mod access;
mod document;
mod glossary;
mod operation;
pub(super) mod problems;
mod render;
mod shape;

pub(super) use operation::{OperationSpec, op};
pub(super) use problems::ErrorDialect;
pub(super) use shape::one_of;

/// The routes, and those of the contract itself.
pub(super) fn build_router(routes: ApiRoutes, site: &AppState) -> Router<AppState> {
    let routes = routes.merge(document::routes());
    let document = document::LazyDocument::new(routes.operations, routes.shapes, &site.public_url);
    routes.router.layer(axum::Extension(document))
}

/// Routes with what is said of them.
pub(super) struct ApiRoutes {
    router: Router<AppState>,
    operations: Vec<RoutedOperation>,
    /// Shapes with names, which answers refer to.
    shapes: Vec<(&'static str, Value)>,
    group: OperationGroup,
}

/// What operations of one group have in common.
#[derive(Clone, Copy)]
struct OperationGroup {
    tag: &'static str,
    dialect: &'static ErrorDialect,
}

/// An operation at its place.
struct RoutedOperation {
    method: Method,
    path: String,
    op: OperationSpec,
    group: OperationGroup,
}

impl ApiRoutes {
    /// No routes yet; those that are added belong to the group `tag`, whose errors are problem details.
    pub(super) fn for_tag(tag: &'static str) -> Self {
        Self::with_dialect(tag, &problems::NATIVE_DIALECT)
    }

    /// The same for a protocol with errors of its own.
    pub(super) fn with_dialect(tag: &'static str, dialect: &'static ErrorDialect) -> Self {
        Self {
            router: Router::new(),
            operations: Vec::new(),
            shapes: Vec::new(),
            group: OperationGroup { tag, dialect },
        }
    }

    /// Adds the routes of another group.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.operations.extend(other.operations);
        self.shapes.extend(other.shapes);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// Gives a shape a name, so that answers can refer to it as `@Name`.
    pub(super) fn define_shape(mut self, name: &'static str, shape: Value) -> Self {
        self.shapes.push((name, shape));
        self
    }

    fn add<H, T>(mut self, (method, filter): (Method, MethodFilter), path: &str, handler: H, op: OperationSpec) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let mut route = on(filter, handler);
        let described = op.parameters.iter().any(|parameter| parameter.location == "query");
        if path.starts_with("/v1/") && !described && !op.any_parameters {
            route = route.layer(from_fn(query::refuse_parameters));
        }
        if op.cacheable {
            route = route.layer(from_fn(caching::apply_etag));
        }
        self.router = self.router.route(path, route);
        self.operations.push(RoutedOperation { method, path: path.to_owned(), op, group: self.group });
        self
    }

    /// Answers GET, and HEAD as axum does: without a body.
    pub(super) fn get<H: Handler<T, AppState>, T: 'static>(self, path: &str, handler: H, op: OperationSpec) -> Self {
        self.add((Method::GET, MethodFilter::GET), path, handler, op)
    }

    /// Answers GET and HEAD, where HEAD means something of its own.
    pub(super) fn get_and_head<H: Handler<T, AppState>, T: 'static>(
        mut self,
        path: &str,
        handler: H,
        op: OperationSpec,
    ) -> Self {
        let head = op.clone().operation_id(op.operation_id.replacen("get", "head", 1)).without_body();
        self = self.add((Method::GET, MethodFilter::GET), path, handler, op);
        self.operations.push(RoutedOperation {
            method: Method::HEAD,
            path: path.to_owned(),
            op: head,
            group: self.group,
        });
        self
    }

    pub(super) fn post<H: Handler<T, AppState>, T: 'static>(self, path: &str, handler: H, op: OperationSpec) -> Self {
        self.add((Method::POST, MethodFilter::POST), path, handler, op)
    }

    pub(super) fn put<H: Handler<T, AppState>, T: 'static>(self, path: &str, handler: H, op: OperationSpec) -> Self {
        self.add((Method::PUT, MethodFilter::PUT), path, handler, op)
    }

    pub(super) fn patch<H: Handler<T, AppState>, T: 'static>(self, path: &str, handler: H, op: OperationSpec) -> Self {
        self.add((Method::PATCH, MethodFilter::PATCH), path, handler, op)
    }

    pub(super) fn delete<H: Handler<T, AppState>, T: 'static>(self, path: &str, handler: H, op: OperationSpec) -> Self {
        self.add((Method::DELETE, MethodFilter::DELETE), path, handler, op)
    }

    /// Hands a path to the same handler that is described elsewhere already: a spelling of the same address.
    pub(super) fn alias<H: Handler<T, AppState>, T: 'static>(mut self, path: &str, handler: H) -> Self {
        self.router = self.router.route(path, any(handler));
        self
    }

    /// Hands every method to a handler that tells these ones apart.
    pub(super) fn any<H, T, const N: usize>(mut self, path: &str, handler: H, ops: [(Method, OperationSpec); N]) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.router = self.router.route(path, any(handler));
        let about = self.group;
        let described = ops.map(|(method, op)| RoutedOperation { method, path: path.to_owned(), op, group: about });
        self.operations.extend(described);
        self
    }
}
