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
//! Errors are problem documents (RFC 9457). [`Limits`] bounds connections, times and sizes (`serve.rs`, `connections.rs`,
//! `body.rs`); only [`Hosts`] are answered. Flows are followed from the state topic as it is committed: what is shown may
//! be a moment old, and is the same on every instance, but for `indexing`: how far the index of a flow is being rebuilt is known
//! to the instance alone that does it.

mod body;
mod connections;
mod flows;
mod hosts;
mod limits;
mod problem;
mod pulse;
mod serve;
mod wire;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::clock;
use crate::instance::Board;

pub use hosts::Hosts;
pub use limits::Limits;
pub use problem::Problem;

/// Serves what `board` shows, without end.
pub async fn serve(listener: TcpListener, board: Arc<Board>, hosts: Hosts, limits: Limits) -> Infallible {
    let metrics = board.metrics.clone();
    serve::serve(listener, guarded(paths(&board), &board, hosts, limits), metrics, limits).await
}

/// Refuses what is not to reach the paths.
fn guarded(paths: Router, board: &Arc<Board>, hosts: Hosts, limits: Limits) -> Router {
    paths
        .layer(from_fn_with_state((limits, Arc::clone(board)), body::read))
        .layer(from_fn_with_state((Arc::new(hosts), Arc::clone(board)), hosts::check))
}

fn paths(board: &Arc<Board>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/flows", get(flows::list))
        .route("/api/v1/flows/{id}", get(flows::one))
        .fallback(unknown)
        .method_not_allowed_fallback(method)
        .with_state(Arc::clone(board))
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
