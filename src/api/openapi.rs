//! The OpenAPI document: made from the paths as they are registered, with what all of them have in common added here.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::Value;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Info, License, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
    SecurityRequirement,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::problem::{Document, KIND};

/// What no path under `/api/v1` has to say of itself.
const EVERYWHERE: [(&str, &str); 7] = [
    ("400", "A parameter or a header is wrong: `bad-parameter`, `bad-host`, `malformed-request`."),
    ("401", "`unauthorized`: no token or session was sent, or one that is not known."),
    ("403", "`role-too-low`, `cross-site` or `foreign-origin`."),
    ("413", "`body-too-large`."),
    ("421", "`unknown-host`: `Host` names another server."),
    ("429", "`too-many`: wait for `Retry-After` seconds."),
    ("503", "`still-reading`, `not-ready` or `overloaded`: wait for `Retry-After` seconds."),
];

/// What no path that takes a body has to say of itself.
const OF_A_BODY: [(&str, &str); 2] =
    [("415", "`not-json`: send `Content-Type: application/json`."), ("422", "`wrong-field`, with the field.")];

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(document))
}

/// The document that the paths are added to.
pub(super) fn base() -> OpenApi {
    let mut info = Info::new("flowgate", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "The gate in front of automation flows. Times are RFC 3339, durations whole seconds in fields named `..._seconds`. \
         A flow id in a path is percent-encoded UTF-8; where the path says `*` instead, the parameter `flow` has it. That is the way \
         for `.` and `..`, which clients take for directories. Answers may gain fields."
            .to_owned(),
    );
    info.license = Some(License::new("Apache-2.0"));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of `http_tokens`."));
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description("flowgate_session", "Set by `POST /api/v1/session`."));
    let components = ComponentsBuilder::new()
        .schema_from::<Document>()
        .security_scheme("bearer", SecurityScheme::Http(bearer.build()))
        .security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    let none: [&str; 0] = [];
    let either = [SecurityRequirement::new("bearer", none), SecurityRequirement::new("cookie", none)];
    OpenApiBuilder::new().info(info).components(Some(components.build())).security(Some(either)).build()
}

/// The text of the document: with what all paths answer, and the schemas that stand in files.
pub(super) fn complete(mut document: OpenApi) -> String {
    for (path, item) in &mut document.paths.paths {
        if !path.starts_with("/api/v1") {
            continue;
        }
        let operations = [&mut item.get, &mut item.post, &mut item.delete].into_iter().filter_map(Option::as_mut);
        for operation in operations {
            let of_a_body = if operation.request_body.is_some() { &OF_A_BODY[..] } else { &[] };
            for (status, description) in EVERYWHERE.iter().chain(of_a_body) {
                let answers = &mut operation.responses.responses;
                answers.entry((*status).to_owned()).or_insert_with(|| RefOr::T(problem(description)));
            }
        }
    }
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["components"]["schemas"]["FlowState"] = flow_state();
    document.to_string()
}

fn problem(description: &str) -> utoipa::openapi::Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(KIND, content).build()
}

/// The state of a flow as `schemas/flow-state.json` has it.
fn flow_state() -> Value {
    let mut schema: Value = serde_json::from_str(include_str!("../../schemas/flow-state.json")).unwrap_or_default();
    if let Some(fields) = schema.as_object_mut() {
        fields.retain(|name, _| !["$schema", "$id"].contains(&name.as_str()));
    }
    lead(&mut schema, "#/$defs/", "#/components/schemas/FlowState/$defs/");
    schema
}

/// Has references lead to where a schema stands here.
fn lead(schema: &mut Value, from: &str, to: &str) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(reference) if name == "$ref" => *reference = reference.replacen(from, to, 1),
                    value => lead(value, from, to),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| lead(value, from, to)),
        _ => {}
    }
}

/// This document: OpenAPI 3.1.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "showDocument", tag = "about", responses(
    (status = 200, description = "The document.", content_type = "application/json", body = Object),
))]
async fn document(State(shared): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], shared.document.to_string())
}
