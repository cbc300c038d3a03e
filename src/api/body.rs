//! Bodies of requests: read as a whole before anybody looks at them, in bounded time and memory.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::timeout;

use super::{Limits, Problem};
use crate::instance::Board;
use crate::metrics::Refused;

pub(super) async fn read(State((limits, board)): State<(Limits, Arc<Board>)>, asked: Request, next: Next) -> Response {
    let (head, body) = asked.into_parts();
    let (refused, problem) = match timeout(limits.body, to_bytes(body, limits.body_bytes)).await {
        Ok(Ok(bytes)) => return next.run(Request::from_parts(head, Body::from(bytes))).await,
        Ok(Err(error)) if is_of_the_wire(&error) => {
            let detail = "the body of the request is broken off, or is not in the chunks that were announced";
            (Refused::Malformed, Problem::new(StatusCode::BAD_REQUEST, "malformed-request", detail))
        }
        Ok(Err(_)) => {
            let detail = format!("the body is larger than {} bytes; send less, or none", limits.body_bytes);
            (Refused::LargeBody, Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail))
        }
        Err(_) => {
            let detail = "the body of the request was not complete in time; send it at once";
            (Refused::LateBody, Problem::new(StatusCode::REQUEST_TIMEOUT, "body-late", detail))
        }
    };
    board.metrics.http_refused(refused);
    let mut answer = problem.into_response();
    // The rest of the body is read by nobody, so nothing can follow it.
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Whether hyper could not read the body, rather than that it was more than we take.
fn is_of_the_wire(error: &axum::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<hyper::Error>() {
            return true;
        }
        next = error.source();
    }
    false
}
