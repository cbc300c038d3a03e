//! `POST /api/v1/session` logs a browser in, `DELETE` logs it out.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Caller, unauthorized};
use super::cross_site::{self, Proof};
use super::guard::challenge;
use super::json;
use super::problem::Document;
use super::session::{cookie, set_cookie};
use super::whoami::WhoAmI;
use super::{Problem, Shared};
use crate::clock;

pub(super) fn begins() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(begin))
}

pub(super) fn ends() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(end))
}

/// A token to log in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    token: String,
}

/// Logs in.
///
/// Exchanges a token for a session: an HttpOnly, SameSite=Strict cookie that lasts 15 minutes. Answers to whoever goes on asking bring a
/// new one (`Set-Cookie`) when less than half of that is left, until 12 hours after the login.
#[utoipa::path(
    post,
    path = "/api/v1/session", operation_id = "logIn",
    tag = "access",
    security(()),
    request_body = Login,
    responses(
        (status = 200, description = "Logged in; `Set-Cookie` has the session.", body = WhoAmI),
        (status = 401, description = "`unauthorized`: the token is not known.", body = Document, content_type = "application/problem+json"),
    ),
)]
async fn begin(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    cross_site::check(&Method::POST, &headers, Proof::NotNeeded)?;
    let login: Login = json::read(&headers, &body)?;
    let Some(token) = shared.access.known(&login.token) else {
        return Ok(challenge(unauthorized("the token is not known; send one of `http_tokens`")));
    };
    // A browser that has come by TLS, whoever ended that, says so.
    let is_secure =
        shared.is_tls || headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let sessions = &shared.access.sessions;
    // The browser had another one: answers under way must not bring that back.
    cookie(&headers).into_iter().for_each(|sealed| sessions.end(sealed));
    let session = sessions.begin(&token, is_secure, clock::now())?;
    let new = set_cookie(&sessions.sealed(&session), session.left(), is_secure)?;
    let whoami = WhoAmI::new(&shared, &token.name, token.role);
    Ok(([(header::SET_COOKIE, new)], Json(whoami)).into_response())
}

/// Logs out.
///
/// On this instance no cookie of the session is taken any more, and the events that it follows end. Where several instances have the same
/// `http_secret` the others are not told: there a cookie that somebody has copied is good until it ends, 15 minutes at most, and the
/// session for whoever goes on asking there until 12 hours after the login. A new `http_secret`, or another token in `http_tokens`, ends
/// it everywhere.
#[utoipa::path(delete, path = "/api/v1/session", operation_id = "logOut", tag = "access", responses(
    (status = 204, description = "The session has ended on this instance, and the browser forgets it."),
))]
async fn end(State(shared): State<Shared>, _: Caller, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(sealed) = cookie(&headers) {
        shared.access.sessions.end(sealed);
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie("", Duration::ZERO, false)?)]).into_response())
}
