//! Bodies that are JSON.

use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::Problem;
use crate::schema::body::Fault;

/// Refuses a body of another kind. A page of somebody else can send that kind without asking us first, and JSON it cannot.
///
/// # Errors
/// 415.
pub(super) fn is_it(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let detail = "send the body as JSON, with `Content-Type: application/json`";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail).with("field", "Content-Type".into()))
}

/// # Errors
/// 415; 400 if it is no JSON; 422 if it is JSON of another form.
pub(super) fn read<'a, T: Deserialize<'a>>(headers: &HeaderMap, body: &'a [u8]) -> Result<T, Problem> {
    is_it(headers)?;
    serde_json::from_slice(body).map_err(|error| match error.is_data() {
        false => not_json(&error.to_string()),
        true => {
            let detail = error.to_string();
            // Serde names the field where it is unknown or missing.
            let name = ["unknown field `", "missing field `"].iter().find_map(|start| detail.strip_prefix(start));
            let name = name.and_then(|rest| rest.split('`').next()).unwrap_or_default().to_owned();
            wrong_field(&name, detail)
        }
    })
}

pub(super) fn not_json(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "not-json", format!("the body is not what it has to be: {detail}"))
}

/// A field that is not what it has to be; empty: it is not known which.
pub(super) fn wrong_field(field: &str, detail: impl Into<String>) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-field", detail);
    if field.is_empty() { problem } else { problem.with("field", field.into()) }
}

/// What is wrong with an order. `within`: where it stands in the body, such as `commands[3].`
pub(super) fn fault(fault: Fault, within: &str) -> Problem {
    match fault {
        Fault::NotJson(detail) => not_json(&detail),
        Fault::Field { name, detail } => wrong_field(&format!("{within}{name}"), format!("{within}{detail}")),
    }
}
