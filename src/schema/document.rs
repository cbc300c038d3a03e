//! Documents that the gate rewrites, with what others or newer gates put into them.

use serde::Serialize;
use serde_json::{Map, Value};

use super::json::json;

/// A document and the fields in it that this gate does not know: they are kept when it is written again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document<T> {
    pub body: T,
    pub unknown: Unknown,
}

impl<T> Document<T> {
    /// A document that was never read.
    pub fn new(body: T) -> Self {
        Self { body, unknown: Unknown::default() }
    }
}

/// Fields of a document that this gate does not know, at every level of objects. They live as long as the object that
/// they stand in: what was unknown in a pause goes with that pause.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unknown {
    fields: Map<String, Value>,
    /// The pause that unknown fields of a pause and its drain belong to.
    pub(super) pause: Option<String>,
}

impl Unknown {
    pub(super) fn new(fields: Map<String, Value>) -> Self {
        Self { fields, pause: None }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Forgets what was unknown in a field of the document.
    pub(super) fn forget(&mut self, name: &str) {
        self.fields.remove(name);
    }

    /// The JSON of a document with these fields added; those whose object is no longer there are forgotten.
    pub(super) fn write(&mut self, body: &impl Serialize) -> Vec<u8> {
        if self.is_empty() {
            return json(body);
        }
        let mut document = serde_json::to_value(body).expect("objects with text keys always become JSON");
        if let Value::Object(known) = &mut document {
            merge(known, &mut self.fields);
        }
        json(&document)
    }
}

/// Known fields win: what is unknown is added, never put in place of something.
fn merge(known: &mut Map<String, Value>, unknown: &mut Map<String, Value>) {
    unknown.retain(|name, value| match (known.get_mut(name), value) {
        (None, value) => {
            known.insert(name.clone(), value.clone());
            true
        }
        (Some(Value::Object(known)), Value::Object(unknown)) => {
            merge(known, unknown);
            !unknown.is_empty()
        }
        (Some(_), _) => false,
    });
}
