//! `GET /api/v1/whoami`

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::access::Caller;
use crate::config::Role;

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhoAmI {
    /// As it stands in the audit.
    name: String,
    /// `viewer`, `operator` or `admin`.
    role: &'static str,
    /// No command is taken of anybody.
    read_only: bool,
}

impl WhoAmI {
    pub fn new(name: &str, role: Role, read_only: bool) -> Self {
        Self { name: name.to_owned(), role: role.word(), read_only }
    }
}

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(whoami))
}

/// Who asks, and what they may do.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "access", responses(
    (status = 200, description = "Who asks.", body = WhoAmI),
))]
async fn whoami(caller: Caller) -> Json<WhoAmI> {
    Json(WhoAmI::new(&caller.name, caller.role, caller.is_read_only))
}
