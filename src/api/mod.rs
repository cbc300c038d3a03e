//! HTTP of an instance, for machines and people:
//!
//! | path | answers |
//! | --- | --- |
//! | `GET /`, `/console/...` | the console, a page for operators, and the files that it is made of (`console.rs`) |
//! | `GET /metrics` | what Prometheus reads |
//! | `GET /livez` | 200 while the process serves |
//! | `GET /readyz` | 200, or 503 with what is missing |
//! | `GET /api/v1/flows?state=&match=&sort=&limit=&after=` | every flow of the prefix, page by page; or all in one answer, a line each |
//! | `GET /api/v1/flows/{id}` | one flow |
//! | `GET /api/v1/flows/{id}/queue?record=&where=&from=&limit=&values=&after=` | what it holds, and what becomes of that |
//! | `GET /api/v1/flows/{id}/depth?points=` | how its queue has grown |
//! | `GET /api/v1/flows/{id}/audit`, `GET /api/v1/audit?flow=&by=&event=&command=&since=&from=&limit=&after=` | what has happened |
//! | `GET /api/v1/letters/dead`, `/letters/discarded` | what was not delivered |
//! | `POST /api/v1/redrives` | puts letters back into the enrollments, or shows what that would do |
//! | `POST /api/v1/flows/{id}/commands?wait=5s` | gives a command, and waits for its answer |
//! | `POST /api/v1/commands?wait=5s` | several commands, or one for every flow |
//! | `GET /api/v1/commands/{id}?flow=` | the answer to a command, as the states or the audit have it |
//! | `POST /api/v1/previews` | what a command would do |
//! | `GET /api/v1/events` | what is new, as it is committed (server-sent events) |
//! | `GET /api/v1/whoami` | who asks, what they may do, the label of the gate, and its clock |
//! | `POST`, `DELETE /api/v1/session` | logs a browser in and out |
//! | `GET /api/v1/openapi.json` | all of this for machines |
//!
//! `{id}` of a flow may be `*` everywhere, and the id the parameter `flow` ([`query::FlowInPath`]).
//!
//! `openapi.rs` makes that document from the paths themselves: each is registered with its description, or not at all; but for the
//! console's files, which are for people.
//!
//! Who may do what is decided in `access.rs` alone, before a path is reached (`guard.rs`, `cross_site.rs`): a path needs the role of a
//! viewer, and one that needs more asks its `Caller`. `query.rs` and `json.rs` read what is asked for, `problem.rs` says what is
//! wrong with it.
//!
//! One thread serves everybody, and may never wait for a broker. So a command is handed in at the instance's desk, which stores it,
//! and its answer comes with the audit, which the instance hears (`orders.rs`). What is new comes from the same places
//! (`events.rs`). What takes long, to read topics (`looking.rs`) or to look at every flow, is done on threads of its own, a few at a
//! time (`room.rs`).
//!
//! Errors are problem documents (RFC 9457). [`Limits`] bounds connections, times and sizes (`serve.rs`, `connections.rs`,
//! `body.rs`); only [`Hosts`] are answered. Flows are followed from the state topic as it is committed: what is shown may
//! be a moment old, and is the same on every instance, but for `indexing`: how far the index of a flow is being rebuilt is known
//! to the instance alone that does it.

mod access;
mod allowance;
mod answer;
mod audit;
mod body;
mod commands;
mod connections;
mod console;
mod cross_site;
mod events;
mod flows;
mod forms;
mod fresh;
mod guard;
mod hosts;
mod json;
mod keys;
mod letters;
mod limits;
mod login;
mod looking;
mod openapi;
mod orders;
mod page;
mod preview;
mod previews;
mod probes;
mod problem;
mod pulse;
mod query;
mod queue;
mod redrives;
mod room;
mod seal;
mod serve;
mod session;
mod shared;
mod stream;
mod tls;
mod url;
mod view;
mod whoami;
mod wire;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

use crate::config::{Secret, Token};
use crate::instance::Board;
use crate::metrics::Metrics;
use crate::schema::topics::Topics;

pub use hosts::Hosts;
pub use keys::Keys;
pub use limits::{Lasts, Limits};
pub use problem::Problem;
pub use seal::OwnKey;
pub use tls::Certificates;

use access::Access;
use seal::Seal;
use session::Sessions;
use shared::Shared;

