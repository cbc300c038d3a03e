//! `GET /api/v1/letters/dead` and `/discarded`: what was not delivered.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Caller;
use super::looking::{Look, Looked, read, values};
use super::problem::Document;
use super::query::Parameters;
use super::{Problem, Shared};
use crate::client::letter_list::{Asked, Redriven};
use crate::client::letters::{Kind, Wanted};
use crate::client::shown::ShownLetter;
use crate::flow::FlowId;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Some letters, and where to go on.
#[derive(Debug, Serialize, ToSchema)]
struct Letters {
    letters: Vec<ShownLetter>,
    #[serde(flatten)]
    looked: Looked,
}

/// What was not delivered.
///
/// `dead`: events and commands that could not be understood, or not be stored. `discarded`: events that were not delivered on purpose.
/// `redriven` says how often each was put back. The audit is read for it, from its end backwards: 200,000 offsets, or 8 seconds, for a
/// page; where that does not suffice `redriven` is null, or not `exact`.
#[utoipa::path(
    get,
    path = "/api/v1/letters/{kind}", operation_id = "showLetters",
    tag = "letters",
    params(
        ("kind" = String, Path, description = "`dead` or `discarded`."),
        ("flow" = Option<String>, Query, description = "Only those of this flow."),
        ("reason" = Option<String>, Query, description = "Only those with this reason."),
        ("command" = Option<String>, Query, description = "Only those that this purge or resume has discarded."),
        ("redriven" = Option<bool>, Query, description = "`true`: only those that were redriven, as the audit says. `false`: without those."),
        ("since" = Option<String>, Query, description = "Only what was set aside since: `2h` ago, or a time."),
        ("from" = Option<String>, Query, description = "`newest` (the default) or `oldest` first."),
        ("limit" = Option<usize>, Query, description = "Letters on a page, 1 to 1000; 50 by default. A page has some 8 MiB of values at most."),
        ("values" = Option<bool>, Query, description = "`true`: with key, value and headers. Takes the role `operator`."),
        ("after" = Option<String>, Query, description = "`next` of the page before, with the other parameters unchanged."),
    ),
    responses(
        (status = 200, description = "A page.", body = Letters),
        (status = 404, description = "`unknown-letters`: there are no such ones.", body = Document, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    Path(kind): Path<String>,
    asked: Parameters,
) -> Result<Json<Letters>, Problem> {
    asked.only(&["flow", "reason", "command", "redriven", "since", "from", "limit", "values", "after"])?;
    let kind = [Kind::Dead, Kind::Discarded].into_iter().find(|known| known.word() == kind).ok_or_else(|| {
        let detail = "there are `dead` and `discarded` letters, and no others";
        Problem::new(StatusCode::NOT_FOUND, "unknown-letters", detail)
    })?;
    let whole = values(&caller, &asked)?;
    let flow = asked.read("flow", FlowId::new)?;
    let reason = asked.one_of("reason", &kind.reasons())?;
    let look = Look::of(&shared, &format!("{} letters", kind.word()), &asked, true)?;
    let wanted = Wanted { flow, reason, command: asked.get("command").map(str::to_owned) };
    let redriven = asked.word("redriven", &[("true", Redriven::Only(true)), ("false", Redriven::Only(false))])?;
    let wanted = Asked { kind, wanted, redriven: redriven.unwrap_or(Redriven::Told) };
    let window = look.window.clone();
    let page = read(&shared, &caller, move |reads| reads.letters(&wanted, &window)).await?.page;
    let letters = page.found.iter().map(|listed| ShownLetter::of(listed, whole)).collect();
    Ok(Json(Letters { letters, looked: look.looked(page.progress, page.next) }))
}
