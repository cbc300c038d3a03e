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
    /// What the objects were that come and go while the document stays.
    whose: Vec<Whose>,
}

/// An object of a document that another one may take the place of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whose {
    /// The fields on the way to it.
    pub path: &'static [&'static str],
    /// What it is, as text; `None`: there is none.
    pub name: Option<String>,
}

impl Unknown {
    pub(super) fn new(fields: Map<String, Value>, whose: impl FnOnce() -> Vec<Whose>) -> Self {
        let whose = if fields.is_empty() { Vec::new() } else { whose() };
        Self { fields, whose }
    }

    /// The objects of the document are these now: what was unknown in those that stood in their places is forgotten.
    pub(super) fn keep_only(&mut self, whose: impl FnOnce() -> Vec<Whose>) {
        if self.fields.is_empty() {
            return;
        }
        let whose = whose();
        for now in &whose {
            if !self.whose.contains(now) {
                self.forget(now.path);
            }
        }
        self.whose = whose;
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Forgets what was unknown in an object of the document.
    fn forget(&mut self, path: &[&str]) {
        let Some((name, way)) = path.split_last() else { return };
        let within = way.iter().try_fold(&mut self.fields, |fields, name| fields.get_mut(*name)?.as_object_mut());
        if let Some(fields) = within {
            fields.remove(*name);
        }
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
