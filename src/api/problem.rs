//! Errors as problem documents (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What is wrong with a request (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes what `Problem` writes")]
pub(super) struct Document {
    /// `urn:flowgate:problem:` and a word for machines.
    r#type: String,
    /// The status in words.
    title: String,
    status: u16,
    /// What is wrong, and what would be right: a sentence for people.
    detail: String,
    /// The field of the body, or the header, that is wrong.
    field: Option<String>,
    /// The parameter that is wrong.
    parameter: Option<String>,
}

/// What went wrong with a request.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    fields: Map<String, Value>,
    /// In seconds.
    retry_after: Option<u64>,
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
        Self { status, fields, retry_after: None }
    }

    /// Adds a field of this kind of problem.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Says after how many seconds it is worth trying again.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Something panicked: its last words are in the log.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "this could not be done, for a reason that is in the log of the gate";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
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

pub(super) const KIND: &str = "application/problem+json";

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut answer = (self.status, [(header::CONTENT_TYPE, KIND)], self.body()).into_response();
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}
