//! The bytes of a connection, between its stream and hyper: what passes tells what the connection is doing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Problem;
use super::pulse::{Doing, Pulse};
use super::tls::Stream;
use crate::metrics::{Metrics, Refused};

pub(super) struct Wire {
    stream: Stream,
    pulse: Arc<Pulse>,
    metrics: Metrics,
}

impl Wire {
    pub fn new(stream: Stream, pulse: Arc<Pulse>, metrics: Metrics) -> Self {
        Self { stream, pulse, metrics }
    }

    /// The last word on a connection, past hyper. Nobody waits until it has arrived.
    pub fn say(&mut self, problem: &Problem) {
        self.stream.say(&problem.on_the_wire());
    }

    /// What hyper cannot read it answers by itself, with a status and no body. A problem document goes out instead.
    /// `false`: these bytes are of an answer of ours, or may be, where the connection is to give way.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        if !matches!(self.pulse.beat().doing, Doing::Idle | Doing::Asking) {
            return false;
        }
        let status = bytes.get(9..12).and_then(|digits| StatusCode::from_bytes(digits).ok());
        let (refused, problem) = unreadable(status.unwrap_or(StatusCode::BAD_REQUEST), self.stream.is_tls());
        self.metrics.http_refused(refused);
        self.say(&problem);
        true
    }
}

fn unreadable(status: StatusCode, is_tls: bool) -> (Refused, Problem) {
    match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => {
            let detail = "the request line and the headers are more than is read here; send fewer or shorter ones";
            (Refused::LargeHeaders, Problem::new(status, "headers-too-large", detail))
        }
        _ => {
            let detail = match is_tls {
                true => "this is no HTTP/1.1 request; HTTP/2 is not spoken here",
                false => "this is no HTTP/1.1 request; TLS and HTTP/2 are not spoken here",
            };
            (Refused::Malformed, Problem::new(status, "malformed-request", detail))
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        if into.filled().len() > before {
            self.pulse.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let taken = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.pulse.moved();
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.replaces(slices.first().map_or(&[], |first| first)) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let taken = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        self.pulse.moved();
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper calls this when its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.pulse.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The body of an answer. hyper drops it when it has taken the last piece.
pub(super) struct Answer {
    body: Body,
    pulse: Arc<Pulse>,
}

impl Answer {
    pub fn new(body: Body, pulse: Arc<Pulse>) -> Self {
        Self { body, pulse }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.pulse.written();
    }
}
