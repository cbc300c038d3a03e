//! Goal: what `schemas/` promises to others is what the code does, and neither can change without the other.
//!
//! Method: every example is judged twice, by its JSON Schema and by the code, and both must say what the name of its
//! file says ([`examples`]); whatever the code writes is valid by the schema and reads back as it was, with the fields
//! of others in it ([`documents`], [`records`]); the names of topics, headers and reasons in `asyncapi.yaml` are those of the code
//! ([`asyncapi`]).

#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod asyncapi;
mod documents;
mod examples;
mod generate;
mod records;

use std::path::{Path, PathBuf};

use jsonschema::{Registry, Validator};
use serde_json::Value;

/// The kinds of document that have a schema.
const KINDS: [&str; 6] = ["event", "command", "flow-state", "partition-record", "audit-event", "redriven"];

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn schema(kind: &str) -> Value {
    let text = std::fs::read(schemas().join(format!("{kind}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The schema of a kind, with formats checked and references to the other kinds resolved.
fn validator(kind: &str) -> Validator {
    let all = KINDS.map(|kind| (format!("flowgate:/schemas/{kind}.json"), schema(kind)));
    let registry = all.into_iter().fold(Registry::new(), |registry, (uri, schema)| registry.add(uri, schema).unwrap());
    let registry = registry.prepare().unwrap();
    let options = jsonschema::options().should_validate_formats(true).offline();
    options.with_registry(&registry).build(&schema(kind)).unwrap()
}

#[test]
fn every_schema_is_one() {
    for kind in KINDS {
        let schema = schema(kind);
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{kind}");
        assert_eq!(schema["$id"], format!("flowgate:/schemas/{kind}.json"), "references between files go by it");
        validator(kind);
    }
}
