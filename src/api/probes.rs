//! What machines ask: metrics and health. These paths are open to whoever reaches the port, for neither Prometheus nor a
//! supervisor's probe should need a secret; no flow's name is in them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Document;
use super::{Problem, Shared};
use crate::instance::Board;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(metrics)).routes(routes!(live)).routes(routes!(ready))
}

/// What Prometheus reads.
#[utoipa::path(get, path = "/metrics", tag = "health", security(()), responses(
    (status = 200, description = "Prometheus' text format.", body = String),
))]
async fn metrics(State(board): State<Arc<Board>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, board.scrape()).into_response()
}

/// Whether the process serves.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses(
    (status = 200, description = "It does.", body = String),
))]
async fn live() -> &'static str {
    "ok\n"
}

/// Whether the instance does its part.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, description = "Every worker has joined, and each of its partitions is restored.", body = String),
    (status = 503, description = "`not-ready`, with what is `missing`.", body = Document, content_type = "application/problem+json"),
))]
async fn ready(State(board): State<Arc<Board>>) -> Response {
    let missing = board.missing();
    match missing.is_empty() {
        true => "ready\n".into_response(),
        false => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", missing.join("; "))
            .with("missing", missing.into())
            .into_response(),
    }
}
