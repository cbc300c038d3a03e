//! What all paths share.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;

use super::access::Access;
use super::seal::Seal;
use crate::instance::Board;

#[derive(Clone)]
pub(super) struct Shared {
    pub board: Arc<Board>,
    pub access: Arc<Access>,
    /// Signs what is given out to be brought back on any instance.
    pub seal: Arc<Seal>,
    /// The OpenAPI document.
    pub document: Arc<str>,
    /// What people call what is served here.
    pub label: Option<Arc<str>>,
    /// Everybody comes by TLS.
    pub is_tls: bool,
    /// The longest time in which a stream of events says nothing.
    pub silence: Duration,
    /// Where purged events go.
    pub discarded: Arc<str>,
    /// Where redriven letters go.
    pub enrollments: Arc<str>,
}

impl FromRef<Shared> for Arc<Board> {
    fn from_ref(shared: &Shared) -> Self {
        Self::clone(&shared.board)
    }
}
