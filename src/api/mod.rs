//! HTTP of an instance, for machines and people:
//!
//! | path | answers |
//! | --- | --- |
//! | `GET /metrics` | what Prometheus reads |
//! | `GET /livez` | 200 while the process serves |
//! | `GET /readyz` | 200, or 503 with what is missing |
//! | `GET /api/v1/flows?state=&match=&limit=&after=` | every flow of the prefix, by id, page by page |
//! | `GET /api/v1/flows/{id}` | one flow |
//!
//! Errors are problem documents (RFC 9457). Flows are followed from the state topic as it is committed: what is shown may
//! be a moment old, and is the same on every instance.

mod flows;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::clock;
use crate::instance::Board;

pub use problem::Problem;

pub fn router(board: Arc<Board>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/flows", get(flows::list))
        .route("/api/v1/flows/{id}", get(flows::one))
        .fallback(unknown)
        .method_not_allowed_fallback(method)
        .with_state(board)
}

async fn metrics(State(board): State<Arc<Board>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, board.scrape(clock::now())).into_response()
}

async fn ready(State(board): State<Arc<Board>>) -> Response {
    let missing = board.missing();
    match missing.is_empty() {
        true => "ready\n".into_response(),
        false => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", missing.join("; "))
            .with("missing", missing.into())
            .into_response(),
    }
}

async fn unknown(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown-path", format!("there is nothing at {}", uri.path()))
}

async fn method(uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", format!("{} only takes GET", uri.path()))
}

#[cfg(test)]
mod tests;
