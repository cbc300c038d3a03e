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
        // A peer that went away in the middle gets this too, and nobody reads it.
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
