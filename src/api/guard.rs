//! Stands before every path that is not for everybody: asks who it is, and whether the request comes from where it should.

use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::access::Caller;
use super::session::{Session, set_cookie};
use super::{Problem, Shared, cross_site};

/// An answer that took longer brings no new cookie.
const PROMPT: Duration = Duration::from_secs(1);

/// Lets in whoever may, and notes who it is.
pub(super) async fn check(State(shared): State<Shared>, mut asked: Request, next: Next) -> Response {
    let identified = shared.access.identify(asked.headers());
    let checked = identified.and_then(|(caller, proof)| {
        cross_site::check(asked.method(), asked.headers(), proof)?;
        Ok(caller)
    });
    match checked {
        Ok(caller) => {
            asked.extensions_mut().insert(caller.clone());
            let began = Instant::now();
            let mut answer = next.run(asked).await;
            let sessions = &shared.access.sessions;
            // Whoever logs out is given a cookie that ends at once. And what an answer brings that took long may come behind a
            // logout, or another login, of the same browser: the next answer renews the cookie as well.
            let may_renew = |session: &&Session| {
                !answer.headers().contains_key(header::SET_COOKIE)
                    && began.elapsed() < PROMPT
                    && !sessions.has_ended(session)
            };
            if let Some(session) = caller.renewed().filter(may_renew) {
                let sealed = sessions.sealed(session);
                match set_cookie(&sealed, session.left(), session.is_secure()) {
                    Ok(cookie) => drop(answer.headers_mut().insert(header::SET_COOKIE, cookie)),
                    Err(problem) => return problem.into_response(),
                }
            }
            // What is answered is for whoever asked, and so is a new cookie.
            answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            answer
        }
        Err(problem) => challenge(problem),
    }
}

/// A 401 says how to be let in.
pub(super) fn challenge(problem: Problem) -> Response {
    let mut answer = problem.into_response();
    if answer.status() == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer realm=\"flowgate\"");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    answer
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Only a path that is not behind `check` has none: a mistake of ours.
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::internal)
    }
}
