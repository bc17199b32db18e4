//! The contract at `/openapi.json` (OpenAPI 3.1) and the router, built from the same declarations.
//!
//! * this file – [`ApiRoutes`]: a handler is always registered together with its [`OperationSpec`]
//! * `operation` – the declaration of an operation
//! * `example` – examples of answers, from the types that are serialised
//! * `parameter` – types of parameters and headers
//! * `problems` – every error code, with the exact answer for it
//! * `access` – the cells of the authorization matrix, which tests verify
//! * `render` – an operation as OpenAPI
//! * `document` – the complete document
//!
//! This module must not decide anything about requests.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn;
use axum::routing::{MethodFilter, any, on};
use http::Method;

use super::{AppState, caching, query};

pub(super) mod access;
mod document;
mod example;
mod operation;
mod parameter;
pub(super) mod problems;
mod render;

pub(super) use example::absent_not_null;
pub(super) use operation::{OperationSpec, op};
pub(super) use parameter::{
    ParameterType, integer_in, integer_type, one_of, string_type, time_type, url_type, uuid_type,
};
pub(super) use problems::ErrorDialect;

/// The router, including the routes of the contract itself.
pub(super) fn build_router(routes: ApiRoutes, site: &AppState) -> Router<AppState> {
    let routes = routes.merge(document::routes());
    let document = document::LazyDocument::new(routes.operations, &site.public_url);
    routes.router.layer(axum::Extension(document))
}

/// Routes with their declarations.
pub(super) struct ApiRoutes {
    router: Router<AppState>,
    operations: Vec<RoutedOperation>,
    group: OperationGroup,
}

/// Properties that all operations of a group share.
#[derive(Clone, Copy)]
struct OperationGroup {
    tag: &'static str,
    dialect: &'static ErrorDialect,
}

/// An operation with its method and path.
struct RoutedOperation {
    method: Method,
    path: String,
    op: OperationSpec,
    group: OperationGroup,
}

impl ApiRoutes {
    /// An empty set of routes of the group `tag`, whose errors are problem details.
    pub(super) fn for_tag(tag: &'static str) -> Self {
        Self::with_dialect(tag, &problems::NATIVE_DIALECT)
    }

    /// An empty set of routes of a protocol with its own rendering of errors.
    pub(super) fn with_dialect(tag: &'static str, dialect: &'static ErrorDialect) -> Self {
        Self { router: Router::new(), operations: Vec::new(), group: OperationGroup { tag, dialect } }
    }

    /// Adds the routes of another group.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.operations.extend(other.operations);
        Self { router: self.router.merge(other.router), ..self }
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
        // OpenAPI has no parameter that spans segments: the document shows it as any other.
        let path = path.replace("{*", "{");
        self.operations.push(RoutedOperation { method, path, op, group: self.group });
        self
    }

    /// Answers GET, and HEAD as axum does: without a body.
    pub(super) fn get<H: Handler<T, AppState>, T: 'static>(self, path: &str, handler: H, op: OperationSpec) -> Self {
        self.add((Method::GET, MethodFilter::GET), path, handler, op)
    }

    /// Answers GET and HEAD, where HEAD has a declaration of its own.
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

    /// Routes a further spelling of a path to a handler that is declared already.
    pub(super) fn alias<H: Handler<T, AppState>, T: 'static>(mut self, path: &str, handler: H) -> Self {
        self.router = self.router.route(path, any(handler));
        self
    }

    /// Routes every method to a handler that tells these methods apart.
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
