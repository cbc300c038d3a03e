//! `GET /api/v1/whoami`: who asks, and what a page has to know of the gate that it asks.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::access::Caller;
use crate::config::Role;
use crate::schema::Instant;

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhoAmI {
    /// As it stands in the audit.
    name: String,
    /// `viewer`, `operator` or `admin`.
    role: &'static str,
    /// No command is taken of anybody.
    read_only: bool,
    /// What people call what this gate serves (`http_label`); null: nobody has named it.
    label: Option<String>,
    /// Of this gate's program.
    version: &'static str,
    clock: ClockView,
}

/// The clock that all times of this gate are by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Clock)]
struct ClockView {
    /// What it shows.
    #[schema(value_type = String, format = DateTime)]
    now: Instant,
    /// How many seconds pass on it in one second: 1, but for a demo, whose calendar goes faster.
    per_second: f64,
}

impl WhoAmI {
    pub fn new(shared: &Shared, name: &str, role: Role) -> Self {
        let clock = &shared.board.clock;
        Self {
            name: name.to_owned(),
            role: role.word(),
            read_only: shared.access.is_read_only,
            label: shared.label.as_deref().map(str::to_owned),
            version: env!("CARGO_PKG_VERSION"),
            clock: ClockView { now: Instant(clock.now()), per_second: clock.pace() },
        }
    }
}

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(whoami))
}

/// Who asks, what they may do, and whom they ask.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "access", responses(
    (status = 200, description = "Who asks.", body = WhoAmI),
))]
async fn whoami(State(shared): State<Shared>, caller: Caller) -> Json<WhoAmI> {
    Json(WhoAmI::new(&shared, &caller.name, caller.role))
}
