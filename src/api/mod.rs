//! HTTP of an instance, for machines and people:
//!
//! | path | answers |
//! | --- | --- |
//! | `GET /metrics` | what Prometheus reads |
//! | `GET /livez` | 200 while the process serves |
//! | `GET /readyz` | 200, or 503 with what is missing |
//! | `GET /api/v1/flows?state=&match=&sort=&limit=&after=` | every flow of the prefix, page by page; or all in one answer, a line each |
//! | `GET /api/v1/flows/{id}` | one flow |
//! | `GET /api/v1/openapi.json` | all of this for machines |
//!
//! `openapi.rs` makes that document from the paths themselves: each is registered with its description, or not at all.
//! Errors are problem documents (RFC 9457). [`Limits`] bounds connections, times and sizes (`serve.rs`, `connections.rs`,
//! `body.rs`); only [`Hosts`] are answered. Flows are followed from the state topic as it is committed: what is shown may
//! be a moment old, and is the same on every instance, but for `indexing`: how far the index of a flow is being rebuilt is known
//! to the instance alone that does it.

mod body;
mod connections;
mod flows;
mod hosts;
mod limits;
mod openapi;
mod page;
mod probes;
mod problem;
mod pulse;
mod query;
mod seal;
mod serve;
mod shared;
mod stream;
mod view;
mod wire;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

use crate::instance::Board;

pub use hosts::Hosts;
pub use limits::Limits;
pub use problem::Problem;

use seal::Seal;
use shared::Shared;

/// What is settled when an instance starts.
#[derive(Clone, Debug)]
pub struct Setup {
    pub hosts: Hosts,
    /// Of the topics: the same on every instance.
    pub prefix: String,
    /// Of the settings; the same on every instance, if there is one.
    pub secret: Option<String>,
}

/// Serves what `board` shows, without end.
pub async fn serve(listener: TcpListener, board: Arc<Board>, setup: Setup, limits: Limits) -> Infallible {
    let metrics = board.metrics.clone();
    let paths = paths(&board, &setup);
    serve::serve(listener, guarded(paths, &board, setup.hosts, limits), metrics, limits).await
}

/// Refuses what is not to reach the paths.
fn guarded(paths: Router, board: &Arc<Board>, hosts: Hosts, limits: Limits) -> Router {
    paths
        .layer(from_fn_with_state((limits, Arc::clone(board)), body::read))
        .layer(from_fn_with_state((Arc::new(hosts), Arc::clone(board)), hosts::check))
}

fn paths(board: &Arc<Board>, setup: &Setup) -> Router {
    let seal = Arc::new(Seal::of_prefix(&setup.prefix, setup.secret.as_deref()));
    let shared = Shared { board: Arc::clone(board), seal };
    let (router, _) = routes().split_for_parts();
    router.fallback(unknown).method_not_allowed_fallback(method).with_state(shared)
}

/// Every path there is. Whoever adds one adds it here, and so to the document too.
fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::base()).merge(probes::routes()).merge(flows::routes()).merge(openapi::routes())
}

async fn unknown(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown-path", format!("there is nothing at {}", uri.path()))
}

async fn method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}; `Allow` says what it takes", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

#[cfg(test)]
mod tests;
