//! Errors as problem documents (RFC 9457).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// What went wrong with a request.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    fields: Map<String, Value>,
}

impl Problem {
    /// `kind` is one of a few words for machines; `detail` a sentence for people.
    #[must_use]
    pub fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let fields = [
            ("type", format!("urn:flowgate:problem:{kind}").into()),
            ("title", title.into()),
            ("status", status.as_u16().into()),
            ("detail", detail.into().into()),
        ];
        let fields = fields.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect();
        Self { status, fields }
    }

    /// Adds a field of this kind of problem.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// As the last answer of a connection, where there is no request that axum could answer.
    pub(super) fn on_the_wire(&self) -> Vec<u8> {
        let body = self.body();
        let (status, length) = (self.status, body.len());
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {KIND}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }

    fn body(&self) -> String {
        serde_json::to_string(&self.fields).unwrap_or_default()
    }
}

const KIND: &str = "application/problem+json";

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, KIND)], self.body()).into_response()
    }
}
