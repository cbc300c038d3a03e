//! All flows in one answer, a line each: written piece by piece as it is read, so that it takes no memory of its own.

use std::ops::Bound;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::Problem;
use super::page::Filter;
use super::pulse::Streamed;
use super::view::{FlowView, NDJSON, not_yet};
use crate::flow::FlowId;
use crate::instance::Board;

/// Flows that are looked at for one piece: nobody else is served meanwhile.
const PIECE: usize = 100;

/// Flows that come and go while it is written are in it or not.
///
/// # Errors
/// 503 until all flows were read.
pub(super) fn all(board: Arc<Board>, filter: Filter) -> Result<Response, Problem> {
    board.flows(|_| ()).map_err(not_yet)?;
    let pieces = stream::unfold(Some(Bound::Unbounded), move |from| {
        let piece = from.map(|from| piece(&board, &filter, from));
        std::future::ready(piece.map(|(text, next)| (Ok::<_, std::convert::Infallible>(Bytes::from(text)), next)))
    });
    let mut answer = ([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(pieces)).into_response();
    answer.extensions_mut().insert(Streamed);
    Ok(answer)
}

/// The lines of some flows, and where to go on; `None`: there are no more.
fn piece(board: &Board, filter: &Filter, from: Bound<FlowId>) -> (String, Option<Bound<FlowId>>) {
    let written = board.flows(|flows| {
        let (mut text, mut last) = (String::new(), None);
        for (id, kept) in flows.known.range((from, Bound::Unbounded)).take(PIECE) {
            if filter.wants(id, kept) {
                let view = FlowView::of(id, kept, flows.as_of(), board);
                text.push_str(&serde_json::to_string(&view).unwrap_or_default());
                text.push('\n');
            }
            last = Some(Bound::Excluded(id.clone()));
        }
        (text, last)
    });
    // What was complete once stays so.
    written.unwrap_or_default()
}