/// What is settled when an instance starts.
#[derive(Clone, Debug)]
pub struct Setup {
    pub hosts: Hosts,
    /// Whether only this machine can reach it.
    pub is_loopback: bool,
    pub tokens: Vec<Token>,
    pub is_read_only: bool,
    pub topics: Topics,
    /// Of the settings; the same on every instance, if there is one.
    pub secret: Option<Secret>,
    /// Signs sessions where there is no secret: nobody knows it, and no other process has it.
    pub own_key: OwnKey,
    /// With them HTTP speaks TLS, and nothing else.
    pub tls: Option<Certificates>,
    /// What people call what is served here: a cluster, a region.
    pub label: Option<String>,
}

/// What is served.
pub struct Server {
    router: Router,
    metrics: Metrics,
    limits: Limits,
    tls: Option<Certificates>,
    keys: Keys,
}

impl Server {
    /// Of what `board` shows.
    #[must_use]
    pub fn new(board: &Arc<Board>, setup: Setup, limits: Limits) -> Self {
        let shared = shared(board, &setup, limits);
        let keys = Keys::new(&shared, &setup.topics.prefix);
        let router = guarded(routed(shared), board, setup.hosts, limits);
        Self { router, metrics: board.metrics.clone(), limits, tls: setup.tls, keys }
    }

    /// What may be replaced meanwhile.
    #[must_use]
    pub fn keys(&self) -> Keys {
        self.keys.clone()
    }

    /// Without end.
    pub async fn serve(self, listener: TcpListener) -> Infallible {
        serve::serve(listener, self.router, self.metrics, self.limits, self.tls).await
    }
}

/// Refuses what is not to reach the paths.
fn guarded(paths: Router, board: &Arc<Board>, hosts: Hosts, limits: Limits) -> Router {
    paths
        .layer(from_fn_with_state((limits, Arc::clone(board)), body::read))
        .layer(from_fn_with_state((Arc::new(hosts), Arc::clone(board)), hosts::check))
}

#[cfg(test)]
fn paths(board: &Arc<Board>, setup: &Setup, limits: Limits) -> Router {
    routed(shared(board, setup, limits))
}

fn shared(board: &Arc<Board>, setup: &Setup, limits: Limits) -> Shared {
    let secret = setup.secret.as_ref();
    let sessions = Sessions::new(secret.map_or_else(|| setup.own_key.seal(), Seal::of_secret), limits.lasts);
    let access = Access::new(setup.tokens.clone(), setup.is_loopback, setup.is_read_only, sessions);
    let (open, guarded) = routes();
    let mut document = OpenApiRouter::with_openapi(openapi::base());
    document = document.merge(open).merge(guarded);
    Shared {
        board: Arc::clone(board),
        access: Arc::new(access),
        seal: Arc::new(Seal::of_prefix(&setup.topics.prefix, secret)),
        document: openapi::complete(document.into_openapi()).into(),
        silence: limits.silence,
        label: setup.label.as_deref().map(Arc::from),
        is_tls: setup.tls.is_some(),
        discarded: setup.topics.discarded.as_str().into(),
        enrollments: setup.topics.enrollments.as_str().into(),
    }
}

fn routed(shared: Shared) -> Router {
    let (open, guarded) = routes();
    let guarded = guarded.route_layer(from_fn_with_state(shared.clone(), guard::check));
    let (router, _) = open.merge(guarded).split_for_parts();
    router.fallback(unknown).method_not_allowed_fallback(method).with_state(shared)
}

/// Every path there is: those that everybody may ask, and those that ask who it is. Whoever adds one adds it here, and so to the
/// document too, but for the console's.
fn routes() -> (OpenApiRouter<Shared>, OpenApiRouter<Shared>) {
    let open = OpenApiRouter::new().merge(probes::routes()).merge(login::begins()).merge(console::routes());
    let guarded = OpenApiRouter::new()
        .merge(flows::routes())
        .merge(queue::routes())
        .merge(audit::routes())
        .merge(letters::routes())
        .merge(redrives::routes())
        .merge(commands::routes())
        .merge(previews::routes())
        .merge(events::routes())
        .merge(login::ends())
        .merge(whoami::routes())
        .merge(openapi::routes());
    (open, guarded)
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
